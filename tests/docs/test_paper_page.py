"""The numbers of docs/paper-venue.md are those that the venue comes to."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from pages import DOCS, cells, read, section

from brokers.adapters.paper import PaperSettings
from brokers.instrument import Instrument, Settlement
from brokers.market import BookLevel, OrderBook
from brokers.simulation.rules import __doc__ as codes
from brokers.simulation.source import Phase
from brokers.simulation.state import NoticeKind
from tests.brokers.rig import START, Rig

PAGE = DOCS / "paper-venue.md"
D = Decimal


def venue(**settings):
    """A venue of these settings, without costs unless they say so."""
    free = {"slippage": {"model": "none"}, "fees": {"maker_bps": 0, "taker_bps": 0}, "latency_ms": 0}
    terms = PaperSettings.model_validate(free | settings).terms()
    return Rig(**{name: getattr(terms, name) for name in terms.__dataclass_fields__})


def rows(heading):
    """The table under a heading: its cells without code marks, without the header."""
    return [[cell.replace("`", "") for cell in row] for row in cells(section(PAGE, heading))[1:]]


def average(rig, order="o1"):
    fills = rig.find(order).fills
    return sum(fill.price * fill.quantity for fill in fills) / sum(fill.quantity for fill in fills)


def test_the_slippage_table():
    """A buy of 1000 when 100.00 / 100.02 is quoted and 20 000 trade: what each model makes of it."""
    told = {model: (value, price, cost) for model, value, price, cost in rows("Slippage")}
    assert set(told) == {"none", "fixed", "ticks", "percent", "square_root", "book"}
    for model, (value, price, cost) in told.items():
        slippage = {"model": model, "value": value or "0", "daily_volume": 1_000_000}
        rig = venue(slippage=slippage, initial_cash=10**6)
        rig.tick("100.00", "100.02", "100.01", volume=20_000)
        rig.place(1000)
        rig.tick("100.00", "100.02", "100.01", volume=20_000)
        assert average(rig) == D(price), model
        assert (average(rig) - D("100.01")) * 1000 == D(cost), model


def test_the_walk_of_a_real_book():
    """The fills that the page lists."""
    rig = venue()
    asks = tuple(BookLevel(D(price), D(size)) for price, size in ((101, 50), ("101.5", 100), (102, 1000)))
    book = OrderBook("ACME", (BookLevel(D(99), D(50)),), asks, START)
    rig.tick(99, 101, 100, book=book)
    rig.place(200)
    rig.tick(99, 101, 100, book=book)
    fills = [[str(fill.quantity), f"{fill.price:.2f}"] for fill in rig.find().fills]
    assert rows("The book") == fills
    assert f"average is {average(rig):.2f}" in section(PAGE, "The book")


def test_the_volume_table():
    """How long an order for 1000 takes when 4000 trade at each tick."""
    for share, first, ticks in rows("Volume"):
        rig = venue(max_participation=share, initial_cash=10**6)
        rig.tick(100, 100)
        rig.place(1000)
        sizes = []
        while rig.find().state.is_open:
            rig.tick(100, 100, volume=4000)
            sizes.append(rig.find().filled)
        assert (str(sizes[0]), str(len(sizes))) == (first, ticks)


def test_the_queue_table():
    """A buy of 20 at 99.00 behind 50: filled after each tick, by either model."""
    book = OrderBook("ACME", (BookLevel(D(99), D(50)),), (BookLevel(D(101), D(50)),), START)
    rigs = {model: venue(queue=model, max_participation=1) for model in ("through", "queue")}
    for rig in rigs.values():
        rig.tick(99, 101, 100, book=book)
        rig.place(20, limit=99)
        rig.tick(99, 101, 100, book=book)
    for what, volume, last, ask, through, queue in rows("Limit orders"):
        for rig in rigs.values():
            rig.tick(D(ask) - 2, ask, last, volume=volume)
        assert [str(rig.find().filled) for rig in rigs.values()] == [through, queue], what


def test_the_fill_modes():
    """One bar after the decision, and the price that a market buy gets in each mode."""
    for mode, price in rows("Bars"):
        rig = venue(fill_mode=mode)
        rig.at_price(99, phase=Phase.CLOSE)
        rig.place(10, tif="gtc")
        bars = [(100, Phase.OPEN), (97, Phase.PATH), (104, Phase.PATH), (103, Phase.CLOSE)]
        for last, phase in bars:
            rig.at_price(last, phase=phase)
        assert str(rig.find().fills[0].price) == price, mode


def test_the_fee_table():
    """An order of 1000 at 50.00 under each schedule."""
    schedules = {
        "10 basis points": {"taker_bps": 10},
        "a minimum of 75": {"taker_bps": 10, "minimum": 75},
        "0.005 per share, 1 to 1 %": {"taker_bps": 0, "per_unit": "0.005", "minimum": 1, "maximum_percent": 1},
        "from 40 000 in 30 days 4 basis points": {
            "taker_bps": 10,
            "tiers": [{"volume": 40_000, "maker_bps": 0, "taker_bps": 4}],
        },
    }
    told = {name: (first, second) for name, first, second in rows("Fees")}
    assert set(told) == set(schedules)
    for name, fees in schedules.items():
        rig = venue(fees=fees)
        for quantity in (1000, -1000):
            rig.tick(50, 50)
            rig.place(quantity)
            rig.tick(50, 50)
        paid = tuple(f"{execution.fill.fee:.2f}" for execution in rig.journal.executions())
        assert paid == told[name], name


def test_the_way_to_a_liquidation():
    """2000 shares on half borrowed money: equity, what keeps the position, and what the venue does."""
    rig = venue(leverage=2)
    rig.tick(100, 100, 100)
    rig.place(2000)
    rig.tick(100, 100, 100)
    words = {None: "", NoticeKind.MARGIN_CALL: "margin call", NoticeKind.LIQUIDATION: "liquidation"}
    for price, equity, needed, does in rows("Margin and liquidation"):
        before = rig.venue.state.holdings["ACME"].quantity * D(price)
        assert f"{before / 4:.0f}" == needed
        rig.tick(price, price, price)
        assert f"{rig.venue.account('x', rig.now).equity:.0f}" == equity
        assert words[rig.venue.state.told] == does
        if does == "liquidation":
            assert rig.position() == 0


def test_the_funding_example():
    """What the page says that a day costs."""
    rig = venue(funding={"ACME": {"rate_bps": 1}})
    rig.venue._instruments = {"ACME": Instrument("ACME", "USD", settlement=Settlement.MARGINED)}
    rig.tick(100, 100, 100)
    rig.place(100)
    rig.tick(100, 100, 100)
    rig.tick(100, 100, 100, after=timedelta(days=1))
    paid = 100_000 - rig.cash
    assert f"{paid:.2f} a day" in section(PAGE, "Funding and interest")


def test_every_refusal_is_listed():
    """The codes of the page are the codes of the venue."""
    known = set(re.findall(r"^    ([A-Z_]{6,}) ", codes, re.MULTILINE))
    known |= {"DUPLICATE_ORDER", "ORDER_NOT_FOUND", "ORDER_CLOSED", "QUANTITY_BELOW_FILLED"}
    assert set(re.findall(r"`([A-Z_]{6,})`", section(PAGE, "Refusals"))) == known


def test_the_page_says_what_is_not_simulated():
    """An honest page has that list, and the settings it speaks of exist."""
    assert len(re.findall(r"^- ", section(PAGE, "What is not simulated"), re.MULTILINE)) >= 8
    fields = set(PaperSettings.model_fields)
    named = {name.split(".")[0] for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)?):? ?[^`]*`", read(PAGE))}
    assert {"slippage", "depth", "queue", "max_participation", "margin", "sessions", "delays"} <= named & fields
