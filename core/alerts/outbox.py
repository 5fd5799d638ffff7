"""Alerts that must arrive: rows in the database, and a worker that delivers them, the gravest first.

`Alerts.add` is called inside the transaction of the change that causes the alert: both are stored, or neither.
Delivery is at least once: a crash between the channel's "accepted" and our mark repeats one message, which
carries the same number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from core.alerts.channel import Channel, ChannelDown, ChannelRefused, Message, Severity
from core.clock import Clock
from core.store.alerts import Pending, add_alert, mark, pending_deliveries
from core.store.models import AlertRow

log = structlog.get_logger(__name__)

# Alerts of one of these kinds that wait together are sent as one message.
_GROUPED = frozenset({"fill", "denied", "order"})
_LARGEST_GROUP = 12
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0


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
        """Store an alert and its deliveries; joins the caller's transaction if there is one."""
        row = await add_alert(
            alert.kind,
            alert.severity,
            alert.title,
            alert.body,
            alert.attachment,
            self._recipients,
            market_at=self._trading_clock.now(),
            at=self._clock.now(),
        )
        self.waiting.set()
        return row


class Outbox:
    """Empties the outbox through a channel. Without a channel everything waits."""

    def __init__(self, alerts: Alerts, clock: Clock, *, group_seconds: float = 1.0) -> None:
        self._alerts = alerts
        self._clock = clock
        self._group_seconds = group_seconds
        self._channel: Channel | None = None
        self._not_before: dict[str, datetime] = {}
        self._waits: dict[str, float] = {}

    def use(self, channel: Channel) -> None:
        """Deliver through `channel` from now on."""
        self._channel = channel
        self._alerts.waiting.set()

    async def run(self) -> None:
        """Deliver for ever, one recipient beside the other."""
        while True:
            self._alerts.waiting.clear()
            next_try = await self.deliver_due()
            try:
                await asyncio.wait_for(self._alerts.waiting.wait(), next_try)
            except TimeoutError:
                continue

    async def deliver_due(self) -> float | None:
        """Try everything that is due now. Seconds until the next try is due, None if nothing waits."""
        if self._channel is None:
            return None
        waiting = await pending_deliveries(self._channel.name)
        recipients = {each.recipient for each in waiting}
        if not recipients:
            return None
        waits = await asyncio.gather(
            *(self._serve(recipient, [w for w in waiting if w.recipient == recipient]) for recipient in recipients)
        )
        return min((wait for wait in waits if wait is not None), default=None)

    async def _serve(self, recipient: str, waiting: Sequence[Pending]) -> float | None:
        """Deliver to one recipient until done or it fails; seconds until the next try."""
        now = self._clock.now()
        blocked = (self._not_before.get(recipient, now) - now).total_seconds()
        if blocked > 0:
            return blocked
        later: float | None = None
        for group in grouped(waiting):
            if (young := self._too_young(group)) > 0:
                later = young if later is None else min(later, young)
                continue
            if (wait := await self._deliver(recipient, group)) is not None:
                return wait
        return later

    def _too_young(self, group: Sequence[Pending]) -> float:
        """How long a group may still wait for more of its kind, in seconds."""
        if group[0].kind not in _GROUPED or len(group) >= _LARGEST_GROUP:
            return 0.0
        age = (self._clock.now() - min(each.at for each in group)).total_seconds()
        return max(0.0, self._group_seconds - age)

    async def _deliver(self, recipient: str, group: Sequence[Pending]) -> float | None:
        assert self._channel is not None
        try:
            await self._channel.deliver(recipient, message_of(group))
        except ChannelDown as down:
            return await self._put_off(recipient, group, down)
        except ChannelRefused as refused:
            log.warning("an alert cannot be delivered", recipient=recipient, reason=str(refused))
            await mark(group, "refused", str(refused), self._clock.now())
            return None
        self._waits.pop(recipient, None)
        await mark(group, "delivered", "", self._clock.now())
        return None

    async def _put_off(self, recipient: str, group: Sequence[Pending], down: ChannelDown) -> float:
        wait = down.retry_after or self._waits.get(recipient, _FIRST_WAIT)
        self._waits[recipient] = min(wait * 2, _LONGEST_WAIT)
        self._not_before[recipient] = self._clock.now() + timedelta(seconds=wait)
        await mark(group, "waiting", str(down), None)
        log.info("alerts wait", recipient=recipient, seconds=wait, reason=str(down))
        return wait


def grouped(waiting: Sequence[Pending]) -> list[list[Pending]]:
    """Deliveries in order of severity and age; neighbours of one grouped kind together."""
    groups: list[list[Pending]] = []
    for each in sorted(waiting, key=lambda one: (-one.severity.rank, one.alert_id)):
        last = groups[-1] if groups else None
        if last and each.kind in _GROUPED and last[0].kind == each.kind and len(last) < _LARGEST_GROUP:
            last.append(each)
        else:
            groups.append([each])
    return groups


def message_of(group: Sequence[Pending]) -> Message:
    """One message for a group; a group of several lists each title and body."""
    first = group[0]
    if len(group) == 1:
        lines = tuple(first.body.splitlines())
    else:
        lines = tuple(line for each in group for line in (each.body.splitlines() or [each.title]))
    title = first.title if len(group) == 1 else f"{len(group)} {first.kind}s"
    return Message(
        ids=tuple(each.alert_id for each in group),
        kind=first.kind,
        severity=first.severity,
        title=title,
        lines=lines,
        at=group[-1].market_at,
        attachment=first.attachment,
    )
