"""One open order in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce
from core.store.models import FillRow, OrderRow
from core.trading.allocation import shares
from core.trading.fill_news import KnownFill, known_fills
from core.trading.ledger import EXACT
from core.trading.states import OrderState
from core.trading.terms import Terms, terms_of
from risk.intent import OrderIntent, Origin
from risk.view import WorkingOrder

# Who an order belongs to when no strategy asked for it.
MANUAL = "manual"


@dataclass(slots=True, eq=False, weakref_slot=True)
class LiveOrder:
    """An order of ours that may still fill. Only the order manager changes it, after the commit.

    `wanted` are the terms that a change asks for and the venue has not confirmed; `asked` counts the changes that
    were sent, so that an answer that is older than a change is known for what it is.
    """

    request: OrderRequest
    allocations: Mapping[str, Decimal]
    origin: str
    at: datetime
    recorded_at: datetime
    state: OrderState
    filled: Decimal = ZERO
    venue_order_id: str = ""
    reason: str = ""
    role: str = ""
    give_up_at: datetime | None = None
    watch_until: datetime | None = None
    wanted: Terms | None = None
    asked: int = 0
    is_changing: bool = False  # we wait for the venue's answer to a change at this moment
    on_wire: bool = False  # the request has left, or may have
    refused: str = ""  # the word for why the venue has refused it
    trouble: str = ""  # why it is not there, in a sentence
    unwanted: str = ""  # why it is to be cancelled as soon as we know that it is there
    fills: dict[str, KnownFill] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)  # ids of fills that a correction has replaced, seen or not

    @classmethod
    def of_row(cls, row: OrderRow, instrument: Instrument, fills: Sequence[FillRow]) -> LiveOrder:
        """The order as it was stored, with its fills."""
        request = OrderRequest(
            client_order_id=ClientOrderId(row.client_order_id),
            instrument=instrument,
            side=Side(row.side),
            quantity=row.quantity,
            type=OrderType(row.type),
            limit_price=row.limit_price,
            stop_price=row.stop_price,
            time_in_force=TimeInForce(row.time_in_force),
            reduce_only=row.reduce_only,
            post_only=row.post_only,
            trail=row.trail,
            trail_percent=row.trail_percent,
            expires_at=row.expires_at,
            oco_group=row.oco_group,
        )
        known, void = known_fills(fills)
        return cls(
            request,
            {name: Decimal(part) for name, part in row.allocations.items()},
            row.origin,
            row.at,
            row.recorded_at,
            OrderState(row.state),
            row.filled,
            row.venue_order_id,
            row.reason,
            row.role,
            row.give_up_at,
            row.watch_until,
            Terms.of_text(row.wanted),
            fills=known,
            void=void,
        )

    @classmethod
    def of_intent(cls, intent: OrderIntent, order_id: ClientOrderId, at: datetime, wall: datetime) -> LiveOrder:
        """A new order, about to be stored and sent. Raises `ValueError` for one that no venue can be asked."""
        request = OrderRequest(
            client_order_id=order_id,
            instrument=intent.instrument,
            side=intent.side,
            quantity=intent.quantity,
            type=intent.type,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            time_in_force=intent.time_in_force,
            reduce_only=intent.reduce_only,
            post_only=intent.post_only,
            trail=intent.trail,
            trail_percent=intent.trail_percent,
            expires_at=intent.expires_at,
            oco_group=intent.oco_group,
        )
        give_up = None if intent.timeout is None else at + timedelta(seconds=intent.timeout)
        return cls(
            request,
            dict(intent.allocations),
            intent.origin.value,
            at,
            wall,
            OrderState.SUBMITTING,
            reason=intent.reason,
            role=intent.role,
            give_up_at=give_up,
        )

    @property
    def id(self) -> ClientOrderId:
        """Our id of it."""
        return self.request.client_order_id

    @property
    def symbol(self) -> str:
        """What it trades."""
        return self.request.instrument.symbol

    @property
    def what(self) -> str:
        """The order in a few words: `buy 10 ACME`."""
        return f"{self.request.side} {self.request.quantity.normalize():f} {self.symbol}"

    @property
    def is_resting_exit(self) -> bool:
        """Whether it waits at the venue to close something: no decided trade, it may never fill."""
        return self.origin == Origin.PROTECTION and self.request.type is not OrderType.MARKET

    @property
    def terms(self) -> Terms:
        """What a change can change, as the venue has it."""
        return terms_of(self.request)

    @property
    def remaining(self) -> Decimal:
        """Units that may still fill: all of them while we do not know, the larger size while a change is open."""
        quantity = self.request.quantity
        if self.wanted is not None:
            quantity = max(quantity, self.wanted.quantity)
        return max(quantity - self.filled, ZERO)

    @property
    def unpaid(self) -> frozenset[str]:
        """The fills whose fee has not been told."""
        return frozenset(each for each, fill in self.fills.items() if fill.counts and fill.fee is None)

    def filled_by(self, fills: Iterable[KnownFill]) -> Decimal:
        """The units of `fills` that count."""
        with localcontext(EXACT):
            return sum((fill.quantity for fill in fills if fill.counts), ZERO)

    @property
    def parts(self) -> Mapping[str, Decimal]:
        """The signed part of each strategy; an order that no strategy asked for is MANUAL's."""
        return self.allocations or {MANUAL: self.request.side.sign * self.request.quantity}

    def shares(self, filled: Decimal) -> dict[str, Decimal]:
        """The signed units that each strategy has once `filled` units have filled."""
        return shares(self.parts, filled, self.request.instrument.lot)

    def pending_part(self, strategy: str) -> Decimal:
        """The signed units that one strategy still gets from it: its part without what it has already."""
        if strategy not in self.parts or not max(self.request.quantity - self.filled, ZERO):
            return ZERO
        return self.parts[strategy] - self.shares(self.filled)[strategy]

    def as_working(self) -> WorkingOrder:
        """The order as risk counts it."""
        return WorkingOrder(
            client_order_id=self.id,
            symbol=self.symbol,
            side=self.request.side,
            remaining=self.remaining,
            price=self.request.limit_price or self.request.stop_price,
            reduce_only=self.request.reduce_only,
            uncertain=self.state.is_in_doubt,
            instrument=self.request.instrument,
            oco_group=self.request.oco_group,
            resting_exit=self.is_resting_exit,
            conditional=self.request.type.is_conditional,
        )
