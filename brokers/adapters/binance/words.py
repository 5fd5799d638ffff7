"""What Binance's error codes mean for an order: its errors.md for spot, its error codes of USDT-M futures. And what a
key may do there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from brokers.ccxt.calls import Raw
from brokers.ccxt.dialect import Permissions
from brokers.ccxt.settings import Mode
from brokers.ccxt.words import object_in

# What ccxt's class looks up in the venue's own description of a market, after it has read it.
MARKET_WORDS = frozenset({"orderTypes", "pair", "contractType"})

# The fate of the request is not known: ask. (errors.md: "execution status unknown", internal errors.)
UNKNOWN = frozenset({"-1000", "-1001", "-1006", "-1007"})
# Nothing happened, and the order itself was not refused: too many requests, overload, a clock that is off.
LATER = frozenset({"-1003", "-1008", "-1015", "-1016", "-1021", "-5028"})

_KEY = {"-1002": "KEY_REFUSED", "-1022": "KEY_REFUSED", "-2014": "KEY_REFUSED", "-2015": "KEY_REFUSED"}
_BOTH = {
    **_KEY,
    "-1121": "UNKNOWN_SYMBOL",
    "-2013": "ORDER_NOT_FOUND",
    "-2018": "INSUFFICIENT_FUNDS",
    "-2019": "INSUFFICIENT_FUNDS",
}
_SPOT = {**_BOTH, "-1014": "INVALID_ORDER", "-1020": "NOT_SUPPORTED", "-2026": "ORDER_NOT_FOUND"}
_MARGIN = {**_SPOT, "-3006": "INSUFFICIENT_FUNDS", "-3067": "INSUFFICIENT_FUNDS", "-3027": "NO_PERMISSION"}
_USDM = {
    **_BOTH,
    "-2020": "REFUSED",
    "-2021": "WOULD_TRIGGER",
    "-2022": "REDUCE_ONLY",
    "-2023": "REFUSED",
    "-2024": "REDUCE_ONLY",
    "-2025": "TOO_MANY_ORDERS",
    "-2026": "REDUCE_ONLY",
    "-2027": "INSUFFICIENT_FUNDS",
    "-2028": "INSUFFICIENT_FUNDS",
    "-4003": "LOT_SIZE",
    "-4004": "LOT_SIZE",
    "-4005": "LOT_SIZE",
    "-4013": "PRICE_FILTER",
    "-4014": "PRICE_FILTER",
    "-4016": "PRICE_FILTER",
    "-4023": "LOT_SIZE",
    "-4024": "PRICE_FILTER",
    "-4045": "TOO_MANY_ORDERS",
    "-4061": "POSITION_MODE",
    "-4116": "DUPLICATE_ORDER",
    "-4118": "REDUCE_ONLY",
    "-4131": "PRICE_FILTER",
    "-4164": "MIN_NOTIONAL",
    "-4400": "NO_PERMISSION",
    "-5021": "NOT_FILLABLE",
    "-5022": "POST_ONLY_WOULD_TAKE",
    "-5024": "MARKET_CLOSED",
    "-5026": "NOT_CHANGED",
    "-5027": "SAME_TERMS",
}
# -1013 and -2010 say in words what they are; the first that fits.
_FILTERS = (
    ("LOT_SIZE", "LOT_SIZE"),
    ("Invalid quantity", "LOT_SIZE"),
    ("PRICE", "PRICE_FILTER"),
    ("Invalid price", "PRICE_FILTER"),
    ("NOTIONAL", "MIN_NOTIONAL"),
    ("MAX_NUM", "TOO_MANY_ORDERS"),
    ("MAX_POSITION", "POSITION_LIMIT"),
    ("TRAILING", "INVALID_ORDER"),
    ("Market is closed", "MARKET_CLOSED"),
)
_REJECTIONS = (
    ("insufficient balance", "INSUFFICIENT_FUNDS"),
    ("Duplicate order", "DUPLICATE_ORDER"),
    ("immediately match", "POST_ONLY_WOULD_TAKE"),
    ("trigger immediately", "WOULD_TRIGGER"),
    ("Market is closed", "MARKET_CLOSED"),
    ("not permitted", "NO_PERMISSION"),
    ("not permissioned", "NO_PERMISSION"),
)
_CANCELS = (("restrictions", "NOT_CHANGED"),)
# Whatever the matching engine has said, with one code for all of it.
_ENGINE = (*_REJECTIONS, ("Unknown order", "ORDER_NOT_FOUND"))
_IN_WORDS = {
    "-1010": (_ENGINE, "REFUSED"),
    "-1013": (_FILTERS, "INVALID_ORDER"),
    "-2010": (_REJECTIONS, "REFUSED"),
    "-2011": (_CANCELS, "ORDER_NOT_FOUND"),
}
# "Issues with the request", and for futures "filters and other issues": all of it is found before an order is made.
_BEFORE_ANY_ORDER = re.compile(r"-11\d\d\Z")
_BEFORE_ANY_FUTURE = re.compile(r"-(11\d\d|4[0-4]\d\d|50\d\d)\Z")


async def permissions(exchange: Any, mode: Mode, may_trade: Callable[[Raw], bool | None]) -> Permissions | None:
    """What the key may do, one question for all markets; the testnet and the demo do not tell."""
    if mode is not Mode.LIVE:
        return None
    raw = await exchange.sapiGetAccountApiRestrictions()
    return Permissions(
        trading=may_trade(raw),
        withdrawals=raw.get("enableWithdrawals"),
        ip_limited=raw.get("ipRestrict"),
    )


def of_spot(code: str, message: str) -> str | None:
    """Our word for a refusal of the spot market."""
    return _word(code, message, _SPOT) or ("INVALID_ORDER" if _BEFORE_ANY_ORDER.match(code) else None)


def of_margin(code: str, message: str) -> str | None:
    """Our word for a refusal of a margin account."""
    return _word(code, message, _MARGIN) or ("INVALID_ORDER" if _BEFORE_ANY_ORDER.match(code) else None)


def of_usdm(code: str, message: str) -> str | None:
    """Our word for a refusal of the futures market."""
    if code in LATER:
        return None
    return _word(code, message, _USDM) or ("INVALID_ORDER" if _BEFORE_ANY_FUTURE.match(code) else None)


def _word(code: str, message: str, table: Mapping[str, str]) -> str | None:
    if code in _IN_WORDS:
        words, otherwise = _IN_WORDS[code]
        return next((word for part, word in words if part in message), otherwise)
    return table.get(code)


def half_of(body: str, name: str) -> tuple[str, str, str]:
    """Of a cancel-replace that failed: how its half `name` (cancel, newOrder) ended, and its own code and message."""
    found = object_in(body).get("data")
    data = found if isinstance(found, Mapping) else {}
    answer = data.get(f"{name}Response")
    told = answer if isinstance(answer, Mapping) else {}
    return str(data.get(f"{name}Result") or ""), str(told.get("code") or ""), str(told.get("msg") or "")
