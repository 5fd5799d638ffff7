"""What is not kept for ever: chat updates that are worked off, dead buttons, deliveries long made; never what waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from core.store.models import DeliveryRow, InboxRow, InvitationRow, TicketRow

_UPDATES = timedelta(days=7)  # Telegram itself repeats none after a day
_TICKETS = timedelta(days=7)
_BUTTONS = timedelta(days=90)  # one that never expires: a halt works after that as well, everything else says so
_DELIVERIES = timedelta(days=90)
_INVITATIONS = timedelta(days=7)

# So many rows go in one commit: nothing that matters waits long behind it.
_BATCH = 500


async def purge(now: datetime) -> int:
    """Delete what nobody can need any more; how many rows that were."""
    tickets = Q(used_at__lt=now - _TICKETS) | Q(expires_at__lt=now - _TICKETS) | Q(minted_at__lt=now - _BUTTONS)
    return (
        await _delete(InboxRow.exclude(outcome="").filter(received_at__lt=now - _UPDATES))
        + await _delete(TicketRow.filter(tickets))
        + await _delete(DeliveryRow.exclude(status="waiting").filter(done_at__lt=now - _DELIVERIES))
        + await InvitationRow.filter(expires_at__lt=now - _INVITATIONS).delete()  # a handful
    )


async def _delete(rows: QuerySet[InboxRow] | QuerySet[TicketRow] | QuerySet[DeliveryRow]) -> int:
    """By key and in batches: that every database can do."""
    count = 0
    while found := await rows.limit(_BATCH):
        await rows.model.filter(pk__in=[row.pk for row in found]).delete()
        count += len(found)
    return count
