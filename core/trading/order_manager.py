"""The order manager: writes, then acts. The only one who sends orders and the only one who believes reports.

`submit` takes an `Approved`, which only the risk gate can make. The order is committed with its own id before
a byte leaves; an outcome that the venue does not tell is UNCERTAIN and is resolved by asking, never by
sending again. Every fill enters the ledger once, in the transaction that changes the order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext

import structlog

from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderReport
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock, Ids
from core.events import Events, FillRecorded
from core.store import orders as order_store
from core.store.database import transaction
from core.store.models import OrderRow
from core.store.orders import Stamp
from core.trading.books import Books, Page
from core.trading.fills import alert_of_fill, cross_facts, facts_of, fee_facts, fill_ref, surprises
from core.trading.ledger import EXACT, fee_posting
from core.trading.live_order import LiveOrder
from core.trading.refusals import Refusals
from core.trading.states import REOPENS, TRANSITIONS, OrderState, after_report, of_venue
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
        books: Books,
        *,
        clock: Clock,
        trading_clock: Clock,
        ids: Ids,
        alerts: Alerts,
        events: Events,
        may_send: Callable[[OrderIntent], bool],
    ) -> None:
        self._broker = broker
        self._books = books
        self._clock = clock
        self._trading_clock = trading_clock
        self._ids = ids
        self._alerts = alerts
        self._events = events
        self._may_send = may_send
        self._open: dict[ClientOrderId, LiveOrder] = {}
        self._in_flight: set[ClientOrderId] = set()
        self._refusals = Refusals()
        self._submissions: deque[Submission] = deque(maxlen=_REMEMBERED)
        self._used: deque[Approved] = deque(maxlen=_REMEMBERED)

    @property
    def account(self) -> str:
        """The account whose orders these are."""
        return self._books.portfolio.account

    @property
    def open_orders(self) -> Sequence[LiveOrder]:
        """Every order that may still fill."""
        return tuple(self._open.values())

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """Recent orders, for the rate and duplicate rules."""
        return tuple(self._submissions)

    def is_in_flight(self, order_id: str) -> bool:
        """Whether we are sending it at this moment: the venue cannot be blamed for not knowing it."""
        return order_id in self._in_flight

    def open_order(self, order_id: str) -> LiveOrder | None:
        """An order that may still fill, or None."""
        return self._open.get(ClientOrderId(order_id))

    def pending(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of `symbol` that `strategy` still gets from open orders."""
        parts = (order.pending_part(strategy) for order in self._open.values() if order.symbol == symbol)
        return sum(parts, ZERO)

    async def load(self) -> None:
        """Take up the orders that were open when the program stopped."""
        rows = await order_store.open_orders(self.account)
        orders = [await self._of_row(row) for row in rows]
        self._open = {order.id: order for order in orders}

    # --- sending -----------------------------------------------------------------------------------

    async def submit(self, approved: Approved) -> LiveOrder:
        """Store the order, then send it. Returns it in the state that is known afterwards; never raises for
        what the venue says or fails to say. Raises `ValueError` for an approval that was used before, or that
        another account's gate gave.
        """
        if approved.intent.account != self.account or any(each is approved for each in self._used):
            raise ValueError(f"this approval is not for {self.account}, or it was used before")
        self._used.append(approved)
        order = await self._intend(approved.intent)
        if not self._may_send(approved.intent):
            await self.settle_as(order, OrderState.NOT_SENT, "trading was stopped before it was sent")
            return order
        self._in_flight.add(order.id)
        try:
            await self._send(order)
        finally:
            self._in_flight.discard(order.id)
        return order

    async def _send(self, order: LiveOrder) -> None:
        try:
            report = await self._broker.place_order(order.request)
        except Rejected as refused:
            alert = self._refusals.first(order, refused.code, str(refused))
            await self.settle_as(order, OrderState.REJECTED, str(refused), alert)
        except Unavailable as down:
            alert = self._refusals.first(order, "UNAVAILABLE", f"the broker is not available: {down}")
            await self.settle_as(order, OrderState.NOT_SENT, f"the broker is not available: {down}", alert)
        except Uncertain as doubt:
            await self._doubt(order, str(doubt))
        else:
            self._refusals.forget(order)
            await self.apply(report)

    async def _intend(self, intent: OrderIntent) -> LiveOrder:
        """The one durable commit between a decision and the wire."""
        stamp = self._stamp()
        order = LiveOrder.of_intent(intent, ClientOrderId(self._ids.order()), stamp.market)
        self._open[order.id] = order  # it counts in every limit from now on, before anything is awaited
        self._submissions.append(_submission(intent))
        try:
            async with transaction():
                await order_store.insert_order(
                    order.request,
                    account=self.account,
                    origin=order.origin,
                    allocations=order.allocations,
                    reason=intent.reason,
                    state=order.state,
                    stamp=stamp,
                )
        except BaseException:
            del self._open[order.id]
            raise
        return order

    async def _doubt(self, order: LiveOrder, reason: str) -> None:
        title = f"Order in doubt: {order.request.side} {order.request.quantity.normalize():f} {order.symbol}"
        body = f"{reason}\nIt counts in full until the venue answers."
        await self.settle_as(order, OrderState.UNCERTAIN, reason, Alert("doubt", Severity.CRITICAL, title, body))

    async def cross(self, intent: OrderIntent, price: Decimal) -> None:
        """Strategies trade with each other at `price`: the books change, the venue hears nothing of it."""
        facts = cross_facts(intent, price, self._ids.new())
        async with self._books.lock, self._books.page() as page:
            await order_store.insert_allocations(facts, intent.at)
            await page.post_trade(facts, intent.at)

    # --- cancelling --------------------------------------------------------------------------------

    async def cancel(self, order_id: ClientOrderId, reason: str) -> OrderState:
        """Ask the venue to cancel; the state that is known afterwards. Raises `BrokerError` as the port does.

        The request goes out even if it cannot be written down: a full disk must not keep a halt from working.
        """
        order = self._open.get(order_id)
        try:
            if order is not None and order.state is not OrderState.CANCELLING:
                await self.settle_as(order, OrderState.CANCELLING, reason)
        finally:
            state = await self._ask_to_cancel(order_id)
        return order.state if order is not None else state

    async def _ask_to_cancel(self, order_id: ClientOrderId) -> OrderState:
        try:
            report = await self._broker.cancel_order(order_id)
        except Rejected:
            found = await self._broker.find_order(order_id)
            if found is None or found.state.is_open:
                await self._back_to_work(found)
                raise
            report = found
        await self.apply(report)
        return of_venue(report.state)

    async def _back_to_work(self, found: OrderReport | None) -> None:
        """The venue refused to cancel and still works the order: it is not "cancelling", and we say so."""
        if found is None:
            return
        await self.apply(found)
        order = self._open.get(found.client_order_id)
        if order is not None and order.state is OrderState.CANCELLING:
            await self.settle_as(order, of_venue(found.state), "the venue refused to cancel it")

    # --- believing ---------------------------------------------------------------------------------

    async def apply(self, report: OrderReport) -> None:
        """Take over what the venue says: new fills into the ledger, the state by the table. Idempotent."""
        async with self._books.lock:
            order = await self._known(report.client_order_id)
            if order is None:
                log.warning("a report for an order that is not ours", order=report.client_order_id)
                return
            fresh = await self._take(order, report)
        for fill in fresh:
            await self._events.publish(FillRecorded(fill.at, fill.symbol, fill.side, fill.quantity, fill.price))

    async def reopen(self, report: OrderReport, alert: Alert) -> None:
        """The venue, asked now, still works an order that we believed over: it counts again."""
        async with self._books.lock:
            order = await self._known(report.client_order_id)
            state = of_venue(report.state)
            if order is not None and not order.state.is_open and state in REOPENS:
                await self._move(order, state, "the venue still has it open", alert)
        await self.apply(report)

    async def _known(self, order_id: ClientOrderId) -> LiveOrder | None:
        """An order of ours, open or believed over: late fills are real."""
        if order_id in self._open:
            return self._open[order_id]
        row = await order_store.get_order(order_id)
        return await self._of_row(row) if row is not None and row.account == self.account else None

    async def _of_row(self, row: OrderRow) -> LiveOrder:
        fills = await order_store.fills_of(self.account, row.client_order_id)
        return LiveOrder.of_row(row, self._books.portfolio.instrument(row.symbol), fills)

    async def _take(self, order: LiveOrder, report: OrderReport) -> Sequence[Fill]:
        told = {fill.fill_id: fill for fill in report.fills}  # a venue may tell the same fill twice in one breath
        fresh = [fill for fill in told.values() if fill.fill_id not in order.fill_ids]
        paid = [fill for fill in told.values() if fill.fill_id in order.unpaid and fill.fee is not None]
        filled = order.filled_with(fresh)
        state = after_report(order.state, report.state, complete=filled >= report.filled)
        same_id = report.venue_order_id in ("", order.venue_order_id)
        if not fresh and not paid and state is order.state and same_id:
            return ()
        async with self._books.page() as page:
            await self._record_fills(page, order, fresh)
            await self._record_fees(page, order, paid)
            await self._write_state(order, state, filled, report.reason, report.venue_order_id)
        _remember_fills(order, fresh, paid)
        self._believe(order, state, filled, report.venue_order_id)
        return fresh

    async def _record_fills(self, page: Page, order: LiveOrder, fresh: Sequence[Fill]) -> None:
        """New fills into fills, ledger and outbox."""
        filled = order.filled
        for fill in fresh:
            facts = facts_of(order, fill, filled, self.account)
            await order_store.insert_fill(self.account, fill, facts, self._stamp())
            await page.post_trade(facts, fill.at)
            await self._alerts.add(alert_of_fill(fill, facts))
            with localcontext(EXACT):
                filled += fill.quantity
        for alert in surprises(order, filled) if fresh else ():
            await self._alerts.add(alert)

    async def _record_fees(self, page: Page, order: LiveOrder, paid: Sequence[Fill]) -> None:
        """Fees that are told after their fills."""
        for fill in paid:
            parts = await order_store.parts_of_fill(fill_ref(self.account, fill))
            facts = fee_facts(order, fill, parts, self.account)
            await order_store.put_fee(self.account, fill, facts)
            await page.post(fee_posting(facts), fill.at)

    async def settle_as(self, order: LiveOrder, state: OrderState, note: str, alert: Alert | None = None) -> None:
        """The order's state is known without a report. A word that came meanwhile and says more is kept."""
        async with self._books.lock:
            if state in TRANSITIONS[order.state]:
                await self._move(order, state, note, alert)

    async def _move(self, order: LiveOrder, state: OrderState, note: str, alert: Alert | None = None) -> None:
        async with transaction():
            await self._write_state(order, state, order.filled, note, order.venue_order_id)
            if alert is not None:
                await self._alerts.add(alert)
        self._believe(order, state, order.filled, order.venue_order_id)

    def _believe(self, order: LiveOrder, state: OrderState, filled: Decimal, venue_order_id: str) -> None:
        """Memory follows what is committed."""
        order.filled, order.state = filled, state
        order.venue_order_id = venue_order_id or order.venue_order_id
        if state.is_open:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)

    async def _write_state(
        self, order: LiveOrder, state: OrderState, filled: Decimal, note: str, venue_order_id: str
    ) -> None:
        await order_store.update_order(order.id, state=state, filled=filled, venue_order_id=venue_order_id, note=note)
        await order_store.add_event(order.id, order.state, state, note, self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(self._trading_clock.now(), self._clock.now())


def _submission(intent: OrderIntent) -> Submission:
    return Submission(
        at=intent.at,
        strategy=",".join(intent.strategies),
        symbol=intent.instrument.symbol,
        side=intent.side,
        quantity=intent.quantity,
        price=intent.price,
    )


def _remember_fills(order: LiveOrder, fresh: Sequence[Fill], paid: Sequence[Fill]) -> None:
    order.fill_ids.update(fill.fill_id for fill in fresh)
    order.unpaid.update(fill.fill_id for fill in fresh if fill.fee is None)
    order.unpaid.difference_update(fill.fill_id for fill in paid)
