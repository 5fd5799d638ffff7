"""What the futures side refuses, with its own codes (they differ from spot's: -2021, -2022 and others mean other things)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from tests.venues.binance.errors import Refusal


class Known(NamedTuple):
    """A refusal that is always said in the same words."""

    code: int
    msg: str


def refused(known: Known) -> Refusal:
    """To be raised; a new one each time, as it carries its traceback."""
    return Refusal(known.code, known.msg)


ALGO_ONLY = Known(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.")
PRECISION = Known(-1111, "Precision is over the maximum defined for this asset.")
OFF_TICK = Known(-4014, "Price not increased by tick size.")
NO_QUANTITY = Known(-4003, "Quantity less than or equal to zero.")
NO_PRICE = Known(-4001, "Price less than 0.")
TOO_MUCH = Known(-4005, "Quantity greater than max quantity.")
BAD_TYPE = Known(-1116, "Invalid orderType.")
BAD_SIDE = Known(-1117, "Invalid side.")
BAD_TIME_IN_FORCE = Known(-1115, "Invalid timeInForce.")
BAD_CLIENT_ID = Known(-4015, "Client order id is not valid.")
DUPLICATE_ID = Known(-4116, "ClientOrderId is duplicated.")
MARGIN = Known(-2019, "Margin is insufficient.")
WOULD_TRIGGER = Known(-2021, "Order would immediately trigger.")
REDUCE_ONLY = Known(-2022, "ReduceOnly Order is rejected.")
POSITION_SIDE = Known(-4061, "Order's position side does not match user's setting.")
FOK_REJECTED = Known(
    -5021,
    "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded"
    " in the order history",
)
POST_ONLY_REJECTED = Known(
    -5022,
    "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be"
    " recorded in the order history",
)
GOOD_TILL = Known(
    -5040,
    "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than 253402300799000",
)
ONLY_LIMIT = Known(-5025, "Only limit order is supported.")
NO_CHANGE = Known(-5027, "No need to modify the order.")
RESTRICTED = Known(
    -4400, "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please try again later."
)
TOO_MANY_ORDERS = Known(-2025, "Reach max open order limit.")
TOO_MANY_ALGOS = Known(-4045, "Reach max stop order limit.")
NO_LISTEN_KEY = Known(-1125, "This listenKey does not exist.")
SAME_MARGIN_TYPE = Known(-4046, "No need to change margin type.")
OPEN_ORDERS = Known(-4047, "Margin type cannot be changed if there exists open orders.")
OPEN_POSITION = Known(-4048, "Margin type cannot be changed if there exists position.")
SAME_POSITION_SIDE = Known(-4059, "No need to change position side.")
NO_HEDGING = Known(-4067, "Position side cannot be changed if there exists open orders.")
POSITION_LIMIT = Known(-2027, "Exceeded the maximum allowable position at current leverage.")


def notional(least: Decimal) -> Refusal:
    """Worth too little."""
    return Refusal(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def above(price: Decimal) -> Refusal:
    """A buy too far above the market."""
    return Refusal(-4016, f"Limit price can't be higher than {price}.")


def below(price: Decimal) -> Refusal:
    """A sell too far below the market."""
    return Refusal(-4024, f"Limit price can't be lower than {price}.")


def not_wanted(name: str) -> Refusal:
    """A parameter that does not go with the others."""
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def leverage(number: int) -> Refusal:
    """No such leverage."""
    return Refusal(-4028, f"Leverage {number} is not valid")
