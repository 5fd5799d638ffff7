"""Looks for orders in doubt at the venue, rung by rung, and acts on what `core.trading.ladder` makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

import structlog

from brokers.errors import BrokerError, NotSupported
from brokers.money import ZERO
from brokers.order import Fill, OrderReport, VenueOrderState
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.clock import Clock
from core.store import orders as order_store
from core.trading.ladder import WATCH, Answer, Rung, Search, Verdict, after_look, verdict
from core.trading.ledger import EXACT
from core.trading.live_order import LiveOrder
from core.trading.modifying import back_to_work
from core.trading.order_manager import OrderManager
from core.trading.reconcile import candidates, fills_of_order, since
from core.trading.states import OrderState
from core.trading.telling import Telling
from core.trading.terms import terms_of

log = structlog.get_logger(__name__)


class OrderSearch:
    """What was seen so far of every order that is looked for. Never sends an order."""

    def __init__(self, broker: AbstractBroker, orders: OrderManager, telling: Telling, clock: Clock) -> None:
        self._broker = broker
        self._orders = orders
        self._telling = telling
        self._clock = clock
        self._searches: dict[str, Search] = {}
        self._unchanged: dict[str, Search] = {}

    def search_of(self, order_id: str) -> Search:
        """How the search for an order stands."""
        return self._searches.get(order_id, Search())

    def is_due(self, order: LiveOrder, at: datetime) -> bool:
        """Whether it is time to look for it again."""
        search = self._searches.get(order.id)
        if order.state.is_open:
            missed = search is not None
            waits = order.state in (OrderState.UNCERTAIN, OrderState.SUBMITTING, OrderState.MODIFYING)
            return (waits or missed) and at >= (search or Search()).next_at(order.recorded_at)
        return at >= (search or Search()).watch_at(order.recorded_at)

    async def look(self, order: LiveOrder) -> bool:
        """Look at every rung and believe what is found; whether it was. A query that fails counts as nothing."""
        if self._orders.is_in_flight(order.id) or order.is_changing:
            return False
        was, asked = order.state, order.asked
        answers: dict[Rung, Answer] = {}
        for rung in Rung:
            report = await self._ask(rung, order, answers)
            if report is not None:
                await self.found(order, report, asked)
                return True
        await self._miss(order, was, answers)
        return False

    # --- asking ------------------------------------------------------------------------------------

    async def _ask(self, rung: Rung, order: LiveOrder, answers: dict[Rung, Answer]) -> OrderReport | None:
        try:
            report = await self._at(rung, order)
        except NotSupported:
            answers[rung] = Answer.UNSUPPORTED
            return None
        except BrokerError as error:
            log.info("an order in doubt cannot be looked for", order=order.id, rung=rung, error=str(error))
            answers[rung] = Answer.FAILED
            return None
        answers[rung] = Answer.NOT_FOUND if report is None else Answer.FOUND
        return report

    async def _at(self, rung: Rung, order: LiveOrder) -> OrderReport | None:
        match rung:
            case Rung.BY_ID:
                if not self._broker.capabilities.find_by_client_id:
                    raise NotSupported("finding an order by our id")
                return await self._broker.find_order(order.id)
            case Rung.OPEN:
                return await self._listed(order, await self._broker.get_open_orders())
            case Rung.CLOSED:
                return await self._listed(order, await self._broker.get_closed_orders(since(order)))
            case Rung.FILLS:
                fills = fills_of_order(order, await self._broker.get_fills(since(order)))
                return report_of_fills(order, fills) if fills else None

    async def _listed(self, order: LiveOrder, reports: Sequence[OrderReport]) -> OrderReport | None:
        """The order in a list: by our id, or where a venue keeps none, if only one can be meant."""
        for report in reports:
            if report.client_order_id == order.id:
                return report
        if self._broker.capabilities.find_by_client_id:
            return None
        return await self._only_candidate(order, reports)

    async def _only_candidate(self, order: LiveOrder, reports: Sequence[OrderReport]) -> OrderReport | None:
        ids = [report.venue_order_id for report in reports]
        taken = await order_store.orders_at_venue(self._orders.account, ids)
        mine = [report for report in reports if order.venue_order_id and report.venue_order_id == order.venue_order_id]
        fitting = mine or candidates(order, reports, taken)
        rivals = [each for each in self._orders.open_orders if each is not order and each.state.is_in_doubt]
        contested = any(candidates(each, fitting, taken) for each in rivals)
        if len(fitting) == 1 and not (contested and not mine):
            return replace(fitting[0], client_order_id=order.id)
        if fitting:
            await self._ask_person(order, f"{len(fitting)} orders at the venue may be this one, or another of ours.")
        return None

    # --- concluding --------------------------------------------------------------------------------

    async def found(self, order: LiveOrder, report: OrderReport, asked: int) -> None:
        """The venue has it: believe that."""
        self._searches.pop(order.id, None)
        await self._orders.apply(report, asked=asked)
        await self._settle_change(order, report, asked)
        await self._orders.cancel_unwanted(order)

    async def _settle_change(self, order: LiveOrder, report: OrderReport, asked: int) -> None:
        """A change that the venue, asked again and again, still does not show was never made."""
        if order.wanted is None or order.asked != asked or order.is_changing or terms_of(report) != order.terms:
            self._unchanged.pop(order.id, None)
            return
        seen = {Rung.BY_ID: Answer.NOT_FOUND, Rung.OPEN: Answer.NOT_FOUND}
        search = after_look(self._unchanged.get(order.id, Search()), seen, self._clock.now())
        self._unchanged[order.id] = search
        capabilities = replace(self._broker.capabilities, find_by_client_id=True)
        if verdict(search, capabilities) is Verdict.NOT_PLACED:
            del self._unchanged[order.id]
            await back_to_work(self._orders.beliefs, order, "the venue never made the change: the old terms hold")

    async def _miss(self, order: LiveOrder, was: OrderState, answers: dict[Rung, Answer]) -> None:
        """It was nowhere, as far as the venue could be asked."""
        if order.state is not was or self._orders.is_in_flight(order.id):
            return  # something came meanwhile
        search = after_look(self._searches.get(order.id, Search()), answers, self._clock.now())
        self._searches[order.id] = search
        if not was.is_open:
            return
        match verdict(search, self._broker.capabilities):
            case Verdict.NOT_PLACED:
                await self.give_up(order, search.summary())
            case Verdict.ASK_A_PERSON:
                await self._ask_person(order, f"The venue cannot be asked by our id, and {search.summary()}.")
            case Verdict.KEEP_LOOKING:
                pass

    async def give_up(self, order: LiveOrder, why: str) -> None:
        """Presume that it is not at the venue; and watch for it a day longer, for venues have been wrong."""
        self._searches.pop(order.id, None)
        was, until = order.state, self._clock.now() + WATCH
        state = OrderState.CANCELLED if order.filled else OrderState.NOT_PLACED
        verb = "Gone" if order.filled else "Never placed"
        body = f"It was {was}; {why}. It no longer counts. We look for it until {until:%d %b %H:%M} UTC all the same."
        alert = Alert("order", Severity.WARNING, f"{verb}: {order.what}", body)
        await self._orders.beliefs.settle_as(order, state, f"was {was}; {why}", alert, watch_until=until)

    async def stop_watching(self, order: LiveOrder) -> None:
        """The day is over and it never came."""
        self._searches.pop(order.id, None)
        note = "a day has passed: no longer looked for"
        await self._orders.beliefs.settle_as(order, order.state, note, watch_until=None)

    async def _ask_person(self, order: LiveOrder, why: str) -> None:
        title = f"A person must decide: {order.what}"
        body = f"{why} Look at the venue, then say whether order {order.id} is there. Until then it counts in full."
        await self._telling.once(f"decide:{order.id}", Alert("doubt", Severity.CRITICAL, title, body))


def report_of_fills(order: LiveOrder, fills: Sequence[Fill]) -> OrderReport:
    """What executions alone tell of an order: how much is filled, and that it is over if that is all."""
    with localcontext(EXACT):
        filled: Decimal = sum((fill.quantity for fill in fills), ZERO)
    state = VenueOrderState.FILLED if filled >= order.request.quantity else VenueOrderState.PARTIALLY_FILLED
    return OrderReport(
        order.id,
        next((fill.venue_order_id for fill in fills if fill.venue_order_id), order.venue_order_id),
        order.symbol,
        order.request.side,
        order.request.quantity,
        state,
        max(fill.at for fill in fills),
        filled,
        tuple(fills),
        order.request.type,
        reason="found by its executions",
    )
