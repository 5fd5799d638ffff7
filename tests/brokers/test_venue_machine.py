"""Random orders, cancels, changes, ticks, transfers and restarts; after every step the venue must be honest.

`VENUE_EXAMPLES=2000 pytest tests/brokers/test_venue_machine.py` looks longer.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from brokers.errors import Rejected
from brokers.instrument import Settlement
from brokers.market import BookLevel, OrderBook
from brokers.order import Fill, Liquidity, OrderReport, OrderType, Side, TimeInForce
from brokers.simulation.depth import Depth
from brokers.simulation.engine import PRECISION
from brokers.simulation.fees import Fees, FeeTier, PayIn
from brokers.simulation.journal import Journal
from brokers.simulation.latency import Latency
from brokers.simulation.margin import Margin
from brokers.simulation.slippage import Slippage, SlippageModel
from brokers.simulation.state import NoticeKind
from brokers.simulation.terms import Funding, Interest, OtherCash, QueueModel, SelfTrade, VenueLimits
from brokers.simulation.venue import Venue
from tests.brokers.rig import MARKET, STOCK, Rig

D = Decimal
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FUTURE = replace(STOCK, settlement=Settlement.MARGINED, multiplier=D(2))
PERPETUALS = {**MARKET, "ACME": FUTURE}

VENUES: dict[str, tuple[dict[str, Any], dict]] = {
    "cash account": (
        {"initial_cash": D(20_000), "fees": Fees(D("-0.0001"), D("0.000777"), D("1.01"))},
        MARKET,
    ),
    "margin account": (
        {
            "initial_cash": D(5_000),
            "leverage": D(4),
            "shorting": True,
            "interest": Interest(D("0.07"), D("0.03")),
            "margin": Margin(liquidation_fee=D("0.005")),
            "fees": Fees(per_unit=D("0.005"), minimum=D(1), maximum=D("0.01")),
            "self_trade": SelfTrade.CANCEL_OLDEST,
        },
        MARKET,
    ),
    "perpetuals": (
        {
            "initial_cash": D(5_000),
            "leverage": D(10),
            "shorting": True,
            "funding": {"ACME": Funding(D("0.001"), timedelta(hours=1))},
            "other_cash": {"BNB": OtherCash(D(1), D(300), "OTHR")},
            "fees": Fees(
                D(0), D("0.0005"), tiers=(FeeTier(D(3_000), D(0), D("0.0003")),), pay_in=PayIn("BNB", "OTHR", D("0.25"))
            ),
            "slippage": Slippage(SlippageModel.BOOK),
            "depth": Depth(5, 3, D("0.03")),
        },
        PERPETUALS,
    ),
    "slow venue": (
        {
            "initial_cash": D(20_000),
            "shorting": True,
            "latency": Latency(*[timedelta(seconds=1)] * 3, timedelta(seconds=2), seed=7),
            "queue": QueueModel.QUEUE,
            "slippage": Slippage(SlippageModel.SQUARE_ROOT, D(1)),
            "self_trade": SelfTrade.CANCEL_BOTH,
            "limits": VenueLimits(max_open_orders=6, price_band=D("0.5")),
        },
        MARKET,
    ),
}

prices = st.integers(9_000, 11_000).map(lambda cents: D(cents) / 100)
quantities = st.integers(1, 120)
spans = st.sampled_from(
    [timedelta(seconds=1), timedelta(seconds=1), timedelta(seconds=3), timedelta(hours=9), timedelta(0)]
)


def opened(kind: str, path: Path | None) -> Rig:
    terms, market = VENUES[kind]
    opening = {name: cash.amount for name, cash in terms.get("other_cash", {}).items()}
    journal = Journal(path, currency="USD", initial_cash=terms["initial_cash"], other_cash=opening)
    rig = Rig(journal, **terms)
    rig.venue = Venue(rig.terms, market, journal)
    return rig


def dump(rig: Rig) -> str:
    """All that the journal holds, as text."""
    return "\n".join(rig.journal._db.iterdump())


class VenueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "paper.sqlite3"
        self.calls: list[Callable[[Rig], object]] = []
        self.kind = ""
        self.seen = 0
        self.position = D(0)
        self.over: set[str] = set()
        self.brackets: dict[str, Decimal] = {}

    @initialize(kind=st.sampled_from(sorted(VENUES)))
    def begin(self, kind: str) -> None:
        self.kind, self.rig = kind, opened(kind, self.path)
        self.call(lambda rig: rig.at_price(300, symbol="OTHR"))
        self.call(lambda rig: rig.at_price(100))

    def teardown(self) -> None:
        if self.kind:
            self._play_again()
            self.rig.journal.close()
        self.folder.cleanup()

    def _play_again(self) -> None:
        """The same calls without any restart, in memory, come to the same journal, byte for byte."""
        again = opened(self.kind, None)
        for call in self.calls:
            try:
                call(again)
            except Rejected:
                continue
        assert dump(again) == dump(self.rig)
        again.journal.close()

    def call(self, action: Callable[[Rig], Any]) -> list[OrderReport]:
        """Do it here and now, and remember it; what is refused must leave everything as it was."""
        self.calls.append(action)
        before = dump(self.rig)
        try:
            reports = action(self.rig)
        except Rejected:
            assert dump(self.rig) == before
            return []
        return reports if isinstance(reports, list) else []

    # --- what may happen -----------------------------------------------------------------------------

    @rule(
        price=prices, spread=st.integers(1, 60), volume=st.none() | st.integers(0, 3000), after=spans,
        halted=st.sampled_from([False] * 5 + [True]), deep=st.booleans(), last=st.integers(-60, 60),
    )  # fmt: skip
    def tick(
        self, price: D, spread: int, volume: int | None, after: timedelta, halted: bool, deep: bool, last: int
    ) -> None:
        cents = D(spread) / 100
        more: dict[str, Any] = {"volume": volume, "after": after, "halted": halted}
        if deep:
            ladder = [(D(n * n) / 10, D(20 + 15 * n)) for n in range(4)]
            bids = tuple(BookLevel(price - away, size) for away, size in ladder)
            asks = tuple(BookLevel(price + cents + away, size) for away, size in ladder)
            more["book"] = OrderBook("ACME", bids, asks, LONG_AGO)
        held = self.position
        reports = self.call(lambda rig: rig.tick(price, price + cents, price + D(last) / 100, **more))
        self._judge(reports, held, volume)

    @rule(
        side=st.sampled_from([1, -1]), quantity=quantities, kind=st.sampled_from(OrderType), limit=prices, stop=prices,
        tif=st.sampled_from(TimeInForce), reduce_only=st.sampled_from([False, False, True]),
        post_only=st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    def place(
        self,
        side: int,
        quantity: int,
        kind: OrderType,
        limit: D,
        stop: D,
        tif: TimeInForce,
        reduce_only: bool,
        post_only: bool,
    ) -> None:
        more: dict[str, Any] = {"tif": tif, "reduce_only": reduce_only, "post_only": post_only}
        if kind.has_limit:
            more["limit"] = limit
        if kind.is_conditional:
            more[{True: "profit", False: "stop"}[kind.takes_profit] if kind.has_stop else "trail"] = stop
        if kind.is_trailing:
            more["trail"] = stop - 89
        if tif is TimeInForce.GTD:
            more["expires_at"] = self.rig.now + timedelta(hours=5)
        self.call(lambda rig: rig.place(side * quantity, **more))

    @rule(side=st.sampled_from([1, -1]), quantity=quantities, near=st.integers(1, 300), far=st.integers(1, 300))
    def place_group(self, side: int, quantity: int, near: int, far: int) -> None:
        """A take-profit limit and a stop around the last price, one cancelling the other."""
        group, tick = f"g{len(self.calls)}", self.rig.venue.state.ticks["ACME"]
        up, down = tick.last + D(near) / 100, tick.last - D(far) / 100
        limit, stop = (down, up) if side > 0 else (up, down)
        self.brackets[group] = D(quantity)
        for more in ({"limit": limit}, {"stop": stop}):
            self.call(lambda rig, more=more: rig.place(side * quantity, oco_group=group, tif="gtc", **more))

    @rule(number=st.integers(1, 25))
    def cancel(self, number: int) -> None:
        self.call(lambda rig: rig.cancel(f"o{number}"))

    @rule(
        number=st.integers(1, 25),
        what=st.sampled_from(["quantity", "limit", "stop"]),
        price=prices,
        quantity=quantities,
    )
    def modify(self, number: int, what: str, price: D, quantity: int) -> None:
        order = self.rig.venue.state.orders.get(f"o{number}")
        if order is None or (what == "quantity" and order.request.oco_group):
            return
        self.call(lambda rig: rig.modify(f"o{number}", **{what: quantity if what == "quantity" else price}))

    @rule(amount=st.integers(-3000, 3000).filter(bool))
    def transfer(self, amount: int) -> None:
        self.call(lambda rig: rig.venue.transfer("USD", D(amount), rig.now))

    @rule()
    def restart(self) -> None:
        before = self.rig.venue.state
        self.rig.journal.close()
        again = opened(self.kind, self.path)
        assert again.venue.state == before
        assert list(again.venue.state.orders) == list(before.orders)
        again.now, again.count = self.rig.now, self.rig.count
        self.rig = again

    # --- what must hold ------------------------------------------------------------------------------

    def _judge(self, reports: list[OrderReport], held: Decimal, volume: int | None) -> None:
        """The fills of one tick."""
        fills = [fill for report in reports for fill in report.fills if fill.symbol == "ACME"]
        tick = self.rig.venue.state.ticks["ACME"]
        if fills and volume is not None:
            assert sum(fill.quantity for fill in fills) <= volume * self.rig.terms.max_participation
        for report in reports:
            assert report.venue_order_id not in self.over, "nothing happens to an order that is over"
            if not report.state.is_open:
                self.over.add(report.venue_order_id)
            for fill in report.fills:
                assert not tick.halted
                self._judge_price(fill, report, tick.bid, tick.ask, tick.last)
                held = self._judge_position(report, held, fill)

    def _judge_price(self, fill: Fill, report: OrderReport, bid: Decimal, ask: Decimal, last: Decimal) -> None:
        sign = fill.side.sign
        touch = ask if fill.side is Side.BUY else bid
        if fill.liquidity is Liquidity.MAKER:
            assert fill.price == report.limit_price
            through = sign * (fill.price - touch) > 0
            at_limit = self.rig.terms.queue is QueueModel.QUEUE and sign * (fill.price - last) >= 0
            assert through or at_limit
        else:
            assert sign * (fill.price - touch) >= 0
            assert report.limit_price is None or sign * (report.limit_price - fill.price) >= 0

    def _judge_position(self, report: OrderReport, held: Decimal, fill: Fill) -> Decimal:
        after = held + fill.signed_quantity
        if report.reduce_only:
            assert held * after >= 0, "reduce-only never flips"
            assert abs(after) < abs(held)
        if not self.rig.terms.shorting:
            assert after >= 0
        return after

    @invariant()
    def books_are_exact(self) -> None:
        """Every unit and every cent of cash is explained by fills, fees and flows."""
        if not self.kind:
            return
        rig, terms = self.rig, self.rig.terms
        fills, flows = rig.venue.fills(LONG_AGO), rig.venue.flows(LONG_AGO)
        with localcontext(prec=PRECISION):
            cash: dict[str, Decimal] = defaultdict(Decimal, {"USD": terms.initial_cash})
            for name, other in terms.other_cash.items():
                cash[name] += other.amount
            instrument = rig.venue._instruments["ACME"]
            for fill in fills:
                cash["USD"] -= fill.signed_quantity * fill.price * instrument.multiplier
                cash[fill.fee_currency] -= fill.fee or D(0)
            for flow in flows:
                cash[flow.currency] += flow.amount
            holding = rig.venue.state.holdings.get("ACME")
            if instrument.settlement is Settlement.MARGINED and holding is not None:
                cash["USD"] += holding.open_cost
            assert rig.venue.state.cash == dict(cash)
        self.position = sum((fill.signed_quantity for fill in fills), D(0))
        assert rig.position() == self.position
        assert len({fill.fill_id for fill in fills}) == len(fills)

    @invariant()
    def orders_are_exact(self) -> None:
        if not self.kind:
            return
        by_order, by_group = defaultdict(D), defaultdict(D)
        for execution in self.rig.journal.executions():
            by_order[execution.order.id] += execution.fill.quantity
            by_group[execution.order.request.oco_group] += execution.fill.quantity
        for number in range(1, self.rig.count + 1):
            order = self.rig.journal.find(f"o{number}")
            if order is not None:
                assert order.filled == by_order[order.id] <= order.request.quantity
                assert order.state.is_open == (order.id in self.rig.venue.state.orders)
        assert all(by_group[group] <= most for group, most in self.brackets.items()), "a group never doubles"

    @invariant()
    def the_account_adds_up(self) -> None:
        if not self.kind:
            return
        info = self.rig.venue.account("x", self.rig.now)
        for balance in info.balances.values():
            assert balance.total == balance.free + balance.locked
            assert balance.locked >= 0
        if self.kind == "cash account":
            assert info.balances["USD"].total >= 0
            assert all(position.quantity >= 0 for position in info.positions.values())
        if info.equity < 0:  # never silent
            kinds = {notice.kind for notice in self.rig.venue.notices(LONG_AGO)}
            assert kinds & {NoticeKind.LIQUIDATION, NoticeKind.INSOLVENCY}


TestVenue = VenueMachine.TestCase
TestVenue.settings = settings(
    max_examples=int(os.environ.get("VENUE_EXAMPLES", "40")), stateful_step_count=40, deadline=None
)
