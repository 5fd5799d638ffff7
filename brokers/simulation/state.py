"""The state of a simulated account, and the draft of a change to it.

A change is first drafted beside the state, then committed to the journal, and only then applied: when the
commit fails, memory still agrees with the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from typing import TypeVar

from brokers.account import CashFlow, FlowKind
from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderReport, OrderRequest, VenueOrderState
from brokers.simulation.source import Tick

K = TypeVar("K")
V = TypeVar("V")

_AVERAGE = Context(prec=28)
COST_STEP = Decimal("1e-10")
"""The cost of what a margined position closes is rounded to this; the rest stays in what is open: nothing is lost."""

VENUES_OWN = "venue-liquidation-"
"""How the ids of the venue's own orders begin; outside they have none."""

TURNOVER_DAYS = 30


@dataclass(frozen=True, slots=True)
class Change:
    """A modification on its way to the venue, which it reaches at `due`."""

    due: datetime
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None

    def over(self, earlier: Change | None) -> Change:
        """This change together with one that has not arrived yet: they arrive as one, when this one does."""
        if earlier is None:
            return self
        return Change(
            due=max(self.due, earlier.due),
            quantity=earlier.quantity if self.quantity is None else self.quantity,
            limit_price=earlier.limit_price if self.limit_price is None else self.limit_price,
            stop_price=earlier.stop_price if self.stop_price is None else self.stop_price,
        )

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self.quantity is None and not self.moves_price

    @property
    def moves_price(self) -> bool:
        """Whether the order loses its place for it."""
        return self.limit_price is not None or self.stop_price is not None


