"""What happened at the venue without us: a person's trades, liquidations, funding, deposits.

It is recorded as it is, for nobody's strategy (`EXTERNAL`), and told; it is never corrected or traded against. Where
positions may be short, what it has closed of others' is theirs no more (`core.trading.taken`). The venue's lists are
read again from an hour before what we saw last, so nothing is lost, and everything is known by the venue's id of it,
so nothing counts twice. Executions of ours that nobody told us of are found here too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from brokers.account import CashFlow
from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderReport, VenueOrderState
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.events import Events, FillRecorded
from core.store import orders as order_store
from core.store.control import get_cursor, put_cursor
from core.store.ledger import is_posted
from core.store.models import FillRow
from core.store.orders import Stamp
from core.trading.books import Books, Page
from core.trading.closing import unclosed
from core.trading.coins import in_money
from core.trading.fees import with_known_fee
from core.trading.fill_books import FillBooks
from core.trading.fill_news import BOOKED, FillNews, KnownFill, Trust, known_fills, news_of
from core.trading.fills import alert_of_held, inside_facts
from core.trading.flow_words import alert_of_flow
from core.trading.flows import flow_ref
from core.trading.in_kind import holding_of
from core.trading.ledger import EXTERNAL
from core.trading.live_order import LiveOrder
from core.trading.order_manager import OrderManager
from core.trading.order_search import report_of_fills
from core.trading.risk_watch import RiskWatch
from core.trading.taken import taken_by
from core.trading.telling import Telling

log = structlog.get_logger(__name__)

LOOKBACK = timedelta(minutes=60)
LOOK_BACK = timedelta(days=7)
_LOOK_BACK_EVERY = timedelta(minutes=5)

_NOBODY = ClientOrderId("")  # whatever the venue calls an order that is not ours: of that nothing is kept


class ExternalTrades:
    """Keeps the books complete: every execution and cash flow that the venue tells is in them once."""

    def __init__(
        self,
        broker: AbstractBroker,
        orders: OrderManager,
        books: Books,
        *,
        alerts: Alerts,
        telling: Telling,
        events: Events,
        clock: Clock,
        trading_clock: Clock,
        watch: RiskWatch,
    ) -> None:
        self._watch = watch
        self._broker = broker
        self._orders = orders
        self._books = books
        self._telling = telling
        self._events = events
        self._clock = clock
        self._trading_clock = trading_clock
        self._alerts = alerts
        self._fills = FillBooks(orders.account, alerts)
        self._looked_back: datetime | None = None
        self._floor_key = f"external-from:{orders.account}"
        self._seen_key = f"external-seen:{orders.account}"

    async def begin(self, at: datetime) -> None:
        """The books are opened with what the venue holds `at` this moment: what was before is in it."""
        await put_cursor(self._floor_key, at)
        await put_cursor(self._seen_key, at)

    async def catch_up(self) -> None:
        """Record what is new. Raises `BrokerError`; then the next time begins where this one did."""
        floor = await get_cursor(self._floor_key)
        if floor is None:  # books of a version that did not look
            floor = self._trading_clock.now()
            await self.begin(floor)
        seen = await get_cursor(self._seen_key) or floor
        since = max(floor, seen - LOOKBACK)
        fills = await self._executions(since, floor)
        flows = await self._flows(since, floor)
        waiting = await self._take_fills(fills, since)
        await self._take_flows(flows)
        newest = max([seen, *(fill.at for fill in fills), *(flow.at for flow in flows)])
        oldest_waiting = min((fill.at for fill in waiting), default=newest)
        await put_cursor(self._seen_key, max(seen, min(newest, oldest_waiting)))

    async def take_executions(self) -> None:
        """Record new executions and nothing else, at any moment; the next `catch_up` begins where it would have.

        Raises `BrokerError`.
        """
        floor = await get_cursor(self._floor_key)
        if floor is not None:
            since = max(floor, (await get_cursor(self._seen_key) or floor) - LOOKBACK)
            await self._take_fills(await self._executions(since, floor), since)

    async def _executions(self, since: datetime, floor: datetime) -> list[Fill]:
        return [with_known_fee(fill) for fill in await self._broker.get_fills(since) if fill.at > floor]

    async def look_back(self) -> bool:
        """Cash flows once more, from days ago: a deposit may be told with the time at which it was sent.

        Every few minutes at most, for books that differ; whether the venue was asked. Raises `BrokerError`.
        """
        now, floor = self._clock.now(), await get_cursor(self._floor_key)
        if floor is None or (self._looked_back is not None and now - self._looked_back < _LOOK_BACK_EVERY):
            return False
        self._looked_back = now
        await self._take_flows(await self._flows(max(floor, self._trading_clock.now() - LOOK_BACK), floor))
        return self._broker.capabilities.cash_flows

    async def _flows(self, since: datetime, floor: datetime) -> Sequence[CashFlow]:
        if not self._broker.capabilities.cash_flows:
            return ()
        return [flow for flow in await self._broker.get_cash_flows(since) if flow.at > floor]

    # --- executions --------------------------------------------------------------------------------

    async def _take_fills(self, fills: Sequence[Fill], since: datetime) -> list[Fill]:
        """Record what is not recorded; those that may still turn out ours wait, and are returned.

        Nearly always everything is recorded, and one query says so.
        """
        stored = await order_store.stored_fills(self._orders.account, fills)
        if all(says_it_all(stored.get((fill.symbol, fill.fill_id)), fill) for fill in fills):
            return []
        owners = await self._owners(fills)
        mine: dict[str, list[Fill]] = defaultdict(list)
        others: dict[str, list[Fill]] = defaultdict(list)
        waiting = []
        for fill in fills:
            if owner := owners.get(_name(fill)):
                mine[owner].append(fill)
            elif self._may_be_ours(fill):
                waiting.append(fill)
            else:
                others[fill.symbol].append(replace(fill, client_order_id=_NOBODY))
        for order_id, each in mine.items():
            if not all(says_it_all(stored.get((fill.symbol, fill.fill_id)), fill) for fill in each):
                await self._take_ours(order_id, each)
        for symbol, theirs in others.items():
            await self._take_theirs(symbol, theirs, since)
        return waiting

    async def _owners(self, fills: Sequence[Fill]) -> dict[str, str]:
        """Which order of ours each execution belongs to: by our id, or by the venue's id of the order."""
        account = self._orders.account
        ids = await order_store.known_ids(account, (fill.client_order_id for fill in fills))
        rows = await order_store.orders_at_venue(account, {fill.venue_order_id for fill in fills})
        owners = {}
        for fill in fills:
            row = rows.get(fill.venue_order_id)
            if fill.client_order_id in ids:
                owners[_name(fill)] = str(fill.client_order_id)
            elif not fill.client_order_id and row is not None and (row.symbol, row.side) == (fill.symbol, fill.side):
                owners[_name(fill)] = row.client_order_id
        return owners

    def _may_be_ours(self, fill: Fill) -> bool:
        """Whether an order in doubt may be behind it, at a venue that does not keep our ids."""
        if self._broker.capabilities.find_by_client_id or fill.client_order_id:
            return False
        doubts = (order for order in self._orders.open_orders if order.state.is_in_doubt)
        return any((each.symbol, each.request.side) == (fill.symbol, fill.side) for each in doubts)

    async def _take_ours(self, order_id: str, fills: Sequence[Fill]) -> None:
        order = await self._orders.known(order_id)
        if order is None:
            return
        asked, told = order.asked, report_of_fills(order, fills)
        if not _is_news(order, told):
            return
        report = None
        if self._broker.capabilities.find_by_client_id:
            report = await self._broker.find_order(order.id)
        if report is not None:
            await self._orders.apply(report, asked=asked)
        if _is_news(order, told):
            log.warning("executions were not told with their order", order=order_id)
            await self._orders.apply(told, asked=asked)

    async def _take_theirs(self, symbol: str, fills: Sequence[Fill], since: datetime) -> None:
        if symbol not in self._books.portfolio.instruments:
            title = f"Traded at the venue in {symbol}, which is not in our market"
            body = "It cannot be valued and is not in the books. Put the symbol into market.symbols, then restart."
            await self._telling.once(f"external-symbol:{symbol}", Alert("external", Severity.CRITICAL, title, body))
            return
        async with self._books.lock:
            names = {name for fill in fills for name in (fill.fill_id, fill.corrects) if name}
            rows = await order_store.fill_family(self._orders.account, symbol, names)
            earlier = await self._earlier_links(symbol, fills, rows)
            known, void = known_fills([*rows, *earlier])
            names |= {row.fill_id for row in earlier}
            known = {name: fill for name, fill in known.items() if name in names}
            told = _report(symbol, fills)
            news = news_of(known, void, told, trust=Trust.ALONE)
            if 0 < len(earlier) <= len(news.held) and all(row.at >= since for row in earlier):  # they would be told
                news = news_of(known, void, told, trust=Trust.WHOLE)
            events = await self._record(symbol, news, known) if news else []
        for event in events:
            await self._events.publish(event)
        for fill in news.held:
            await self._telling.once(f"held:{_name(fill)}", alert_of_held(f"external {symbol}", fill))

    async def _earlier_links(self, symbol: str, fills: Sequence[Fill], rows: Sequence[FillRow]) -> list[FillRow]:
        """What a correction of a fill that we never heard of may take the place of: booked, and not told any more."""
        told = {fill.fill_id for fill in fills}
        known = {row.fill_id for row in rows}
        orphans = [fill for fill in fills if fill.corrects and not {fill.fill_id, fill.corrects} & known]
        venue_orders = {fill.venue_order_id for fill in orphans if fill.corrects not in told}
        if not venue_orders:
            return []
        booked = await order_store.fills_at_venue(self._orders.account, symbol, EXTERNAL, venue_orders)
        return [row for row in booked if row.fill_id not in known]

    async def _record(self, symbol: str, news: FillNews, known: dict[str, KnownFill]) -> list[FillRecorded]:
        instrument = self._books.portfolio.instrument(symbol)
        stamp = Stamp(self._trading_clock.now(), self._clock.now())
        events = []
        async with self._books.page() as page:
            for fill in news.fresh:
                parts, taken = {EXTERNAL: fill.signed_quantity}, self._taken(page, instrument, fill)
                left = page.held(symbol).get(EXTERNAL, ZERO) + fill.signed_quantity - sum(taken.values(), ZERO)
                alert = _alert_of(fill, taken, left)
                events.append(await self._fills.add(page, instrument, fill, parts, stamp, alert))
                await self._take(page, instrument, fill, taken)
            for fill in news.paid:
                await self._fills.pay(page, instrument, fill, known[fill.fill_id])
            for each in news.corrected:
                await self._fills.correct(page, instrument, known[each.old], each, stamp, f"external {symbol}")
            await self._bust(page, symbol, news, known)
        return events

    def _taken(self, page: Page, instrument: Instrument, fill: Fill) -> dict[str, Decimal]:
        """What it closes of what others hold. Where nothing can be short, whoever sells finds out what is there."""
        if not self._broker.capabilities.shorting:
            return {}
        held = page.held(fill.symbol)
        left = {name: unclosed(units, self._orders.pending(name, fill.symbol)) for name, units in held.items()}
        return taken_by(fill.signed_quantity, held, left, instrument)

    async def _take(self, page: Page, instrument: Instrument, fill: Fill, taken: Mapping[str, Decimal]) -> None:
        """It was theirs, at its price, and they do not trade for it again until they wish something else."""
        if taken:
            account, parts = self._orders.account, {**taken, EXTERNAL: -sum(taken.values(), ZERO)}
            trade = inside_facts(account, instrument, parts, fill.price, f"taken:{account}:{_name(fill)}")
            await page.post_trade(trade, fill.at)
            page.lose(trade)

    async def _bust(self, page: Page, symbol: str, news: FillNews, known: dict[str, KnownFill]) -> None:
        for fill_id in news.busted:
            await self._fills.bust(page, symbol, known[fill_id], self._trading_clock.now(), f"external {symbol}")

    # --- cash --------------------------------------------------------------------------------------

    async def _take_flows(self, flows: Sequence[CashFlow]) -> None:
        for each in flows:
            await self._know_price(each)
            async with self._books.lock:
                flow, trade = in_money(each, self._books.portfolio)
                async with self._books.page() as page:
                    is_new = await page.post_flow(flow, flow.at)
                    moved = await self._watch.store_paid_in(flow) if is_new else None
                    if is_new and trade is not None:
                        await page.post_trade(trade, flow.at)
                        page.let_go(trade)
                    if is_new and (alert := alert_of_flow(each, trade)) is not None:
                        await self._alerts.add(alert)
                self._watch.believe(moved)

    async def _know_price(self, flow: CashFlow) -> None:
        """Coins are booked once, as what they are worth: after a start nobody may know that but the venue yet."""
        portfolio = self._books.portfolio
        holding = holding_of(flow.currency, Instrument("", ""), portfolio)
        if holding is None or holding.symbol in portfolio.marks or await is_posted(flow_ref(portfolio.account, flow)):
            return
        quote = await self._broker.get_quote(holding.symbol)
        portfolio.marks.setdefault(holding.symbol, quote.last)


