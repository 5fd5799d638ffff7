"""Round trips and their statistics are exact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.order import ClientOrderId, Fill, Liquidity, Side
from core.analytics.round_trips import Execution, RoundTrip, round_trips
from core.analytics.trades import trade_statistics

START = datetime(2024, 1, 1, tzinfo=UTC)
D = Decimal


def execution(
    number: int,
    signed: Decimal | int,
    price: Decimal | int,
    fee: Decimal | int = 0,
    *,
    order: str = "",
    strategy: str = "s",
    symbol: str = "X",
    multiplier: Decimal | int = 1,
) -> Execution:
    return Execution(
        strategy=strategy,
        symbol=symbol,
        order=order or f"o{number}",
        side=Side.of(D(signed)),
        quantity=abs(D(signed)),
        price=D(price),
        fee=D(fee),
        at=START + timedelta(days=number),
        multiplier=D(multiplier),
    )


def only(executions: Sequence[Execution]) -> RoundTrip:
    (trip,) = round_trips(executions)
    return trip


def test_long_and_short() -> None:
    """A long gains when the price rises, a short when it falls; fees of both ends are taken off."""
    trip = only([execution(0, 10, 100, 1), execution(3, -10, 110, 2)])
    assert trip == RoundTrip("s", "X", Side.BUY, D(10), START, START + timedelta(days=3), D(100), D(110), D(97), D(3))
    assert only([execution(0, -10, 100), execution(1, 10, 110)]).pnl == -100
    assert only([execution(0, 2, 100), execution(1, -2, 101, multiplier=50)]).pnl == 2
    assert only([execution(0, 2, 100, multiplier=50), execution(1, -2, 101, multiplier=50)]).pnl == 100


def test_partial_fills_are_one_trip() -> None:
    """However many fills two orders had, they make one trip at average prices."""
    trip = only(
        [
            execution(0, 1, 100, order="in"),
            execution(1, 3, 104, order="in"),
            execution(2, -2, 110, order="out"),
            execution(3, -2, 112, order="out"),
        ]
    )
    assert (trip.quantity, trip.entry_price, trip.exit_price, trip.pnl) == (4, 103, 111, 32)
    assert (trip.entry_at, trip.exit_at) == (START, START + timedelta(days=3))


def test_first_in_first_out() -> None:
    """What was bought first is sold first; fees go with the quantity."""
    first, second = round_trips([execution(0, 10, 100, 10), execution(1, 10, 200, 10), execution(2, -15, 300, 30)])
    assert (first.quantity, first.pnl, first.fees) == (10, 2000 - 30, 30)
    assert (second.quantity, second.pnl, second.fees) == (5, 500 - 15, 15)


def test_a_flip_closes_and_opens() -> None:
    """Selling more than is held closes the long and opens a short with the rest of the fee."""
    long, short = round_trips([execution(0, 10, 100), execution(1, -15, 110, 3), execution(2, 5, 100)])
    assert (long.side, long.pnl, long.fees) == (Side.BUY, 98, 2)
    assert (short.side, short.pnl, short.fees) == (Side.SELL, 49, 1)


def test_strategies_and_symbols_are_apart() -> None:
    """One strategy's sale does not close another's position, nor one in another symbol."""
    assert round_trips([execution(0, 1, 1), execution(1, -1, 2, strategy="t"), execution(2, -1, 2, symbol="Y")]) == ()


def test_of_a_fill() -> None:
    """A fill whose fee is not known yet counts without one."""
    fill = Fill("f", ClientOrderId("o"), "X", Side.SELL, D(2), D(5), None, "USD", Liquidity.TAKER, START)
    assert Execution.of(fill, "s") == execution(0, -2, 5, order="o")


FILLS = st.lists(
    st.tuples(
        st.decimals(-1000, 1000, places=4).filter(bool),
        st.decimals(D("0.0001"), 10**6, places=4),
        st.decimals(-10, 100, places=6),
        st.sampled_from(["a", "b", "c", "d"]),
    ),
    min_size=1,
    max_size=25,
)


@given(FILLS)
def test_once_flat_profit_is_cash(fills: list[tuple[Decimal, Decimal, Decimal, str]]) -> None:
    """Whatever the fills, once flat the sum of P&L is exactly the money that came less the money that went."""
    with localcontext() as context:
        context.prec = 60
        position = sum((signed for signed, *_ in fills), D(0))
        if position:
            fills = [*fills, (-position, D("77.7"), D("0.1234567"), "z")]
        trips = round_trips(
            [execution(n, signed, price, fee, order=order) for n, (signed, price, fee, order) in enumerate(fills)]
        )
        cash = sum((-signed * price - fee for signed, price, fee, _ in fills), D(0))
        assert sum((trip.pnl for trip in trips), D(0)) == cash
        assert sum((trip.fees for trip in trips), D(0)) == sum((fee for _, _, fee, _ in fills), D(0))


def trip(pnl: int, held: float = 1) -> RoundTrip:
    return RoundTrip("s", "X", Side.BUY, D(1), START, START + timedelta(days=held), D(1), D(1), D(pnl), D(1))


def test_statistics() -> None:
    """Each figure of a small list, worked out by hand."""
    stats = trade_statistics([trip(30), trip(-10), trip(0, held=5), trip(20)])
    assert (stats.count, stats.wins, stats.losses, stats.win_rate) == (4, 2, 1, 0.5)
    assert stats.profit_factor == pytest.approx(5)
    assert (stats.net, stats.fees, stats.average) == (40, 4, 10)
    assert (stats.average_win, stats.average_loss, stats.best, stats.worst) == (25, -10, 30, -10)
    assert stats.average_days == 2


def test_statistics_of_nothing_and_of_one_kind() -> None:
    """No trades, only winners, only losers: no division by zero."""
    nothing = trade_statistics([])
    assert (nothing.count, nothing.net) == (0, 0)
    assert nothing.win_rate is nothing.profit_factor is nothing.average is nothing.best is nothing.average_days is None
    winners, losers = trade_statistics([trip(5)]), trade_statistics([trip(-5)])
    assert (winners.win_rate, winners.profit_factor, winners.average_loss) == (1, None, None)
    assert (losers.win_rate, losers.profit_factor, losers.average_win) == (0, 0, None)
