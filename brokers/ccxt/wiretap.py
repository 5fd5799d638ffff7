"""Hears what each call of ours really sent and got, by the hooks that ccxt has for that.

ccxt's errors do not say whether a request left, and an answer that is cut off raises nothing at all: ccxt makes an
order without an id of it, or an empty list. Here both are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Any, Self

from brokers.ccxt.dialect import Answer
from brokers.errors import Unavailable

_NOTHING = Answer()


class Trail:
    """What happened on the wire during one call, as far as the last request goes: of what is called inside `with`."""

    __slots__ = ("_before", "_stood", "answer")
    _before: Token[Trail | None]

    def __init__(self) -> None:
        self.answer = _NOTHING
        self._stood = False

    def __enter__(self) -> Self:
        self._before = _trail.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        _trail.reset(self._before)

    def sends(self) -> None:
        """A request leaves."""
        self.answer = Answer(sent=True)

    def connects(self) -> None:
        """There is no connection yet: a name is looked up, hands are shaken. Of the first request of a call alone this
        says that nothing was sent.
        """
        if not self._stood:
            self.answer = replace(self.answer, connecting=True)

    def stands(self) -> None:
        """There is one: what happens from here on may have happened after the request has left."""
        self.answer, self._stood = replace(self.answer, connecting=False), True

    def hears(self, status: int, headers: Any, body: str) -> None:
        """A response has come, whole."""
        self.answer = Answer(True, status, dict(headers), body)

    def cannot_read(self) -> None:
        """It was no JSON."""
        last = self.answer
        self.answer = Answer(True, last.status, last.headers, last.body, garbled=True)


_trail: ContextVar[Trail | None] = ContextVar("what a call sends and gets", default=None)


def trail_of_the_call() -> Trail | None:
    """The trail of the call that is under way, if it leaves one."""
    return _trail.get()


def last_answer() -> Answer:
    """What has come to the last request of the call that is under way."""
    trail = _trail.get()
    return trail.answer if trail is not None else _NOTHING


def tap(exchange: Any, unreadable: Callable[[str], Exception]) -> None:
    """Have every request of `exchange` leave a trail; an answer that is no JSON raises `unreadable`."""
    _tap_requests(exchange)
    _tap_responses(exchange)
    _tap_reading(exchange, unreadable)


def _tap_requests(exchange: Any) -> None:
    pass_on = exchange.fetch

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        if exchange.session is None or exchange.session.closed:  # it has waited for its turn longer than we stay
            raise Unavailable("not sent: the connection was closed meanwhile")
        if (trail := _trail.get()) is not None:
            trail.sends()
        return await pass_on(url, method, headers, body)

    exchange.fetch = fetch


def _tap_responses(exchange: Any) -> None:
    pass_on = exchange.on_rest_response

    def on_rest_response(code: int, reason: str, url: str, method: str, headers: Any, body: Any, *rest: Any) -> Any:
        if (trail := _trail.get()) is not None:
            trail.hears(code, headers, body if isinstance(body, str) else "")
        return pass_on(code, reason, url, method, headers, body, *rest)

    exchange.on_rest_response = on_rest_response


def _tap_reading(exchange: Any, unreadable: Callable[[str], Exception]) -> None:
    pass_on = exchange.parse_json

    def parse_json(body: Any) -> Any:
        found = pass_on(body)
        trail = _trail.get()
        if found is None and trail is not None:
            trail.cannot_read()
            if trail.answer.status < 300:  # an error without JSON is told by its status
                raise unreadable("an answer that cannot be read")
        return found

    exchange.parse_json = parse_json
