"""Books an adjustment: looks once more what differs, says why it cannot be booked, and books it in one transaction."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from brokers.account import AccountInfo
from brokers.port import AbstractBroker
from core.alerts.outbox import Alerts
from core.clock import Clock
from core.errors import UserError
from core.store import ledger as ledger_store
from core.store import orders as order_store
from core.store.control import get_cursor, put_cursor
from core.trading.adjustment import (
    Found,
    Plan,
    Treatment,
    Wish,
    Worth,
    left_of,
    plan_of,
    ref_of,
    token_of,
)
from core.trading.adjustment_words import alert_of_adjustment
from core.trading.books import Books, Page
from core.trading.drift_watch import DriftWatch
from core.trading.order_manager import OrderManager
from core.trading.reconcile import Drift, Ours, find_drift
from core.trading.recovery import Recovery
from core.trading.risk_watch import RiskWatch
from core.trading.states import OrderState
from core.trading.switch import TradingSwitch
from risk.metrics import is_price
from risk.view import TradingState

# An order in one of these is on its way, there or back: what it does may be in the venue's figures and not in ours.
_ON_THE_WAY = frozenset(
    {
        OrderState.INTENDED,
        OrderState.SUBMITTING,
        OrderState.UNCERTAIN,
        OrderState.MODIFYING,
        OrderState.CANCELLING,
    }
)
# Writes what else belongs to an adjustment, the audit line for example, inside its transaction.
Along = Callable[[Plan], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Yes:
    """A person's word: for what was shown (its token), by whom and why."""

    token: str
    by: str
    reason: str


class Overtaken(Exception):
    """The books are not what was shown any more: nothing was booked."""


