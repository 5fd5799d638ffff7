"""One open order in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderRequest, OrderType, Side, TimeInForce
from core.store.models import FillRow, OrderRow
from core.trading.allocation import shares
from core.trading.ledger import EXACT
from core.trading.states import OrderState
from risk.intent import OrderIntent
from risk.view import WorkingOrder

# Who an order belongs to when no strategy asked for it.
MANUAL = "manual"


@dataclass(slots=True)
class LiveOrder:
    """An order of ours that may still fill. Only the order manager changes it, after the commit."""

    request: OrderRequest
    allocations: Mapping[str, Decimal]
    origin: str
    at: datetime
    state: OrderState
    filled: Decimal = ZERO
    venue_order_id: str = ""
    fill_ids: set[str] = field(default_factory=set)
    unpaid: set[str] = field(default_factory=set)  # fills whose fee has not been told

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
        )
        allocations = {name: Decimal(part) for name, part in row.allocations.items()}
        return cls(
            request,
            allocations,
            row.origin,
            row.at,
            OrderState(row.state),
            row.filled,
            row.venue_order_id,
            {fill.fill_id for fill in fills},
            {fill.fill_id for fill in fills if fill.fee is None},
        )

    @classmethod
    def of_intent(cls, intent: OrderIntent, order_id: ClientOrderId, at: datetime) -> LiveOrder:
        """A new order, about to be stored and sent."""
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
        )
        return cls(request, dict(intent.allocations), intent.origin.value, at, OrderState.SUBMITTING)

    @property
    def id(self) -> ClientOrderId:
        """Our id of it."""
        return self.request.client_order_id

    @property
    def symbol(self) -> str:
        """What it trades."""
        return self.request.instrument.symbol

    @property
    def remaining(self) -> Decimal:
        """Units that may still fill: all of them while we do not know."""
        return max(self.request.quantity - self.filled, ZERO)

    def filled_with(self, fills: Iterable[Fill]) -> Decimal:
        """The units that are filled when `fills` are added."""
        with localcontext(EXACT):
            return sum((fill.quantity for fill in fills), self.filled)

    @property
    def parts(self) -> Mapping[str, Decimal]:
        """The signed part of each strategy; an order that no strategy asked for is MANUAL's."""
        return self.allocations or {MANUAL: self.request.side.sign * self.request.quantity}

    def shares(self, filled: Decimal) -> dict[str, Decimal]:
        """The signed units that each strategy has once `filled` units have filled."""
        return shares(self.parts, filled, self.request.instrument.lot)

    def pending_part(self, strategy: str) -> Decimal:
        """The signed units that one strategy still gets from it: its part without what it has already."""
        if strategy not in self.parts or not self.remaining:
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
            uncertain=self.state is OrderState.UNCERTAIN,
            instrument=self.request.instrument,
        )
