"""Walking a book, slippage by the square root, and queues; and the matching core beside an independent one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightmatchingengine.lightmatchingengine import LightMatchingEngine
from lightmatchingengine.lightmatchingengine import Side as TheirSide

from brokers.market import BookLevel, OrderBook
from brokers.order import Liquidity, Side, VenueOrderState
from brokers.simulation.book import Book, Ladder
from brokers.simulation.depth import Depth
from brokers.simulation.slippage import Impact, Slippage, SlippageModel
from brokers.simulation.source import Tick
from brokers.simulation.terms import QueueModel
from tests.brokers.rig import DAY, START, STOCK, Rig

D = Decimal


def levels(*pairs: tuple[object, int]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(D(str(price)), D(quantity)) for price, quantity in pairs)


BOOK = OrderBook(
    "ACME", levels((99, 50), ("98.5", 100), (98, 1000)), levels((101, 50), ("101.5", 100), (102, 1000)), START
)


def booked(rig: Rig, **more: object) -> list:
    """A tick with the real depth `BOOK`."""
    return rig.tick(99, 101, 100, book=BOOK, **more)


def paid(rig: Rig, order: str = "o1") -> list[tuple[Decimal, Decimal]]:
    return [(fill.price, fill.quantity) for fill in rig.find(order).fills]


# --- walking -----------------------------------------------------------------------------------------


def test_a_market_order_walks_the_real_book_level_by_level() -> None:
    rig = Rig()
    booked(rig)
    rig.place(200)
    fills = booked(rig)
    assert paid(rig) == [(101, 50), (D("101.5"), 100), (102, 50)]
    assert [report.state.value for report in fills] == ["partially_filled", "partially_filled", "filled"]
    assert {fill.liquidity for fill in rig.find().fills} == {Liquidity.TAKER}


def test_a_limit_stops_the_walk_and_the_rest_rests() -> None:
    rig = Rig()
    booked(rig)
    rig.place(200, limit="101.50")
    booked(rig)
    assert paid(rig) == [(101, 50), (D("101.5"), 100)]
    assert rig.find().remaining == 50
    (fill,) = rig.tick("101.00", "101.49")
    assert (fill.fills[0].price, fill.fills[0].liquidity) == (D("101.50"), Liquidity.MAKER)


def test_a_book_is_eaten_once_by_all_orders_of_a_tick() -> None:
    rig = Rig()
    booked(rig)
    rig.place(60)
    rig.place(60)
    booked(rig)
    assert paid(rig, "o1") == [(101, 50), (D("101.5"), 10)]
    assert paid(rig, "o2") == [(D("101.5"), 60)]


def test_what_is_beyond_the_book_waits_for_the_next_tick() -> None:
    rig = Rig(initial_cash=D(10**6))
    booked(rig)
    rig.place(2000)
    booked(rig)
    assert rig.find().filled == 1150
    booked(rig)
    assert rig.find().state is VenueOrderState.FILLED


def test_participation_bounds_the_walk_of_a_deep_book() -> None:
    rig = Rig()
    booked(rig)
    rig.place(200)
    booked(rig, volume=600)
    assert paid(rig) == [(101, 50), (D("101.5"), 10)]


def test_a_fok_that_the_book_cannot_fill_whole_leaves_it_untouched() -> None:
    rig = Rig(initial_cash=D(10**6))
    booked(rig)
    rig.place(1151, tif="fok")
    rig.place(50, oid="after")
    booked(rig)
    assert rig.find("o1").filled == 0
    assert paid(rig, "after") == [(101, 50)]


def test_slippage_comes_on_top_of_every_level() -> None:
    rig = Rig(slippage=Slippage(SlippageModel.TICKS, D(3)))
    booked(rig)
    rig.place(60)
    booked(rig)
    assert paid(rig) == [(D("101.03"), 50), (D("101.53"), 10)]


def test_the_synthetic_book_grows_linearly_from_the_touch() -> None:
    tick = Tick("ACME", D("99.98"), D("100.02"), D(100), START, D(10_000))
    asks = Depth(levels=4, step_ticks=2).side(tick, Side.BUY, STOCK)
    assert asks == levels(("100.02", 100), ("100.04", 200), ("100.06", 300), ("100.08", 400))
    bids = Depth(levels=2).side(tick, Side.SELL, STOCK)
    assert bids == levels(("99.98", 100), ("99.97", 200))


def test_walking_the_synthetic_book_costs_with_the_square_root_of_the_quantity() -> None:
    """Four times the quantity walks about twice as far: to level n there are n (n + 1) / 2 units of size."""
    depth = Depth(levels=100, share=D("0.001"))
    ends = []
    for quantity in (210, 820, 3240):
        rig = Rig(slippage=Slippage(SlippageModel.BOOK), depth=depth, max_participation=D(1), initial_cash=D(10**7))
        rig.tick("99.99", "100.00", volume=1000)
        rig.place(quantity)
        rig.tick("99.99", "100.00", volume=10_000)
        assert rig.find().remaining == 0
        ends.append(paid(rig)[-1][0])
    assert ends == [D("100.05"), D("100.12"), D("100.24")]


def test_the_synthetic_book_of_a_tick_without_volume_is_the_touch() -> None:
    rig = Rig(slippage=Slippage(SlippageModel.BOOK))
    rig.tick("99.99", "100.00")
    rig.place(500)
    rig.tick("99.99", "100.00")
    assert paid(rig) == [(100, 500)]


def test_the_market_book_can_be_asked_for_real_or_made() -> None:
    rig = Rig()
    booked(rig)
    assert rig.venue.orderbook(rig.venue.state.ticks["ACME"], 2).asks == BOOK.asks[:2]
    rig.tick("99.99", "100.01", volume=1000)
    made = rig.venue.orderbook(rig.venue.state.ticks["ACME"], 3)
    assert made.asks == levels(("100.01", 10), ("100.02", 20), ("100.03", 30))
    assert [level.price for level in made.bids] == [D("99.99"), D("99.98"), D("99.97")]


@pytest.mark.parametrize("bad", [levels((101, 5), (100, 5)), levels((101, 0)), levels((101, 5), (101, 5))])
def test_a_book_that_is_not_sorted_or_has_empty_levels_is_refused(bad: tuple) -> None:
    with pytest.raises(ValueError, match="ACME: asks"):
        Tick("ACME", D(99), D(101), D(100), START, book=replace(BOOK, asks=bad))


# --- the square root ---------------------------------------------------------------------------------


def test_the_square_root_impact_worked_by_hand() -> None:
    """1 x 2 % x sqrt(2 500 / 1 000 000) = 0.1 %: at 100 ten cents, for four times as much twenty."""
    rig = Rig(slippage=Slippage(SlippageModel.SQUARE_ROOT, D(1), Impact(D("0.02"), D(10**6))), initial_cash=D(10**7))
    rig.tick("99.99", "100.00")
    rig.place(2_500)
    rig.place(10_000)
    rig.tick("99.99", "100.00")
    assert paid(rig, "o1") == [(D("100.10"), 2_500)]
    assert paid(rig, "o2") == [(D("100.20"), 10_000)]


def test_a_later_part_of_an_order_pays_for_the_earlier_ones() -> None:
    slippage = Slippage(SlippageModel.SQUARE_ROOT, D(1), Impact(D("0.02"), D(10**6)))
    rig = Rig(slippage=slippage, initial_cash=D(10**7))
    rig.tick("99.99", "100.00")
    rig.place(10_000)
    rig.tick("99.99", "100.00", volume=25_000)
    rig.tick("99.99", "100.00")
    assert paid(rig) == [(D("100.10"), 2_500), (D("100.20"), 7_500)]


def test_without_a_set_volume_the_measured_one_counts() -> None:
    """Two days of 1 000 000, then one of nothing: 1 000 000 on the first, 950 000 after the empty one."""
    rig = Rig(slippage=Slippage(SlippageModel.SQUARE_ROOT, D(1), Impact(D("0.02"))))
    for volume in (10**6, 10**6, 0, 0):
        rig.tick("99.99", "100.00", volume=volume, after=DAY)
    assert rig.venue.state.activity["ACME"].daily == 950_000


# --- queues ------------------------------------------------------------------------------------------


def queued(**more: object) -> Rig:
    """A buy of 20 at 99, where 50 wait already."""
    rig = Rig(queue=QueueModel.QUEUE, max_participation=D(1), **more)
    booked(rig)
    rig.place(20, limit=99)
    booked(rig)
    assert rig.venue.state.orders["o1"].ahead == 50
    return rig


def test_the_queue_ahead_trades_first() -> None:
    rig = queued()
    assert rig.tick(99, 101, 99, volume=30) == []
    assert rig.venue.state.orders["o1"].ahead == 20
    (fill,) = rig.tick(99, 101, 99, volume=25)
    assert (fill.filled, fill.fills[0].price, fill.fills[0].liquidity) == (5, 99, Liquidity.MAKER)
    (fill,) = rig.tick(99, 101, 99, volume=100)
    assert fill.state is VenueOrderState.FILLED


def test_trades_elsewhere_do_not_shorten_the_queue() -> None:
    rig = queued()
    rig.tick(99, 101, 101, volume=1000)
    assert rig.venue.state.orders["o1"].ahead == 50


def test_a_trade_beyond_the_limit_means_that_the_queue_was_served() -> None:
    rig = queued()
    (fill,) = rig.tick("98.50", "99.50", "98.90", volume=100)
    assert fill.fills[0].price == 99


def test_an_unknown_queue_is_only_served_by_trading_through() -> None:
    rig = Rig(queue=QueueModel.QUEUE)
    rig.tick(99, 101, 100)
    rig.place(20, limit=99)
    rig.tick(99, 101, 100)
    assert rig.tick(99, 101, 99, volume=10**6) == []
    assert len(rig.tick(98, "98.99", 98)) == 1


def test_a_queued_order_keeps_to_the_share_of_the_volume() -> None:
    rig = Rig(queue=QueueModel.QUEUE)
    booked(rig)
    rig.place(20, limit=99)
    booked(rig)
    (fill,) = rig.tick(99, 101, 99, volume=100)
    assert fill.filled == 10


def test_asking_for_more_goes_to_the_end_of_the_queue_asking_for_less_does_not() -> None:
    rig = queued()
    rig.tick(99, 101, 99, volume=30)
    rig.modify(quantity=10)
    booked(rig)
    assert rig.venue.state.orders["o1"].ahead == 20
    rig.modify(quantity=30)
    booked(rig)
    assert rig.venue.state.orders["o1"].ahead == 50


@given(
    st.lists(st.tuples(st.sampled_from([98, 99, 100]), st.integers(0, 200), st.integers(1, 3)), min_size=1, max_size=12)
)
@settings(max_examples=80, deadline=None)
def test_the_queue_model_never_gives_more_than_the_volume_that_came_after_the_queue(ticks: list) -> None:
    """All that filled at the limit, plus what was ahead, has traded there or the market has gone through."""
    rig = queued()
    at_limit, through = 0, False
    for last, volume, spread in ticks:
        rig.tick(last, last + spread, last, volume=volume)
        through = through or last < 99
        at_limit += volume if last == 99 else 0
        if not through:
            assert rig.find().filled <= max(at_limit - 50, 0)
        assert all(fill.price == 99 for fill in rig.find().fills)


# --- the matching core beside an independent one -------------------------------------------------------

flow = st.lists(
    st.tuples(
        st.sampled_from(["limit", "limit", "limit", "market", "cancel"]),
        st.sampled_from(Side),
        st.integers(95, 105),
        st.integers(1, 40),
        st.integers(0, 30),
    ),
    max_size=60,
)


class Theirs:
    """LightMatchingEngine in our words: a trade is (maker, price, quantity)."""

    def __init__(self) -> None:
        self._engine = LightMatchingEngine()
        self._names: dict[int, str] = {}

    def submit(self, name: str, side: Side, price: int, quantity: int) -> tuple[list[tuple], int]:
        their_side = TheirSide.BUY if side is Side.BUY else TheirSide.SELL
        order, trades = self._engine.add_order("X", price, quantity, their_side)
        self._names[order.order_id] = name
        makers = [t for t in trades if t.order_id != order.order_id]
        return [(self._names[t.order_id], t.trade_price, t.trade_qty) for t in makers], order.order_id

    def cancel(self, order_id: int) -> int:
        left = self._engine.order_books["X"].order_id_map[order_id].leaves_qty
        self._engine.cancel_order(order_id, "X")
        return left

    def depth(self, side: Side) -> list[tuple[int, int]]:
        book = self._engine.order_books.get("X")
        ladder = {} if book is None else (book.bids if side is Side.BUY else book.asks)
        sums = {price: sum(order.leaves_qty for order in queue) for price, queue in ladder.items()}
        return sorted(sums.items(), reverse=side is Side.BUY)


@given(flow)
@settings(max_examples=100, deadline=None)
def test_price_time_matching_agrees_with_an_independent_engine_on_random_flow(steps: list) -> None:
    """The same trades with the same makers in the same order, and the same book after every step."""
    ours, theirs = Book(), Theirs()
    alive: dict[str, tuple[int, int]] = {}  # name -> their id, quantity left
    for number, (kind, side, price, quantity, which) in enumerate(steps):
        if kind == "cancel":
            if alive:
                name = sorted(alive)[which % len(alive)]
                assert ours.cancel(name) == theirs.cancel(alive.pop(name)[0])
        else:
            _submit(ours, theirs, alive, f"n{number:02}", kind, side, price, quantity)
        for each in Side:
            assert ours.levels(each) == theirs.depth(each)


def _submit(
    ours: Book, theirs: Theirs, alive: dict, name: str, kind: str, side: Side, price: int, quantity: int
) -> None:
    if kind == "market":  # theirs would rest at zero: no more than the book holds
        quantity = min(quantity, sum(amount for _, amount in theirs.depth(side.opposite)))
        if quantity == 0:
            return
    limit = None if kind == "market" else D(price)
    mine = [(trade.owner, trade.price, trade.quantity) for trade in ours.submit(name, side, D(quantity), limit)]
    trades, their_id = theirs.submit(name, side, 0 if kind == "market" else price, quantity)
    assert mine == trades
    for maker, _, amount in trades:
        known, left = alive.pop(maker)
        if left > amount:
            alive[maker] = (known, left - amount)
    if left := quantity - sum(amount for *_, amount in trades):
        alive[name] = (their_id, left)


def test_a_ladder_is_sorted_and_serves_first_come_first() -> None:
    ladder = Ladder(Side.SELL)
    for owner, price, quantity in (("a", 101, 5), ("b", 100, 5), ("c", 101, 5), ("d", 100, 1)):
        ladder.add(owner, D(price), D(quantity))
    assert [trade.owner for trade in ladder.take(D(14))] == ["b", "d", "a", "c"]
    assert list(ladder.levels()) == [(101, 2)]
    assert all(one[0] < two[0] for one, two in pairwise(ladder.levels()))
