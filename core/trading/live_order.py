"""One open order in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce
from core.store.models import OrderRow
from core.trading.states import OrderState
from risk.view import WorkingOrder


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

    @classmethod
    def of_row(cls, row: OrderRow, instrument: Instrument, fill_ids: set[str]) -> LiveOrder:
        """The order as it was stored."""
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
            fill_ids,
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
    def remaining(self) -> Decimal:
        """Units that may still fill: all of them while we do not know."""
        return max(self.request.quantity - self.filled, ZERO)

    def pending_part(self, strategy: str) -> Decimal:
        """The signed units that one strategy still gets from it."""
        part = self.allocations.get(strategy, ZERO)
        return part * self.remaining / self.request.quantity

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
