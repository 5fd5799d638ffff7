"""The truth: a small exchange that shares no code with the paper venue, and forgets nothing.

It accepts orders, executes them when it is told to, and can do what real venues do and a matching engine never
would: fill too much, correct and bust executions, tell a fee later or in a third currency. Everything that it was
asked and everything that it did is appended to its journal, from which `tests.faults.oracle` judges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from brokers.account import AccountInfo, Balance, CashFlow, FlowKind, Position
from brokers.errors import OrderNotFound, Rejected
from brokers.order import (
    ClientOrderId,
    Fill,
    Liquidity,
    OrderReport,
    OrderRequest,
    OrderType,
    Side,
    VenueOrderState,
)

ZERO = Decimal(0)
State = VenueOrderState


@dataclass
class Order:
    """An order at the exchange. `hidden_until`: queries do not find it yet (a lagging replica)."""

    request: OrderRequest
    number: str
    placed_at: datetime
    hidden_until: datetime | None = None
    quantity: Decimal = ZERO
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    closed_at: datetime | None = None
    closed_as: State | None = None
    reason: str = ""
    executions: list[Execution] = field(default_factory=list)
    busted: list[str] = field(default_factory=list)

    @property
    def symbol(self) -> str:
        return self.request.instrument.symbol

    @property
    def filled(self) -> Decimal:
        return sum((each.quantity for each in self.executions if each.void_at is None), ZERO)

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass
class Execution:
    """One execution. A corrected or busted one is void from `void_at` on."""

    id: str
    order: Order
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    at: datetime
    fee_told_at: datetime | None
    liquidity: Liquidity = Liquidity.TAKER
    corrects: str = ""
    void_at: datetime | None = None

    def fill(self, at: datetime) -> Fill:
        """As it is told at that moment."""
        told = self.fee_told_at is not None and self.fee_told_at <= at
        request = self.order.request
        return Fill(
            fill_id=self.id,
            client_order_id=request.client_order_id,
            symbol=self.order.symbol,
            side=request.side,
            quantity=self.quantity,
            price=self.price,
            fee=self.fee if told else None,
            fee_currency=self.fee_currency,
            liquidity=self.liquidity,
            at=self.at,
            corrects=self.corrects,
            venue_order_id=self.order.number,
        )


class Journal:
    """What happened, in order: in memory, and in a file that is only ever added to."""

    def __init__(self, path: Path | None = None) -> None:
        self.lines: list[dict[str, object]] = []
        self._file = None if path is None else path.open("a", encoding="utf-8")

    def add(self, at: datetime, what: str, **more: object) -> None:
        line = {"n": len(self.lines), "at": at.isoformat(), "what": what, **more}
        self.lines.append(line)
        if self._file is not None:
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()

    def of(self, *what: str) -> list[dict[str, object]]:
        return [line for line in self.lines if line["what"] in what]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Exchange:
    """One account at the venue of truth. `tell` hears every report as it happens."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        cash: Decimal = Decimal(1_000_000),
        currency: str = "USD",
        fee_rate: Decimal = Decimal("0.0007"),
        journal: Journal | None = None,
    ) -> None:
        self.now = now
        self.currency = currency
        self.fee_rate = fee_rate
        self.journal = journal or Journal()
        self.orders: dict[str, Order] = {}
        self.executions: list[Execution] = []
        self.flows: list[CashFlow] = []
        self.prices: dict[str, Decimal] = {}
        self.most: dict[str, Decimal] = {}  # what strategies may hold of a symbol at most, either way
        self.excesses: list[str] = []
        self.tell: Callable[[OrderReport], None] = lambda _: None
        self._reports = 0
        self.deposit(cash, currency)

    # --- what a client may ask ---------------------------------------------------------------------

    def place(self, request: OrderRequest) -> Order:
        """Accept an order. Raises `Rejected`."""
        if request.client_order_id in self.orders:
            self._log("refused", id=request.client_order_id, code="DUPLICATE_ORDER")
            raise Rejected("DUPLICATE_ORDER", f"order {request.client_order_id} was placed before")
        order = Order(
            request,
            f"v{len(self.orders) + 1}",
            self.now(),
            quantity=request.quantity,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
        )
        self.orders[request.client_order_id] = order
        self._log("accepted", id=request.client_order_id, symbol=order.symbol, side=request.side, qty=request.quantity)
        self._judge(order)
        return order

    def _judge(self, order: Order) -> None:
        """Whether market orders (those of strategies) may now lead to more than any of them ever wanted."""
        if order.symbol not in self.most or order.request.type is not OrderType.MARKET:
            return
        theirs = [o for o in self.orders.values() if o.symbol == order.symbol and o.request.type is OrderType.MARKET]
        held = sum((o.request.side.sign * o.filled for o in theirs), ZERO)
        side = order.request.side
        coming = sum((o.request.side.sign * o.left for o in theirs if o.is_open), ZERO)
        net = (held + coming) * side.sign  # when everything that is open has filled
        most = self.most[order.symbol]
        if net > most:
            name = order.request.client_order_id
            self.excesses.append(f"{name} makes it {net} {order.symbol}, at most {most} was wanted: a double")

    def refuse(self, request: OrderRequest) -> None:
        """Say no."""
        self._log("refused", id=request.client_order_id, code="MARGIN")
        raise Rejected("MARGIN", "the venue has raised its margin a moment ago")

    def cancel(self, client_id: str) -> Order:
        """Cancel what is left. Raises `OrderNotFound` or `Rejected("ORDER_CLOSED")`."""
        order = self._open(client_id)
        self.close(order, State.CANCELLED, "cancelled on request")
        return order

    def modify(
        self,
        client_id: str,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> Order:
        """Change an open order. Raises like `cancel`, or `Rejected` with a reason."""
        order = self._open(client_id)
        if quantity is not None and quantity <= order.filled:
            raise Rejected("QUANTITY_BELOW_FILLED", f"{order.filled} units are filled already")
        order.quantity = order.quantity if quantity is None else quantity
        order.limit_price = order.limit_price if limit_price is None else limit_price
        order.stop_price = order.stop_price if stop_price is None else stop_price
        self._log("modified", id=client_id, qty=order.quantity, limit=order.limit_price, stop=order.stop_price)
        self.tell(self.report(order))
        return order

    def find(self, client_id: str, at: datetime) -> OrderReport | None:
        order = self.orders.get(client_id)
        return None if order is None or not self._is_visible(order, at) else self.report(order, at)

    def open_orders(self, at: datetime) -> tuple[OrderReport, ...]:
        seen = (order for order in self.orders.values() if self._is_visible(order, at))
        return tuple(self.report(order, at) for order in seen if order.closed_at is None or order.closed_at > at)

    def closed_orders(self, since: datetime, at: datetime) -> tuple[OrderReport, ...]:
        seen = (order for order in self.orders.values() if self._is_visible(order, at))
        over = [order for order in seen if order.closed_at is not None and since <= order.closed_at <= at]
        return tuple(
            self.report(order, at) for order in sorted(over, key=lambda order: order.closed_at or order.placed_at)
        )

    def fills(self, since: datetime, at: datetime) -> tuple[Fill, ...]:
        return tuple(each.fill(at) for each in self._live(at) if each.at >= since)

    def cash_flows(self, since: datetime, at: datetime) -> tuple[CashFlow, ...]:
        return tuple(flow for flow in self.flows[1:] if since <= flow.at <= at)  # the first is the opening

    def account(self, at: datetime) -> AccountInfo:
        cash, units = self.money(at), self.positions(at)
        balances = {currency: Balance(currency, amount) for currency, amount in cash.items()}
        positions = {
            symbol: Position(symbol, quantity, self.prices.get(symbol, Decimal(1)), self.prices.get(symbol))
            for symbol, quantity in units.items()
        }
        return AccountInfo("truth", at, balances, positions, self.open_orders(at))

    def money(self, at: datetime | None = None) -> dict[str, Decimal]:
        """Cash by currency, summed anew from every execution and flow."""
        moment = at or self.now()
        cash: dict[str, Decimal] = {}
        for flow in self.flows:
            if flow.at <= moment:
                cash[flow.currency] = cash.get(flow.currency, ZERO) + flow.amount
        for each in self._live(moment):
            instrument, sign = each.order.request.instrument, each.order.request.side.sign
            paid = sign * each.quantity * each.price * instrument.multiplier
            cash[instrument.currency] = cash.get(instrument.currency, ZERO) - paid
            cash[each.fee_currency] = cash.get(each.fee_currency, ZERO) - each.fee
        return cash

    def positions(self, at: datetime | None = None) -> dict[str, Decimal]:
        """Units by symbol, without those that are flat."""
        units: dict[str, Decimal] = {}
        for each in self._live(at or self.now()):
            signed = each.order.request.side.sign * each.quantity
            units[each.order.symbol] = units.get(each.order.symbol, ZERO) + signed
        return {symbol: quantity for symbol, quantity in units.items() if quantity}

    def report(self, order: Order, at: datetime | None = None, fills: tuple[Fill, ...] | None = None) -> OrderReport:
        """The order as it stood at that moment (now), with all its fills or those given."""
        moment = at or self.now()
        live = [each for each in order.executions if each.at <= moment and not _is_void(each, moment)]
        filled = sum((each.quantity for each in live), ZERO)
        request = order.request
        return OrderReport(
            client_order_id=request.client_order_id,
            venue_order_id=order.number,
            symbol=order.symbol,
            side=request.side,
            quantity=order.quantity,
            state=_state(order, filled, moment),
            at=moment,
            filled=filled,
            fills=tuple(each.fill(moment) for each in live) if fills is None else fills,
            type=request.type,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only,
            reason=order.reason if order.closed_at is not None and order.closed_at <= moment else "",
            busted=tuple(order.busted),
        )

    # --- what happens ------------------------------------------------------------------------------

    def deposit(self, amount: Decimal, currency: str) -> None:
        """Money comes (or goes) without a trade."""
        kind = FlowKind.DEPOSIT if amount > 0 else FlowKind.WITHDRAWAL
        flow = CashFlow(f"flow{len(self.flows) + 1}", kind, currency, amount, self.now())
        self.flows.append(flow)
        self._log("flow", id=flow.flow_id, currency=currency, amount=amount)

    def execute(
        self,
        order: Order,
        quantity: Decimal | None = None,
        *,
        price: Decimal | None = None,
        fee: Decimal | None = None,
        fee_currency: str = "",
        tell_fee: bool = True,
        tell: bool = True,
    ) -> Execution:
        """Fill some of an order, all that is left by default; more than that is an overfill, a closed order a late
        fill. The report carries the new fill alone.
        """
        units = order.left if quantity is None else quantity
        at_price = price or order.limit_price or self.prices.get(order.symbol, Decimal(100))
        charged = (units * at_price * self.fee_rate).quantize(Decimal("0.0001")) if fee is None else fee
        now = self.now()
        done = Execution(
            f"x{len(self.executions) + 1}.01",
            order,
            units,
            at_price,
            charged,
            fee_currency or self.currency,
            now,
            now if tell_fee else None,
            Liquidity.MAKER if order.request.type is OrderType.LIMIT else Liquidity.TAKER,
        )
        self._book(done)
        if order.is_open and order.left <= 0:
            order.closed_at, order.closed_as = now, State.FILLED
        if tell:
            self.tell(self.report(order, fills=(done.fill(now),)))
        return done

    def correct(self, old: Execution, *, quantity: Decimal | None = None, price: Decimal | None = None) -> Execution:
        """Replace an execution by another: its id differs only behind the last dot."""
        stem, _, version = old.id.rpartition(".")
        now = self.now()
        old.void_at = now
        new = Execution(
            f"{stem}.{int(version) + 1:02}",
            old.order,
            quantity or old.quantity,
            price or old.price,
            old.fee,
            old.fee_currency,
            now,
            now,
            old.liquidity,
            corrects=old.id,
        )
        self._book(new)
        self.tell(self.report(old.order, fills=(new.fill(now),)))
        return new

    def bust(self, old: Execution) -> None:
        """Declare an execution void, and with it those that it had corrected."""
        old.void_at = self.now()
        chain: Execution | None = old
        while chain is not None:
            old.order.busted.append(chain.id)
            chain = next((each for each in old.order.executions if each.id == chain.corrects), None)
        self._log("busted", execution=old.id)
        self.tell(self.report(old.order, fills=()))

    def tell_fee(self, execution: Execution) -> None:
        """Say what an execution cost."""
        execution.fee_told_at = self.now()
        self.tell(self.report(execution.order, fills=(execution.fill(self.now()),)))

    def close(self, order: Order, state: State, reason: str) -> None:
        """The order is over."""
        order.closed_at, order.closed_as, order.reason = self.now(), state, reason
        self._log("closed", id=order.request.client_order_id, state=state)
        self.tell(self.report(order, fills=()))

    def meet(self, order: Order, price: Decimal) -> bool:
        """Whether an order trades at that price."""
        if not order.is_open or order.request.type.is_conditional:
            return False
        limit = order.limit_price
        if limit is None:
            return True
        return price <= limit if order.request.side is Side.BUY else price >= limit

    def live_orders(self) -> list[Order]:
        return [order for order in self.orders.values() if order.is_open]

    def _book(self, done: Execution) -> None:
        self.executions.append(done)
        done.order.executions.append(done)
        self._log(
            "execution",
            execution=done.id,
            id=done.order.request.client_order_id,
            symbol=done.order.symbol,
            side=done.order.request.side,
            qty=done.quantity,
            price=done.price,
            fee=done.fee,
            fee_currency=done.fee_currency,
            corrects=done.corrects,
        )

    def _open(self, client_id: str) -> Order:
        order = self.orders.get(ClientOrderId(client_id))
        if order is None:
            raise OrderNotFound(client_id)
        if not order.is_open:
            raise Rejected("ORDER_CLOSED", f"order {client_id} is {order.closed_as}")
        return order

    def _live(self, at: datetime) -> Iterator[Execution]:
        return (each for each in self.executions if each.at <= at and not _is_void(each, at))

    def _is_visible(self, order: Order, at: datetime) -> bool:
        return order.placed_at <= at and (order.hidden_until is None or order.hidden_until <= self.now())

    def _log(self, what: str, **more: object) -> None:
        self.journal.add(self.now(), what, **more)


def _is_void(execution: Execution, at: datetime) -> bool:
    return execution.void_at is not None and execution.void_at <= at


def _state(order: Order, filled: Decimal, at: datetime) -> State:
    if order.closed_at is not None and order.closed_at <= at and order.closed_as is not None:
        return order.closed_as
    return State.PARTIALLY_FILLED if filled else State.WORKING
