"""Short ways to say what an account looks like and what somebody wants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.instrument import AssetClass, Instrument
from brokers.market import Quote
from brokers.order import Side
from risk.gate import RiskGate
from risk.intent import OrderIntent, Origin
from risk.limits import RiskLimits
from risk.rule import all_rules
from risk.verdict import Denied
from risk.view import Holding, PortfolioView, Submission, WorkingOrder

D = Decimal
NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
AAPL = Instrument("AAPL", "USD")
MSFT = Instrument("MSFT", "USD")
BTC = Instrument("BTC/USD", "USD", AssetClass.CRYPTO, lot=D("0.001"), min_quantity=D("0.002"), min_notional=D(50))
WIDE = RiskLimits(
    max_order_value_percent=1000,
    max_order_value=10**9,
    max_volume_percent=1000,
    price_collar_percent=5,
    max_position_percent=1000,
    max_gross_exposure_percent=1000,
    max_net_exposure_percent=1000,
    min_free_balance_percent=None,
)
"""Limits that nothing here reaches, but for the collar: a test narrows the one that it is about."""


def wide(**changes):
    return RiskLimits.model_validate(WIDE.model_dump() | changes)


def quote(symbol="AAPL", price="100", *, age=0, **changes):
    at = NOW - timedelta(seconds=age)
    values = {"bid": D(price), "ask": D(price), "last": D(price)} | changes
    return Quote(symbol, at=at, **values)


def held(quantity, instrument=AAPL, mark="100"):
    return Holding(instrument, D(quantity), None if mark is None else D(mark))


def working(side, quantity, instrument=AAPL, price=None, **changes):
    price = None if price is None else D(price)
    values = {"client_order_id": "w", "instrument": instrument} | changes
    return WorkingOrder(symbol=instrument.symbol, side=side, remaining=D(quantity), price=price, **values)


def sent(strategy="trend", quantity="10", *, age=0.0, side=Side.BUY, symbol="AAPL", price=None):
    at = NOW - timedelta(seconds=age)
    return Submission(at, strategy, symbol, side, D(quantity), None if price is None else D(price))


def account(*holdings, **changes):
    """100,000 USD, AAPL and MSFT at 100, a million traded a day. Submissions are put in the order of time."""
    values = {
        "account": "paper",
        "currency": "USD",
        "at": NOW,
        "cash": D(100_000),
        "equity": D(100_000),
        "day_start_equity": D(100_000),
        "peak_equity": D(100_000),
        "holdings": {each.instrument.symbol: each for each in holdings},
        "quotes": {symbol: quote(symbol) for symbol in ("AAPL", "MSFT", "BTC/USD")},
        "daily_volume": dict.fromkeys(("AAPL", "MSFT", "BTC/USD"), D(1_000_000)),
    }
    submissions = tuple(sorted(changes.pop("submissions", ()), key=lambda each: each.at))
    return PortfolioView(**values | changes, submissions=submissions)


def order(side, quantity, instrument=AAPL, **changes):
    quantity = D(quantity) if isinstance(quantity, str | int) else quantity
    values = {"account": "paper", "at": NOW, "origin": Origin.STRATEGY} | changes
    if "allocations" not in values:
        values["allocations"] = {"trend": quantity * side.sign}
    return OrderIntent(instrument=instrument, side=side, quantity=quantity, **values)


def buy(quantity, instrument=AAPL, **changes):
    return order(Side.BUY, quantity, instrument, **changes)


def sell(quantity, instrument=AAPL, **changes):
    return order(Side.SELL, quantity, instrument, **changes)


def ask(code, intent, view, limits=WIDE):
    """What one rule says, through the gate, so that a rule that raises denies."""
    (found,) = (each for each in all_rules() if each.code == code)
    answer = RiskGate(limits, (found,)).review(intent, view)
    return answer if isinstance(answer, Denied) else None


def assert_denied(code, intent, view, limits=WIDE, *, largest):
    """The rule denies, offers `largest`, lets exactly that pass and not one lot more."""
    denied = ask(code, intent, view, limits)
    assert denied is not None, f"{code} lets {intent.quantity} pass"
    assert denied.code == code
    assert denied.reason
    assert denied.limit
    assert denied.value
    assert denied.largest_passing == D(largest), denied
    assert_boundary(code, intent, view, limits, denied)
    return denied


def assert_boundary(code, intent, view, limits, denied):
    largest, lot = denied.largest_passing, intent.instrument.lot
    if largest <= 0:
        return
    assert ask(code, intent.resized(largest), view, limits) is None
    if largest + lot <= intent.quantity:
        assert ask(code, intent.resized(largest + lot), view, limits) is not None


def assert_passes(code, intent, view, limits=WIDE):
    assert ask(code, intent, view, limits) is None
