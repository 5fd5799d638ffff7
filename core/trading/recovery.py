"""Acts on reconciliation: asks the venue, corrects our orders, opens the books, and finds what differs."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.account import AccountInfo
from brokers.order import ClientOrderId, OrderReport
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.clock import Clock
from core.store import orders as order_store
from core.trading.books import Books
from core.trading.ledger import Posting, adoption, deposit
from core.trading.live_order import MANUAL
from core.trading.order_manager import OrderManager
from core.trading.reconcile import (
    Apply,
    Drift,
    External,
    NeverPlaced,
    OrderCorrection,
    OurOrder,
    Ours,
    Zombie,
    find_drift,
    reconcile_orders,
)
from core.trading.states import OrderState
from core.trading.telling import Telling

# A venue may not know a new order yet. So often in a row it must say so before we believe it.
_DENIALS_NEEDED = 3


class Recovery:
    """The way back to agreement with the venue; at start, after a gap, and every now and then."""

    def __init__(
        self, broker: AbstractBroker, orders: OrderManager, books: Books, telling: Telling, trading_clock: Clock
    ) -> None:
        self._broker = broker
        self._orders = orders
        self._books = books
        self._telling = telling
        self._clock = trading_clock
        self._not_found: dict[str, int] = {}

    # --- orders ------------------------------------------------------------------------------------

    async def settle_orders(self) -> None:
        """Ask the venue about every order that may still change, and believe it. Raises `BrokerError`."""
        ours = [OurOrder(order.id, order.state) for order in self._orders.open_orders]
        found = {each.client_order_id: await self._find(each.client_order_id) for each in ours}
        theirs = await self._broker.get_open_orders()
        known = frozenset(found) | await self._known(theirs)
        for correction in reconcile_orders(ours, found, theirs, known):
            await self._correct(correction)
        await self._ask_for_fees()

    async def _find(self, order_id: str) -> OrderReport | None:
        return await self._broker.find_order(ClientOrderId(order_id))

    async def _known(self, reports: Sequence[OrderReport]) -> frozenset[str]:
        ids = [report.client_order_id for report in reports]
        return frozenset([each for each in ids if await order_store.get_order(each)])

    async def _correct(self, correction: OrderCorrection) -> None:
        match correction:
            case Apply(report):
                self._not_found.pop(report.client_order_id, None)
                await self._orders.apply(report)
            case NeverPlaced(order_id, was):
                await self._never_placed(order_id, was)
            case Zombie(report):
                await self._revive(report.client_order_id)
            case External(report):
                await self._tell_external(report)

    async def _never_placed(self, order_id: str, was: OrderState) -> None:
        """Believe that an order is not there, unless we are just sending it or something came meanwhile."""
        order = self._orders.open_order(order_id)
        if order is None or order.state is not was or self._orders.is_in_flight(order_id):
            return
        self._not_found[order_id] = self._not_found.get(order_id, 0) + 1
        if self._not_found[order_id] < _DENIALS_NEEDED and not self._broker.capabilities.simulated:
            return
        del self._not_found[order_id]
        what = f"{order.request.side} {order.request.quantity.normalize():f} {order.symbol}"
        alert = Alert("order", Severity.WARNING, f"Never placed: {what}", f"It was {was}; the venue does not know it.")
        await self._orders.settle_as(order, OrderState.NOT_PLACED, f"was {was}; the venue knows no such order", alert)

    async def _revive(self, order_id: ClientOrderId) -> None:
        """Ask once more before an order that was over counts again: the list may be older than the end."""
        report = await self._find(order_id)
        if report is None or not report.state.is_open:
            return
        title = f"Still open at the venue: {report.side} {report.remaining.normalize():f} {report.symbol}"
        alert = Alert("order", Severity.CRITICAL, title, "We believed that it was over. It counts again.")
        await self._orders.reopen(report, alert)

    async def _tell_external(self, report: OrderReport) -> None:
        title = f"An order that is not ours: {report.side} {report.remaining.normalize():f} {report.symbol}"
        key = f"external:{report.client_order_id}:{report.venue_order_id}"
        await self._telling.once(key, Alert("external", Severity.WARNING, title))

    async def _ask_for_fees(self) -> None:
        for order_id in await order_store.orders_without_fees(self._orders.account):
            if report := await self._find(order_id):
                await self._orders.apply(report)

    # --- books -------------------------------------------------------------------------------------

    async def compare(self) -> list[Drift]:
        """What differs when both sides are looked at in one moment. Raises `BrokerError`."""
        if not self._books.portfolio.balances:
            await self._open_books(await self._broker.get_account_info())
        fees_pending = bool(await order_store.orders_without_fees(self._orders.account))
        await self._broker.settled()
        info = await self._broker.get_account_info()
        for position in info.positions.values():
            if position.mark_price is not None:
                self._books.portfolio.marks.setdefault(position.symbol, position.mark_price)
        return find_drift(self._ours(fees_pending=fees_pending), info)

    async def _open_books(self, info: AccountInfo) -> None:
        """The first time, what the venue holds is our opening deposit; positions become MANUAL's."""
        account, instruments = self._orders.account, self._books.portfolio.instruments
        postings = [
            deposit(account, currency, balance.total, f"opening:{account}:{currency}")
            for currency, balance in info.balances.items()
            if balance.total
        ]
        for symbol, held in info.positions.items():
            if held.quantity and symbol in instruments:  # any other is drift, and halts
                postings.append(adoption(account, MANUAL, instruments[symbol], held.quantity, held.average_price))
        await self._post(postings)

    async def _post(self, postings: list[Posting]) -> None:
        async with self._books.lock, self._books.page() as page:
            for posting in postings:
                await page.post(posting, self._clock.now())

    def _ours(self, *, fees_pending: bool) -> Ours:
        portfolio = self._books.portfolio
        path = f"cash/{portfolio.account}"
        cash = {unit: amount for (account, unit), amount in portfolio.balances.items() if account == path}
        return Ours(portfolio.held(), cash, fees_pending=fees_pending)
