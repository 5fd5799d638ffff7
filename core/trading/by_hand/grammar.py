"""The words of an order: `AAPL 10 limit 98.5 gtc with stop 95 target 110`, read strictly and written back.

::

    SYMBOL SIZE [PRICE] [TIME] [post] [reduce] [with EXITS] [in ACCOUNT]

    SIZE    10 (units)   $5000 (worth)   2% (of equity)   all   half   50%position
    PRICE   market   limit 98.5 (or @ 98.5)   stop 105   stop 105 limit 106
            take 110   take 110 limit 109   trail 2 (in price units)   trail 2%
    TIME    day   gtc   ioc   fok   gtd 2026-12-31   gtd 2026-12-31T15:00
    EXITS   stop 95   target 110   trail 3%   bars 20   hours 48       prices, or % from the entry

`stop` together with `target` means exits, also without `with`: a bracket. Of a close, SIZE may be left out (all of it),
a `%` is of the position, and a strategy's name may follow the symbol.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from brokers.order import OrderType, TimeInForce
from core.errors import UserError
from core.trading.by_hand.numbers import looks_like_number, number, plain
from core.trading.by_hand.slip import ALL, HALF, Size, Slip, Unit, Verb
from core.trading.protection.spec import Distance, ExitSpec

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:_-]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z?")
_COUNT = re.compile(r"[0-9]{1,6}")
_COINS = re.compile(r"[/:]")
_OF_POSITION = "%position"

_ALSO = {
    "@": "limit", "at": "limit", "mkt": "market", "take-profit": "take", "takeprofit": "take", "trailing": "trail",
    "tp": "target", "stop-loss": "sl", "stoploss": "sl", "post-only": "post", "reduce-only": "reduce",
    "stop-limit": "stop",
}  # fmt: skip
_TIMES = {each.value for each in TimeInForce} - {"gtd"}
_FLAGS = {"post", "reduce"}
_PRICES = {"limit", "stop", "take", "trail"}
_EXITS = {"target", "sl"}
_KNOWN = (*sorted(_PRICES), "market", "target", *sorted(_TIMES), "gtd", *sorted(_FLAGS), "with", "in")


class Missing(UserError):
    """Something without which there is no order has not been said: `what` is "symbol" or "size"."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Which {what}?")
        self.what = what


@dataclass(slots=True)
class _Said:
    """What the words said so far; every word once."""

    values: dict[str, Any] = field(default_factory=dict)
    exits: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, value: Any) -> None:
        _once(self.values, name, value)


def _once(into: dict[str, Any], name: str, value: Any) -> None:
    if name in into:
        raise UserError(f"“{name}” is said twice.")
    into[name] = value


# --- reading ---------------------------------------------------------------------------------------


def read_slip(verb: Verb, words: Sequence[str]) -> Slip:
    """The order that the words after the command say. Raises `Missing`, or `UserError` that says what to write."""
    left = deque(_spelled(words))
    symbol, size = _what(verb, left)
    strategy = left.popleft() if verb is Verb.CLOSE and left and _names_somebody(left[0]) else ""
    if verb is Verb.CLOSE and size is None:
        size = _size(verb, left.popleft()) if left and _is_size(left[0]) else ALL
    if size is None:
        raise Missing("size")
    if left and left[0].upper() in _COINS.split(symbol):
        one = plain(size.amount)
        raise UserError(f"Write the size alone: {one} are units, ${one} is what they are worth.")
    said = _Said()
    while left:
        _take(said, left)
    return _slip(verb, symbol, size, strategy, said)


def _spelled(words: Sequence[str]) -> Iterator[str]:
    """`@98.5` in two, `$ 5000` and `2 %` in one."""
    kept = ""
    for word in words:
        if kept:
            yield kept + word
            kept = ""
        elif word == "$":
            kept = word
        elif word.startswith("@") and len(word) > 1:
            yield "@"
            yield word[1:]
        else:
            yield word
    if kept:
        yield kept


def _what(verb: Verb, left: deque[str]) -> tuple[str, Size | None]:
    """Symbol and size, in any order; a close may go without a size."""
    if not left:
        raise Missing("symbol")
    first = left.popleft()
    if _is_size(first) and left and not _is_size(left[0]) and left[0].lower() not in _KNOWN:
        return _symbol(left.popleft()), _size(verb, first)
    if not left or not _is_size(left[0]):
        if verb is not Verb.CLOSE and left and not _says_something(left[0]):
            number(left[0].lstrip("$"), "size")  # says what is wrong with it
        return _symbol(first), None
    return _symbol(first), _size(verb, left.popleft())


def _symbol(word: str) -> str:
    if not _SYMBOL.fullmatch(word):
        raise UserError(f"“{word[:40]}” is no symbol; write one like AAPL.")
    return word.upper()


def _is_size(word: str) -> bool:
    bare = word.lower().removeprefix("$").removesuffix(_OF_POSITION).removesuffix("%")
    return word.lower() in ("all", "half") or (looks_like_number(bare) and not _DAY.match(word))


