"""The order manager: writes, then acts. The only one who sends orders and the only one who believes reports.

`submit` takes an `Approved`, which only the risk gate can make. The order is committed with its own id before
a byte leaves; an outcome that the venue does not tell is UNCERTAIN and is resolved by asking, never by
sending again. Every fill enters the ledger once, in the transaction that changes the order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

import structlog

from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.order import ClientOrderId, Fill, OrderReport, OrderRequest
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock, Ids
from core.events import Events, FillRecorded
from core.store import ledger as ledger_store
from core.store import orders as order_store
from core.store.database import transaction
from core.store.orders import Stamp
from core.trading.fills import alert_of_fill, facts_of
from core.trading.ledger import Posting, fill_posting
from core.trading.live_order import LiveOrder
from core.trading.portfolio import Portfolio
from core.trading.states import TRANSITIONS, OrderState, after_report
from risk.intent import OrderIntent
from risk.verdict import Approved
from risk.view import Submission

log = structlog.get_logger(__name__)

# How many recent submissions are kept for the rate and duplicate rules.
_REMEMBERED = 500


class OrderManager:
    """The orders of one account at one broker.

    `may_send(intent)` is asked at the last moment: a halt that came after the approval still stops the order.
    """

    def __init__(
        self,
        broker: AbstractBroker,
        portfolio: Portfolio,
        *,
        clock: Clock,
        trading_clock: Clock,
        ids: Ids,
        alerts: Alerts,
        events: Events,
        may_send: Callable[[OrderIntent], bool],
    ) -> None:
        self._broker = broker
        self._portfolio = portfolio
        self._clock = clock
        self._trading_clock = trading_clock
        self._ids = ids
        self._alerts = alerts
        self._events = events
        self._may_send = may_send
        self._open: dict[ClientOrderId, LiveOrder] = {}
        self._submissions: deque[Submission] = deque(maxlen=_REMEMBERED)
        self._lock = asyncio.Lock()

    @property
    def account(self) -> str:
        """The account whose orders these are."""
        return self._portfolio.account

    @property
    def open_orders(self) -> Sequence[LiveOrder]:
        """Every order that may still fill."""
        return tuple(self._open.values())

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """Recent orders, for the rate and duplicate rules."""
        return tuple(self._submissions)

    def pending(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of `symbol` that `strategy` still gets from open orders."""
        parts = (order.pending_part(strategy) for order in self._open.values() if order.symbol == symbol)
        return sum(parts, Decimal(0))

    async def load(self) -> None:
        """Take up the orders that were open when the program stopped."""
        self._open = {}
        for row in await order_store.open_orders(self.account):
            known = await order_store.fill_ids(self.account, row.client_order_id)
            order = LiveOrder.of_row(row, self._portfolio.instruments[row.symbol], known)
            self._open[order.id] = order

    # --- sending -----------------------------------------------------------------------------------

    async def submit(self, approved: Approved) -> LiveOrder:
        """Store the order, then send it. Returns it in the state that is known afterwards; never raises for
        what the venue says or fails to say.
        """
        order = await self._intend(approved.intent)
        if not self._may_send(approved.intent):
            await self.settle_as(order, OrderState.NOT_SENT, "trading was halted before it was sent")
            return order
        try:
            report = await self._broker.place_order(order.request)
        except Rejected as refused:
            await self._refused(order, OrderState.REJECTED, str(refused))
        except Unavailable as down:
            await self._refused(order, OrderState.NOT_SENT, f"the broker is not available: {down}")
        except Uncertain as doubt:
            await self._doubt(order, str(doubt))
        else:
            await self.apply(report)
        return order

    async def _intend(self, intent: OrderIntent) -> LiveOrder:
        """The one durable commit between a decision and the wire."""
        request = OrderRequest(
            client_order_id=ClientOrderId(self._ids.order()),
            instrument=intent.instrument,
            side=intent.side,
            quantity=intent.quantity,
            type=intent.type,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            time_in_force=intent.time_in_force,
            reduce_only=intent.reduce_only,
        )
        stamp = self._stamp()
        state = OrderState.SUBMITTING
        order = LiveOrder(request, dict(intent.allocations), intent.origin.value, stamp.market, state)
        self._open[order.id] = order  # it counts in every limit from now on
        self._remember(intent)
        try:
            async with transaction():
                await order_store.insert_order(
                    request,
                    account=self.account,
                    origin=order.origin,
                    allocations=order.allocations,
                    reason=intent.reason,
                    state=state,
                    stamp=stamp,
                )
        except BaseException:
            del self._open[order.id]
            raise
        return order

    def _remember(self, intent: OrderIntent) -> None:
        self._submissions.append(
            Submission(
                at=intent.at,
                strategy=",".join(intent.strategies),
                symbol=intent.instrument.symbol,
                side=intent.side,
                quantity=intent.quantity,
                price=intent.price,
            )
        )

    async def _refused(self, order: LiveOrder, state: OrderState, reason: str) -> None:
        names = ", ".join(order.allocations) or "manual"
        title = f"Order refused: {order.request.side} {order.request.quantity.normalize():f} {order.symbol}"
        await self.settle_as(order, state, reason, Alert("order", Severity.WARNING, title, f"{names}: {reason}"))

    async def _doubt(self, order: LiveOrder, reason: str) -> None:
        title = f"Order in doubt: {order.request.side} {order.request.quantity.normalize():f} {order.symbol}"
        body = f"{reason}\nIt counts in full until the venue answers."
        await self.settle_as(order, OrderState.UNCERTAIN, reason, Alert("doubt", Severity.CRITICAL, title, body))

    # --- cancelling --------------------------------------------------------------------------------

    async def cancel(self, order_id: ClientOrderId, reason: str) -> OrderState:
        """Ask the venue to cancel; the state that is known afterwards. Raises `BrokerError` as the port does."""
        order = self._open.get(order_id)
        if order is not None and order.state is not OrderState.CANCELLING:
            await self.settle_as(order, OrderState.CANCELLING, reason)
        report = await self._broker.cancel_order(order_id)
        await self.apply(report)
        return self._open[order_id].state if order_id in self._open else OrderState.CANCELLED

    # --- believing ---------------------------------------------------------------------------------

    async def apply(self, report: OrderReport) -> None:
        """Take over what the venue says: new fills into the ledger, the state by the table. Idempotent."""
        async with self._lock:
            order = self._open.get(report.client_order_id) or await self._past_order(report.client_order_id)
            if order is None:
                log.warning("a report for an order that is not ours", order=report.client_order_id)
                return
            recorded = await self._commit_report(order, report)
        for fill in recorded:
            await self._events.publish(FillRecorded(fill.at, fill.symbol, fill.side, fill.quantity, fill.price))

    async def _past_order(self, order_id: ClientOrderId) -> LiveOrder | None:
        """An order that we believe over: late fills are real."""
        row = await order_store.get_order(order_id)
        if row is None or row.account != self.account:
            return None
        known = await order_store.fill_ids(self.account, order_id)
        return LiveOrder.of_row(row, self._portfolio.instruments[row.symbol], known)

    async def _commit_report(self, order: LiveOrder, report: OrderReport) -> list[Fill]:
        fresh = [fill for fill in report.fills if fill.fill_id not in order.fill_ids]
        state = after_report(order.state, report.state)
        if not fresh and state is order.state and report.venue_order_id == order.venue_order_id:
            return []
        balances = dict(self._portfolio.balances)
        postings: list[Posting] = []
        filled = order.filled
        async with transaction():
            for fill in fresh:
                posting = await self._record_fill(order, fill, filled, balances)
                filled += fill.quantity
                postings.append(posting)
            await self._write_state(order, state, filled, report.reason, report.venue_order_id)
        self._believe(order, state, filled, report.venue_order_id, fresh, postings)
        return fresh

    async def _record_fill(
        self, order: LiveOrder, fill: Fill, filled: Decimal, balances: dict[tuple[str, str], Decimal]
    ) -> Posting:
        """One fill into fills, ledger and outbox; `balances` move on for the next one."""
        facts = facts_of(order, fill, filled, self.account)
        posting = fill_posting(facts, balances)
        await order_store.insert_fill(self.account, fill, facts, self._stamp())
        await ledger_store.post(posting, balances, fill.at, self._clock.now())
        await self._alerts.add(alert_of_fill(fill, facts))
        for entry in posting.entries:
            key = (entry.account, entry.unit)
            balances[key] = balances.get(key, Decimal(0)) + entry.amount
        return posting

    def _believe(
        self,
        order: LiveOrder,
        state: OrderState,
        filled: Decimal,
        venue_order_id: str,
        fresh: Sequence[Fill],
        postings: Sequence[Posting],
    ) -> None:
        """Memory follows what is committed."""
        for posting in postings:
            self._portfolio.apply(posting.entries)
        order.fill_ids.update(fill.fill_id for fill in fresh)
        order.filled = filled
        order.state = state
        order.venue_order_id = venue_order_id or order.venue_order_id
        if state.is_open:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)

    async def settle_as(self, order: LiveOrder, state: OrderState, note: str, alert: Alert | None = None) -> None:
        """The order's state is known without a report. A word that came meanwhile and says more is kept."""
        async with self._lock:
            if state in TRANSITIONS[order.state]:
                await self._move(order, state, note, alert)

    async def _move(self, order: LiveOrder, state: OrderState, note: str, alert: Alert | None = None) -> None:
        async with transaction():
            await self._write_state(order, state, order.filled, note, order.venue_order_id)
            if alert is not None:
                await self._alerts.add(alert)
        self._believe(order, state, order.filled, order.venue_order_id, (), ())

    async def _write_state(
        self, order: LiveOrder, state: OrderState, filled: Decimal, note: str, venue_order_id: str
    ) -> None:
        await order_store.update_order(order.id, state=state, filled=filled, venue_order_id=venue_order_id, note=note)
        await order_store.add_event(order.id, order.state, state, note, self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(self._trading_clock.now(), self._clock.now())
