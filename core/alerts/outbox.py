"""Alerts that must arrive: rows in the database, and a worker that delivers them, the gravest first.

`Alerts.add` is called inside the transaction of the change that causes the alert: both are stored, or neither.
Delivery is at least once: a crash between the channel's "accepted" and our mark repeats one message, which
carries the same number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from core.alerts.channel import Channel, Severity
from core.alerts.lane import Lane
from core.clock import BEFORE_MARKET, Clock
from core.store.alerts import add_alert, waiting_recipients
from core.store.models import AlertRow

# So often it is looked for alerts that nobody told us of.
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Alert:
    """What to tell: a title, a body of short lines, and perhaps a report to attach."""

    kind: str
    severity: Severity
    title: str
    body: str = ""
    attachment: str = ""


class Alerts:
    """Puts alerts into the outbox, for every recipient."""

    def __init__(self, recipients: Iterable[str], clock: Clock, trading_clock: Clock) -> None:
        self._recipients = tuple(recipients)
        self._clock = clock
        self._trading_clock = trading_clock
        self.waiting = asyncio.Event()

    async def add(self, alert: Alert) -> AlertRow:
        """Store an alert and its deliveries; joins the caller's transaction if there is one.

        Before the market has a time of its own, the wall's is shown.
        """
        now, market = self._clock.now(), self._trading_clock.now()
        row = await add_alert(
            alert.kind,
            alert.severity,
            alert.title,
            alert.body,
            alert.attachment,
            self._recipients,
            market_at=now if market == BEFORE_MARKET else market,
            at=now,
        )
        self.waiting.set()
        return row


class Outbox:
    """Empties the outbox through a channel, one recipient beside the other. Without a channel everything waits."""

    def __init__(self, alerts: Alerts, clock: Clock, *, group_seconds: float = 1.0) -> None:
        self._alerts = alerts
        self._clock = clock
        self._group_seconds = group_seconds
        self._channel: Channel | None = None
        self._lanes: dict[str, Lane] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}

    def use(self, channel: Channel) -> None:
        """Deliver through `channel` from now on."""
        self._channel = channel
        self._alerts.waiting.set()

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._alerts.waiting.clear()
                if self._channel is not None:
                    for recipient in await waiting_recipients(self._channel.name):
                        self._serve(group, recipient, self._channel)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._alerts.waiting.wait()

    def _serve(self, group: asyncio.TaskGroup, recipient: str, channel: Channel) -> None:
        """See to it that somebody serves this recipient, and knows that there is more."""
        self._news.setdefault(recipient, asyncio.Event()).set()
        task = self._tasks.get(recipient)
        if task is None or task.done():
            self._tasks[recipient] = group.create_task(self._keep_serving(recipient, channel))

    async def _keep_serving(self, recipient: str, channel: Channel) -> None:
        """Until nothing waits for this recipient."""
        news = self._news[recipient]
        wait: float | None = 0.0
        while wait is not None or news.is_set():
            news.clear()
            wait = await self._lane(recipient, channel).serve()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait or 0.0):
                    await news.wait()

    def _lane(self, recipient: str, channel: Channel) -> Lane:
        if recipient not in self._lanes:
            self._lanes[recipient] = Lane(recipient, channel, self._clock, group_seconds=self._group_seconds)
        return self._lanes[recipient]