def _size(verb: Verb, word: str) -> Size:
    lower = word.lower()
    if lower in ("all", "half"):
        return ALL if lower == "all" else HALF
    if lower.startswith("$"):
        return Size(number(lower[1:], "amount"), Unit.MONEY)
    if lower.endswith(_OF_POSITION):
        return Size(_share(lower.removesuffix(_OF_POSITION)), Unit.POSITION)
    if lower.endswith("%"):
        return Size(_share(lower[:-1]), Unit.POSITION if verb is Verb.CLOSE else Unit.EQUITY)
    return Size(number(word, "size"))


def _says_something(word: str) -> bool:
    """Whether it is a word of an order: then only the size is missing; anything else was meant as one."""
    lower = word.lower()
    return lower in _KNOWN or lower in _ALSO or lower in _EXITS or lower.startswith("@")


def _share(word: str) -> Decimal:
    value = number(word, "share")
    if value > 100:
        raise UserError("A share is at most 100%.")
    return value


def _names_somebody(word: str) -> bool:
    return bool(_NAME.fullmatch(word)) and word not in _KNOWN and word not in _ALSO and not _is_size(word)


def _take(said: _Said, left: deque[str]) -> None:
    """One clause."""
    word = _ALSO.get(left[0].lower(), left[0].lower())
    if word == "with":
        said.note(left.popleft().lower(), True)
        _take_exits(said, left)
    elif word in _EXITS:
        left.popleft()
        _once(said.exits, "stop" if word == "sl" else word, _next(left, word))
    elif word in _PRICES:
        left.popleft()
        said.note(word, _next(left, word))
    elif word == "in":
        left.popleft()
        said.note("in", _next(left, word).lower())
    else:
        _take_manner(said, left.popleft(), word, left)


def _take_manner(said: _Said, typed: str, word: str, left: deque[str]) -> None:
    if word in _TIMES:
        said.note("time", word)
    elif word == "gtd":
        said.note("time", word)
        said.note("until", _moment(_next(left, word)))
    elif word in _FLAGS:
        said.note(word, True)
    elif word == "market":
        said.note("market", True)
    else:
        raise UserError(f"I do not know “{typed[:30]}” in an order. Words I know: {', '.join(_KNOWN)}.")


def _take_exits(said: _Said, left: deque[str]) -> None:
    """Everything after `with`, up to a word that is no exit."""
    count = len(said.exits)
    while left:
        word = _ALSO.get(left[0].lower(), left[0].lower())
        word = "stop" if word == "sl" else word
        if word not in ("stop", "target", "trail", "bars", "hours"):
            break
        left.popleft()
        _once(said.exits, word, _next(left, word))
    if len(said.exits) == count:
        raise UserError("After “with” come exits, like: with stop 95 target 110.")


def _next(left: deque[str], word: str) -> str:
    if not left:
        raise UserError(f"After “{word}” something is missing.")
    return left.popleft()


def _moment(word: str) -> datetime:
    """The end of a day, or a minute; in UTC."""
    try:
        if _DAY.fullmatch(word):
            return datetime.fromisoformat(word).replace(tzinfo=UTC) + timedelta(days=1)
        if _MOMENT.fullmatch(word):
            return datetime.fromisoformat(word.removesuffix("Z")).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise UserError(f"“{word[:30]}” is no date; write 2026-12-31 or 2026-12-31T15:00 (UTC).")


# --- what was said as an order ---------------------------------------------------------------------


def _slip(verb: Verb, symbol: str, size: Size, strategy: str, said: _Said) -> Slip:
    values = said.values
    is_short_bracket = "with" not in values and "target" in said.exits and "stop" not in said.exits
    if is_short_bracket and "stop" in values:
        said.exits["stop"] = values.pop("stop")
    time = TimeInForce(values.get("time", "day"))
    return Slip(
        verb=verb,
        symbol=symbol,
        size=size,
        **_priced(values),
        time_in_force=time,
        expires_at=values.get("until"),
        post_only=values.get("post", False),
        reduce_only=values.get("reduce", False),
        exits=_exits(said.exits),
        strategy=strategy,
        account=values.get("in", ""),
    )


def _priced(values: Mapping[str, Any]) -> dict[str, Any]:
    """Type and prices."""
    triggers = [name for name in ("stop", "take", "trail") if name in values]
    if len(triggers) > 1:
        raise UserError(f"An order is a {triggers[0]} or a {triggers[1]}, not both; exits come after “with”.")
    if "market" in values and (triggers or "limit" in values):
        raise UserError("A market order takes no price.")
    limit = number(values["limit"], "limit price") if "limit" in values else None
    if not triggers:
        return {"type": OrderType.LIMIT if limit is not None else OrderType.MARKET, "limit_price": limit}
    (name,) = triggers
    if name == "trail":
        return _trailing(values["trail"], limit)
    trigger = number(values[name], f"{name} price")
    kinds = {
        "stop": (OrderType.STOP, OrderType.STOP_LIMIT),
        "take": (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT),
    }
    return {"type": kinds[name][limit is not None], "limit_price": limit, "stop_price": trigger}


