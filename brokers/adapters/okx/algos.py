"""Conditional and trailing orders at OKX: algo orders, and the ordinary ones that they become when they wake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from brokers.ccxt.calls import Call, Inquiry, Raw, Sighting
from brokers.ccxt.parsing import moment
from brokers.ccxt.words import number_of
from brokers.errors import OrderNotFound, Unavailable
from brokers.order import OrderType, VenueOrderState

STATES: Mapping[str, VenueOrderState] = {
    "live": VenueOrderState.WORKING,
    "pause": VenueOrderState.WORKING,
    "effective": VenueOrderState.WORKING,
    "partially_effective": VenueOrderState.WORKING,
    "canceled": VenueOrderState.CANCELLED,
    "order_failed": VenueOrderState.REJECTED,
}
LISTS = ("conditional", "oco", "trigger", "move_order_stop")
_FORGOTTEN_AFTER = timedelta(hours=2)


def is_algo(raw: Raw) -> bool:
    """Whether an order of ccxt is an algo order itself, and not one that it has become."""
    info = raw.get("info", {})
    return bool(info.get("algoId")) and info.get("ordType") in LISTS


def words_for(kind: str) -> dict[str, Any]:
    """What asks for one kind of them."""
    return {"trailing": True} if kind == "move_order_stop" else {"trigger": True, "ordType": kind}


def kind_of(raw: Raw) -> OrderType | None:
    """By its trigger, and by whether it has a price for afterwards (-1 is the market's)."""
    info = raw.get("info", {})
    if info.get("ordType") == "move_order_stop":
        return OrderType.TRAILING_STOP
    if info.get("ordType") != "conditional":
        return None
    if number_of(info.get("slTriggerPx")):
        return OrderType.STOP_LIMIT if number_of(info.get("slOrdPx")) else OrderType.STOP
    return OrderType.TAKE_PROFIT_LIMIT if number_of(info.get("tpOrdPx")) else OrderType.TAKE_PROFIT


async def whole(inquiry: Inquiry, raw: Raw) -> Sighting:
    """An order with what it was (an algo order) and what it has become."""
    if not is_algo(raw):
        algo_id = str(raw.get("info", {}).get("algoId") or "")
        return await _with_terms(inquiry, _ordinary(raw), algo_id) if algo_id else Sighting.of(_ordinary(raw))
    terms, child = _priced(raw), _child_of(raw)
    if not child:
        return Sighting.of(terms)
    try:
        now = await inquiry.ask(Call("fetch_order", (child, raw["symbol"], {})))
    except OrderNotFound:  # it has been cancelled without a fill, more than two hours ago; or it is not there yet
        woke = moment(raw["info"].get("triggerTime") or None)
        if woke is not None and inquiry.now() - woke < _FORGOTTEN_AFTER:
            unseen = f"{terms['id']} was triggered; what it has become is not to be seen yet"
            raise Unavailable(unseen) from None
        return Sighting(terms, {**terms, "info": {**terms["info"], "state": "canceled"}})
    return Sighting(terms, _ordinary(now))


async def _with_terms(inquiry: Inquiry, now: Raw, algo_id: str) -> Sighting:
    try:
        algo = await inquiry.ask(Call("fetch_order", (algo_id, now["symbol"], {"trigger": True})))
    except OrderNotFound:
        return Sighting.of(now)
    return Sighting(_priced(algo), now)


def told(raw: Raw) -> Raw:
    """An order of either kind as it is pushed, by the words that an answer has."""
    return _priced(raw) if is_algo(raw) else _ordinary(raw)


def executions_in(raw: Raw) -> Sequence[Raw]:
    """The execution that has changed an order: ccxt makes one of it with the price and the fee of the whole order."""
    info = raw.get("info", {})
    if is_algo(raw) or not info.get("tradeId") or not number_of(info.get("fillSz")):
        return ()
    fee = {"cost": str(-Decimal(info["fillFee"])), "currency": info.get("fillFeeCcy")} if info.get("fillFee") else {}
    execution = {
        "id": info["tradeId"],
        "order": raw["id"],
        "symbol": raw["symbol"],
        "side": raw["side"],
        "amount": info["fillSz"],
        "price": info.get("fillPx"),
        "timestamp": info.get("fillTime"),
        "takerOrMaker": "maker" if info.get("execType") == "M" else "taker",
        "fee": fee,
        "info": info,
    }
    return (execution,)


def _child_of(raw: Raw) -> str:
    """The venue's id of the order that an algo order has become."""
    info = raw.get("info", {})
    if info.get("state") not in ("effective", "partially_effective"):
        return ""
    listed = info.get("ordIdList") or []
    return str(listed[-1]) if listed else str(info.get("ordId") or "")


def _ordinary(raw: Raw) -> Raw:
    """An ordinary order under its own id: ccxt names one that was an algo order by the id of that.

    One over an amount of money has no quantity: it is for what it has filled.
    """
    amount = raw.get("filled") if raw.get("amount") is None else raw["amount"]
    return {**raw, "id": str(raw.get("info", {}).get("ordId") or raw.get("id") or ""), "amount": amount}


def _priced(raw: Raw) -> Raw:
    """An algo order with its prices where those of ordinary orders are."""
    info = raw.get("info", {})
    limit = number_of(info.get("slOrdPx")) or number_of(info.get("tpOrdPx"))
    trigger = (
        number_of(info.get("slTriggerPx")) or number_of(info.get("tpTriggerPx")) or number_of(info.get("moveTriggerPx"))
    )
    in_money = info.get("tgtCcy") == "quote_ccy" and limit is None
    prices = {"price": None if limit is None else str(limit), "triggerPrice": None if trigger is None else str(trigger)}
    # ccxt takes money for a quantity, and woken for filled: but it is what it becomes that is filled
    return {**raw, **prices, "amount": "0" if in_money else raw.get("amount"), "filled": "0"}
