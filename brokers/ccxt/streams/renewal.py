"""Some logins last for an hour only, unless the venue is asked to let them last.

Ccxt asks for it once and then never, and gives up a stream that is well when it is not answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from brokers.ccxt.calls import Call
from brokers.ccxt.streams.wire import Wire
from brokers.errors import BrokerError
from brokers.resilience.ticks import ticks

log = structlog.get_logger(__name__)


class Renewal:
    """The login of one stream, renewed three times in its life. Without a call it lasts for ever.

    One that fails is repeated after `pause`: a stream that is well is not given up before its login has ended, by time
    or by the venue's word.
    """

    def __init__(self, wire: Wire, ask: Callable[[Call], Awaitable[Any]], pause: float) -> None:
        self._call = wire.renewal
        self._every = every = wire.renewal_seconds
        self._gone = wire.gone
        self._ask = ask
        self._pause = pause
        self._renewed_at = ticks()
        self._due = self._renewed_at + every

    async def tend(self) -> str:
        """Ask, if it is time. Why the login has ended; "" while it lasts."""
        if self._call is None or ticks() < self._due:
            return ""
        try:
            await self._ask(self._call)
        except BrokerError as error:
            log.warning("a login could not be renewed", error=str(error))
            self._due = ticks() + self._pause
            is_gone = bool(self._gone) and self._gone in str(error)
            return f"the login has ended: {error}" if is_gone or ticks() - self._renewed_at > 3 * self._every else ""
        self._renewed_at = ticks()
        self._due = self._renewed_at + self._every
        return ""
