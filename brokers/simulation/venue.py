"""A simulated venue: the engine's drafts, committed to the journal, then applied, then reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.account import AccountInfo, Balance, Position
from brokers.errors import OrderNotFound, Rejected
from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderReport, OrderRequest
from brokers.simulation import funds, rules
from brokers.simulation.engine import PRECISION, Engine
from brokers.simulation.journal import Execution, Journal
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder, Draft, State
from brokers.simulation.terms import Terms


class Venue:
    """One account at one simulated venue; synchronous. A failed commit changes nothing in memory.

    Every method may raise `Unavailable` or `Uncertain` from the journal.
    """

    def __init__(self, terms: Terms, instruments: Mapping[str, Instrument], journal: Journal) -> None:
        self._terms = terms
        self._instruments = instruments
        self._engine = Engine(terms)
        self._journal = journal
        self.state: State = journal.load()

    def place(self, request: OrderRequest, at: datetime) -> OrderReport:
        """Accept an order, or raise `Rejected`."""
        instrument = rules.listed(self._instruments, request.instrument.symbol)
        if self._journal.find(request.client_order_id) is not None:
            raise Rejected("DUPLICATE_ORDER", f"order {request.client_order_id} was placed before")
        self._commit(self._engine.place(self.state, replace(request, instrument=instrument), at))
        return self.state.orders[request.client_order_id].report()

    def cancel(self, order: ClientOrderId, at: datetime) -> OrderReport:
        """Cancel an open order. Raises `OrderNotFound` or `Rejected("ORDER_CLOSED")`."""
        return self._commit(self._engine.cancel(self.state, self._open(order), at))[-1]

    def modify(
        self, order: ClientOrderId, at: datetime, *, quantity: Decimal | None, limit_price: Decimal | None
    ) -> OrderReport:
        """Change an open order. Raises like `cancel`, or `Rejected` when the change breaks a rule."""
        current = self._open(order)
        draft = self._engine.modify(self.state, current, at, quantity=quantity, limit_price=limit_price)
        return self._commit(draft)[-1]

    def tick(self, tick: Tick) -> list[OrderReport]:
        """Process a tick; the reports of what it did, in order."""
        draft = self._engine.tick(self.state, tick)
        return [] if draft is None else self._commit(draft)

    def find(self, order: ClientOrderId) -> OrderReport | None:
        """The order with all its fills, or None."""
        found = self._journal.find(order)
        return None if found is None else self._full_report(found)

    def open_orders(self) -> tuple[OrderReport, ...]:
        """Every open order with all its fills, oldest first."""
        return tuple(self._full_report(order) for order in self.state.orders.values())

    def executions(self, since: datetime | None, symbol: str | None) -> list[Execution]:
        """Every fill with its order, oldest first."""
        return self._journal.executions(since, symbol)

    def account(self, name: str, at: datetime) -> AccountInfo:
        """Balance, positions at their last price, and open orders."""
        return AccountInfo(name, at, self._balances(), self._positions(), self.open_orders(), simulated=True)

    def _balances(self) -> dict[str, Balance]:
        with localcontext(prec=PRECISION):
            locked = funds.locked(self._terms, self.state.orders.values())
            total = self.state.cash
            currency = self._terms.currency
            return {currency: Balance(currency, total, min(locked, max(total, ZERO)))}

    def _positions(self) -> dict[str, Position]:
        return {
            symbol: Position(symbol, held.quantity, held.average_price, self._mark(symbol))
            for symbol, held in self.state.holdings.items()
        }

    def _mark(self, symbol: str) -> Decimal | None:
        tick = self.state.ticks.get(symbol)
        return None if tick is None else tick.last

    def _open(self, order: ClientOrderId) -> BookOrder:
        found = self.state.orders.get(order)
        if found is not None:
            return found
        closed = self._journal.find(order)
        if closed is None:
            raise OrderNotFound(order)
        raise Rejected("ORDER_CLOSED", f"order {order} is {closed.state}")

    def _full_report(self, order: BookOrder) -> OrderReport:
        return order.report(self._journal.fills_of(order))

    def _commit(self, draft: Draft) -> list[OrderReport]:
        self._journal.commit(draft)
        self.state.apply(draft)
        return draft.reports
