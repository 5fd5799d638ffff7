"""The order manager: writes, then acts. The only one who sends orders.

`submit` takes an `Approved`, which only the risk gate can make. The order is committed with its own id before
a byte leaves; an outcome that the venue does not tell is UNCERTAIN and is resolved by asking, never by
sending again. `core.trading.beliefs` takes over what the venue says; `core.trading.modifying` and
`core.trading.cancelling` have the other two wishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

from brokers.errors import BrokerError, Rejected, Unavailable, Uncertain
from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderReport
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock, Ids
from core.events import Events
from core.store import orders as order_store
from core.store.along import Along
from core.store.database import transaction
from core.store.orders import Stamp
from core.trading.beliefs import Beliefs
from core.trading.books import Books
from core.trading.cancelling import ask_to_cancel, cancel_at_once
from core.trading.fills import inside_facts
from core.trading.ledger import FillFacts
from core.trading.live_order import LiveOrder
from core.trading.modifying import modify
from core.trading.open_orders import OpenOrders
from core.trading.refusals import Refusals
from core.trading.states import OrderState
from risk.intent import OrderIntent
from risk.verdict import Approved
from risk.view import Submission

# How many approvals are remembered, so that none is used twice.
_REMEMBERED = 500


async def _no_one(_symbol: str, _reason: str) -> None:
    """Nobody wants to hear of overfills."""


class OrderManager:
    """The orders of one account at one broker.

    `may_send(intent)` is asked at the last moment: a halt that came after the approval still stops the order.
    `overfilled(symbol, reason)` is called when a venue has filled more than was ordered.
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
        overfilled: Callable[[str, str], Awaitable[None]] = _no_one,
    ) -> None:
        self._broker = broker
        self._books = books
        self._clock = clock
        self._trading_clock = trading_clock
        self._ids = ids
        self._may_send = may_send
        self._instance = ""
        self._open = OpenOrders(books.portfolio)
        self.beliefs = Beliefs(
            self._open,
            books,
            clock=clock,
            trading_clock=trading_clock,
            alerts=alerts,
            events=events,
            overfilled=overfilled,
            find=self._find,
        )
        self._refusals = Refusals()
        self._used: dict[int, Approved] = {}  # by identity: it is held here, so that no other gets the same

    @property
    def account(self) -> str:
        """The account whose orders these are."""
        return self._open.account

    @property
    def open_orders(self) -> Sequence[LiveOrder]:
        """Every order that may still fill."""
        return self._open.all

    @property
    def watched(self) -> Sequence[LiveOrder]:
        """Orders that we presume were never placed, and look for all the same."""
        return self._open.watched

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """Recent orders, for the rate and duplicate rules."""
        return self._open.submissions

    def is_in_flight(self, order_id: str) -> bool:
        """Whether we are sending it at this moment: the venue cannot be blamed for not knowing it."""
        return self._open.is_in_flight(order_id)

    def open_order(self, order_id: str) -> LiveOrder | None:
        """An order that may still fill, or None."""
        return self._open.get(order_id)

    async def known(self, order_id: str) -> LiveOrder | None:
        """An order of ours, open or over; None if it is not one."""
        return await self._open.known(ClientOrderId(order_id))

    def pending(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of `symbol` that `strategy` still gets from open orders; resting exits only wait."""
        return self._open.pending(strategy, symbol)

    def doubtful(self, strategy: str, symbol: str) -> Decimal:
        """Of what is `pending`, the part that may never have reached the venue."""
        return self._open.doubtful(strategy, symbol)

    async def load(self) -> None:
        """Take up the orders that were open or watched when the program stopped."""
        self._instance = await order_store.instance_name(self._ids.new()[-4:])
        await self._open.load()

    # --- sending -----------------------------------------------------------------------------------

    async def submit(self, approved: Approved, along: Along | None = None) -> LiveOrder:
        """Store the order, and what goes `along`, in one commit; then send it.

        Returns it in the state that is known afterwards; never raises for what the venue says or fails to say. Raises
        `ValueError` for an approval that was used before, or that another account's gate gave, and for an order that
        makes no sense (a price that is no number, say).
        """
        self._use(approved)
        stamp = self._stamp()
        order = LiveOrder.of_intent(approved.intent, self._new_id(), stamp.market, stamp.wall)
        self._open.begin(order, _submission(approved.intent))
        try:
            await self._store(order, stamp, along)
            await self._send(order, approved.intent)
        finally:
            self._open.landed(order)
        return order

    def refusal(self, intent: OrderIntent) -> Rejected | None:
        """What would be said of `intent` without asking the venue: it need not be sent to be refused."""
        stamp = self._stamp()
        try:
            self._broker.check_order(LiveOrder.of_intent(intent, self._new_id(), stamp.market, stamp.wall).request)
        except Rejected as refused:
            return refused
        return None

    def _use(self, approved: Approved) -> None:
        """An approval is used once, on its own account."""
        if approved.intent.account != self.account or id(approved) in self._used:
            raise ValueError(f"this approval is not for {self.account}, or it was used before")
        self._used[id(approved)] = approved
        if len(self._used) > _REMEMBERED:
            del self._used[next(iter(self._used))]

    def _new_id(self) -> ClientOrderId:
        """Unique for ever: whose it is, the time, and 80 random bits; 32 characters, the most that venues take."""
        return ClientOrderId(f"qd{self._instance}{self._ids.new()}")

    async def _store(self, order: LiveOrder, stamp: Stamp, along: Along | None) -> None:
        """The one durable commit between a decision and the wire."""
        try:
            async with transaction():
                stored = await along.write() if along is not None else None
                await order_store.insert_order(order, self.account, stamp)
        except BaseException:
            self._open.forget(order)
            raise
        if stored is not None:
            stored()

    async def _send(self, order: LiveOrder, intent: OrderIntent) -> None:
        if not self._may_send(intent):
            order.unwanted = "trading was stopped before it was sent"
        if order.unwanted:
            await self.settle_as(order, OrderState.NOT_SENT, order.unwanted)
        if order.state is not OrderState.SUBMITTING:  # nothing that was given up may leave
            return
        order.on_wire = True
        try:
            report = await self._broker.place_order(order.request)
        except Rejected as refused:
            order.refused, order.trouble = refused.code, str(refused)
            alert = self._refusals.first(order, order.refused, order.trouble)
            await self.settle_as(order, OrderState.REJECTED, order.trouble, alert)
        except Unavailable as down:
            order.trouble = f"the broker is not available: {down}"
            alert = self._refusals.first(order, "UNAVAILABLE", order.trouble)
            await self.settle_as(order, OrderState.NOT_SENT, order.trouble, alert)
        except Uncertain as doubt:
            await self._doubt(order, str(doubt))
        else:
            self._refusals.forget(order)
            await self.apply(report)
            await self.cancel_unwanted(order)

    async def cancel_unwanted(self, order: LiveOrder) -> None:
        """An order that was cancelled before the venue knew it is cancelled now that it does."""
        if order.unwanted and order.state.is_open and order.state is not OrderState.UNCERTAIN:
            await asyncio.gather(self.cancel(order.id, order.unwanted), return_exceptions=True)

    async def _doubt(self, order: LiveOrder, reason: str) -> None:
        body = (
            f"{reason}\nIt counts in full and is never sent again. We ask the venue for it every few seconds; "
            "you will be told when it is found, or that it is not there."
        )
        alert = Alert("doubt", Severity.CRITICAL, f"Order in doubt: {order.what}", body)
        await self.settle_as(order, OrderState.UNCERTAIN, reason, alert)

    async def cross(self, intent: OrderIntent, price: Decimal, along: Along) -> None:
        """Strategies trade with each other at `price`: the books change, the venue hears nothing of it."""
        facts = self._crossed(intent.instrument, intent.allocations, price)
        async with self._books.lock:
            async with self._books.page() as page:
                stored = await along.write()
                await page.post_trade(facts, intent.at)
            stored()

    async def write_off(self, instrument: Instrument, gone: Mapping[str, Decimal], to: str, price: Decimal) -> None:
        """Units that strategies have in the books and the account has not go `to` whoever owes them, at `price`."""
        parts, at = {**gone, to: -sum(gone.values(), ZERO)}, self._trading_clock.now()
        facts = self._crossed(instrument, parts, price)
        async with self._books.lock, self._books.page() as page:
            await page.post_trade(facts, at)

    def _crossed(self, instrument: Instrument, parts: Mapping[str, Decimal], price: Decimal) -> FillFacts:
        return inside_facts(self.account, instrument, parts, price, f"cross:{self.account}:{self._ids.new()}")

    # --- changing and cancelling -------------------------------------------------------------------

    async def modify(
        self,
        order_id: ClientOrderId,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        reason: str,
        approved: Approved | None = None,
    ) -> OrderState:
        """Change a working order at the venue; its id stays, and it never becomes a second order.

        Returns the state that is known afterwards. Raises `BrokerError` as the port does: after `Rejected` and
        `Unavailable` the order is as it was; after `Uncertain` it is MODIFYING, counts with the larger size, and is
        asked for until the venue says which terms it has. Without reduce-only, nothing is made larger or dearer
        unless the gate has `approved` what is left of it on the new terms (see `core.trading.by_hand.changes`).
        """
        if approved is not None:
            self._use(approved)
        order = self._open.get(order_id)
        change = {"quantity": quantity, "limit_price": limit_price, "stop_price": stop_price}
        return await modify(self._broker, self.beliefs, order, order_id, change, reason, approved)

    async def cancel(self, order_id: ClientOrderId, reason: str) -> OrderState:
        """Ask the venue to cancel; the state that is known afterwards. Raises `BrokerError` as the port does.

        The request goes out even if it cannot be written down: a full disk must not keep a halt from working. An
        order that is not on its way yet is not sent; one that is, is cancelled as soon as it has arrived as well.
        """
        return await ask_to_cancel(self._broker, self.beliefs, self._unwanted(order_id, reason), order_id, reason)

    async def cancel_at_once(self, order_id: ClientOrderId, reason: str) -> OrderState:
        """As `cancel`, for a kill: the venue is asked before anything is written."""
        return await cancel_at_once(self._broker, self.beliefs, self._unwanted(order_id, reason), order_id, reason)

    def _unwanted(self, order_id: ClientOrderId, reason: str) -> LiveOrder | None:
        """The order, if it is open; one that is on its way is marked."""
        order = self._open.get(order_id)
        if order is not None and self._open.is_in_flight(order_id):
            order.unwanted = reason
        return order

    async def cancel_told(self, order_id: ClientOrderId, reason: str) -> str:
        """Cancel, and say in a line what came of it; one that begins with 🔴 may still be open."""
        try:
            state = await self.cancel(order_id, reason)
        except BrokerError as error:
            return f"🔴 {order_id}: {error}"
        return f"{order_id}: {state}"

    # --- believing ---------------------------------------------------------------------------------

    async def apply(self, report: OrderReport, *, asked: int | None = None) -> bool:
        """Take over what the venue says: see `Beliefs.apply`."""
        return await self.beliefs.apply(report, asked=asked)

    async def reopen(self, report: OrderReport, alert: Alert) -> None:
        """An order that we believed over counts again: see `Beliefs.reopen`."""
        await self.beliefs.reopen(report, alert)

    async def settle_as(self, order: LiveOrder, state: OrderState, note: str, alert: Alert | None = None) -> None:
        """The order's state is known without a report: see `Beliefs.settle_as`."""
        await self.beliefs.settle_as(order, state, note, alert)

    async def _find(self, order_id: ClientOrderId) -> OrderReport | None:
        return await self._broker.find_order(order_id) if self._broker.capabilities.find_by_client_id else None

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
        reduces=intent.reduce_only,
    )
