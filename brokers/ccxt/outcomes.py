"""What an error of ccxt means for the order that it is about. An error class is not an outcome.

::

    never left us, or the connection never stood                 Unavailable  (or Rejected: ccxt refused it itself)
    left us, and nothing came back                               Uncertain
    5xx, 408, an answer that cannot be read                      Uncertain     unless the dialect knows better
    429, 418, and 403 or 451 without a code                      Unavailable
    200 without a code of the venue                              Uncertain     whatever our library calls it
    4xx or 200 with a code that is named (by venue or class)     Rejected, or Unavailable for "later", "clock", "load"
    anything that nobody has named                               Uncertain

That is for requests that change something. A query that fails is `Unavailable`, whatever it failed of; only "no
such order" and "no such symbol" are answers. Classes are told by their names, so nothing of ccxt is imported here.
"""

from __future__ import annotations

import re
from typing import Any

from brokers.ccxt.dialect import Answer, Dialect
from brokers.ccxt.words import dated, object_in
from brokers.errors import BrokerError, NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain

# What each class of ccxt says of an order, where the venue's dialect has no word of its own; the first that fits.
_REFUSALS = {
    "OrderNotFound": "ORDER_NOT_FOUND",
    "DuplicateOrderId": "DUPLICATE_ORDER",
    "InsufficientFunds": "INSUFFICIENT_FUNDS",
    "BadSymbol": "UNKNOWN_SYMBOL",
    "ContractUnavailable": "MARKET_CLOSED",
    "OrderImmediatelyFillable": "POST_ONLY_WOULD_TAKE",
    "OrderNotFillable": "INVALID_ORDER",
    "InvalidOrder": "INVALID_ORDER",
    "MarketClosed": "MARKET_CLOSED",
    "OperationRejected": "REFUSED",
    "PermissionDenied": "NO_PERMISSION",
    "AuthenticationError": "KEY_REFUSED",
    "ArgumentsRequired": "INVALID_ORDER",
    "BadRequest": "INVALID_ORDER",
    "NotSupported": "NOT_SUPPORTED",
}
# Refused at the door, for now: too many requests, a clock that is off.
_LATER = frozenset({"RateLimitExceeded", "DDoSProtection", "InvalidNonce"})
# What a query may say besides "not now".
_ANSWERS = frozenset({"ORDER_NOT_FOUND", "UNKNOWN_SYMBOL", "NOT_SUPPORTED"})
_KEY_WORDS = frozenset({"KEY_REFUSED", "NO_PERMISSION"})
# What people can do something about.
_IN_WORDS = {
    "ClientConnectorDNSError": "its name has no address; is this machine online?",
    "TimeoutError": "no connection in time; is this machine online?",
    "ClientConnectorCertificateError": "its certificate is not trusted; is there a proxy in between?",
}
_NEVER_CONNECTED = frozenset({"ClientConnectorError", "ConnectionTimeoutError", "gaierror"})
_URL = re.compile(r"(https?|wss?)://\S+")
_LONGEST = 300


class HalfDone(Uncertain):
    """A change has ended the old order, and no new one has come in its place."""


class KeyRefused(Unavailable):
    """The venue does not take the key: what `connect` makes a `ConfigurationError` of."""


def outcome(  # noqa: PLR0911 - a table of cases, in order
    error: Exception, *, answer: Answer, changing: bool, dialect: Dialect[Any]
) -> BrokerError:
    """What the port says for `error`, given what came back over the wire (`answer`)."""
    if isinstance(error, BrokerError):
        return error
    if not _may_have_arrived(error, answer):
        return _never_sent(error)
    code, message = dialect.code_of(answer)
    text = f"{dialect.venue}: {said(error, answer, code, message)}"
    if answer.status in (418, 429) or (answer.status in (403, 451) and not code):
        return Unavailable(text)
    if changing and dialect.half_done(answer):
        return HalfDone(text)
    # Who refuses with a 200 says why: what our library makes of such an answer alone is no word of the venue.
    is_told = not changing or bool(code or message) or answer.status >= 300
    word = _word(error, answer, code, message, dialect) if is_told else None
    is_definite = word is not None or (is_told and _is_later(error, answer, code, dialect))
    if _is_open(answer, code, message, dialect) or not is_definite:
        return Uncertain(text) if changing else Unavailable(text)
    if not changing and word in _KEY_WORDS:
        return KeyRefused(text)
    if word is None or (not changing and word not in _ANSWERS):
        return Unavailable(text)
    return refused(word, text)


