"""What we are about to believe of an order: written down first, then taken over in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from brokers.order import OrderRequest
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from core.trading.terms import Terms, with_terms
from risk.intent import scaled


@dataclass(frozen=True, slots=True)
class Belief:
    """Everything of an order that can change, at one moment. Make it `of` an order and `replace` what is new."""

    request: OrderRequest
    allocations: Mapping[str, Decimal]
    state: OrderState
    filled: Decimal
    venue_order_id: str
    wanted: Terms | None
    watch_until: datetime | None

    @classmethod
    def of(cls, order: LiveOrder) -> Belief:
        """What we believe of it now."""
        return cls(
            order.request,
            order.allocations,
            order.state,
            order.filled,
            order.venue_order_id,
            order.wanted,
            order.watch_until,
        )

    def settled(self) -> Belief:
        """The same with nothing on its way if the order is over, and nothing to watch for if it has turned up."""
        wanted = self.wanted if self.state.is_open else None
        watch = None if self.state.is_open or self.state is OrderState.FILLED else self.watch_until
        return replace(self, wanted=wanted, watch_until=watch)

    def on_terms(self, terms: Terms) -> Belief:
        """The venue has these terms; each strategy keeps its share of the order."""
        old, new = self.request, with_terms(self.request, terms)
        sign = old.side.sign
        parts = self.allocations
        if parts and new.quantity != old.quantity:
            parts = scaled(parts, sign * old.quantity, sign * new.quantity, old.instrument)
        return replace(self, request=new, allocations=parts, wanted=None)

    def take_over(self, order: LiveOrder) -> None:
        """It is committed: the order in memory is so from now on."""
        order.request, order.allocations = self.request, self.allocations
        order.state, order.filled = self.state, self.filled
        order.venue_order_id = self.venue_order_id
        order.wanted, order.watch_until = self.wanted, self.watch_until
