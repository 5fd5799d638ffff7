"""A new order as a client asks for it: parameters read and checked, in the order in which the venue complains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from brokers.simulation.source import Tick
from tests.venues.binance import errors
from tests.venues.binance.router import Call
from tests.venues.binance.usdm import refusals
from tests.venues.binance.usdm.contracts import BAND, ORDER_TYPES, TIMES_IN_FORCE, Contract
from tests.venues.binance.usdm.refusals import refused

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")
_LEAST_GOOD_TILL, _MOST_GOOD_TILL = 600_000, 253402300799000
_CALLBACK = (Decimal("0.1"), Decimal(20))
SELF_TRADES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
WORKING_TYPES = ("CONTRACT_PRICE", "MARK_PRICE")
PLAIN_TYPES = ("LIMIT", "MARKET")
USUAL_SELF_TRADE = "EXPIRE_MAKER"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants. Zero is what it did not say."""

    contract: Contract
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    client_id: str
    reduce_only: bool
    close_position: bool
    trigger: Decimal
    activate: Decimal
    callback: Decimal
    working_type: str
    price_protect: bool
    self_trade: str
    good_till: int

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "BUY"


def plain_order(call: Call, contract: Contract, now: int) -> Wish:
    """What POST /fapi/v1/order asks for."""
    kind = _kind(call)
    if kind not in PLAIN_TYPES:
        raise refused(refusals.ALGO_ONLY)
    for name in ("stopPrice", "activationPrice", "callbackRate", "closePosition"):
        if call.params.get(name, "false") != "false":
            raise refusals.not_wanted(name.lower())
    wish = _read(call, contract, kind, call.params.get("newClientOrderId", ""))
    _check_common(wish, call, now)
    if kind == "MARKET":
        _check_unwanted(call, "price", "timeInForce")
    else:
        _check_wanted(call, "timeInForce", "quantity", "price")
    _check_wanted(call, "quantity")
    _check_steps(wish)
    return wish


