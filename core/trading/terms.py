"""What a change of a working order can change: its quantity, its limit price, its trigger."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.errors import NotSupported, Rejected
from brokers.money import ZERO
from brokers.order import OrderReport, OrderRequest


@dataclass(frozen=True, slots=True)
class Terms:
    """Total quantity, limit price and trigger of an order, each None where its type has none."""

    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None

    def as_text(self) -> str:
        """For the store."""
        prices = [None if price is None else format(price, "f") for price in (self.limit_price, self.stop_price)]
        return json.dumps([format(self.quantity, "f"), *prices])

    @classmethod
    def of_text(cls, text: str) -> Terms | None:
        """From the store; None from an empty text."""
        if not text:
            return None
        quantity, limit, stop = json.loads(text)
        return cls(Decimal(quantity), limit and Decimal(limit), stop and Decimal(stop))

    def __str__(self) -> str:
        named = (("quantity", self.quantity), ("limit", self.limit_price), ("stop", self.stop_price))
        return ", ".join(f"{name} {value.normalize():f}" for name, value in named if value is not None)


def terms_of(order: OrderRequest | OrderReport) -> Terms:
    """The terms of an order as it is; the trigger of a trailing stop moves by itself and is none of them."""
    return Terms(order.quantity, order.limit_price, order.stop_price if order.type.has_stop else None)


def changed_terms(
    request: OrderRequest,
    filled: Decimal,
    *,
    quantity: Decimal | None,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
) -> Terms:
    """What the order is to become. Raises `Rejected` for a wish that makes no sense; None leaves a term as it is.

    A price that is no number changes neither the price nor the type of the order: it is refused.
    """
    wanted = Terms(
        request.quantity if quantity is None else quantity,
        request.limit_price if limit_price is None else limit_price,
        request.stop_price if stop_price is None else stop_price,
    )
    given = [value for value in (quantity, limit_price, stop_price) if value is not None]
    if not all(isinstance(value, Decimal) and value.is_finite() and value > ZERO for value in given):
        raise Rejected("BAD_CHANGE", "a quantity or price must be a number above zero")
    if wanted.quantity <= filled:
        raise Rejected("BAD_CHANGE", f"{filled.normalize():f} have filled already; cancel the rest instead")
    if (limit_price is not None and not request.type.has_limit) or (
        stop_price is not None and not request.type.has_stop
    ):
        raise NotSupported(f"such a price on a {request.type} order")
    return wanted


def with_terms(request: OrderRequest, terms: Terms) -> OrderRequest:
    """The same order on new terms."""
    return replace(
        request,
        quantity=terms.quantity,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price if request.type.has_stop else request.stop_price,
    )