def refused(word: str, text: str) -> Rejected:
    """The port's error for one of our words."""
    if word == "ORDER_NOT_FOUND":
        return OrderNotFound("of this id")
    return Rejected(word, text)


def said(error: BaseException, answer: Answer, code: str = "", message: str = "") -> str:
    """What went wrong in a line, without addresses, keys or signatures."""
    if code or message:
        return f"{dated(message)} ({code})" if code else dated(message)
    if answer.garbled:
        status = f" (HTTP {answer.status})" if answer.status >= 400 else ""
        return f"an answer that cannot be read{status}"
    if answer.status:
        return f"{type(error).__name__}: HTTP {answer.status}"
    if answer.sent:
        return f"no answer ({type(error).__name__})"
    return clean(str(error)) or type(error).__name__


def clean(text: str) -> str:
    """`text` in one short line, without what stands behind an address."""
    return _URL.sub(lambda found: found[0].partition("?")[0], " ".join(text.split()))[:_LONGEST]


def why(error: BaseException) -> str:
    """What ended a stream, in a line. Where our library has stumbled over its own clean-up, what it was cleaning up."""
    found: BaseException | None = error
    while found is not None and "BaseError" not in names_of(found):
        found = found.__cause__ or found.__context__
    told = found or error
    return f"{type(told).__name__}: {clean(str(told))}".removesuffix(": ")


def code_in_json(body: str) -> tuple[str, str]:
    """`code` and `msg` of a JSON object, as most venues write them; empty where there are none."""
    found = object_in(body)
    message = found.get("msg") or found.get("message") or ""
    return str(found.get("code") or ""), clean(str(message))


def names_of(error: BaseException) -> list[str]:
    """The names of an error's classes, nearest first."""
    return [each.__name__ for each in type(error).__mro__]


def _may_have_arrived(error: Exception, answer: Answer) -> bool:
    """Whether the venue may have got the request: anything but a connection that never stood."""
    if not answer.sent or answer.status:
        return answer.sent
    if answer.connecting:
        return False
    cause = error.__cause__
    return cause is None or not _NEVER_CONNECTED.intersection(names_of(cause))


def _never_sent(error: Exception) -> BrokerError:
    """Ccxt refused it itself, or there was no connection."""
    names = names_of(error)
    word = next((_REFUSALS[name] for name in names if name in _REFUSALS), None)
    if word is None or "NetworkError" in names:
        what = "the venue could not be reached" if "NetworkError" in names else "not sent"
        return Unavailable(f"{what}: {_cause(error)}")
    if word == "NOT_SUPPORTED":
        return NotSupported(clean(str(error)))
    return refused(word, clean(str(error)))


def _cause(error: Exception) -> str:
    """In plain words where people can do something about it."""
    name, cause = type(error).__name__, error.__cause__
    if cause is None:
        return name
    return _IN_WORDS.get(type(cause).__name__, f"{name} ({type(cause).__name__})")


def _word(error: Exception, answer: Answer, code: str, message: str, dialect: Dialect[Any]) -> str | None:
    """Our word for a definite refusal; None if it is none."""
    word = dialect.refusal(code, message) if code or message else None
    if word is not None or dialect.is_unknown(answer, code, message) is False:
        return word
    return next((_REFUSALS[name] for name in names_of(error) if name in _REFUSALS), None)


def _is_open(answer: Answer, code: str, message: str, dialect: Dialect[Any]) -> bool:
    """Whether the answer leaves the fate of the request open."""
    open_ = dialect.is_unknown(answer, code, message)
    if open_ is not None:
        return open_
    return answer.status in (0, 408) or answer.status >= 500 or answer.garbled


def _is_later(error: Exception, answer: Answer, code: str, dialect: Dialect[Any]) -> bool:
    """Whether the venue says that nothing happened, without refusing the order itself."""
    return dialect.is_unknown(answer, code, "") is False or not _LATER.isdisjoint(names_of(error))
