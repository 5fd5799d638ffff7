"""Alerts and their deliveries, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tortoise.expressions import F, Q

from core.alerts.channel import Severity, Standing, Status
from core.alerts.routing import Place
from core.store.database import transaction
from core.store.models import AlertRow, DeliveryRow
from core.store.rows import put

# More than this is not looked at before each message, so that a long outage costs neither time nor memory.
_ROUND = 50
_MOST_IN_DIGEST = 2_000

WAITING, HELD, SUPERSEDED = "waiting", "held", "superseded"


@dataclass(frozen=True, slots=True)
class Pending:
    """One delivery that waits, with its alert."""

    delivery_id: int
    alert_id: int
    recipient: str
    kind: str
    severity: Severity
    title: str
    body: str
    attachment: str
    market_at: datetime
    at: datetime
    account: str = ""
    strategy: str = ""
    key: str = ""
    step: int = 0
    copy: str = ""
    standing: Standing | None = None


async def add_alert(alert: AlertRow, places: Iterable[Place]) -> AlertRow:
    """Store an alert and one delivery for each place: waiting, or held until it is due."""
    async with transaction():
        await alert.save(force_create=True)
        await add_deliveries(alert, places, alert.at)
    return alert


async def add_deliveries(alert: AlertRow, places: Iterable[Place], now: datetime) -> None:
    """One more delivery of an alert for each place, at the step where it stands now."""
    rank = Severity(alert.severity).rank
    await put(
        DeliveryRow(
            alert_id=alert.id,
            rank=rank,
            channel=each.channel,
            recipient=each.recipient,
            status=HELD if each.due else WAITING,
            person=each.person,
            step=alert.step,
            created_at=now,
            due_at=each.due,
        )
        for each in places
    )


# --- delivering ------------------------------------------------------------------------------------


async def recipients_to_serve(channel: str, now: datetime) -> list[str]:
    """Everyone for whom something waits, or is due, or has a copy that must be changed."""
    todo = Q(status=WAITING) | Q(status=HELD, due_at__lte=now) | Q(stale=True)
    found = await DeliveryRow.filter(todo, channel=channel).distinct().values_list("recipient", flat=True)
    return [str(each) for each in found]


async def pending_for(channel: str, recipient: str, old: datetime) -> list[Pending]:
    """The gravest and oldest that wait for one recipient, at most a round of them; but not INFO from before `old`."""
    fresh = Q(rank__gt=Severity.INFO.rank) | Q(created_at__gte=old) | Q(created_at__isnull=True)
    waiting = DeliveryRow.filter(fresh, status=WAITING, channel=channel, recipient=recipient)
    return await _pending(await waiting.order_by("-rank", "id").limit(_ROUND))


async def digest_for(channel: str, recipient: str, now: datetime, old: datetime) -> list[Pending]:
    """What is told all in one: what was held and is due, and INFO that has waited since before `old`."""
    due = Q(status=HELD, due_at__lte=now) | Q(status=WAITING, rank=Severity.INFO.rank, created_at__lt=old)
    rows = DeliveryRow.filter(due, channel=channel, recipient=recipient)
    return await _pending(await rows.order_by("-rank", "id").limit(_MOST_IN_DIGEST))


async def stale_for(channel: str, recipient: str) -> Pending | None:
    """The newest copy that does not show how its alert stands now."""
    rows = DeliveryRow.filter(stale=True, channel=channel, recipient=recipient).order_by("-id").limit(1)
    return next(iter(await _pending(await rows)), None)


async def _pending(rows: Sequence[DeliveryRow]) -> list[Pending]:
    alerts = {row.id: row for row in await AlertRow.filter(id__in={each.alert_id for each in rows})} if rows else {}
    return [_joined(row, alerts[row.alert_id]) for row in rows if row.alert_id in alerts]


def _joined(row: DeliveryRow, alert: AlertRow) -> Pending:
    return replace(shown(alert), delivery_id=row.id, recipient=row.recipient, step=row.step, copy=row.copy)


def shown(alert: AlertRow) -> Pending:
    """An alert as it would be delivered now, to nobody in particular."""
    return Pending(
        delivery_id=0,
        alert_id=alert.id,
        recipient="",
        kind=alert.kind,
        severity=Severity(alert.severity),
        title=alert.title,
        body=alert.body,
        attachment=alert.attachment,
        market_at=alert.market_at,
        at=alert.at,
        account=alert.account,
        strategy=alert.strategy,
        key=alert.key,
        step=alert.step,
        standing=standing_of(alert),
    )


def standing_of(alert: AlertRow) -> Standing | None:
    """How it stands; None for what needs no answer."""
    if not alert.status:
        return None
    status = Status(alert.status)
    until = alert.next_at if status is Status.SNOOZED else None
    return Standing(status, alert.answered_by, alert.answered_at, until, alert.ended_at, alert.note)


async def mark(group: Sequence[Pending], status: str, note: str, done_at: datetime | None, copy: str = "") -> None:
    """What became of these deliveries after one more attempt. A copy that shows an old standing is stale at once."""
    ids = [each.delivery_id for each in group]
    changes = {"status": status, "note": note, "done_at": done_at, "attempts": F("attempts") + 1, "copy": copy}
    async with transaction():
        await DeliveryRow.filter(id__in=ids).update(**changes)
        if copy and await _has_changed(group):
            await DeliveryRow.filter(id__in=ids).update(stale=True)


async def put_back(group: Sequence[Pending], note: str) -> None:
    """One more attempt that came to nothing: they wait on, or are held on, as before."""
    await DeliveryRow.filter(id__in=[each.delivery_id for each in group]).update(note=note, attempts=F("attempts") + 1)


async def release(due_at: datetime, mute_id: int, now: datetime) -> None:
    """What a maintenance window has held until its end is due now."""
    held = [row.id for row in await AlertRow.filter(muted=mute_id)]
    await DeliveryRow.filter(alert_id__in=held, status=HELD, due_at=due_at).update(due_at=now)


async def is_revised(one: Pending) -> None:
    """Its copy was changed, or cannot be; stale still if the alert has changed meanwhile."""
    async with transaction():
        if not await _has_changed([one]):
            await DeliveryRow.filter(id=one.delivery_id).update(stale=False)


async def _has_changed(group: Sequence[Pending]) -> bool:
    shown = {each.alert_id: each.standing for each in group}
    rows = await AlertRow.filter(id__in=list(shown))
    return any(standing_of(row) != shown[row.id] for row in rows)


# --- looking ---------------------------------------------------------------------------------------


async def page_of_alerts(
    page: int, size: int, *, which: str = "all", unseen: Iterable[str] = ()
) -> tuple[list[AlertRow], int]:
    """One page, open ones first, then the newest; and how many there are. `unseen` accounts are left out."""
    chosen = _chosen(which, unseen)
    total = await AlertRow.filter(chosen).count()
    needing = chosen & Q(status__in=[Status.OPEN.value, Status.SNOOZED.value])
    first = await AlertRow.filter(needing).count()
    start = (page - 1) * size
    rows: list[AlertRow] = []
    if start < first:
        rows = await AlertRow.filter(needing).order_by("-id").offset(start).limit(size)
    if len(rows) < size:
        others = AlertRow.filter(chosen & ~Q(status__in=[Status.OPEN.value, Status.SNOOZED.value]))
        rows += await others.order_by("-id").offset(max(0, start - first)).limit(size - len(rows))
    return rows, total


def _chosen(which: str, unseen: Iterable[str]) -> Q:
    by_name = {
        "open": Q(status__in=[Status.OPEN.value, Status.SNOOZED.value]),
        "critical": Q(severity=Severity.CRITICAL.value),
        "warning": Q(severity=Severity.WARNING.value),
        "muted": Q(muted__isnull=False),
    }
    chosen = by_name.get(which, Q())
    hidden = list(unseen)
    return chosen & ~Q(account__in=hidden) if hidden else chosen


async def find_alert(alert_id: int) -> AlertRow | None:
    """One alert by its number."""
    return await AlertRow.get_or_none(id=alert_id)


async def deliveries_of(alerts: Iterable[int]) -> list[DeliveryRow]:
    """Every delivery of these alerts, oldest first."""
    return await DeliveryRow.filter(alert_id__in=list(alerts)).order_by("id")


async def known_kinds() -> list[str]:
    """Every kind of alert that was ever raised."""
    return [str(each) for each in await AlertRow.all().distinct().values_list("kind", flat=True)]


async def count_waiting() -> int:
    """Deliveries that are still to be made; not those that are held on purpose."""
    return await DeliveryRow.filter(status=WAITING).count()


async def since(kind: str, moment: datetime | None) -> list[AlertRow]:
    """Alerts of one kind by market time, oldest first."""
    query = AlertRow.filter(kind=kind)
    if moment is not None:
        query = query.filter(market_at__gte=moment)
    return await query.order_by("id")


async def was_told(key: str, now: datetime, within: timedelta) -> bool:
    """Whether there was an alert with this key lately."""
    return await AlertRow.filter(key=key, at__gt=now - within).exists()
