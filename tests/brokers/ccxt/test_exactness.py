"""No number changes on its way to a venue or back, and no answer, however odd, is anything but an answer or a failure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from brokers.adapters.binance.margin import MarginDialect
from brokers.adapters.binance.settings import BinanceSettings
from brokers.adapters.binance.spot import SpotDialect
from brokers.adapters.binance.usdm import UsdmDialect
from brokers.adapters.bybit import BybitDialect, BybitSettings
from brokers.adapters.coinbase import CoinbaseDialect, CoinbaseSettings
from brokers.adapters.kraken import KrakenDialect, KrakenSettings
from brokers.adapters.kucoin import KucoinDialect, KucoinSettings
from brokers.adapters.okx import OkxDialect, OkxSettings
from brokers.ccxt import markets
from brokers.ccxt.calls import KnownOrders
from brokers.ccxt.checks import check_order
from brokers.ccxt.decimals import keep_to_itself
from brokers.ccxt.dialect import Answer, Dialect
from brokers.ccxt.loading import load_errors, load_exchange_class
from brokers.ccxt.outcomes import outcome
from brokers.ccxt.parsing import Reader, Unreadable, bar_of, book_of, decimal, filled_of, quote_of
from brokers.errors import BrokerError, Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from tests.brokers.ccxt.rig import account

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIVE: dict[str, Any] = {"mode": "live"}
TICKS = ["0.01", "0.00000001", "0.5", "5", "0.1", "1", "0.00005", "0.25", "10"]
LOTS = ["0.00001", "0.00000001", "0.001", "1", "0.1", "10", "0.5"]
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True).map(ClientOrderId)


def _binance(kind: type[Any], market: str) -> Any:
    return kind(BinanceSettings(**LIVE, market=market))


DIALECTS: dict[str, Any] = {
    "spot": lambda: _binance(SpotDialect, "spot"),
    "margin": lambda: _binance(MarginDialect, "margin"),
    "usdm": lambda: _binance(UsdmDialect, "usdm"),
    "bybit": lambda: BybitDialect(BybitSettings(**LIVE)),
    "coinbase": lambda: CoinbaseDialect(CoinbaseSettings(**LIVE)),
    "kraken": lambda: KrakenDialect(KrakenSettings(**LIVE)),
    "kucoin": lambda: KucoinDialect(KucoinSettings(**LIVE)),
    "okx": lambda: OkxDialect(OkxSettings(**LIVE)),
}
# What each venue documents of a client id.
LEGAL = {
    "spot": r"[.A-Z:/a-z0-9_-]{1,36}",
    "margin": r"[.A-Z:/a-z0-9_-]{1,36}",
    "usdm": r"[.A-Z:/a-z0-9_-]{1,36}",
    "bybit": r"[A-Za-z0-9_-]{1,36}",
    "coinbase": r".{1,128}",
    "kraken": r"[A-Za-z0-9_-]{1,18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "kucoin": r"[A-Za-z0-9_-]{1,40}",
    "okx": r"[A-Za-z0-9]{1,32}",
}


@cache
def exchange_of(ccxt_id: str) -> Any:
    """Ccxt's object as ours are, without a network."""
    exchange = load_exchange_class(ccxt_id)({"options": {"defaultType": "spot"}})
    exchange.number = str
    keep_to_itself(exchange)
    return exchange


def listed(tick: str, lot: str, *, swap: bool = False) -> dict[str, Any]:
    """A market of ccxt with these steps."""
    symbol = "ABC/USDT:USDT" if swap else "ABC/USDT"
    facts = {"id": "ABCUSDT", "symbol": symbol, "base": "ABC", "quote": "USDT", "baseId": "ABC", "quoteId": "USDT"}
    steps = {"price": tick, "amount": lot, "base": "0.00000001", "quote": "0.00000001"}
    ends = {"amount": {"min": lot, "max": None}, "cost": {"min": None, "max": None}, "price": {}}
    kind = {"type": "swap" if swap else "spot", "spot": not swap, "swap": swap, "linear": swap, "contract": swap}
    more = {"settle": "USDT" if swap else None, "contractSize": "1" if swap else None, "active": True, "future": False}
    types = {
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
    }
    return {
        **facts,
        **kind,
        **more,
        "option": False,
        "inverse": False,
        "precision": steps,
        "limits": ends,
        "info": types,
    }


