"""A sign of life to a service outside, which raises the alarm when it hears nothing more.

It is sent only while every part of the program gets on: silence is the message, whether the machine is gone or one
loop hangs. The service's address is a secret; no error tells it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.clock import Clock
from core.progress import Progress
from core.settings.vigil import HeartbeatSettings

log = structlog.get_logger(__name__)

_FAILURES_BEFORE_AN_ALERT = 3

Tell = Callable[[Alert], Awaitable[object]]


class Heartbeat:
    """Sends signs of life. `tell` is given one alert for each time that they fail or are withheld."""

    def __init__(self, settings: HeartbeatSettings, progress: Progress, clock: Clock, tell: Tell) -> None:
        self._settings = settings
        self._progress = progress
        self._clock = clock
        self._tell = tell
        self._trust: ssl.SSLContext | None = None
        self._failures = 0
        self._withheld: tuple[str, ...] = ()
        self.last_at: datetime | None = None
        self.trouble = ""

    async def run(self) -> None:
        """Beat for ever. The first beat comes after one interval: a program that dies at each start is not alive."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._settings.every_seconds, loop.time())
            await asyncio.sleep(due - loop.time())
            await self.beat()

    async def beat(self) -> None:
        """One sign of life, if every part gets on."""
        stalled = self._progress.stalled
        if stalled:
            await self._withhold(stalled)
            return
        if self._withheld:
            log.warning("every part gets on again: signs of life go out", parts=self._withheld)
            self._withheld = ()
        self.trouble = await self._send()
        if self.trouble:
            await self._failed()
        else:
            self.last_at = self._clock.now()
            self._failures = 0

    async def _withhold(self, stalled: tuple[str, ...]) -> None:
        self.trouble = f"withheld: no progress in {', '.join(stalled)}"
        news, self._withheld = set(stalled) - set(self._withheld), stalled
        if not news:
            return
        log.error("no sign of life goes out: a part does not get on", parts=stalled)
        body = "No sign of life is sent to the service outside until it gets on again. /health tells more."
        await self._tell(Alert("vigil", Severity.WARNING, f"No progress: {', '.join(sorted(news))}", body))

    async def _failed(self) -> None:
        self._failures += 1
        log.warning("a sign of life did not get through", reason=self.trouble, failures=self._failures)
        if self._failures == _FAILURES_BEFORE_AN_ALERT:
            body = f"{self.trouble}. The service outside may raise its alarm although the program runs."
            await self._tell(Alert("vigil", Severity.WARNING, "The heartbeat does not get through", body))

    async def _send(self) -> str:
        """Why it did not get through; empty when it did. The answer itself is not read, no redirect is followed."""
        import httpx

        seconds, url = self._settings.seconds, self._settings.url.get_secret_value()
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(verify=self._trusted(), timeout=seconds) as client,
                client.stream("GET", url) as answer,
            ):
                return "" if answer.is_success else f"it answered {answer.status_code}"
        except (TimeoutError, httpx.TimeoutException):
            return f"it did not answer within {seconds:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return f"it cannot be reached ({type(error).__name__})"

    def _trusted(self) -> ssl.SSLContext:
        """Made once: it reads every certificate of the system."""
        if self._trust is None:
            self._trust = ssl.create_default_context()
        return self._trust