def says_it_all(row: FillRow | None, fill: Fill) -> bool:
    """Whether all that the venue tells of a fill is in the books, as far as its own row shows."""
    if row is None or row.replaced_by.startswith(f"{fill.fill_id}~"):
        return False
    if row.status != BOOKED:
        return True
    is_paid = row.fee is not None or fill.fee is None
    return is_paid and (row.quantity, row.price) == (fill.quantity, fill.price)


def _is_news(order: LiveOrder, told: OrderReport) -> bool:
    news = news_of(order.fills, order.void, told)
    return bool(news or news.held)


def _name(fill: Fill) -> str:
    return f"{fill.symbol}|{fill.fill_id}"


def _report(symbol: str, fills: Sequence[Fill]) -> OrderReport:
    """Executions of nobody's order, in the form that news are read from."""
    first = fills[0]
    state, at = VenueOrderState.FILLED, first.at
    return OrderReport(_NOBODY, "", symbol, first.side, first.quantity, state, at, ZERO, tuple(fills))


def _alert_of(fill: Fill, taken: Mapping[str, Decimal], left: Decimal) -> Alert:
    """What was done, whose it was, and what is nobody's now (`left`)."""
    verb = "bought" if fill.side.sign > 0 else "sold"
    title = f"Not by us: {verb} {fill.quantity.normalize():,f} {fill.symbol} at {fill.price.normalize():,f}"
    lines = ["A person at the venue, or the venue itself."]
    if taken:
        whose = ", ".join(f"{abs(part).normalize():,f} of {name}" for name, part in sorted(taken.items()))
        lines.append(
            f"It has closed {whose}: nobody buys that back or sells it again until its strategy wishes something else."
        )
    if left:
        has = f"{'long' if left > 0 else 'short of'} {abs(left).normalize():,f}"
        lines.append(
            f"In the books external is {has} now: it is left alone, without a stop. /flatten external closes it."
        )
    return Alert("external", Severity.WARNING, title, " ".join(lines))