def conditional(call: Call, contract: Contract, now: int) -> Wish:
    """What POST /fapi/v1/algoOrder asks for."""
    if call.text("algoType") != "CONDITIONAL":
        raise errors.Refusal(-1130, "Data sent for parameter 'algoType' is not valid.")
    kind = _kind(call)
    if kind in PLAIN_TYPES:
        raise refused(refusals.BAD_TYPE)
    if call.params.get("newClientOrderId"):
        raise errors.Refusal(-1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.")
    wish = _read(call, contract, kind, call.params.get("clientAlgoId", ""))
    _check_common(wish, call, now)
    _check_conditional(wish, call)
    _check_steps(wish)
    return wish


def _check_conditional(wish: Wish, call: Call) -> None:
    if wish.type == "TRAILING_STOP_MARKET":
        _check_wanted(call, "callbackRate")
        _check_unwanted(call, "triggerPrice", "price")
        if not _CALLBACK[0] <= wish.callback <= _CALLBACK[1]:
            raise errors.Refusal(-2007, "Invalid callBack rate")
    else:
        _check_wanted(call, "triggerPrice")
        _check_unwanted(call, "callbackRate", "activatePrice")
    if wish.type in ("STOP", "TAKE_PROFIT"):
        _check_wanted(call, "quantity", "price")
    elif wish.close_position:
        _check_closing(wish, call)
    else:
        _check_wanted(call, "quantity")
        _check_unwanted(call, "price")


def _check_closing(wish: Wish, call: Call) -> None:
    if wish.type == "TRAILING_STOP_MARKET":
        raise errors.Refusal(-4136, f"Target strategy invalid for orderType {wish.type},closePosition true")
    _check_unwanted(call, "quantity", "reduceOnly")


def _kind(call: Call) -> str:
    kind = call.text("type")
    if kind not in ORDER_TYPES:
        raise refused(refusals.BAD_TYPE)
    return kind


def _read(call: Call, contract: Contract, kind: str, client_id: str) -> Wish:
    return Wish(
        contract=contract,
        side=call.text("side"),
        type=kind,
        time_in_force=call.params.get("timeInForce") or "GTC",
        quantity=_number(call, "quantity"),
        price=_number(call, "price"),
        client_id=client_id,
        reduce_only=_flag(call, "reduceOnly"),
        close_position=_flag(call, "closePosition"),
        trigger=_number(call, "triggerPrice"),
        activate=_number(call, "activatePrice"),
        callback=_number(call, "callbackRate"),
        working_type=_one_of(call, "workingType", WORKING_TYPES, "CONTRACT_PRICE"),
        price_protect=_flag(call, "priceProtect"),
        self_trade=_one_of(call, "selfTradePreventionMode", SELF_TRADES, USUAL_SELF_TRADE),
        good_till=call.integer("goodTillDate", 0) or 0,
    )


def _check_common(wish: Wish, call: Call, now: int) -> None:
    if wish.side not in ("BUY", "SELL"):
        raise refused(refusals.BAD_SIDE)
    if wish.time_in_force not in TIMES_IN_FORCE:
        raise refused(refusals.BAD_TIME_IN_FORCE)
    if call.params.get("positionSide", "BOTH") != "BOTH":
        raise refused(refusals.POSITION_SIDE)
    if wish.client_id and not _CLIENT_ID.match(wish.client_id):
        raise refused(refusals.BAD_CLIENT_ID)
    if call.params.get("priceMatch", "NONE") != "NONE":
        raise errors.Refusal(-5037, "Invalid price match")
    _check_good_till(wish, now)


def _check_good_till(wish: Wish, now: int) -> None:
    if wish.time_in_force != "GTD":
        return
    if not wish.good_till:
        raise errors.missing("goodTillDate")
    if not now + _LEAST_GOOD_TILL < wish.good_till < _MOST_GOOD_TILL:
        raise refused(refusals.GOOD_TILL)


def _check_steps(wish: Wish) -> None:
    """Quantities and prices on the steps, and no more digits than there are."""
    contract, market = wish.contract, wish.type.endswith("MARKET")
    if not wish.close_position:
        _check_quantity(wish, contract.max_market_quantity if market else contract.max_quantity)
    if not market and wish.price <= 0:
        raise refused(refusals.NO_PRICE)
    for price in (wish.price, wish.trigger, wish.activate):
        check_price(contract, price)


def _check_quantity(wish: Wish, most: Decimal) -> None:
    if wish.quantity <= 0:
        raise refused(refusals.NO_QUANTITY)
    if wish.quantity % wish.contract.lot:
        raise refused(refusals.PRECISION)
    if wish.quantity > most:
        raise refused(refusals.TOO_MUCH)


def check_price(contract: Contract, price: Decimal) -> None:
    """Raise unless the price is on the contract's steps."""
    if price % Decimal(1).scaleb(-contract.price_digits):
        raise refused(refusals.PRECISION)
    if price % contract.tick:
        raise refused(refusals.OFF_TICK)


def check_worth(wish: Wish, tick: Tick) -> None:
    """Raise -4164 for an order worth too little, and for a limit on the far side of the band."""
    price = wish.price or (tick.ask if wish.is_buy else tick.bid)
    if price * wish.quantity < wish.contract.min_notional and not wish.reduce_only and not wish.close_position:
        raise refusals.notional(wish.contract.min_notional)
    if wish.type == "LIMIT":
        check_band(wish.contract, wish.price, is_buy=wish.is_buy, mark=tick.last)


def check_band(contract: Contract, price: Decimal, *, is_buy: bool, mark: Decimal) -> None:
    """Raise for a limit that is too far beyond the market."""
    up, down = contract.instrument.round_price(mark * (1 + BAND)), contract.instrument.round_price(mark * (1 - BAND))
    if is_buy and price > up:
        raise refusals.above(up)
    if not is_buy and price < down:
        raise refusals.below(down)


def _check_wanted(call: Call, *names: str) -> None:
    for name in names:
        if not call.params.get(name):
            raise errors.missing(name.lower())


def _check_unwanted(call: Call, *names: str) -> None:
    for name in names:
        if call.params.get(name):
            raise refusals.not_wanted(name.lower())


def _number(call: Call, name: str) -> Decimal:
    return call.number(name) or Decimal(0)


def _flag(call: Call, name: str) -> bool:
    value = call.params.get(name, "false").lower()
    if value not in ("true", "false"):
        raise errors.illegal(name)
    return value == "true"


def _one_of(call: Call, name: str, known: tuple[str, ...], usual: str) -> str:
    value = call.params.get(name) or usual
    if value not in known:
        raise errors.Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value