class Adjustments:
    """Those of one account."""

    def __init__(
        self,
        broker: AbstractBroker,
        orders: OrderManager,
        books: Books,
        *,
        watch: RiskWatch,
        recovery: Recovery,
        drift: DriftWatch,
        switch: TradingSwitch,
        alerts: Alerts,
        clock: Clock,
        trading_clock: Clock,
    ) -> None:
        self._broker = broker
        self._orders = orders
        self._books = books
        self._portfolio = books.portfolio
        self._watch = watch
        self._recovery = recovery
        self._drift = drift
        self._switch = switch
        self._alerts = alerts
        self._clock = clock
        self._trading_clock = trading_clock
        self._cursor = f"adjusted:{books.portfolio.account}"

    async def look(self) -> Found:
        """What differs by the comparison that has just been made, if it can be booked.

        Raises `UserError` with the reason why it cannot, and `BrokerError` if the venue cannot be asked for a price.
        """
        await self._check_orders()
        info = self._recovery.told
        if info is None:
            raise UserError("Books and venue have not been compared. Ask again in a moment.")
        drifts = tuple(find_drift(Ours(self._portfolio.held(), self._portfolio.cash_by_currency), info))
        self._check_drifts(drifts)
        worths = {each.what: await self._worth(each.what, info) for each in drifts if not each.is_cash}
        return Found(drifts, worths, await get_cursor(self._cursor))

    def plan(self, found: Found, wish: Wish) -> tuple[Plan, dict[str, Decimal], str]:
        """What would be booked, by how much it would change equity, and the token of it. Raises `UserError`."""
        token = token_of(self._portfolio, found, wish)
        plan = plan_of(self._portfolio, found, wish, token)
        change = plan.change(left_of(plan, self._portfolio))
        if wish.treatment is Treatment.RESULT:
            self._check_rates(change)
        return plan, change, token

    async def is_booked(self, token: str) -> bool:
        """Whether just this was booked before."""
        return await ledger_store.is_posted(ref_of(self._portfolio.account, token))

    async def book(self, found: Found, wish: Wish, yes: Yes, along: Along) -> None:
        """Book what was shown. Raises `Overtaken` if the books have changed since it was found, and `UserError`."""
        async with self._books.lock:
            await self._check_orders()
            plan, _, now = self.plan(found, wish)
            if now != yes.token or not self._is_still(found) or await self.is_booked(yes.token):
                raise Overtaken
            async with self._books.page() as page:
                change = await self._write(page, plan)
                capital = change if plan.treatment is Treatment.CAPITAL else {}
                moved = await self._watch.store_capital(capital)
                await put_cursor(self._cursor, self._clock.now())
                await self._alerts.add(alert_of_adjustment(plan, found, yes.by, yes.reason))
                await along(plan)
            self._watch.believe(moved)

    async def _write(self, page: Page, plan: Plan) -> dict[str, Decimal]:
        at = self._trading_clock.now()
        for move, facts in zip(plan.moves, plan.trades, strict=True):
            await page.post_trade(facts, at)
            if move.is_taken:
                page.lose(facts)
        left = plan.left(page.entries)
        await page.post(plan.settling(left), at)
        return plan.change(left)

    # --- why not -----------------------------------------------------------------------------------

    async def _check_orders(self) -> None:
        on_the_way = [each for each in self._orders.open_orders if each.state in _ON_THE_WAY]
        if doubtful := [each for each in on_the_way if each.state.is_in_doubt]:
            raise UserError(
                f"{_orders(len(doubtful))} in doubt: what became of it may be the difference. "
                "/orders doubt shows it; settle it first."
            )
        if on_the_way:
            raise UserError(f"{_orders(len(on_the_way))} on the way. Ask again when the venue has answered.")
        if await order_store.orders_without_fees(self._orders.account):
            raise UserError("A fee is not known yet, so cash cannot be compared. Ask again when it is told.")

    def _check_drifts(self, drifts: tuple[Drift, ...]) -> None:
        account = self._portfolio.account
        if strange := [each.what for each in drifts if not each.is_cash and not self._is_known(each.what)]:
            raise UserError(
                f"{', '.join(strange[:5])}: not in our market, so nobody can say what it is worth. Put it into "
                "market.symbols and restart, or close it at the venue."
            )
        if (wait := self._drift.young_for(drifts)) > timedelta(0):
            seconds = math.ceil(wait.total_seconds())
            raise UserError(
                f"It differs for less than a minute and may explain itself. Ask again in {seconds} s.\n"
                + "\n".join(map(str, drifts[:5]))
            )
        for each in drifts:
            if self._switch.state_for(account, (), "" if each.is_cash else each.what) is TradingState.ACTIVE:
                raise UserError(f"{each.what} is ACTIVE: what trades freely is not adjusted. /halt account {account}")

    def _check_rates(self, change: dict[str, Decimal]) -> None:
        if unknown := [each for each in change if self._portfolio.rates.rate(each) is None]:
            raise UserError(
                f"Nobody knows what {', '.join(unknown[:5])} is worth, so it cannot be a result. "
                "Book it as capital, or give its rate in the account's fx setting."
            )

    def _is_known(self, symbol: str) -> bool:
        return symbol in self._portfolio.instruments

    def _is_still(self, found: Found) -> bool:
        """Whether our side is what it was when it was compared."""
        held, cash = self._portfolio.held(), self._portfolio.cash_by_currency
        ours = ((cash if each.is_cash else held).get(each.what, Decimal(0)) for each in found.drifts)
        return bool(found.drifts) and all(each.ours == units for each, units in zip(found.drifts, ours, strict=True))

    async def _worth(self, symbol: str, info: AccountInfo) -> Worth:
        """Its price: our newest, the venue's, or one that is asked for. Raises `UserError` and `BrokerError`."""
        position = info.positions.get(symbol)
        told = position.mark_price if position is not None else None
        for price in (self._portfolio.marks.get(symbol), told):
            if is_price(price):
                return Worth(price, position.average_price if position else None)
        price = (await self._broker.get_quote(symbol)).last
        if not is_price(price):
            raise UserError(f"Nobody knows the price of {symbol} now: it cannot be booked at what it is worth.")
        self._portfolio.marks.setdefault(symbol, price)
        return Worth(price, position.average_price if position else None)


def _orders(count: int) -> str:
    return "1 order is" if count == 1 else f"{count} orders are"
