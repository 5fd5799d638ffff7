"""Fees, average prices, and conservation of money and units under random orders and ticks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.errors import Rejected
from brokers.order import Fill, Liquidity, OrderType, Side, TimeInForce, VenueOrderState
from brokers.simulation.fees import Fees
from brokers.simulation.journal import Journal
from brokers.simulation.slippage import Slippage, SlippageModel
from brokers.simulation.state import Holding
from tests.brokers.rig import COIN, STOCK, Rig

D = Decimal


def test_takers_and_makers_pay_their_rates() -> None:
    rig = Rig(fees=Fees(maker=D("0.0002"), taker=D("0.001")))
    rig.tick("99.99", "100.00")
    rig.place(10)
    rig.place(10, limit="99.00")
    taker = rig.tick("99.99", "100.00")[0].fills[0]
    maker = rig.tick("98.00", "98.01")[0].fills[0]
    assert (taker.fee, maker.fee) == (D(1), D("0.198"))
    assert rig.cash == 100_000 - 1000 - 1 - 990 - D("0.198")


def test_a_minimum_fee_is_paid_once_an_order_however_it_fills() -> None:
    rig = Rig(fees=Fees(taker=D("0.001"), minimum=D("1.5")))
    rig.tick("99.99", "100.00")
    rig.place(30)
    fees = [rig.tick("99.99", "100.00", volume=100)[0].fills[0].fee for _ in range(3)]
    assert fees == [D("1.5"), D("0.5"), D(1)]


def test_a_maker_rebate_is_a_negative_fee() -> None:
    rig = Rig(fees=Fees(maker=D("-0.0001")))
    rig.place(10, limit="99.00")
    rig.tick("99.99", "100.00")
    assert rig.tick("98.00", "98.01")[0].fills[0].fee == D("-0.099")


def test_fees_are_rounded_up_to_eight_decimals() -> None:
    fees = Fees(taker=D("0.000333"))
    assert fees.charge(fees.due(D("0.0001"), D(1), Liquidity.TAKER), D(0), D("0.0001")) == D("0.00000004")


def test_the_average_price_weights_entries_and_survives_exits_and_flips() -> None:
    held = Holding(STOCK).after(D(10), D(100)).after(D(30), D(104))
    assert (held.quantity, held.average_price) == (40, 103)
    assert held.after(D(-10), D(500)).average_price == 103
    assert held.after(D(-40), D(500)) == Holding(STOCK)
    assert held.after(D(-50), D(90)) == Holding(STOCK, D(-10), D(90), D(-900))


def test_a_multiplier_counts_in_money() -> None:
    future = replace(STOCK, multiplier=D(50))
    rig = Rig()
    rig.venue._instruments = {"ACME": future}
    rig.tick("99.99", "100.00")
    rig.place(2)
    rig.tick("99.99", "100.00")
    assert rig.cash == 90_000


prices = st.integers(100, 20_000).map(lambda cents: D(cents) / 100)
signed = st.integers(-300, 300).filter(bool)
ticks = st.tuples(
    st.just("tick"),
    prices,
    st.integers(1, 50),
    st.one_of(st.none(), st.integers(0, 3000)),
    st.sampled_from([timedelta(seconds=1), timedelta(hours=9), timedelta(0)]),
    st.sampled_from([False, False, False, True]),
)
orders = st.tuples(
    st.just("order"),
    signed,
    st.sampled_from(OrderType),
    prices,
    prices,
    st.sampled_from(TimeInForce),
    st.booleans(),
)
edits = st.tuples(st.just("edit"), st.integers(0, 10), st.sampled_from(["cancel", "quantity", "limit"]), prices)
scripts = st.lists(st.one_of(ticks, ticks, orders, edits), max_size=30)
venues = st.fixed_dictionaries(
    {
        "fees": st.builds(
            Fees,
            st.sampled_from([D("-0.0001"), D(0), D("0.000777")]),
            st.sampled_from([D(0), D("0.00133")]),
            st.sampled_from([D(0), D("1.01")]),
        ),
        "slippage": st.builds(Slippage, st.sampled_from(SlippageModel), st.sampled_from([D(0), D("0.5"), D(3)])),
        "shorting": st.booleans(),
        "leverage": st.sampled_from([D(1), D(1), D(4)]),
        "initial_cash": st.sampled_from([D(1000), D(20_000)]),
    }
)


def play(rig: Rig, script: list[tuple]) -> None:
    """Run a script; what is refused is refused."""
    for step in script:
        try:
            _step(rig, step)
        except Rejected:
            continue


def _step(rig: Rig, step: tuple) -> None:
    match step:
        case ("tick", price, spread, volume, after, halted):
            rig.tick(price, price + D(spread) / 100, price, volume=volume, after=after, halted=halted)
        case ("order", quantity, kind, limit, stop, tif, reduce_only):
            rig.place(quantity, **_prices(rig, kind, limit, stop, tif), tif=tif, reduce_only=reduce_only)
        case ("edit", number, "cancel", _):
            rig.cancel(f"o{number}")
        case ("edit", number, "quantity", price):
            rig.modify(f"o{number}", quantity=int(price))
        case ("edit", number, "limit", price):
            rig.modify(f"o{number}", limit=price)


def _prices(rig: Rig, kind: OrderType, limit: D, stop: D, tif: TimeInForce) -> dict:
    """The prices and the time of expiry that such an order needs."""
    prices = {"profit" if kind.takes_profit else "stop": stop if kind.has_stop else None}
    prices |= {"limit": limit if kind.has_limit else None, "trail": stop if kind.is_trailing else None}
    return prices | ({"expires_at": rig.now + timedelta(hours=12)} if tif is TimeInForce.GTD else {})


def fills_of(rig: Rig) -> list[Fill]:
    return [execution.fill for execution in rig.journal.executions()]


@given(venues, scripts)
@settings(max_examples=60, deadline=None)
def test_money_and_units_are_conserved_exactly(terms: dict, script: list[tuple]) -> None:
    """cash = initial - signed notional - fees; holding = signed fills; filled = fills of the order <= quantity."""
    rig = Rig(**terms)
    play(rig, script)
    fills = fills_of(rig)
    assert rig.cash == rig.terms.initial_cash - sum(f.signed_quantity * f.price + f.fee for f in fills)
    assert rig.position() == sum(f.signed_quantity for f in fills)
    assert len({fill.fill_id for fill in fills}) == len(fills)
    for number in range(1, rig.count + 1):
        order = rig.journal.find(f"o{number}")
        if order is not None:
            mine = [f.quantity for f in fills if f.client_order_id == order.id]
            assert sum(mine) == order.filled <= order.request.quantity
            assert (order.state is VenueOrderState.FILLED) == (order.filled == order.request.quantity)
            assert order.state.is_open == (order.id in rig.venue.state.orders)


@given(venues, scripts)
@settings(max_examples=60, deadline=None)
def test_an_account_never_exceeds_its_means_by_a_fill(terms: dict, script: list[tuple]) -> None:
    """Without leverage cash is never negative; without shorting no holding is."""
    rig = Rig(**{**terms, "leverage": D(1), "shorting": False})
    for step in script:
        play(rig, [step])
        assert rig.cash >= 0
        assert rig.position() >= 0
        balance = rig.venue.account("x", rig.now).balances["USD"]
        assert balance.total == balance.free + balance.locked
        assert 0 <= balance.locked <= balance.total


@given(venues, scripts)
@settings(max_examples=60, deadline=None)
def test_no_fill_is_better_than_the_market_or_beyond_the_limit(terms: dict, script: list[tuple]) -> None:
    """Also no fill before its order, on a halted tick, or beyond the tick's share of volume."""
    rig = Rig(**terms)
    for step in script:
        known = len(fills_of(rig))
        play(rig, [step])
        new = fills_of(rig)[known:]
        assert not new or step[0] == "tick"
        tick = rig.venue.state.ticks.get("ACME")
        for fill in new:
            assert not tick.halted
            assert fill.at == tick.at
            order = rig.journal.find(fill.client_order_id)  # None for the venue's own, a liquidation
            assert (order is None) == (fill.client_order_id == "")
            assert order is None or order.placed_at < tick.at
            _assert_honest(fill, order and order.request.limit_price, tick.bid, tick.ask)
        if new and tick.volume is not None:
            assert sum(fill.quantity for fill in new) <= tick.volume * rig.terms.max_participation


