"""The state of a simulated account, and the draft of a change to it.

A change is first drafted beside the state, then committed to the journal, and only then applied: when the
commit fails, memory still agrees with the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Context, Decimal
from typing import TypeVar

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderReport, OrderRequest, VenueOrderState
from brokers.simulation.source import Tick

K = TypeVar("K")
V = TypeVar("V")

_AVERAGE = Context(prec=28)


@dataclass(frozen=True, slots=True)
class BookOrder:
    """An order in the simulated book.

    It meets only ticks later than `active_from`. `reserve` is the price it counts at in buying power,
    `arrival_price` the mid when it was placed. `session` is the trading day that its first tick opened.
    `arrived` once it has met a tick that it could trade on. `fees_due` is unrounded, `fees` were charged.
    """

    request: OrderRequest
    sequence: int
    placed_at: datetime
    active_from: datetime
    updated_at: datetime
    reserve: Decimal
    arrival_price: Decimal | None = None
    session: date | None = None
    triggered: bool = False
    arrived: bool = False
    filled: Decimal = ZERO
    fill_count: int = 0
    fees_due: Decimal = ZERO
    fees: Decimal = ZERO
    state: VenueOrderState = VenueOrderState.WORKING
    reason: str = ""

    @property
    def id(self) -> ClientOrderId:
        """Our own order id."""
        return self.request.client_order_id

    @property
    def symbol(self) -> str:
        """The instrument's symbol."""
        return self.request.instrument.symbol

    @property
    def remaining(self) -> Decimal:
        """Units not filled yet."""
        return self.request.quantity - self.filled

    @property
    def is_live(self) -> bool:
        """Whether it can fill: it has no stop, or the stop was triggered."""
        return self.triggered or not self.request.type.has_stop

    @property
    def is_resting(self) -> bool:
        """Whether it waits in the book as a maker would."""
        return self.arrived and self.is_live and self.request.type.has_limit

    def report(self, fills: tuple[Fill, ...] = (), reason: str = "") -> OrderReport:
        """The venue's word on this order, with `fills`."""
        return OrderReport(
            client_order_id=self.id,
            venue_order_id=f"paper-{self.sequence}",
            symbol=self.symbol,
            side=self.request.side,
            quantity=self.request.quantity,
            state=self.state,
            at=self.updated_at,
            filled=self.filled,
            fills=fills,
            type=self.request.type,
            limit_price=self.request.limit_price,
            stop_price=self.request.stop_price,
            time_in_force=self.request.time_in_force,
            reduce_only=self.request.reduce_only,
            reason=reason or self.reason,
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """A position: signed quantity and average entry price (zero when flat)."""

    instrument: Instrument
    quantity: Decimal = ZERO
    average_price: Decimal = ZERO

    def after(self, signed_quantity: Decimal, price: Decimal) -> Holding:
        """The holding after a fill; a flip closes the old one and opens the new one at `price`."""
        quantity = self.quantity + signed_quantity
        if quantity == 0:
            return Holding(self.instrument)
        if self.quantity * quantity <= 0:
            return Holding(self.instrument, quantity, price)
        if abs(quantity) < abs(self.quantity):
            return replace(self, quantity=quantity)
        paid = self.quantity * self.average_price + signed_quantity * price
        return Holding(self.instrument, quantity, _AVERAGE.plus(paid / quantity))


@dataclass(slots=True)
class State:
    """Everything a simulated account is: cash, holdings by symbol, *open* orders in order of arrival, the
    last processed tick by symbol, and the last order sequence number given.
    """

    cash: Decimal
    holdings: dict[str, Holding] = field(default_factory=dict)
    orders: dict[ClientOrderId, BookOrder] = field(default_factory=dict)
    ticks: dict[str, Tick] = field(default_factory=dict)
    sequence: int = 0

    def apply(self, draft: Draft) -> None:
        """Make a committed draft real."""
        self.cash = draft.cash
        self.sequence = draft.sequence
        for symbol, holding in draft.holdings.items():
            _put_or_drop(self.holdings, symbol, holding, keep=holding.quantity != 0)
        for order in draft.orders.values():
            _put_or_drop(self.orders, order.id, order, keep=order.state.is_open)
        if draft.tick is not None:
            self.ticks[draft.tick.symbol] = draft.tick


def _put_or_drop(mapping: dict[K, V], key: K, value: V, *, keep: bool) -> None:
    if keep:
        mapping[key] = value
    else:
        mapping.pop(key, None)


class Draft:
    """What one call or one tick changes, over a `State` that it leaves alone."""

    def __init__(self, state: State, tick: Tick | None = None) -> None:
        self.state = state
        self.tick = tick
        self.cash = state.cash
        self.sequence = state.sequence
        self.holdings: dict[str, Holding] = {}
        self.orders: dict[ClientOrderId, BookOrder] = {}
        self.fills: list[Fill] = []
        self.reports: list[OrderReport] = []

    def holding(self, instrument: Instrument) -> Holding:
        """The holding of `instrument` so far; flat if there is none."""
        symbol = instrument.symbol
        return self.holdings.get(symbol) or self.state.holdings.get(symbol) or Holding(instrument)

    def all_holdings(self) -> dict[str, Holding]:
        """Every holding so far, by symbol."""
        return {**self.state.holdings, **self.holdings}

    def open_orders(self) -> list[BookOrder]:
        """Every open order so far, in order of arrival."""
        orders = {**self.state.orders, **self.orders}
        return [order for order in orders.values() if order.state.is_open]

    def latest(self, symbol: str) -> Tick | None:
        """The last tick of `symbol`, the one being processed included."""
        if self.tick is not None and self.tick.symbol == symbol:
            return self.tick
        return self.state.ticks.get(symbol)

    def mark(self, holding: Holding) -> Decimal:
        """The last price of a holding's instrument; its entry price before the first tick."""
        tick = self.latest(holding.instrument.symbol)
        return holding.average_price if tick is None else tick.last

    def put(self, order: BookOrder) -> BookOrder:
        """Record a changed order that nobody needs to hear of."""
        self.orders[order.id] = order
        return order

    def tell(self, order: BookOrder, fills: tuple[Fill, ...] = (), reason: str = "") -> BookOrder:
        """Record a changed order and report it."""
        self.reports.append(order.report(fills, reason))
        return self.put(order)
