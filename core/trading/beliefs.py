"""Believes what the venue says: fills into the ledger, states by the table, each committed before it counts.

Whatever a report brings is written in one transaction: the fills, their postings, the alerts, the order and the
step in its history. Reports may come twice, late, in any order, and before the answer to what caused them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

import structlog

from brokers.errors import BrokerError
from brokers.order import ClientOrderId, Fill, OrderReport, VenueOrderState
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
from core.trading.fill_news import FillNews, KnownFill, Trust, is_complete, is_whole, news_of
from core.trading.fills import alert_of_answer, alert_of_held, parts_of, surprises
from core.trading.ledger import EXACT
from core.trading.live_order import LiveOrder
from core.trading.open_orders import OpenOrders
from core.trading.states import REOPENS, TRANSITIONS, OrderState, after_report, of_venue
from core.trading.telling import Telling
from core.trading.terms_news import told_terms

log = structlog.get_logger(__name__)

Overfilled = Callable[[str, str], Awaitable[None]]
Find = Callable[[ClientOrderId], Awaitable[OrderReport | None]]

# How often an order is asked for again when something comes between question and answer.
_QUESTIONS = 3
# How long a booked fill must be missing from the venue's list before it counts as void without a word of it.
_PATIENCE = timedelta(seconds=20)


class Beliefs:
    """The only one who changes an order of ours. `overfilled(symbol, reason)` is called after an overfill.

    `find` asks the venue for an order, where it can be asked: a correction may name a fill that we never heard of.
    """

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
        find: Find,
    ) -> None:
        self._open = open_orders
        self._books = books
        self._clock = clock
        self._trading_clock = trading_clock
        self._alerts = alerts
        self._events = events
        self._overfilled = overfilled
        self._find = find
        self._held = Telling(alerts)
        self._gone: dict[str, tuple[frozenset[str], datetime]] = {}
        self._fills = FillBooks(open_orders.account, alerts)

    @property
    def account(self) -> str:
        """Whose orders these are."""
        return self._open.account

    # --- reports -----------------------------------------------------------------------------------

    async def apply(self, report: OrderReport, *, asked: int | None = None) -> bool:
        """Take over what the venue says; whether it is about an order of ours. Idempotent.

        `asked` is `LiveOrder.asked` when the question was put that `report` answers. Then its terms and figures are
        the order's; a report of the stream may be older than what we know, and its terms say nothing new.
        """
        report = with_known_fees(report)
        heard = await self._hear(report, asked)
        if heard is None:
            log.warning("a report for an order that is not ours", order=report.client_order_id)
            return False
        order, news = heard
        if news.is_broken:
            await self._clear_up(order, report, asked, news)
        elif asked is not None:
            self._gone.pop(order.id, None)
        return True

    async def _hear(
        self,
        report: OrderReport,
        asked: int | None,
        trust: Trust = Trust.CAREFUL,
        when_asked: Mapping[str, KnownFill] | None = None,
    ) -> tuple[LiveOrder, FillNews] | None:
        """Take over what is certain: the order, and the news with what is not; None for an order that is not ours.

        A WHOLE list is one only if the fills are still those of the moment `when_asked`.
        """
        async with self._books.lock:
            order = await self._open.known(report.client_order_id)
            if order is None:
                return None
            if trust is Trust.WHOLE and order.fills != when_asked:
                trust = Trust.CAREFUL
            news = news_of(order.fills, order.void, report, fresh_figures=asked is not None, trust=trust)
            if trust is Trust.WHOLE:
                news = self._patient(order, news)
            before = Belief.of(order)
            told = await self._take(order, report, news, fresh_terms=asked == order.asked)
        for event in told:
            await self._events.publish(event)
        await self._tell_changed(order, before)
        if told and order.filled > order.request.quantity:
            await self._overfilled(order.symbol, f"{order.what} was overfilled: {order.filled.normalize():f}")
        return order, news

    async def _take(
        self, order: LiveOrder, report: OrderReport, news: FillNews, *, fresh_terms: bool
    ) -> Sequence[FillRecorded]:
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

    # --- broken chains -----------------------------------------------------------------------------

    async def _clear_up(self, order: LiveOrder, report: OrderReport, asked: int | None, news: FillNews) -> None:
        """The venue's list of the order's fills decides, if it can be had; else what is in doubt is held back."""
        trust = Trust.ALONE
        for _ in range(_QUESTIONS):
            fills, question = order.fills, order.asked
            answer = await self._ask(order)
            if answer is None:
                break
            is_list = is_whole(fills, order.void, answer, news)
            heard = await self._hear(answer, question, Trust.WHOLE if is_list else Trust.CAREFUL, fills)
            if heard is not None and heard[1].is_whole:
                return
            trust = Trust.CAREFUL if is_complete(answer) else Trust.ALONE
            if not is_list:
                break
        left = await self._hear(report, asked, trust)
        for fill in left[1].held if left else ():
            await self._tell_held(order, fill)

    async def _ask(self, order: LiveOrder) -> OrderReport | None:
        try:
            answer = await self._find(order.id)
        except BrokerError as error:
            log.warning("a broken chain of corrections cannot be asked for", order=order.id, error=str(error))
            return None
        return answer and with_known_fees(answer)

    def _patient(self, order: LiveOrder, news: FillNews) -> FillNews:
        """What is missing without a reason is taken out if it stays missing: an answer may be older than a fill."""
        now = self._clock.now()
        absent, since = self._gone.pop(order.id, (frozenset[str](), now))
        if not news.absent or (news.absent == absent and now - since >= _PATIENCE):
            return news
        self._gone[order.id] = (news.absent, since if news.absent == absent else now)
        return replace(news, busted=tuple(each for each in news.busted if each not in news.absent))

    async def _tell_held(self, order: LiveOrder, fill: Fill) -> None:
        if fill.corrects:
            await self._held.once(f"{order.id}|{fill.fill_id}", alert_of_held(order.what, fill))

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
        self,
        order: LiveOrder,
        state: OrderState,
        note: str,
        alert: Alert | None = None,
        *,
        given: Callable[[], bool] = lambda: True,
        **more: object,
    ) -> bool:
        """The order's state is known without a report. A word that came meanwhile and says more is kept.

        `given` is what must be so still when nobody else changes it; `more` are other parts of the `Belief`. Returns
        whether it was taken over.
        """
        async with self._books.lock:
            taken = state in TRANSITIONS[order.state] and given()
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