@given(
    st.sampled_from(TICKS),
    st.sampled_from(LOTS),
    st.integers(1, 10**10),
    st.integers(1, 10**9),
    st.sampled_from(list(Side)),
    st.sampled_from([OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT]),
    st.sampled_from(["spot", "usdm"]),
)
@example("0.00000001", "0.00000001", 1, 1, Side.BUY, OrderType.LIMIT, "spot")
@example("5", "10", 10**10, 10**9, Side.SELL, OrderType.STOP_LIMIT, "usdm")
@settings(max_examples=40, deadline=None)
def test_what_goes_over_the_wire_is_what_was_ordered(
    tick: str, lot: str, ticks: int, lots: int, side: Side, kind: OrderType, market: str
) -> None:
    """Through our call and ccxt's own way of writing it: to the last digit, without an exponent, without a float."""
    dialect = DIALECTS[market]()
    exchange = exchange_of(dialect.ccxt_id)
    raw = listed(tick, lot, swap=market == "usdm")
    exchange.set_markets([raw])
    instrument = markets.instrument_of(raw, dialect.instrument(raw).settlement)
    price, quantity = ticks * Decimal(tick), lots * Decimal(lot)
    stop = {"stop_price": price} if kind.has_stop else {}
    request = OrderRequest(
        ClientOrderId("a"), instrument, side, quantity, kind, price, time_in_force=TimeInForce.GTC, **stop
    )
    check_order(request, dialect.capabilities, {instrument.symbol: instrument})
    said = exchange.create_order_request(*dialect.place_call(request).args)
    for name, meant in (("price", price), ("quantity", quantity), ("stopPrice", price), ("triggerPrice", price)):
        if name in said:
            assert isinstance(said[name], str)
            assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", said[name])
            assert Decimal(said[name]) == meant
    assert {"price", "quantity"} <= said.keys()
    assert not any(isinstance(each, float) for each in said.values())


@given(st.sampled_from(TICKS), st.sampled_from(LOTS), st.decimals("0.000000001", 10**6, places=9), st.booleans())
@settings(deadline=None)
def test_what_does_not_fit_a_step_is_refused_and_never_rounded(
    tick: str, lot: str, number: Decimal, is_price: bool
) -> None:
    """A limit never gets dearer and a quantity never grows, because neither changes."""
    instrument = markets.instrument_of(listed(tick, lot), DIALECTS["spot"]().instrument(listed(tick, lot)).settlement)
    step = instrument.tick if is_price else instrument.lot
    assume(number % step)
    quantity, price = (instrument.lot, number) if is_price else (number, instrument.tick)
    request = OrderRequest(
        ClientOrderId("a"), instrument, Side.BUY, quantity, OrderType.LIMIT, price, time_in_force=TimeInForce.GTC
    )
    with pytest.raises(Rejected) as refused:
        check_order(request, DIALECTS["spot"]().capabilities, {instrument.symbol: instrument})
    assert refused.value.code == ("PRICE_FILTER" if is_price else "LOT_SIZE")


@pytest.mark.parametrize("venue", ["binance", "binanceusdm", "kraken", "okx", "bybit", "kucoin", "coinbase"])
def test_every_venue_tells_its_rules_in_steps(venue: str) -> None:
    """Not in places: a precision of 8 would be a tick of eight."""
    assert exchange_of(venue).precisionMode == 4