def _trailing(word: str, limit: Decimal | None) -> dict[str, Any]:
    if limit is not None:
        raise UserError("A trailing stop takes no limit price.")
    if not word.endswith("%"):
        return {"type": OrderType.TRAILING_STOP, "trail": number(word, "distance")}
    percent = number(word[:-1], "distance")
    if percent >= 100:
        raise UserError("A trailing distance is below 100%.")
    return {"type": OrderType.TRAILING_STOP, "trail_percent": percent}


def read_exits(words: Sequence[str]) -> ExitSpec | None:
    """Exits by themselves: `stop 95 target 110`, or `none`. Raises `UserError`."""
    if [word.lower() for word in words] == ["none"]:
        return None
    said, left = _Said(), deque(_spelled(words))
    _take_exits(said, left)
    if left:
        raise UserError(f"I do not know “{left[0][:30]}” among exits: stop, target, trail, bars, hours, or none.")
    return _exits(said.exits)


def _exits(said: Mapping[str, str]) -> ExitSpec | None:
    if not said:
        return None
    names = {"stop": "stop_loss", "target": "take_profit", "trail": "trailing"}
    fields: dict[str, Any] = {names[name]: _distance(name, said[name]) for name in names if name in said}
    if "bars" in said:
        if not _COUNT.fullmatch(said["bars"]):
            raise UserError(f"“{said['bars'][:30]}” is no number of bars; write one like 20.")
        fields["max_bars"] = int(said["bars"])
    if "hours" in said:
        fields["max_hours"] = number(said["hours"], "number of hours")
    try:
        return ExitSpec.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"These exits do not work: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def _distance(name: str, word: str) -> Distance:
    """A share of the entry price, or a price; of a trailing stop always a distance."""
    try:
        if word.endswith("%"):
            return Distance(percent=number(word[:-1], "distance"))
        value = number(word, "distance" if name == "trail" else f"{name} price")
        return Distance(amount=value) if name == "trail" else Distance(price=value)
    except ValidationError as error:
        raise UserError(f"“{word[:30]}” is no distance: below 100%, please.") from error


# --- writing ---------------------------------------------------------------------------------------


def slip_words(slip: Slip) -> tuple[str, ...]:
    """The words that `read_slip` reads as exactly this order."""
    return tuple(_written(slip))


def _written(slip: Slip) -> Iterator[str]:
    yield slip.symbol
    if slip.strategy:
        yield slip.strategy
    yield size_word(slip.verb, slip.size)
    yield from _price_words(slip)
    if slip.expires_at is not None:
        yield from ("gtd", f"{slip.expires_at:%Y-%m-%dT%H:%M}")
    elif slip.time_in_force is not TimeInForce.DAY:
        yield slip.time_in_force.value
    yield from ["post"] * slip.post_only + ["reduce"] * slip.reduce_only
    if slip.exits is not None:
        yield "with"
        yield from exit_words(slip.exits)
    if slip.account:
        yield from ("in", slip.account)


def size_word(verb: Verb, size: Size) -> str:
    """A size as it is typed."""
    if size in (ALL, HALF):
        return "all" if size == ALL else "half"
    shown = plain(size.amount)
    if size.unit is Unit.POSITION:
        return f"{shown}%" if verb is Verb.CLOSE else shown + _OF_POSITION
    return {Unit.UNITS: shown, Unit.MONEY: f"${shown}", Unit.EQUITY: f"{shown}%"}[size.unit]


def _price_words(slip: Slip) -> Iterator[str]:
    if slip.stop_price is not None:
        yield from ("take" if slip.type.takes_profit else "stop", plain(slip.stop_price))
    if slip.limit_price is not None:
        yield from ("limit", plain(slip.limit_price))
    if slip.trail is not None:
        yield from ("trail", plain(slip.trail))
    if slip.trail_percent is not None:
        yield from ("trail", f"{plain(slip.trail_percent)}%")


def exit_words(spec: ExitSpec) -> Iterator[str]:
    """Exits as they are typed; those in average true ranges cannot be typed and are left out."""
    named = (("stop", spec.stop_loss), ("target", spec.take_profit), ("trail", spec.trailing))
    for name, distance in named:
        if distance is not None and (word := _distance_word(distance)):
            yield from (name, word)
    if spec.max_bars is not None:
        yield from ("bars", str(spec.max_bars))
    if spec.max_hours is not None:
        yield from ("hours", plain(spec.max_hours))


def _distance_word(distance: Distance) -> str:
    if distance.percent is not None:
        return f"{plain(distance.percent)}%"
    value = distance.price if distance.price is not None else distance.amount
    return "" if value is None else plain(value)
