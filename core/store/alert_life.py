"""CRITICAL alerts that are open, answered or over, as rows. Every change here is decided by the database: one wins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.alerts.channel import Severity, Status
from core.alerts.routing import Place
from core.store.alerts import SUPERSEDED, WAITING, add_deliveries
from core.store.database import transaction
from core.store.models import AlertRow, DeliveryRow

_UNANSWERED = (Status.OPEN.value, Status.SNOOZED.value)
_ALIVE = (*_UNANSWERED, Status.ACKNOWLEDGED.value)
_MOST = 50
_CRITICAL = Severity.CRITICAL.rank


async def answer(alert_id: int, status: Status, by: str, actor_id: str, now: datetime, until: datetime | None) -> bool:
    """Acknowledge an alert, or snooze an open one `until`. False if somebody was quicker, or it is over."""
    before = _UNANSWERED if status is Status.ACKNOWLEDGED else (Status.OPEN.value,)
    async with transaction():
        changed = await AlertRow.filter(id=alert_id, status__in=before).update(
            status=status.value, answered_by=by, answered_id=actor_id, answered_at=now, next_at=until
        )
        if changed:
            await _copies_are_stale([alert_id])
    return bool(changed)


async def close(key: str, note: str, now: datetime) -> list[int]:
    """The cause of all alerts of this key is over; their numbers."""
    async with transaction():
        found = [row.id for row in await AlertRow.filter(key=key, status__in=_ALIVE)]
        await _end(found, note, now)
    return found


async def replace(newer: AlertRow, note: str, now: datetime) -> None:
    """Unanswered alerts of the same key are over: `newer` stands for them, also where they are still to be told."""
    async with transaction():
        before = AlertRow.filter(key=newer.key, status__in=_UNANSWERED, id__lt=newer.id)
        found = [row.id for row in await before]
        await _end(found, note, now)
        await DeliveryRow.filter(alert_id__in=found, status=WAITING).update(status=SUPERSEDED)


async def _end(alerts: Sequence[int], note: str, now: datetime) -> None:
    if alerts:
        await AlertRow.filter(id__in=alerts).update(
            status=Status.CLOSED.value, ended_at=now, note=note[:300], next_at=None
        )
        await _copies_are_stale(alerts)


async def newest_unanswered(key: str) -> AlertRow | None:
    """The alert of this key that is open or snoozed."""
    return await AlertRow.filter(key=key, status__in=_UNANSWERED).order_by("-id").first()


async def _copies_are_stale(alerts: Sequence[int]) -> None:
    """Every copy must be changed; repeats that are still to be delivered need not be any more."""
    await DeliveryRow.filter(alert_id__in=alerts).exclude(copy="").update(stale=True)
    await DeliveryRow.filter(alert_id__in=alerts, status=WAITING, step__gt=0).update(status=SUPERSEDED)


async def due(now: datetime) -> list[AlertRow]:
    """Open alerts that are to be repeated, and snoozed ones that come back."""
    return await AlertRow.filter(status__in=_UNANSWERED, next_at__lte=now).order_by("id").limit(_MOST)


async def repeat(alert: AlertRow, places: Sequence[Place], now: datetime, next_at: datetime) -> bool:
    """Take the next step of an alert that is due; False if it was answered meanwhile.

    A repeat takes the place of one that still waits for the same address: after an outage there is one, not many.
    """
    async with transaction():
        step = alert.step + 1
        changed = await AlertRow.filter(id=alert.id, status__in=_UNANSWERED, step=alert.step, next_at__lte=now).update(
            status=Status.OPEN.value, step=step, next_at=next_at
        )
        if not changed:
            return False
        woken = alert.status == Status.SNOOZED.value
        alert.status, alert.step, alert.next_at = Status.OPEN.value, step, next_at
        for each in places:
            await DeliveryRow.filter(
                alert_id=alert.id, channel=each.channel, recipient=each.recipient, status=WAITING
            ).update(status=SUPERSEDED)
        if woken:
            await DeliveryRow.filter(alert_id=alert.id).exclude(copy="").update(stale=True)
        await add_deliveries(alert, places, now)
    return True


async def not_through(now: datetime, patience: timedelta, memory: timedelta) -> list[DeliveryRow]:
    """CRITICAL deliveries that have waited for too long, and whatever was lately refused: nobody saw to them yet."""
    waiting = DeliveryRow.filter(rank=_CRITICAL, status=WAITING, seen_to=False, created_at__lte=now - patience)
    lost = DeliveryRow.filter(status__in=["refused", "failed"], seen_to=False, done_at__gt=now - memory)
    return [*await waiting.order_by("id").limit(_MOST), *await lost.order_by("id").limit(_MOST)]


async def see_to(delivery: DeliveryRow, alert: AlertRow | None, places: Sequence[Place], now: datetime) -> None:
    """Another way is taken for a delivery (or there is none): it is not looked at again."""
    async with transaction():
        await DeliveryRow.filter(id=delivery.id).update(seen_to=True)
        if alert is not None:
            await add_deliveries(alert, places, now)


async def count_open() -> int:
    """Alerts that nobody has answered."""
    return await AlertRow.filter(status__in=_UNANSWERED).count()
