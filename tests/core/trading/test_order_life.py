"""The life of orders as a state machine: whatever happens in between, once the venue can be asked the books agree.

The venue is `truth_venue`, which knows nothing of our code. Safety is checked after every step: nothing is sent
twice, the books balance. Then the line heals, and everything must converge to what is true.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokers.errors import BrokerError
from brokers.order import VenueOrderState
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState, of_venue
from risk.verdict import Approved
from tests.core.trading.stage import Stage, dec
from tests.core.trading.truth_venue import CASH, TruthVenue

FAULTS = st.sampled_from(["ok", "ok", "lost", "never", "late", "down", "no"])
GONE = (OrderState.NOT_PLACED, OrderState.NOT_SENT, OrderState.REJECTED)
WHICH = st.integers(0, 30)
UNITS = st.integers(1, 6)


class TruthStage(Stage):
    """A desk whose venue tells the truth only when it can be reached."""

    def build(self) -> None:
        venue = self.__dict__.get("venue")
        super().build()
        self.venue = venue or TruthVenue(self.market_clock.now)
        self.venue._now = self.market_clock.now
        self.paper = self.broker = self.venue  # type: ignore[assignment]
        self._build_desk()


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stage: Any = None
        self.run(self._open())

    def run(self, work: Any) -> Any:
        return self.loop.run(work)

    async def _open(self) -> None:
        self.stage = await TruthStage.open(Path(self.folder.name))
        await self.stage.start()
        await self.stage.tick(100)

    def teardown(self) -> None:
        try:
            self.run(self._heal())
        finally:
            self.run(self.stage.close())
            self.loop.close()
            self.folder.cleanup()

    @property
    def venue(self) -> TruthVenue:
        return self.stage.venue

    def order_at_venue(self, which: int) -> str:
        ids = list(self.venue.orders)
        return ids[which % len(ids)]

    # --- what we do --------------------------------------------------------------------------------

    @rule(units=UNITS, fault=FAULTS, sell=st.booleans())
    def submit(self, units: int, fault: str, sell: bool) -> None:
        self.stage.switch._settings.clear()  # what overfills and drift have restricted is not the point here
        self.venue.fault = fault
        intent = self.stage.intent(-units if sell else units, limit=100)
        verdict = self.stage.desk.gate.review(intent, self.stage.desk.view())
        if isinstance(verdict, Approved):
            self.run(self.stage.desk.orders.submit(verdict))
        self.venue.fault = "ok"

    @rule(which=WHICH, fault=FAULTS)
    def cancel(self, which: int, fault: str) -> None:
        self._ask(which, fault, lambda order: self.stage.desk.orders.cancel(order.id, "test"))

    @rule(which=WHICH, fault=FAULTS, units=UNITS)
    def modify(self, which: int, fault: str, units: int) -> None:
        modify = self.stage.desk.orders.modify
        self._ask(which, fault, lambda order: modify(order.id, quantity=dec(units), reason="test"))

    def _ask(self, which: int, fault: str, act: Any) -> None:
        orders = self.stage.desk.orders.open_orders
        if not orders:
            return
        self.venue.fault = fault

        async def attempt() -> None:
            with suppress(BrokerError):
                await act(orders[which % len(orders)])

        self.run(attempt())
        self.venue.fault = "ok"

    @rule(seconds=st.sampled_from([1, 5, 40]))
    def look(self, seconds: int) -> None:
        self._pass(seconds)
        self.run(self.stage.desk.look_after_orders())

    @rule()
    def reconcile(self) -> None:
        async def attempt() -> None:
            try:
                await self.stage.desk.reconcile()
            except BrokerError:
                assert self.venue.is_down

        self.run(attempt())

    @precondition(lambda self: not self.venue.is_down)
    @rule()
    def restart(self) -> None:
        self.run(self.stage.crash_and_restart())
        self.run(self.stage.tick(100))

    @initialize(names_chains=st.booleans())
    def venue_has_habits(self, names_chains: bool) -> None:
        self.venue.names_chains = names_chains

    # --- what the venue does -----------------------------------------------------------------------

    @precondition(lambda self: self.venue.orders)
    @rule(which=WHICH, units=UNITS)
    def fill(self, which: int, units: int) -> None:
        self.venue.fill(self.order_at_venue(which), units)

    @precondition(lambda self: self.venue.orders)
    @rule(which=WHICH, units=UNITS, silent=st.booleans())
    def correct(self, which: int, units: int, silent: bool) -> None:
        self.venue.correct(self.order_at_venue(which), units, silent=silent)

    @precondition(lambda self: self.venue.orders)
    @rule(which=WHICH, units=st.lists(UNITS, min_size=2, max_size=4), late=st.booleans())
    def miss_a_link(self, which: int, units: list[int], late: bool) -> None:
        """We hear of a fill, and then only of the last of its corrections; or the other way round."""
        order = self.order_at_venue(which)
        self.venue.fill(order, units[0])
        first = self.venue.newest(order)
        for each in units:
            self.venue.correct(order, each, silent=False)
        said = [first, self.venue.newest(order)]
        for each in reversed(said) if late else said:
            self.run(self.stage.desk.orders.apply(each))
        self.versions_count_once(order)

    def versions_count_once(self, order: str) -> None:
        known = self.run(self.stage.desk.orders.known(order))
        stems = [name.partition(".")[0] for name, fill in known.fills.items() if fill.counts]
        assert self.venue.is_down or len(stems) == len(set(stems))

    @precondition(lambda self: self.venue.orders)
    @rule(which=WHICH)
    def bust(self, which: int) -> None:
        self.venue.bust(self.order_at_venue(which))

    @precondition(lambda self: self.venue.orders)
    @rule(which=WHICH, state=st.sampled_from([VenueOrderState.EXPIRED, VenueOrderState.CANCELLED]))
    def end(self, which: int, state: VenueOrderState) -> None:
        self.venue.end(self.order_at_venue(which), state)

    @precondition(lambda self: self.venue.late)
    @rule()
    def arrive(self) -> None:
        self.venue.arrive()

    @rule()
    def line(self) -> None:
        self.venue.is_down = not self.venue.is_down

    @precondition(lambda self: self.venue.pool)
    @rule(which=st.lists(st.integers(0, 200), min_size=1, max_size=5))
    def deliver(self, which: list[int]) -> None:
        """Old reports and new ones, in any order, again and again; the rest is lost."""
        for each in which:
            self.run(self.stage.desk.orders.apply(self.venue.pool[each % len(self.venue.pool)]))

    def _pass(self, seconds: int) -> None:
        self.stage.wall.advance(seconds)
        self.stage.market_clock.advance(seconds)

    # --- what must hold ----------------------------------------------------------------------------

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        if self.stage is not None:
            assert len(self.venue.sent) == len(set(self.venue.sent))

    @invariant()
    def the_books_balance(self) -> None:
        if self.stage is None:
            return
        sums: dict[str, Decimal] = {}
        for (_, unit), amount in self.stage.desk.portfolio.balances.items():
            sums[unit] = sums.get(unit, Decimal(0)) + amount
        assert not any(sums.values())

    @invariant()
    def what_may_fill_counts(self) -> None:
        """An order that the venue works, or that is on its way to it, counts unless it was given up by the rules."""
        if self.stage is None:
            return
        watched = {order.id for order in self.stage.desk.orders.watched}
        for request in self.venue.late:
            order = self.stage.desk.orders.open_order(request.client_order_id)
            assert order is not None or request.client_order_id in watched

    async def _heal(self) -> None:
        """The line is good, time passes, and everything agrees with what is true."""
        venue, desk = self.venue, self.stage.desk
        venue.is_down = False
        venue.arrive()
        for _ in range(6):
            self._pass(35)
            await desk.look_after_orders()
            await desk.reconcile()
        assert await desk.reconcile() == []
        assert desk.portfolio.quantity("ACME") == venue.position
        assert desk.portfolio.cash == venue.cash
        assert CASH - venue.cash == sum((lot.cost - lot.realised for _, lot in desk.portfolio.lots()), Decimal(0))
        for sent in venue.sent:
            await self._agrees(await desk.orders.known(sent))
        assert not desk.portfolio.lot("external", "ACME").quantity

    async def _agrees(self, order: LiveOrder) -> None:
        truth = self.venue.orders.get(order.id)
        if truth is None:
            assert order.state in GONE, order.state
            return
        assert order.filled == truth.filled
        assert order.wanted is None
        assert order.state.is_open == truth.state.is_open, (order.state, truth.state)
        if truth.state.is_open:
            assert order.terms.quantity == truth.request.quantity
        elif order.state is not OrderState.FILLED:  # which a bust may have made a word of the past
            assert order.state is of_venue(truth.state), (order.state, truth.state)


Life.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_life = Life.TestCase