async def test_rules_in_places_are_not_taken_for_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of ccxt that changes its mind is noticed before anything is traded."""
    async with account(tmp_path, "spot") as rig:
        kind = type(rig.broker._client.exchange)
        describe = kind.describe
        monkeypatch.setattr(kind, "describe", lambda exchange: {**describe(exchange), "precisionMode": 2})
        with pytest.raises(Unavailable, match="steps"):
            await markets.Told().renew(rig.broker._client, 0)


@pytest.mark.parametrize("name", DIALECTS)
@given(order=IDS)
@settings(max_examples=30, deadline=None)
def test_our_ids_are_legal_everywhere_and_come_back(name: str, order: ClientOrderId) -> None:
    """Each is written as the venue wants it, the same in every life, and read back as ours."""
    dialect = DIALECTS[name]()
    wire = dialect.wire_id(order)
    assert re.fullmatch(LEGAL[name], wire)
    assert DIALECTS[name]().wire_id(order) == wire
    if name not in ("spot", "margin") or not dialect.revision(order):  # which `refuse` does not let pass
        assert dialect.our_id(wire) == order


@given(IDS, IDS, st.integers(1, 36**2 - 1), st.integers(0, 36**2 - 1))
def test_every_order_of_a_chain_is_told_apart(order: ClientOrderId, other: ClientOrderId, one: int, two: int) -> None:
    """Another number is another id, our id is in each, and no plain id looks like one of them."""
    dialect: SpotDialect = DIALECTS["spot"]()
    assume(not dialect.revision(order) and not dialect.revision(other))
    wire = dialect.wire_id(order, one)
    assert re.fullmatch(LEGAL["spot"], wire)
    assert (dialect.our_id(wire), dialect.revision(wire)) == (order, one)
    assert (dialect.wire_id(other, two) == wire) == ((other, two) == (order, one))


# --- what comes back ---------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1.5")
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
WHOLE: dict[str, Any] = {
    "id": "1",
    "clientOrderId": "a",
    "symbol": "ABC/USDT",
    "side": "buy",
    "amount": "2",
    "filled": "1",
    "status": "open",
    "type": "limit",
    "price": "5",
    "timestamp": 1_700_000_000_000,
    "trades": [{"id": "7", "amount": "1", "price": "5", "side": "buy", "fee": {"cost": "0", "currency": "BNB"}}],
    "info": {"status": "NEW", "type": "LIMIT"},
}
TRADE: dict[str, Any] = {**WHOLE["trades"][0], "order": "1", "symbol": "ABC/USDT", "timestamp": 1_700_000_000_000}


def spoilt(whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    """`whole` with some parts missing and some replaced by anything; or anything."""
    parts = st.dictionaries(st.sampled_from(sorted(whole)), JSON, max_size=4)
    missing = st.sets(st.sampled_from(sorted(whole)), max_size=2)
    row = st.tuples(parts, missing).map(lambda it: {k: v for k, v in {**whole, **it[0]}.items() if k not in it[1]})
    return row | JSON


@pytest.mark.parametrize("name", DIALECTS)
@given(raw=spoilt(WHOLE), trade=spoilt(TRADE))
@settings(max_examples=40, deadline=None)
def test_an_answer_is_read_or_unreadable_and_nothing_else(name: str, raw: Any, trade: Any) -> None:
    """A list for an object, a word for a number, a year of 30,000: never another error, and never a float."""
    reader = Reader(DIALECTS[name](), KnownOrders(), lambda: NOW)
    for read, given_ in ((reader.report, raw), (reader.own_fills, raw), (reader.fill, trade), (reader.order_of, raw)):
        try:
            found = read(given_)
        except Unreadable:
            continue
        if isinstance(found, OrderReport):
            assert type(found.quantity) is type(found.filled) is Decimal
            assert found.filled.is_finite()


@given(JSON, st.lists(JSON, max_size=6))
@settings(deadline=None)
def test_market_data_are_read_or_unreadable(raw: Any, row: list[Any]) -> None:
    """As for orders."""
    readers = (
        lambda: quote_of(raw, lambda: NOW),
        lambda: book_of(raw, "ABC/USDT", 5, lambda: NOW),
        lambda: bar_of("ABC/USDT", row, NOW - NOW),
    )
    for read in readers:
        try:
            read()
        except Unreadable:
            continue


@pytest.mark.parametrize("side", ["bid", "ask"])
@pytest.mark.parametrize("value", [None, "", "0", "0.00000000", "-1", "NaN"])
def test_an_empty_side_of_the_book_is_no_quote(side: str, value: str | None) -> None:
    """Zero is how venues write that nobody bids."""
    whole = {"symbol": "A/B", "bid": "1", "ask": "2", "last": "1"}
    with pytest.raises(Unreadable):
        quote_of({**whole, side: value}, lambda: NOW)


@pytest.mark.parametrize("status", ["closed", "canceled", "expired"])
def test_an_order_that_is_over_must_say_how_much_was_filled(status: str) -> None:
    """Taking "not told" for nothing would lose a position."""
    with pytest.raises(Unreadable):
        filled_of({"status": status, "filled": None})
    assert filled_of({"status": "open", "filled": None}) == 0


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_they_are_written(number: Decimal) -> None:
    """Any number of digits, with an exponent, too."""
    assert decimal(str(number)) == number


# --- outcomes ----------------------------------------------------------------------------------------------------

BODIES = JSON.map(json.dumps) | st.text(max_size=20)


def _errors() -> Iterator[type[Exception]]:
    module = load_errors()
    yield from (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OSError)
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, module.BaseError):
            yield found


ERRORS = list(_errors())


@pytest.mark.parametrize("name", DIALECTS)
@given(
    kind=st.sampled_from(ERRORS),
    status=st.sampled_from([0, 200, 400, 401, 403, 408, 409, 418, 429, 451, 500, 502, 503, 504]),
    body=BODIES,
)
@example(kind=KeyError, status=409, body='{"code":-2021,"data":{"newOrderResponse":"x","cancelResponse":[1]}}')
@example(kind=KeyError, status=400, body='{"code":-2022,"data":{"cancelResponse":"x"}}')
@settings(max_examples=40, deadline=None)
def test_every_error_is_one_of_the_ports(name: str, kind: type[Exception], status: int, body: str) -> None:
    """Of whatever class, with whatever body; and what was sent and not clearly refused is in doubt."""
    dialect: Dialect[Any] = DIALECTS[name]()
    answer = Answer(sent=True, status=status, headers={}, body=body)
    for changing in (True, False):
        found = outcome(kind("x"), answer=answer, changing=changing, dialect=dialect)
        assert isinstance(found, BrokerError)
        if not changing:
            assert not isinstance(found, Uncertain)
        elif (status in (0, 408) or status >= 500) and not any(dialect.code_of(answer)):
            assert isinstance(found, Uncertain)
        elif status == 200 and not any(dialect.code_of(answer)):
            assert isinstance(found, Uncertain), "our library's word is not the venue's"
    never = outcome(kind("x"), answer=Answer(), changing=True, dialect=dialect)
    assert not isinstance(never, Uncertain)


def test_a_body_that_is_far_too_deep_is_no_crash() -> None:
    """Python's own reader gives up on it."""
    answer = Answer(sent=True, status=200, headers={}, body="[" * 100_000)
    assert isinstance(outcome(KeyError("x"), answer=answer, changing=True, dialect=DIALECTS["spot"]()), Uncertain)


def test_the_states_of_an_order() -> None:
    """What is over and was not filled whole was cancelled."""
    reader = Reader(DIALECTS["usdm"](), KnownOrders(), lambda: NOW)
    told = {
        ("open", "0"): VenueOrderState.WORKING,
        ("open", "1"): VenueOrderState.PARTIALLY_FILLED,
        ("open", "2"): VenueOrderState.FILLED,
        ("closed", "1"): VenueOrderState.CANCELLED,
        ("canceled", "2"): VenueOrderState.FILLED,
        ("expired", "0"): VenueOrderState.EXPIRED,
        ("rejected", "0"): VenueOrderState.REJECTED,
    }
    for (status, filled), state in told.items():
        assert reader.report({**WHOLE, "status": status, "filled": filled}).state is state
