"""Kraken's channel of orders and executions: the first event of an order tells its terms, the others only what has
happened to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from brokers.ccxt.calls import Raw
from brokers.ccxt.parsing import decimal
from brokers.ccxt.streams.wire import Standing
from brokers.ccxt.words import iso_of
from brokers.order import VenueOrderState

_CERTAIN_DIGITS = 15
_EVENTS = frozenset({"pending_new", "new", "filled", "canceled", "expired"})
_STANDINGS = {
    "pending_new": VenueOrderState.WORKING,
    "new": VenueOrderState.WORKING,
    "partially_filled": VenueOrderState.PARTIALLY_FILLED,
    "filled": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELLED,
    "expired": VenueOrderState.EXPIRED,
}
_STATUSES = {
    **dict.fromkeys(("pending_new", "new", "partially_filled"), "open"),
    "filled": "closed",
    "canceled": "canceled",
    "expired": "expired",
}


def forget_token(exchange: Any) -> None:
    """A token lives for 15 minutes, unless Kraken has forgotten it before."""
    client = exchange.clients.get(exchange.urls["api"]["ws"]["private"])
    if client is not None:
        client.subscriptions.pop("authenticated", None)


def one_by_one(message: Any) -> Sequence[Any]:
    """Ccxt judges a message by its first event. What is open at the beginning is asked for."""
    if not isinstance(message, Mapping) or message.get("channel") != "executions":
        return (message,)
    events = message.get("data") or () if message.get("type") != "snapshot" else ()
    return [{**message, "data": [event]} for event in events]


def refusal(message: Any) -> str:
    """A subscription that is refused, of which ccxt tells nobody."""
    if isinstance(message, Mapping) and message.get("method") == "subscribe" and message.get("success") is False:
        return str(message.get("error") or "refused")
    return ""


def tells_terms(info: Raw) -> bool:
    """Whether an event changes an order, or tells of one that we do not read from events: of conditional ones."""
    kind = info.get("order_type", "limit")
    return info.get("exec_type") not in _EVENTS or kind not in ("limit", "market") or "triggers" in info


def pushed(raw: Raw) -> Raw:
    """An order by the words that an answer has."""
    info = raw["info"]
    flags = {"postOnly": info.get("post_only"), "reduceOnly": info.get("reduce_only")}
    numbers = {"amount": _exact(info.get("order_qty")), "filled": _exact(info.get("cum_qty") or 0)}
    status = _STATUSES.get(info.get("order_status")) if numbers["filled"] is not None else None
    return {**raw, **flags, **numbers, "status": status}


def executed(raw: Raw) -> Raw:
    """An execution; one that has cost several currencies is asked for."""
    fees = raw["info"].get("fees") or []
    fee = {"cost": _exact(fees[0]["qty"]), "currency": fees[0]["asset"]} if len(fees) == 1 else {}
    numbers = {"amount": _exact(raw["info"].get("last_qty")), "price": _exact(raw["info"].get("last_price"))}
    return {**raw, **numbers, "fees": (), "fee": fee}


def standing(info: Raw) -> Standing | None:
    """What an event says of an order: all but the first event leave out the rest."""
    filled = _exact(info.get("cum_qty"))
    if info.get("exec_type") not in _EVENTS or info.get("order_status") not in _STANDINGS:
        return None
    if filled is None and info.get("cum_qty") is not None:
        return None
    return Standing(_STANDINGS[info["order_status"]], filled, iso_of(info.get("timestamp")))


def _exact(number: Any) -> Decimal | None:
    """Numbers come as numbers of JSON, which have passed through a float: one with more than 15 digits is not certain,
    and what cannot be read is asked for.
    """
    found = decimal(number)
    return found if found is None or len(found.as_tuple().digits) <= _CERTAIN_DIGITS else None
