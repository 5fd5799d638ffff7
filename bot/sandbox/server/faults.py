"""Failures on demand: what the network and Telegram do on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """One planned failure of a Bot API method."""

    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    delay: float = 0.0
    drop: bool = False
    after: bool = False
    times: int = 1
    body: bytes | None = None
    media_type: str = "text/html"


@dataclass(slots=True)
class Faults:
    """Programmed by tests. `down` drops every Bot API connection until it is False again."""

    down: bool = False
    duplicate_updates: int = 0
    blocked: set[int] = field(default_factory=set)
    throttled: dict[int, int] = field(default_factory=dict)
    reverse_updates: bool = False
    _planned: dict[str, list[Fault]] = field(default_factory=dict)

    def fail(
        self,
        method: str,
        *,
        times: int = 1,
        status: int = 500,
        description: str = "Internal Server Error",
        retry_after: int | None = None,
        delay: float = 0.0,
    ) -> None:
        """Answer the next `times` calls of `method` with an error, after `delay` seconds."""
        self._plan(method, Fault(status, description, retry_after, delay, times=times))

    def drop(self, method: str, *, times: int = 1, after: bool = False, delay: float = 0.0) -> None:
        """Cut the connection of the next calls; with `after` the call still takes effect, unanswered."""
        self._plan(method, Fault(delay=delay, drop=True, after=after, times=times))

    def garble(
        self, method: str, body: bytes, *, status: int = 502, times: int = 1, media_type: str = "text/html"
    ) -> None:
        """Answer the next calls with these bytes, as a proxy in between does, or a connection that breaks off."""
        self._plan(method, Fault(status, times=times, body=body, media_type=media_type))

    def slow(self, method: str, *, seconds: float, times: int = 1) -> None:
        """Answer the next calls correctly but late."""
        self._plan(method, Fault(status=200, delay=seconds, times=times))

    def duplicate_next_updates(self, count: int = 1) -> None:
        """Deliver each of the next `count` updates a second time, with a new update_id."""
        self.duplicate_updates += count

    def block(self, user_id: int) -> None:
        """The user has blocked the bot: sending there is refused with 403."""
        self.blocked.add(user_id)

    def throttle(self, chat_id: int, seconds: int) -> None:
        """Every message to this chat is refused with 429 and so many seconds, until `clear`."""
        self.throttled[chat_id] = seconds

    def clear(self) -> None:
        """Everything works again."""
        self.down = False
        self.duplicate_updates = 0
        self.blocked.clear()
        self.throttled.clear()
        self.reverse_updates = False
        self._planned.clear()

    def take(self, method: str) -> Fault | None:
        """The failure that the next call of the method shall have, if any."""
        planned = self._planned.get(method.lower())
        if not planned:
            return None
        fault = planned[0]
        fault.times -= 1
        if fault.times <= 0:
            planned.pop(0)
        return fault

    def _plan(self, method: str, fault: Fault) -> None:
        self._planned.setdefault(method.lower(), []).append(fault)
