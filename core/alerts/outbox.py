"""Alerts that must arrive: rows in the database, and a worker that delivers them, the gravest first.

`Alerts.add` is called inside the transaction of the change that causes the alert: both are stored, or neither.
Delivery is at least once: a crash between the channel's "accepted" and our mark repeats one message, which
carries the same number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from core.access.roles import Actor
from core.alerts.audience import Audience, Fixed, Rules
from core.alerts.channel import Channel, Severity, Status
from core.alerts.escalation import detour
from core.alerts.lane import Lane
from core.alerts.mutes import Mutes
from core.alerts.routing import Listener, News, Place, route
from core.clock import BEFORE_MARKET, Clock
from core.redaction import redact
from core.store import alert_life
from core.store.alerts import add_alert, recipients_to_serve
from core.store.database import transaction
from core.store.models import AlertRow

# So often it is looked for alerts that nobody told us of.
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Alert:
    """What to tell: a title, a body of short lines, and perhaps a report to attach.

    `account` and `strategy` say whose news it is: who does not see the account does not hear of it. `key` says what
    it is about, for alerts that repeat, and that are over one day: "kill:global".
    """

    kind: str
    severity: Severity
    title: str
    body: str = ""
    attachment: str = ""
    account: str = ""
    strategy: str = ""
    key: str = ""


class Alerts:
    """Puts alerts into the outbox for everyone whom they concern, and takes the answers to CRITICAL ones."""

    def __init__(
        self,
        audience: Audience | Iterable[str],
        clock: Clock,
        trading_clock: Clock,
        rules: Rules | None = None,
    ) -> None:
        self._audience = Fixed(audience) if isinstance(audience, Iterable) else audience
        self._clock = clock
        self._trading_clock = trading_clock
        self.rules = rules or Rules()
        self.mutes = Mutes()
        self.waiting = asyncio.Event()
        self.is_lost: Callable[[str, str], bool] = _never  # whether an address (channel, recipient) takes nothing

    @property
    def listeners(self) -> Sequence[Listener]:
        """Everyone whom an alert may reach now, with those of their addresses that take nothing at present."""
        return [
            replace(each, lost=lost)
            if (lost := frozenset(way for way in each.addresses if self.is_lost(*way)))
            else each
            for each in self._audience.listeners()
        ]

    async def add(self, alert: Alert) -> AlertRow:
        """Store an alert and its deliveries; joins the caller's transaction if there is one.

        Before the market has a time of its own, the wall's is shown. A CRITICAL one that says anew what an open one
        says already takes its place: how often that was repeated, and when it is due again, stays.
        """
        now, market = self._clock.now(), self._trading_clock.now()
        row = _row(alert, now, now if market == BEFORE_MARKET else market)
        hold = self.mutes.hold(alert.severity, alert.kind, alert.account, alert.strategy, now)
        row.muted = hold.id if hold else None
        news = News(alert.severity, alert.account, hold, alert.strategy)
        places = self._places(news, now)
        async with transaction():
            if alert.severity is Severity.CRITICAL:
                await self._open(row, now)
            await add_alert(row, places)
            if row.key and row.status:
                await self._take_place(row, now)
        self.waiting.set()
        return row

    def _places(self, news: News, now: datetime) -> list[Place]:
        """Where it goes. A CRITICAL one that somebody who may answer cannot get goes to the next person at once."""
        listeners = self.listeners
        places = route(news, listeners, self.rules.routes, now)
        if news.severity is not Severity.CRITICAL:
            return places
        for one in listeners:
            mine = [each for each in places if each.person == one.id]
            if mine and not one.ways and one.may_answer(news.account):
                tried = [*(each for each in places if each.person != one.id), *mine]
                places += detour(tried, listeners, news.account, self.rules.ladder)
        return places

    async def _open(self, row: AlertRow, now: datetime) -> None:
        """Somebody must answer it; what an open alert of the same key has come to goes on."""
        before = await alert_life.newest_unanswered(row.key) if row.key else None
        if before is None:
            row.status, row.next_at = Status.OPEN.value, self.rules.ladder.next_at(0, now)
            return
        row.status, row.step, row.next_at = before.status, before.step, before.next_at
        row.answered_by, row.answered_id, row.answered_at = before.answered_by, before.answered_id, before.answered_at

    async def _take_place(self, row: AlertRow, now: datetime) -> None:
        await alert_life.replace(row, f"again: see #{row.id}", now)

    async def close(self, key: str, note: str) -> int:
        """The cause of the CRITICAL alerts of this key is over: nobody need answer, and every copy says so.

        Joins the caller's transaction if there is one. How many alerts that were.
        """
        closed = await alert_life.close(key, note, self._clock.now())
        self.waiting.set()
        return len(closed)

    async def acknowledge(self, alert_id: int, actor: Actor) -> bool:
        """Somebody takes care of it: it is not repeated any more. False if somebody was quicker, or it is over."""
        return await self._answer(alert_id, Status.ACKNOWLEDGED, actor, None)

    async def snooze(self, alert_id: int, actor: Actor, until: datetime) -> bool:
        """It comes back at `until`. False if it is not open."""
        return await self._answer(alert_id, Status.SNOOZED, actor, until)

    async def _answer(self, alert_id: int, status: Status, actor: Actor, until: datetime | None) -> bool:
        done = await alert_life.answer(alert_id, status, actor.name, actor.id, self._clock.now(), until)
        self.waiting.set()
        return done


def _row(alert: Alert, now: datetime, market_at: datetime) -> AlertRow:
    return AlertRow(
        kind=alert.kind,
        severity=alert.severity.value,
        title=redact(alert.title),
        body=redact(alert.body),
        attachment=alert.attachment,
        market_at=market_at,
        at=now,
        account=alert.account,
        strategy=alert.strategy,
        key=alert.key[:160],
        status="",
        step=0,
        answered_by="",
        answered_id="",
        note="",
    )


class Outbox:
    """Empties the outbox through channels, one recipient beside the other. Without a channel everything waits.

    `timer` counts seconds and is never set back; without one the loop's own is used.
    """

    def __init__(
        self, alerts: Alerts, clock: Clock, *, group_seconds: float = 1.0, timer: Callable[[], float] | None = None
    ) -> None:
        self._alerts = alerts
        self._clock = clock
        self._group_seconds = group_seconds
        self._timer = timer or _loop_time
        self._channels: dict[str, Channel] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._news: dict[tuple[str, str], asyncio.Event] = {}
        self.on_round: Callable[[], None] = _nothing

    def use(self, channel: Channel) -> None:
        """Deliver through `channel`, too, from now on; it takes the place of one with the same name."""
        self._channels[channel.name] = channel
        self._lanes = {key: lane for key, lane in self._lanes.items() if key[0] != channel.name}
        self._alerts.waiting.set()

    @property
    def channels(self) -> Mapping[str, Channel]:
        """What is delivered through, by name."""
        return dict(self._channels)

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._alerts.waiting.clear()
                for name, channel in list(self._channels.items()):
                    for recipient in await recipients_to_serve(name, self._clock.now()):
                        self._serve(group, recipient, channel)
                self.on_round()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._alerts.waiting.wait()

    async def round(self) -> None:
        """Deliver once what is due now, to everyone beside everyone else."""
        for name, channel in list(self._channels.items()):
            recipients = await recipients_to_serve(name, self._clock.now())
            await asyncio.gather(*(self._lane(each, channel).serve() for each in recipients))

    def _serve(self, group: asyncio.TaskGroup, recipient: str, channel: Channel) -> None:
        """See to it that somebody serves this recipient, and knows that there is more."""
        key = (channel.name, recipient)
        self._news.setdefault(key, asyncio.Event()).set()
        task = self._tasks.get(key)
        if task is None or task.done():
            self._tasks[key] = group.create_task(self._keep_serving(recipient, channel))

    async def _keep_serving(self, recipient: str, channel: Channel) -> None:
        """Until nothing waits for this recipient."""
        news = self._news[channel.name, recipient]
        wait: float | None = 0.0
        while wait is not None or news.is_set():
            news.clear()
            wait = await self._lane(recipient, self._channels[channel.name]).serve()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait or 0.0):
                    await news.wait()

    def _lane(self, recipient: str, channel: Channel) -> Lane:
        key = (channel.name, recipient)
        if key not in self._lanes:
            self._lanes[key] = Lane(
                recipient, channel, self._clock, group_seconds=self._group_seconds, timer=self._timer
            )
        return self._lanes[key]


def _never(_channel: str, _recipient: str) -> bool:
    """Every address takes what it gets, as far as we know."""
    return False


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _nothing() -> None:
    """Nobody wants to know."""
