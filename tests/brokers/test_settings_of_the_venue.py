"""What the settings of a paper broker mean, and what is said when they are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.adapters.paper import PaperSettings
from brokers.errors import ConfigurationError, Rejected
from brokers.order import VenueOrderState
from brokers.registry import BrokerContext, BrokerFactory, validate
from brokers.simulation.source import Tick, TickSource
from brokers.simulation.state import NoticeKind
from brokers.simulation.terms import Terms
from tests.brokers.rig import START, STOCK, request

D = Decimal
ALL: dict[str, Any] = {
    "adapter": "paper",
    "other_cash": {"EUR": {"amount": 10, "rate": "1.1"}, "BNB": {"amount": 1, "symbol": "ACME"}},
    "slippage": {"model": "square_root", "value": "0.8", "daily_volatility_percent": 3, "daily_volume": 1000},
    "depth": {"levels": 3, "step_ticks": 2, "level_percent": 5},
    "fees": {
        "maker_bps": -1,
        "taker_bps": 5,
        "maximum_percent": 1,
        "tiers": [{"volume": 1000, "maker_bps": 0, "taker_bps": 4}],
        "pay_in": {"currency": "BNB", "symbol": "ACME", "discount_percent": 25},
    },
    "leverage": 5,
    "margin": {
        "initial_percent": 20,
        "brackets": [{"notional": 0, "maintenance_percent": 1}, {"notional": 1000, "maintenance_percent": 2}],
        "by_symbol": {"ACME": {"initial_percent": 50}},
        "call_percent": 150,
        "liquidation_fee_bps": 50,
    },
    "funding": {"ACME": {"rate_bps": -1, "every_hours": "0.5"}},
    "interest": {"cash_percent": 7, "short_percent": 3},
    "queue": "queue",
    "self_trade": "cancel_both",
    "fill_mode": "close",
    "latency_ms": 50,
    "delays": {"cancel_ms": 60, "modify_ms": 70, "jitter_ms": 80, "seed": 9},
    "sessions": {
        "timezone": "Europe/Berlin",
        "hours": {"mon": ["09:00-12:00", "13:00-24:00"]},
        "holidays": ["2026-12-25"],
    },
    "limits": {"max_quantity": 5, "max_notional": 500, "max_open_orders": 7, "price_band_percent": 10},
}


def test_without_settings_the_venue_is_the_plain_one_with_small_costs() -> None:
    terms = PaperSettings().terms()
    plain = Terms()
    for name in ("depth", "queue", "self_trade", "leverage", "margin", "funding", "interest", "fill_mode", "limits"):
        assert getattr(terms, name) == getattr(plain, name), name
    assert terms.fees.taker == terms.slippage.value / 10_000 == D("0.0001")
    assert terms.latency.place == timedelta(milliseconds=100)


def test_units_are_turned_into_the_engines() -> None:
    assert validate("demo", ALL) == []
    terms = PaperSettings.model_validate({key: value for key, value in ALL.items() if key != "adapter"}).terms()
    assert terms.fees.maker == D("-0.0001")
    assert (terms.fees.maximum, terms.fees.tiers[0].taker) == (D("0.01"), D("0.0004"))
    assert terms.fees.pay_in is not None
    assert terms.fees.pay_in.discount == D("0.25")
    assert (terms.slippage.impact.volatility, terms.depth.share) == (D("0.03"), D("0.05"))
    assert terms.margin.weight("ACME", D(5)) == D("2.5")
    assert terms.margin.maintenance("OTHR", D(1500), D(5)) == 10 + 10
    assert terms.margin.maintenance("ACME", D(1500), D(5)) == 375
    assert (terms.margin.call, terms.margin.liquidation_fee) == (D("1.5"), D("0.005"))
    assert (terms.funding["ACME"].rate, terms.funding["ACME"].interval) == (D("-0.0001"), timedelta(minutes=30))
    assert (terms.interest.cash, terms.interest.short, terms.limits.price_band) == (D("0.07"), D("0.03"), D("0.1"))
    assert [each.microseconds for each in (terms.latency.cancel, terms.latency.modify)] == [60_000, 70_000]
    assert terms.sessions.hours == {0: ((time(9), time(12)), (time(13), time.max))}
    assert terms.sessions.is_open(datetime(2026, 11, 16, 8, 30, tzinfo=UTC))
    assert not terms.sessions.is_open(datetime(2026, 11, 16, 11, 30, tzinfo=UTC))
    assert not terms.sessions.is_open(datetime(2026, 11, 17, 8, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"slippage": {"modle": "none"}}, "brokers.demo.slippage.modle: unknown setting; did you mean 'model'?"),
        ({"other_cash": {"EUR": {"amuont": 1}}}, "did you mean 'amount'?"),
        ({"fees": {"tiers": [{"volum": 1}]}}, "did you mean 'volume'?"),
        ({"other_cash": {"USD": {}}}, "USD is the account's own currency"),
        ({"fees": {"pay_in": {"currency": "BNB", "symbol": "X"}}}, "the account has no BNB; add it to other_cash"),
        ({"margin": {"brackets": [{"notional": 5, "maintenance_percent": 1}]}}, "brackets must begin at notional 0"),
        ({"sessions": {"timezone": "Mars/Base"}}, "is no time zone that this machine knows"),
        ({"sessions": {"hours": {"monday": []}}}, "'monday' is no weekday; known: mon, tue"),
        ({"sessions": {"hours": {"mon": ["9-17"]}}}, "'9-17' is no span of hours like 09:30-16:00"),
        ({"sessions": {"hours": {"mon": ["22:00-06:00"]}}}, "hours over midnight belong to two days"),
        ({"funding": {"ACME": {"rate_bps": 1, "every_hours": "0.01"}}}, "must be a minute or more"),
        ({"leverage": "0.5"}, "brokers.demo.leverage: Input should be greater than or equal to 1"),
        ({"max_participation": 2}, "less than or equal to 1"),
        ({"fill_mode": "best"}, "'path', 'next_open' or 'close'"),
    ],
)
def test_wrong_settings_are_named_with_their_place_and_remedy(wrong: dict[str, Any], said: str) -> None:
    (line,) = [line for line in validate("demo", {"adapter": "paper", **wrong}) if said in line]
    assert line.startswith("brokers.demo")


@pytest.mark.parametrize(
    "wrong",
    [
        {"funding": {"NOPE": {"rate_bps": 1}}},
        {"margin": {"by_symbol": {"NOPE": {}}}},
        {"other_cash": {"EUR": {"symbol": "NOPE"}}},
        {"other_cash": {"BNB": {}}, "fees": {"pay_in": {"currency": "BNB", "symbol": "NOPE"}}},
    ],
)
def test_a_symbol_that_the_market_does_not_have_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    context = BrokerContext(tmp_path, lambda: START, TickSource([STOCK]))
    with pytest.raises(ConfigurationError, match="the market has no 'NOPE'"):
        BrokerFactory(context).build("demo", {"adapter": "paper", **wrong})


async def test_a_broker_tells_margin_calls_flows_and_its_book(tmp_path: Path) -> None:
    source, clock = TickSource([STOCK]), [START]
    raw = {"adapter": "paper", "leverage": 2, "slippage": {"model": "none"}, "latency_ms": 0}
    broker: Any = BrokerFactory(BrokerContext(tmp_path, lambda: clock[0], source)).build("demo", raw)
    await broker.connect()

    def move(price: int) -> None:
        clock[0] += timedelta(seconds=1)
        source.push([Tick("ACME", D(price), D(price) + 1, D(price), clock[0], D(10**6))])

    move(100)
    await broker.place_order(request(1900))
    move(100)
    flow = await broker.transfer(D(50))
    assert list(await broker.get_cash_flows(START)) == [flow]
    with pytest.raises(Rejected, match="INSUFFICIENT_FUNDS"):
        await broker.transfer(D(-90_000))
    assert (await broker.get_orderbook("ACME", 2)).asks[1].price == D("101.01")
    move(68)
    move(60)
    notices = await broker.notices(START)
    assert [notice.kind for notice in notices] == [NoticeKind.MARGIN_CALL, NoticeKind.LIQUIDATION]
    (own,) = [order for order in await broker.get_closed_orders(START) if order.client_order_id == ""]
    assert (own.state, own.filled) == (VenueOrderState.FILLED, 1900)
    assert (await broker.get_fills(START))[-1].venue_order_id == own.venue_order_id
    await broker.disconnect()
