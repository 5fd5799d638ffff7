"""Alerts and their deliveries, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.expressions import F

from core.alerts.channel import Severity
from core.store.database import transaction
from core.store.models import AlertRow, DeliveryRow
from core.store.rows import put

# More than this is not looked at before each message, so that a long outage costs neither time nor memory.
_ROUND = 50


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


async def add_alert(
    kind: str,
    severity: Severity,
    title: str,
    body: str,
    attachment: str,
    recipients: Iterable[str],
    *,
    market_at: datetime,
    at: datetime,
) -> AlertRow:
    """An alert and one waiting delivery for each "channel:recipient"."""
    async with transaction():
        row = await AlertRow.create(
            kind=kind,
            severity=severity.value,
            title=title,
            body=body,
            attachment=attachment,
            market_at=market_at,
            at=at,
        )
        pairs = [each.split(":", 1) for each in recipients]
        await put(
            DeliveryRow(alert_id=row.id, rank=severity.rank, channel=channel, recipient=recipient, status="waiting")
            for channel, recipient in pairs
        )
    return row


async def waiting_recipients(channel: str) -> list[str]:
    """Everyone for whom something waits."""
    found = await DeliveryRow.filter(status="waiting", channel=channel).distinct().values_list("recipient", flat=True)
    return [str(each) for each in found]


async def pending_for(channel: str, recipient: str) -> list[Pending]:
    """The gravest and oldest that wait for one recipient, at most a round of them."""
    waiting = DeliveryRow.filter(status="waiting", channel=channel, recipient=recipient)
    rows = await waiting.order_by("-rank", "id").limit(_ROUND)
    alerts = {row.id: row for row in await AlertRow.filter(id__in=[each.alert_id for each in rows])}
    return [_pending(row, alerts[row.alert_id]) for row in rows]


def _pending(row: DeliveryRow, alert: AlertRow) -> Pending:
    return Pending(
        row.id,
        alert.id,
        row.recipient,
        alert.kind,
        Severity(alert.severity),
        alert.title,
        alert.body,
        alert.attachment,
        alert.market_at,
        alert.at,
    )


async def mark(group: Sequence[Pending], status: str, note: str, done_at: datetime | None) -> None:
    """What became of these deliveries after one more attempt."""
    ids = [each.delivery_id for each in group]
    changes = {"status": status, "note": note, "done_at": done_at, "attempts": F("attempts") + 1}
    await DeliveryRow.filter(id__in=ids).update(**changes)


async def page_of_alerts(page: int, size: int) -> tuple[list[AlertRow], int]:
    """One page, newest first, and how many there are in all."""
    rows = await AlertRow.all().order_by("-id").offset((page - 1) * size).limit(size)
    return rows, await AlertRow.all().count()


async def deliveries_of(alerts: Iterable[int]) -> list[DeliveryRow]:
    """Every delivery of these alerts."""
    return await DeliveryRow.filter(alert_id__in=list(alerts))


async def count_waiting() -> int:
    """Deliveries that are still to be made."""
    return await DeliveryRow.filter(status="waiting").count()


async def since(kind: str, moment: datetime | None) -> list[AlertRow]:
    """Alerts of one kind by market time, oldest first."""
    query = AlertRow.filter(kind=kind)
    if moment is not None:
        query = query.filter(market_at__gte=moment)
    return await query.order_by("id")