@dataclass(frozen=True, slots=True)
class BookOrder:
    """An order in the simulated book.

    It meets only ticks later than `active_from`. `reserve` is the price it counts at in buying power,
    `arrival_price` the mid when it was placed. `session` is the trading day that its first tick opened.
    `arrived` once it has met a tick that it could trade on; `ahead` is what is before it in the queue then, None
    when nobody can tell. `best` is the best last price that a trailing stop has seen. `fees_due` is unrounded,
    `fees` were charged, both for fills worth `traded`. `cancel_due` and `change` are messages on their way,
    `messages` how many there were.
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
    traded: Decimal = ZERO
    ahead: Decimal | None = None
    best: Decimal | None = None
    cancel_due: datetime | None = None
    change: Change | None = None
    messages: int = 0

    @property
    def id(self) -> ClientOrderId:
        """The id in the venue's book: ours, or the venue's own."""
        return self.request.client_order_id

    @property
    def venue_id(self) -> str:
        """The venue's id, as it tells it."""
        return f"paper-{self.sequence}"

    @property
    def is_venues_own(self) -> bool:
        """Whether the venue placed it itself, to liquidate."""
        return self.id.startswith(VENUES_OWN)

    @property
    def told_id(self) -> ClientOrderId:
        """The client order id in reports: empty for the venue's own orders."""
        return ClientOrderId("") if self.is_venues_own else self.id

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
        """Whether it can fill: it waits for no price, or that was reached."""
        return self.triggered or not self.request.type.is_conditional

    @property
    def is_resting(self) -> bool:
        """Whether it waits in the book as a maker would."""
        return self.arrived and self.request.type.has_limit and self.is_live

    @property
    def trigger(self) -> Decimal | None:
        """The price that wakes it: its stop price, or what a trailing stop has come to, to the nearest tick."""
        request, best = self.request, self.best
        if not request.type.is_trailing or best is None:
            return request.stop_price
        distance = request.trail if request.trail is not None else best * (request.trail_percent or ZERO) / 100
        price = request.instrument.round_price(best + distance * request.side.sign)
        return max(price, request.instrument.tick)

    def report(self, fills: tuple[Fill, ...] = (), reason: str = "") -> OrderReport:
        """The venue's word on this order, with `fills`."""
        request = self.request
        return OrderReport(
            client_order_id=self.told_id,
            venue_order_id=self.venue_id,
            symbol=self.symbol,
            side=request.side,
            quantity=request.quantity,
            state=self.state,
            at=self.updated_at,
            filled=self.filled,
            fills=fills,
            type=request.type,
            limit_price=request.limit_price,
            stop_price=self.trigger,
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only,
            reason=reason or self.reason,
            post_only=request.post_only,
            trail=request.trail,
            trail_percent=request.trail_percent,
            expires_at=request.expires_at,
            oco_group=request.oco_group,
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """A position: signed quantity and average entry price (zero when flat).

    `cost` is the exact price x quantity of what is open, in price units; None in old journals, where the average says.
    """

    instrument: Instrument
    quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    cost: Decimal | None = None

    @property
    def open_cost(self) -> Decimal:
        """The signed money that what is open came to: price x quantity x multiplier."""
        whole = self.quantity * self.average_price * self.instrument.multiplier
        return whole if self.cost is None else self.cost

    def after(self, signed_quantity: Decimal, price: Decimal) -> Holding:
        """The holding after a fill; a flip closes the old one and opens the new one at `price`."""
        quantity = self.quantity + signed_quantity
        if quantity == 0:
            return Holding(self.instrument)
        if self.quantity * quantity <= 0:
            return Holding(self.instrument, quantity, price, quantity * price * self.instrument.multiplier)
        if abs(quantity) < abs(self.quantity):
            return replace(self, quantity=quantity, cost=self.open_cost - self.released(signed_quantity))
        paid = self.quantity * self.average_price + signed_quantity * price
        cost = self.open_cost + signed_quantity * price * self.instrument.multiplier
        return Holding(self.instrument, quantity, _AVERAGE.plus(paid / quantity), cost)

    def released(self, signed_quantity: Decimal) -> Decimal:
        """The cost of what a fill of `signed_quantity` closes; zero when it closes nothing, all when it flips."""
        if self.quantity * signed_quantity >= 0:
            return ZERO
        if abs(signed_quantity) >= abs(self.quantity):
            return self.open_cost
        return (self.open_cost * -signed_quantity / self.quantity).quantize(COST_STEP)

    def realised(self, signed_quantity: Decimal, price: Decimal) -> Decimal:
        """The profit of what a fill closes, in the instrument's currency."""
        closed = -max(min(signed_quantity, -self.quantity), ZERO) if self.quantity < 0 else ZERO
        if self.quantity > 0:
            closed = min(max(-signed_quantity, ZERO), self.quantity)
        return closed * price * self.instrument.multiplier - self.released(signed_quantity)

    def value(self, mark: Decimal) -> Decimal:
        """What it adds to the equity at `mark`: its worth, or its profit if only that is settled."""
        if self.instrument.settlement is Settlement.MARGINED:
            return self.quantity * mark * self.instrument.multiplier - self.open_cost
        return self.quantity * mark * self.instrument.multiplier


class NoticeKind(StrEnum):
    """What a venue tells an account besides reports of orders."""

    MARGIN_CALL = "margin_call"
    LIQUIDATION = "liquidation"
    INSOLVENCY = "insolvency"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of the venue about the account."""

    kind: NoticeKind
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Activity:
    """How much an instrument trades: the day's volume so far, and the average of the days before it."""

    day: date
    volume: Decimal = ZERO
    average: Decimal | None = None

    @property
    def daily(self) -> Decimal | None:
        """A day's volume: the average of complete days, before that what the first one has come to."""
        return self.average if self.average is not None else (self.volume or None)

    def after(self, tick: Tick, day: date) -> Activity:
        """With one more tick; a day over counts with one part in twenty."""
        volume = tick.volume or ZERO
        if day == self.day:
            return replace(self, volume=self.volume + volume)
        if self.average is None:
            return Activity(day, volume, self.volume)
        return Activity(day, volume, _AVERAGE.plus(self.average + (self.volume - self.average) / 20))


@dataclass(slots=True)
class State:
    """Everything a simulated account is.

    Cash by currency, holdings by symbol, *open* orders in order of arrival, the last processed tick and the activity
    by symbol, the value traded by day, the last sequence numbers given to orders and flows, and what margin state
    was told last.
    """

    cash: dict[str, Decimal]
    holdings: dict[str, Holding] = field(default_factory=dict)
    orders: dict[ClientOrderId, BookOrder] = field(default_factory=dict)
    ticks: dict[str, Tick] = field(default_factory=dict)
    activity: dict[str, Activity] = field(default_factory=dict)
    turnover: dict[date, Decimal] = field(default_factory=dict)
    sequence: int = 0
    flows: int = 0
    told: NoticeKind | None = None

    @property
    def clock(self) -> datetime | None:
        """The time of the newest tick of all."""
        return max((tick.at for tick in self.ticks.values()), default=None)

    def apply(self, draft: Draft) -> None:
        """Make a committed draft real."""
        self.cash, self.sequence, self.flows, self.told = draft.cash, draft.sequence, draft.flow_count, draft.told
        for symbol, holding in draft.holdings.items():
            _put_or_drop(self.holdings, symbol, holding, keep=holding.quantity != 0)
        for order in draft.orders.values():
            _put_or_drop(self.orders, order.id, order, keep=order.state.is_open)
        self.turnover = draft.turnover
        if draft.tick is not None:
            self.ticks[draft.tick.symbol] = draft.tick
            if draft.activity is not None:
                self.activity[draft.tick.symbol] = draft.activity


def recent(turnover: dict[date, Decimal]) -> dict[date, Decimal]:
    """Without the days that no longer matter."""
    first = max(turnover) - timedelta(days=TURNOVER_DAYS - 1) if turnover else date.min
    return {day: turnover[day] for day in sorted(turnover) if day >= first}


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
        self.cash = dict(state.cash)
        self.sequence = state.sequence
        self.flow_count = state.flows
        self.told = state.told
        self.holdings: dict[str, Holding] = {}
        self.orders: dict[ClientOrderId, BookOrder] = {}
        self.activity: Activity | None = None
        self.turnover = state.turnover
        self.days: set[date] = set()
        self.fills: list[Fill] = []
        self.flows: list[CashFlow] = []
        self.notices: list[Notice] = []
        self.reports: list[OrderReport] = []

    @property
    def now(self) -> datetime:
        """The time of the tick that is being processed."""
        assert self.tick is not None
        return self.tick.at

    def holding(self, instrument: Instrument) -> Holding:
        """The holding of `instrument` so far; flat if there is none."""
        symbol = instrument.symbol
        return self.holdings.get(symbol) or self.state.holdings.get(symbol) or Holding(instrument)

    def all_holdings(self) -> dict[str, Holding]:
        """Every holding so far, by symbol."""
        return {**self.state.holdings, **self.holdings} if self.holdings else self.state.holdings

    def open_orders(self) -> list[BookOrder]:
        """Every open order so far, in order of arrival."""
        orders = {**self.state.orders, **self.orders}
        return [order for order in orders.values() if order.state.is_open]

    def each(self, symbol: str | None = None) -> Iterator[BookOrder]:
        """The open orders of `symbol` (or of all) one after another, each as it has become when its turn is there."""
        for key, known in tuple(self.state.orders.items()):
            order = self.orders.get(key, known)
            if (order is known or order.state.is_open) and (symbol is None or order.symbol == symbol):
                yield order

    def latest(self, symbol: str) -> Tick | None:
        """The last tick of `symbol`, the one being processed included."""
        if self.tick is not None and self.tick.symbol == symbol:
            return self.tick
        return self.state.ticks.get(symbol)

    def mark(self, holding: Holding) -> Decimal:
        """The last price of a holding's instrument; its entry price before the first tick."""
        tick = self.latest(holding.instrument.symbol)
        return holding.average_price if tick is None else tick.last

    def pay(self, currency: str, amount: Decimal) -> None:
        """Add `amount` (of any sign) to the cash of `currency`."""
        self.cash[currency] = self.cash.get(currency, ZERO) + amount

    def flow(self, kind: FlowKind, currency: str, amount: Decimal, at: datetime, *, symbol: str = "") -> CashFlow:
        """Money that comes or goes without a trade."""
        self.flow_count += 1
        flow = CashFlow(f"paper-{kind}-{self.flow_count}", kind, currency, amount, at, symbol)
        self.pay(currency, amount)
        self.flows.append(flow)
        return flow

    def notice(self, kind: NoticeKind, at: datetime, text: str) -> None:
        """Tell the account something, once until it is over."""
        if self.told is not kind:
            self.notices.append(Notice(kind, at, text))
            self.told = kind

    def trade(self, day: date, value: Decimal) -> None:
        """Count `value` as traded on `day`."""
        self.turnover = recent({**self.turnover, day: self.turnover.get(day, ZERO) + value})
        self.days.add(day)

    def traded_until(self, day: date) -> Decimal:
        """The value traded in the 30 days that end with `day`."""
        first = day - timedelta(days=TURNOVER_DAYS - 1)
        return sum((amount for known, amount in self.turnover.items() if known >= first), ZERO)

    def put(self, order: BookOrder) -> BookOrder:
        """Record a changed order that nobody needs to hear of."""
        self.orders[order.id] = order
        return order

    def tell(self, order: BookOrder, fills: tuple[Fill, ...] = (), reason: str = "") -> BookOrder:
        """Record a changed order and report it, as of the tick that is being processed, if one is."""
        if self.tick is not None and order.updated_at != self.tick.at:
            order = replace(order, updated_at=self.tick.at)
        self.reports.append(order.report(fills, reason))
        return self.put(order)

    def close(self, order: BookOrder, state: VenueOrderState, reason: str) -> BookOrder:
        """End an order, and report it."""
        return self.tell(replace(order, state=state, reason=reason, cancel_due=None, change=None))
