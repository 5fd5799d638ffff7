"""Believes what the venue says: fills into the ledger, states by the table, each committed before it counts.

Whatever a report brings is written in one transaction: the fills, their postings, the alerts, the order and the
step in its history. Reports may come twice, late, in any order, and before the answer to what caused them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext

import structlog

from brokers.order import Fill, OrderReport, VenueOrderState
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.events import Events, FillRecorded, OrderChanged
from core.store import orders as order_store
from core.store.database import transaction
from core.store.orders import Stamp
from core.trading.belief import Belief
from core.trading.books import Books, Page
from core.trading.fees import with_known_fees
from core.trading.fill_books import FillBooks
from core.trading.fill_news import FillNews, KnownFill, news_of
from core.trading.fills import alert_of_answer, parts_of, surprises
from core.trading.ledger import EXACT
from core.trading.live_order import LiveOrder
from core.trading.open_orders import OpenOrders
from core.trading.states import REOPENS, TRANSITIONS, OrderState, after_report, of_venue
from core.trading.terms_news import told_terms

log = structlog.get_logger(__name__)

Overfilled = Callable[[str, str], Awaitable[None]]


class Beliefs:
    """The only one who changes an order of ours. `overfilled(symbol, reason)` is called after an overfill."""

    def __init__(
        self,
        open_orders: OpenOrders,
        books: Books,
        *,
        clock: Clock,
        trading_clock: Clock,
        alerts: Alerts,
        events: Events,
        overfilled: Overfilled,
    ) -> None:
        self._open = open_orders
        self._books = books
        self._clock = clock
        self._trading_clock = trading_clock
        self._alerts = alerts
        self._events = events
        self._overfilled = overfilled
        self._fills = FillBooks(open_orders.account, alerts)

    @property
    def account(self) -> str:
        """Whose orders these are."""
        return self._open.account

    # --- reports -----------------------------------------------------------------------------------

    async def apply(self, report: OrderReport, *, asked: int | None = None) -> None:
        """Take over what the venue says. Idempotent.

        `asked` is `LiveOrder.asked` when the question was put that `report` answers. Then its terms and figures are
        the order's; a report of the stream may be older than what we know, and its terms say nothing new.
        """
        report = with_known_fees(report)
        async with self._books.lock:
            order = await self._open.known(report.client_order_id)
            if order is None:
                log.warning("a report for an order that is not ours", order=report.client_order_id)
                return
            before = Belief.of(order)
            fresh = asked == order.asked
            told = await self._take(order, report, fresh_terms=fresh, fresh_figures=asked is not None)
        for event in told:
            await self._events.publish(event)
        await self._tell_changed(order, before)
        if told and order.filled > order.request.quantity:
            await self._overfilled(order.symbol, f"{order.what} was overfilled: {order.filled.normalize():f}")

    async def _take(
        self, order: LiveOrder, report: OrderReport, *, fresh_terms: bool, fresh_figures: bool
    ) -> Sequence[FillRecorded]:
        news = news_of(order.fills, order.void, report, fresh_figures=fresh_figures)
        fills = _fills_after(order, news)
        filled = order.filled_by(fills.values())
        state = after_report(order.state, report.state, complete=filled >= _units_told(report))
        venue_order_id = report.venue_order_id or order.venue_order_id
        told = replace(Belief.of(order), state=state, filled=filled, venue_order_id=venue_order_id, watch_until=None)
        belief, alert = told_terms(order, report, told, fresh=fresh_terms)
        belief = belief.settled()
        if not news and belief == Belief.of(order):
            order.void |= news.void
            return ()
        async with self._books.page() as page:
            told_fills = await self._record(page, order, news)
            await self._write(order, belief, report.reason)
            for each in (alert, alert_of_answer(order, belief.state)):
                if each is not None:
                    await self._alerts.add(each)
        order.fills, order.void = fills, order.void | news.void
        self._believe(order, belief)
        return told_fills

    # --- fills -------------------------------------------------------------------------------------

    async def _record(self, page: Page, order: LiveOrder, news: FillNews) -> Sequence[FillRecorded]:
        """All news of fills into fills, ledger and outbox."""
        events = await self._record_fresh(page, order, news.fresh)
        instrument = order.request.instrument
        for fill in news.paid:
            await self._fills.pay(page, instrument, fill, order.fills[fill.fill_id])
        for each in news.corrected:
            mine = replace(each, fill=replace(each.fill, client_order_id=order.id))
            await self._fills.correct(page, instrument, order.fills[each.old], mine, self._stamp(), order.what)
        for fill_id in news.busted:
            now = self._trading_clock.now()
            await self._fills.bust(page, order.symbol, order.fills[fill_id], now, order.what)
        return events

    async def _record_fresh(self, page: Page, order: LiveOrder, fresh: Sequence[Fill]) -> Sequence[FillRecorded]:
        filled, events, instrument = order.filled, [], order.request.instrument
        for fill in fresh:
            mine = replace(fill, client_order_id=order.id)  # a venue may know it by its own id only
            parts = parts_of(order, fill, filled)
            events.append(await self._fills.add(page, instrument, mine, parts, self._stamp()))
            with localcontext(EXACT):
                filled += fill.quantity
        for alert in surprises(order, filled) if fresh else ():
            await self._alerts.add(alert)
        return events

    # --- states ------------------------------------------------------------------------------------

    async def settle_as(
        self, order: LiveOrder, state: OrderState, note: str, alert: Alert | None = None, **more: object
    ) -> bool:
        """The order's state is known without a report. A word that came meanwhile and says more is kept.

        `more` are other parts of the `Belief`. Returns whether it was taken over.
        """
        async with self._books.lock:
            taken = state in TRANSITIONS[order.state]
            if taken:
                await self._move(order, replace(Belief.of(order), state=state, **more), note, alert)  # type: ignore[arg-type]
        if taken:
            await self._publish(order)
        return taken

    async def reopen(self, report: OrderReport, alert: Alert) -> None:
        """The venue, asked now, still works an order that we believed over: it counts again."""
        async with self._books.lock:
            order = await self._open.known(report.client_order_id)
            state = of_venue(report.state)
            if order is not None and not order.state.is_open and state in REOPENS:
                await self._move(order, replace(Belief.of(order), state=state), "the venue still has it open", alert)
        await self.apply(report)

    async def _move(self, order: LiveOrder, belief: Belief, note: str, alert: Alert | None = None) -> None:
        belief = belief.settled()
        async with transaction():
            await self._write(order, belief, note)
            if alert is not None:
                await self._alerts.add(alert)
        self._believe(order, belief)

    def _believe(self, order: LiveOrder, belief: Belief) -> None:
        """Memory follows what is committed."""
        belief.take_over(order)
        self._open.place(order)

    async def _write(self, order: LiveOrder, belief: Belief, note: str) -> None:
        await order_store.update_order(order, belief, note)
        await order_store.add_event(order.id, order.state, belief.state, note, self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(self._trading_clock.now(), self._clock.now())

    # --- telling -----------------------------------------------------------------------------------

    async def _tell_changed(self, order: LiveOrder, before: Belief) -> None:
        if Belief.of(order) != before:
            await self._publish(order)

    async def _publish(self, order: LiveOrder) -> None:
        event = OrderChanged(self._trading_clock.now(), order.id, order.symbol, order.state.value)
        await self._events.publish(event)


def _units_told(report: OrderReport) -> Decimal:
    """The units that the venue says have filled, in whatever way it says so: FILLED without a figure means all."""
    if report.filled or report.busted or report.state is not VenueOrderState.FILLED:
        return report.filled
    return report.quantity


def _fills_after(order: LiveOrder, news: FillNews) -> dict[str, KnownFill]:
    """The fills of an order once the news are in the books."""
    fills = dict(order.fills)
    for each in news.busted:
        fills[each] = replace(fills[each], counts=False)
    for correction in news.corrected:
        fills[correction.old] = replace(fills[correction.old], counts=False)
        fills[correction.fill.fill_id] = KnownFill.of(correction.fill, correction.stored_as)
    for fill in news.paid:
        fills[fill.fill_id] = replace(fills[fill.fill_id], fee=fill.fee)
    return fills | {fill.fill_id: KnownFill.of(fill, fill.fill_id) for fill in news.fresh}
