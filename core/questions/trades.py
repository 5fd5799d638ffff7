"""Orders and executions."""

from __future__ import annotations

from collections.abc import Collection

from core.errors import UnknownName
from core.questions.asking import Asking
from core.rows import fill_row, order_card, order_row
from core.store import orders as order_store
from core.trading.spelling import spelt
from core.trading.states import OrderState
from core.views import FillRow, OrderCard, OrderRow, Page


class TradeQuestions(Asking):
    """What was ordered, and what came of it."""

    async def orders(
        self,
        *,
        page: int = 1,
        size: int = 8,
        which: str = "all",
        strategy: str = "",
        account: str = "",
        accounts: Collection[str] | None = None,
    ) -> Page[OrderRow]:
        """Orders, newest first: "all", "open", or those in "doubt". Raises `UnknownName`."""
        self._check_known(strategy, accounts)
        rows, total = await order_store.page_of_orders(
            page,
            size,
            open_only=which != "all",
            strategy=strategy,
            state=OrderState.UNCERTAIN if which == "doubt" else None,
            accounts=self._of(account, accounts),
        )
        return Page(tuple(order_row(row) for row in rows), page, size, total)

    async def order(self, client_order_id: str, accounts: Collection[str] | None = None) -> OrderCard:
        """One order with its whole history. Raises `UnknownName`."""
        row = await order_store.get_order(client_order_id)
        desks = self._engine.floor.chosen("", accounts)
        desk = next((each for each in desks if row is not None and each.account == row.account), None)
        if row is None or (desk is None and accounts is not None):
            known = [order.id for each in desks for order in each.orders.open_orders]
            raise UnknownName("order", client_order_id[:40], known)
        return order_card(
            row,
            await order_store.events_of(client_order_id),
            await order_store.fills_of(row.account, [client_order_id]),
            desk.decisions.next_step(client_order_id) if desk is not None else "",
        )

    async def fills(
        self,
        *,
        page: int = 1,
        size: int = 8,
        symbol: str = "",
        account: str = "",
        accounts: Collection[str] | None = None,
    ) -> Page[FillRow]:
        """Fills, newest first. Raises `UnknownName`."""
        desks = self._engine.floor.chosen(account, accounts)
        lots = (lot for desk in desks for _, lot in desk.portfolio.lots())
        traded = (symbol for desk in self._engine.floor for symbol in desk.portfolio.instruments)
        known = {*traded, *(lot.instrument.symbol for lot in lots)}
        meant = spelt(symbol, known) if symbol else ""
        if meant is None:
            raise UnknownName("symbol", symbol, known)
        rows, total = await order_store.page_of_fills(page, size, meant, self._of(account, accounts))
        is_single = self._engine.floor.is_single
        return Page(tuple(fill_row(row, named=not is_single) for row in rows), page, size, total)

    def _of(self, account: str, accounts: Collection[str] | None) -> tuple[str, ...] | None:
        """Which accounts to look for; None: whatever there is, also of accounts that have left the settings."""
        if not account and accounts is None:
            return None
        return tuple(desk.account for desk in self._engine.floor.chosen(account, accounts))
