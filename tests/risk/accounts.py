"""Hypothesis strategies: accounts in every condition, and orders of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

from brokers.order import OrderType, Side
from risk.intent import Origin
from risk.limits import RiskLimits
from risk.view import TradingState
from tests.risk.builders import AAPL, BTC, MSFT, D, account, held, order, quote, sent, working

INSTRUMENTS = (AAPL, MSFT, BTC)
sides = st.sampled_from(list(Side))
prices = st.decimals(D(50), D(200), places=2)


def lots(instrument, low=1, high=3000):
    return st.integers(low, high).map(lambda count: count * instrument.lot)


@st.composite
def open_orders(draw):
    instrument = draw(st.sampled_from(INSTRUMENTS))
    return working(
        draw(sides),
        draw(lots(instrument)),
        instrument,
        draw(st.none() | prices),
        uncertain=draw(st.booleans()),
    )


@st.composite
def accounts(draw):
    holdings = [held(draw(lots(each, -2000, 2000)), each, draw(prices)) for each in INSTRUMENTS]
    symbols = [each.symbol for each in INSTRUMENTS]
    return account(
        *holdings,
        cash=draw(st.decimals(D(-(10**5)), D(10**6), places=2)),
        equity=draw(st.decimals(D(1), D(10**6), places=2)),
        working=tuple(draw(st.lists(open_orders(), max_size=6))),
        submissions=tuple(draw(st.lists(st.builds(sent, age=st.sampled_from([0.0, 0.5, 5.0])), max_size=6))),
        quotes={symbol: quote(symbol, draw(prices), age=draw(st.sampled_from([0, 0, 0, 60]))) for symbol in symbols},
        daily_volume={symbol: D(draw(st.integers(0, 10**6))) for symbol in symbols},
        states={"strategy:a": draw(st.sampled_from([*TradingState, TradingState.ACTIVE]))},
    )


@st.composite
def orders(draw):
    instrument = draw(st.sampled_from(INSTRUMENTS))
    kind = draw(st.sampled_from(list(OrderType)))
    side = draw(sides)
    quantity = draw(lots(instrument))
    share = draw(lots(instrument, -5000, 5000))
    near = st.decimals(D(90), D(110), places=2)
    return order(
        side,
        quantity,
        instrument,
        allocations={"a": share, "b": quantity * side.sign - share},
        type=kind,
        limit_price=draw(near) if kind.has_limit else None,
        stop_price=draw(near) if kind.has_stop else None,
        origin=draw(st.sampled_from(list(Origin))),
        reduce_only=draw(st.booleans()),
    )


@st.composite
def limits(draw):
    percent = st.integers(1, 300).map(D)
    return RiskLimits(
        max_order_value_percent=draw(percent),
        max_order_value=draw(st.integers(100, 10**6)),
        max_order_quantity=draw(st.none() | st.integers(1, 5000)),
        max_volume_percent=draw(st.none() | percent),
        max_position_percent=draw(percent),
        max_gross_exposure_percent=draw(percent),
        max_net_exposure_percent=draw(percent),
        min_free_balance_percent=draw(st.none() | st.integers(0, 20)),
        max_open_orders=draw(st.integers(1, 8)),
    )
