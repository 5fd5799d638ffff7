"""Acts on reconciliation: asks the venue, corrects our orders, opens the books, and finds what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from brokers.account import AccountInfo
from brokers.errors import Unavailable
from brokers.order import OrderReport
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.clock import Clock
from core.store import orders as order_store
from core.trading.books import Books
from core.trading.coins import newly_traded, worth_of
from core.trading.external import ExternalTrades
from core.trading.ledger import Posting, adoption, deposit
from core.trading.live_order import MANUAL, LiveOrder
from core.trading.order_manager import OrderManager
from core.trading.order_search import OrderSearch
from core.trading.reconcile import (
    Apply,
    Drift,
    External,
    Missing,
    OrderCorrection,
    OurOrder,
    Ours,
    Zombie,
    find_drift,
    reconcile_orders,
)
from core.trading.rounding import Rounding
from core.trading.telling import Telling

# How many orders that are over are asked for again when books and venue differ.
_PAST_ORDERS = 100
# A testnet gives hundreds of coins: so many are named.
_MOST_COINS = 8


class Recovery:
    """The way back to agreement with the venue; at start, after a gap, and every now and then."""

    def __init__(
        self,
        broker: AbstractBroker,
        orders: OrderManager,
        books: Books,
        *,
        search: OrderSearch,
        external: ExternalTrades,
        telling: Telling,
        trading_clock: Clock,
    ) -> None:
        self._broker = broker
        self._orders = orders
        self._books = books
        self._search = search
        self._external = external
        self._telling = telling
        self._clock = trading_clock
        self._rounding = Rounding(books, trading_clock)
        self._uncounted: set[str] = set()  # coins that were told of
        self.told: AccountInfo | None = None  # what the venue said in the newest comparison, if it was asked

    # --- orders ------------------------------------------------------------------------------------

    async def settle_orders(self, *, after_gap: bool = False) -> None:
        """Ask the venue about every order that may still change, and believe it. Raises `BrokerError`.

        An order that it does not know is looked for by the ladder; `after_gap`, so are those that were given up.
        """
        mine: dict[str, LiveOrder] = {order.id: order for order in self._orders.open_orders}
        asked = {name: order.asked for name, order in mine.items()}
        ours = [OurOrder(order.id, order.state) for order in mine.values()]
        theirs = await self._broker.get_open_orders()
        listed = {report.client_order_id: report for report in theirs}
        found = {name: listed.get(order.id) or await self._find(order) for name, order in mine.items()}
        known = frozenset(found) | await self._known(theirs)
        for correction in reconcile_orders(ours, found, theirs, known):
            await self._correct(correction, mine, asked)
        for order in self._orders.watched if after_gap else ():
            await self._search.look(order)
        await self._ask_for_fees()

    async def _find(self, order: LiveOrder) -> OrderReport | None:
        if self._broker.capabilities.find_by_client_id:
            return await self._broker.find_order(order.id)
        return None

    async def _known(self, reports: Sequence[OrderReport]) -> frozenset[str]:
        """Which of the venue's open orders are ours, whatever we believe of them."""
        return await order_store.known_ids(self._orders.account, (report.client_order_id for report in reports))

    async def _correct(self, correction: OrderCorrection, mine: dict[str, LiveOrder], asked: dict[str, int]) -> None:
        match correction:
            case Apply(report):
                order = mine[report.client_order_id]
                await self._search.found(order, report, asked[order.id])
            case Missing(order_id, was):
                order = mine[order_id]
                if order.state is was:
                    await self._search.look(order)
            case Zombie(report):
                await self.revive(report.client_order_id)
            case External(report):
                await self._tell_external(report)

    async def revive(self, order_id: str) -> bool:
        """Ask once more before an order that was over counts again: the list may be older than the end."""
        order = await self._orders.known(order_id)
        report = await self._find(order) if order is not None else None
        if report is None or not report.state.is_open:
            return False
        title = f"Still open at the venue: {report.side} {report.remaining.normalize():f} {report.symbol}"
        alert = Alert("order", Severity.CRITICAL, title, "We believed that it was over. It counts again.")
        await self._orders.reopen(report, alert)
        return True

    async def _tell_external(self, report: OrderReport) -> None:
        """Somebody's order is left alone. One without an id may be an order of ours in doubt: that is looked at."""
        if await order_store.orders_at_venue(self._orders.account, [report.venue_order_id]):
            return
        units = f"{report.remaining.normalize():f} " if report.remaining else ""  # none: for all that will be there
        title = f"An order that is not ours: {report.side} {units}{report.symbol}"
        key = f"external:{report.client_order_id}:{report.venue_order_id}"
        await self._telling.once(key, Alert("external", Severity.WARNING, title))

    async def _ask_for_fees(self) -> None:
        for order_id in await order_store.orders_without_fees(self._orders.account):
            order = await self._orders.known(order_id)
            if order is not None and (report := await self._find(order)):
                await self._orders.apply(report)

    # --- books -------------------------------------------------------------------------------------

    async def book_others(self) -> None:
        """Book what others traded, without comparing anything. Raises `BrokerError`."""
        await self._external.take_executions()

    async def compare(self) -> list[Drift]:
        """What differs when both sides are looked at in one moment. Raises `BrokerError`."""
        self.told = None
        if not self._books.portfolio.balances:
            await self._open_books(await self._broker.get_account_info())
        await self._external.catch_up()
        drifts = await self._differences()
        if drifts:
            asked = await self._ask_about_the_past()
            drifts = await self._differences() if await self._external.look_back() or asked else drifts
        return drifts

    async def _ask_about_the_past(self) -> bool:
        """A correction or a bust of an order that is over may have been missed: ask for the newest of them again.

        Whether there were any to ask for.
        """
        order_ids = await order_store.newest_filled(self._orders.account, _PAST_ORDERS)
        for order_id in order_ids:
            order = await self._orders.known(order_id)
            if order is not None and (report := await self._find(order)):
                await self._orders.apply(report, asked=order.asked)
        return bool(order_ids)

    async def _differences(self) -> list[Drift]:
        fees_pending = bool(await order_store.orders_without_fees(self._orders.account))
        await self._broker.settled()
        info = self.told = await self._broker.get_account_info()
        for position in info.positions.values():
            if position.mark_price is not None:
                self._books.portfolio.marks.setdefault(position.symbol, position.mark_price)
        await self._post(list(newly_traded(self._books.portfolio, info)))
        drifts = find_drift(self._ours(fees_pending=fees_pending), info)
        await self._tell_uncounted()
        return await self._rounding.settle(drifts, info)

    async def _tell_uncounted(self) -> None:
        """Coins that nobody trades here and that have no rate: once each, and all that are new in one alert."""
        found = self._books.portfolio.uncounted
        new = {each: amount for each, amount in found.items() if each not in self._uncounted}
        if new:
            await self._telling.tell(_alert_of_uncounted(new))
            self._uncounted.update(new)

    async def _open_books(self, info: AccountInfo) -> None:
        """The first time, what the venue holds is our opening deposit; positions become MANUAL's."""
        account, instruments = self._orders.account, self._books.portfolio.instruments
        postings = [
            deposit(account, currency, balance.total, f"opening:{account}:{currency}")
            for currency, balance in info.balances.items()
            if balance.total
        ]
        for symbol, held in info.positions.items():
            if held.quantity and symbol in instruments:  # any other is drift, and is told
                price = worth_of(held, self._books.portfolio)
                if price is None:
                    raise Unavailable(f"there is no price of {symbol} yet, and {held.quantity.normalize():f} are there")
                postings.append(adoption(account, MANUAL, instruments[symbol], held.quantity, price))
        await self._external.begin(info.at)
        await self._post(postings)
        if postings and not self._broker.capabilities.simulated:
            traded = [each for each in info.positions if each in instruments]
            await self._telling.tell(_alert_of_opening(info, traded, self._books.portfolio.currency))

    async def _post(self, postings: list[Posting]) -> None:
        if not postings:
            return
        async with self._books.lock, self._books.page() as page:
            for posting in postings:
                await page.post(posting, self._clock.now())

    def _ours(self, *, fees_pending: bool) -> Ours:
        portfolio = self._books.portfolio
        return Ours(portfolio.held(), portfolio.cash_by_currency, fees_pending=fees_pending)


