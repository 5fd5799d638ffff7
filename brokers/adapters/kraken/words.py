"""What Kraken's errors mean."""

from __future__ import annotations

REFUSALS = {
    "EOrder:Insufficient funds": "INSUFFICIENT_FUNDS",
    "EOrder:Order minimum not met": "LOT_SIZE",
    "EOrder:Cost minimum not met": "MIN_NOTIONAL",
    "EOrder:Tick size check failed": "PRICE_FILTER",
    "EOrder:Invalid price": "PRICE_FILTER",
    "EOrder:Post only order": "POST_ONLY_WOULD_TAKE",
    "EOrder:Unknown order": "ORDER_NOT_FOUND",
    "EOrder:Invalid order": "ORDER_NOT_FOUND",
    "EOrder:Orders limit exceeded": "TOO_MANY_ORDERS",
    "EOrder:Domain rate limit exceeded": "TOO_MANY_ORDERS",
    "EOrder:Trading agreement required": "NO_PERMISSION",
    "EOrder:Reduce only": "REDUCE_ONLY",
    "EService:Market in cancel_only mode": "MARKET_CLOSED",
    "EService:Market in post_only mode": "MARKET_CLOSED",
    "EService:Market in limit_only mode": "MARKET_CLOSED",
    "EQuery:Unknown asset pair": "UNKNOWN_SYMBOL",
    "EQuery:Invalid asset pair": "UNKNOWN_SYMBOL",
    "EGeneral:Permission denied": "NO_PERMISSION",
    "EAPI:Invalid key": "KEY_REFUSED",
    "EAPI:Invalid signature": "KEY_REFUSED",
    "EGeneral:Invalid arguments:volume": "LOT_SIZE",
    "EGeneral:Invalid arguments:price": "PRICE_FILTER",
    "EGeneral:Invalid arguments": "INVALID_ORDER",
}
# The engine may or may not have had it: "service unavailable", "busy", "internal error" are said of either.
OPEN = (
    "EService:Unavailable",
    "EService:Busy",
    "EGeneral:Internal error",
    "EDatabase:Internal error",
    "EService:Timeout",
)
AT_THE_DOOR = (
    "EAPI:Rate limit",
    "EOrder:Rate limit",
    "EGeneral:Too many requests",
    "EGeneral:Temporary lockout",
    "EAPI:Invalid nonce",
)