def _assert_honest(fill: Fill, limit: Decimal | None, bid: Decimal, ask: Decimal) -> None:
    sign = fill.side.sign
    touch = ask if fill.side is Side.BUY else bid
    assert sign * (fill.price - touch) >= 0
    if limit is not None:
        assert sign * (limit - fill.price) >= 0
        assert sign * (limit - touch) >= 0
    if fill.liquidity is Liquidity.MAKER:
        assert fill.price == limit
        assert sign * (limit - touch) > 0


@given(venues, scripts)
@settings(max_examples=60, deadline=None)
def test_the_same_orders_and_ticks_give_the_same_state_and_repeats_change_nothing(
    terms: dict, script: list[tuple]
) -> None:
    one, two = Rig(**terms), Rig(**terms)
    play(one, script)
    for step in script:
        play(two, [step])
        if step[0] == "tick":
            play(two, [("tick", D(1), 1, None, timedelta(0), False)])  # an old tick, with another price
    assert one.venue.state == two.venue.state
    assert one.journal.executions() == two.journal.executions()


@given(terms=venues, script=scripts)
@settings(max_examples=60, deadline=None)
def test_the_state_after_reopening_is_the_state_before(tmp_path_factory, terms: dict, script: list[tuple]) -> None:
    path = tmp_path_factory.mktemp("journal") / "paper.sqlite3"
    cash = terms["initial_cash"]
    rig = Rig(Journal(path, currency="USD", initial_cash=cash), **terms)
    play(rig, script)
    before, executions = rig.venue.state, rig.journal.executions()
    rig.journal.close()
    again = Journal(path, currency="USD", initial_cash=cash * 2)
    assert again.load() == before
    assert list(again.load().orders) == list(before.orders)
    assert again.executions() == executions
    again.close()


@pytest.mark.parametrize("parts", [1, 7])
def test_tiny_steps_and_big_numbers_stay_exact(parts: int) -> None:
    """40 digits: far more than the default decimal context keeps."""
    tiny = replace(COIN, tick=D("0.00000001"), lot=D("0.00000001"))
    opening = D("123456789012345678901234.12345678")
    rig = Rig(initial_cash=opening, fees=Fees(taker=D("0.00123456789")))
    rig.venue._instruments = {"BTC": tiny}
    for _ in range(parts):
        rig.tick("98765.43210986", "98765.43210987", symbol="BTC")
        rig.place("1234.56789123", instrument=tiny)
    rig.tick("98765.43210986", "98765.43210987", symbol="BTC")
    with localcontext(prec=60):
        assert rig.cash == opening - sum(f.quantity * f.price + f.fee for f in fills_of(rig))
        assert rig.position("BTC") == parts * D("1234.56789123")
