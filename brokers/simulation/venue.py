"""A simulated venue: the engine's drafts, committed to the journal, then applied, then reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.account import AccountInfo, Balance, CashFlow, Position
from brokers.errors import OrderNotFound, Rejected
from brokers.instrument import Instrument
from brokers.market import OrderBook
from brokers.money import ZERO, exact
from brokers.order import ClientOrderId, Fill, Liquidity, OrderReport, OrderRequest
from brokers.simulation import funds, rules
from brokers.simulation.engine import PRECISION, Engine
from brokers.simulation.journal import Execution, Journal
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder, Draft, Notice, State
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
        self,
        order: ClientOrderId,
        at: datetime,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> OrderReport:
        """Change an open order. Raises like `cancel`, or `Rejected` when the change breaks a rule."""
        current = self._open(order)
        change = {"quantity": quantity, "limit_price": limit_price, "stop_price": stop_price}
        return self._commit(self._engine.modify(self.state, current, at, **change))[-1]

    def transfer(self, currency: str, amount: Decimal, at: datetime) -> CashFlow:
        """Pay money in (`amount` > 0) or out. Raises `Rejected`."""
        draft = self._engine.transfer(self.state, currency, exact(amount, "amount"), at)
        self._commit(draft)
        return draft.flows[-1]

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

    def closed_orders(self, since: datetime) -> tuple[OrderReport, ...]:
        """Every order that ended at or after `since`, with its fills, oldest first."""
        return tuple(self._full_report(order) for order in self._journal.closed(since))

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every execution at or after `since`, oldest first."""
        return self._journal.fills(since)

    def flows(self, since: datetime) -> tuple[CashFlow, ...]:
        """Funding, interest, deposits and withdrawals at or after `since`, oldest first."""
        return self._journal.flows(since)

    def notices(self, since: datetime) -> tuple[Notice, ...]:
        """Margin calls, liquidations and insolvencies at or after `since`, oldest first."""
        return self._journal.notices(since)

    def orderbook(self, tick: Tick, depth: int) -> OrderBook:
        """The market's book at `tick`, real or made: what orders of that tick would walk."""
        return self._terms.depth.book(tick, self._instruments[tick.symbol], depth)

    def fee(self, symbol: str, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
        """What one order of that size and price would be charged now."""
        notional = self._instruments[symbol].notional(quantity, price)
        with localcontext(prec=PRECISION):
            fees = self._engine.fees(Draft(self.state))
            return fees.charge(fees.due(notional, quantity, liquidity), ZERO, notional)

    def executions(self, since: datetime | None, symbol: str | None) -> list[Execution]:
        """Every fill with its order, oldest first."""
        return self._journal.executions(since, symbol)

    def account(self, name: str, at: datetime) -> AccountInfo:
        """Balances, positions at their last price, open orders, equity and margins."""
        with localcontext(prec=PRECISION):
            draft = Draft(self.state)
            now = funds.standing(draft, self._terms)
            return AccountInfo(
                account=name,
                at=at,
                balances=self._balances(draft),
                positions=self._positions(),
                open_orders=self.open_orders(),
                simulated=True,
                equity=now.equity,
                initial_margin=now.initial,
                maintenance_margin=now.maintenance,
            )

    def _balances(self, draft: Draft) -> dict[str, Balance]:
        locked = {currency: funds.locked(draft, self._terms, currency) for currency in self.state.cash}
        return {
            currency: Balance(currency, total, min(locked[currency], max(total, ZERO)))
            for currency, total in self.state.cash.items()
        }

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