def _alert_of_opening(info: AccountInfo, traded: Sequence[str], currency: str) -> Alert:
    """What the books of a real account begin with: whoever reads it knows whose those coins are now."""
    own_first = sorted(info.balances.items(), key=lambda each: each[0] != currency)
    money = [f"{each.total.normalize():,f} {name}" for name, each in own_first if each.total]
    held = {symbol: info.positions[symbol].quantity for symbol in traded}
    positions = [f"{units.normalize():+,f} {symbol}" for symbol, units in held.items() if units]
    title = f"The books are open: {_listed(positions + money)}"
    body = "That is what the venue has."
    if positions:
        body += " Positions that were there belong to manual: strategies leave them alone, /flatten closes them, too."
    return Alert("opening", Severity.INFO, title, body)


def _listed(named: Sequence[str]) -> str:
    more = f" and {len(named) - _MOST_COINS} more" if len(named) > _MOST_COINS else ""
    return ", ".join(named[:_MOST_COINS]) + more


def _alert_of_uncounted(coins: Mapping[str, Decimal]) -> Alert:
    """One coin in the title; several in the body, those beyond the first few only as a number."""
    named = [f"{amount.normalize():,f} {currency}" for currency, amount in sorted(coins.items())]
    one = len(named) == 1
    title = f"Not counted: {named[0] if one else f'{len(named)} coins'}"
    what, they = ("it is", "it") if one else ("they are", "they")
    body = (
        f"Nothing says what {they} {'is' if one else 'are'} worth, so {what} not part of equity. "
        f"If {they} shall be, give a rate in the account's fx setting, or trade {'it' if one else 'them'}."
    )
    return Alert("uncounted", Severity.WARNING, title, body if one else f"{_listed(named)}.\n{body}")
