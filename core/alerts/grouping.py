"""Which waiting alerts become one message, and how it reads. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.alerts.channel import Message, Severity
from core.store.alerts import Pending

# Alerts of these kinds that wait together become one message, under this title; the channel adds how many.
GROUPED = {"fill": "Fills", "denied": "Orders denied by risk", "order": "News of orders"}
LARGEST_GROUP = 12


def grouped(waiting: Sequence[Pending], alone: Collection[int] = ()) -> list[list[Pending]]:
    """Deliveries in order of severity and age, neighbours of one grouped kind together.

    Those with an id in `alone`, with a report to attach, or CRITICAL ones are never put together with others.
    """
    groups: list[list[Pending]] = []
    for each in sorted(waiting, key=lambda one: (-one.severity.rank, one.alert_id)):
        if groups and _belong(groups[-1], each, alone):
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _belong(group: Sequence[Pending], each: Pending, alone: Collection[int]) -> bool:
    last = group[-1]
    if each.delivery_id in alone or last.delivery_id in alone or len(group) >= LARGEST_GROUP:
        return False
    return may_group(each) and may_group(last) and (last.kind, last.severity) == (each.kind, each.severity)


def may_group(each: Pending) -> bool:
    """Whether it may share a message."""
    return each.kind in GROUPED and each.severity is not Severity.CRITICAL and not each.attachment


def message_of(group: Sequence[Pending]) -> Message:
    """One message for a group; a group of several tells of each in turn."""
    first = group[0]
    alone = len(group) == 1
    return Message(
        ids=tuple(each.alert_id for each in group),
        kind=first.kind,
        severity=first.severity,
        title=first.title if alone else GROUPED[first.kind],
        lines=tuple(first.body.splitlines()) if alone else tuple(line for each in group for line in _lines(each)),
        at=group[-1].market_at,
        attachment=first.attachment,
    )


def _lines(each: Pending) -> list[str]:
    """An alert among others: its title and its body, on one line if the body is a line; no title twice."""
    body = each.body.splitlines()
    if body and body[0].startswith(each.title):
        return body
    return [f"{each.title} · {body[0]}"] if len(body) == 1 else [each.title, *body]


def plain_message_of(group: Sequence[Pending], *, barely: bool) -> Message:
    """Bare text for what a channel could not show as it is; `barely` leaves out all but the title."""
    first = group[0]
    body = () if barely else tuple(first.body.splitlines())
    return Message(
        ids=tuple(each.alert_id for each in group),
        kind=first.kind,
        severity=first.severity,
        title=first.title,
        lines=("This alert could not be shown in full: see /alerts.", *body),
        at=first.market_at,
        plain=True,
    )
