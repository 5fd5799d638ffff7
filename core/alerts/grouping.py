"""Which waiting alerts become one message, and how it reads. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from core.alerts.channel import Message, Severity
from core.store.alerts import Pending

# Alerts of these kinds that wait together become one message, under this title; the channel adds how many.
GROUPED = {"fill": "Fills", "denied": "Orders denied by risk", "order": "News of orders"}
LARGEST_GROUP = 12
_MOST_TITLES = 15

GroupKey = tuple[object, ...]


def grouped(waiting: Sequence[Pending], alone: Collection[int] = ()) -> list[list[Pending]]:
    """Deliveries in order of severity and age: neighbours of one grouped kind together, and all that repeat one thing.

    Those with an id in `alone`, with a report to attach, or CRITICAL ones are never put together with others.
    """
    groups: list[list[Pending]] = []
    newest: dict[GroupKey, list[Pending]] = {}
    for each in sorted(waiting, key=lambda one: (-one.severity.rank, one.alert_id)):
        key = key_of(each) if may_group(each) and each.delivery_id not in alone else None
        group = newest.get(key) if key else None
        if key and group and _has_room(groups, group, each):
            group.append(each)
            continue
        groups.append([each])
        if key:
            newest[key] = groups[-1]
    return groups


def _has_room(groups: Sequence[Sequence[Pending]], group: Sequence[Pending], each: Pending) -> bool:
    """Repeats of one thing are counted, however many; a list of different things must be neighbours, and short."""
    return each.kind not in GROUPED or (len(group) < LARGEST_GROUP and groups[-1] is group)


def key_of(each: Pending) -> GroupKey:
    """What alerts have in common that may become one message."""
    about = ("kind",) if each.kind in GROUPED else ("key", each.key or each.title)
    topic = each.strategy if each.recipient.startswith("-") else ""  # a group may have one for each strategy
    return (*about, each.kind, each.account, topic, each.severity)


def may_group(each: Pending) -> bool:
    """Whether it may share a message."""
    return each.severity is not Severity.CRITICAL and not each.attachment


def message_of(group: Sequence[Pending]) -> Message:
    """One message for a group; a group of several tells of each in turn, repeats of one thing by the newest of them."""
    shown = group[-1]
    several = len(group) > 1 and shown.kind in GROUPED
    return Message(
        ids=tuple(each.alert_id for each in group),
        kind=shown.kind,
        severity=shown.severity,
        title=GROUPED[shown.kind] if several else shown.title,
        lines=tuple(line for each in group for line in _lines(each)) if several else tuple(shown.body.splitlines()),
        at=shown.market_at,
        attachment=shown.attachment,
        account=shown.account,
        strategy=shown.strategy if len({each.strategy for each in group}) == 1 else "",
        step=shown.step,
        standing=shown.standing,
    )


def _lines(each: Pending) -> list[str]:
    """An alert among others: its title and its body, on one line if the body is a line; no title twice."""
    body = each.body.splitlines()
    if body and body[0].startswith(each.title):
        return body
    return [f"{each.title} · {body[0]}"] if len(body) == 1 else [each.title, *body]


def digest_of(group: Sequence[Pending]) -> Message:
    """What was held back, or is old news, in one message: the graver ones by title, the others counted by kind."""
    told = [each for each in group if each.severity is not Severity.INFO]
    titles = Counter(each.title for each in told)
    lines = [f"{title} x{count}" if count > 1 else title for title, count in titles.most_common(_MOST_TITLES)]
    if more := len(titles) - len(lines):
        lines.append(f"and {more} more warnings")
    kinds = Counter(each.kind for each in group if each.severity is Severity.INFO)
    lines += [f"{GROUPED.get(kind, kind.capitalize())}: {count}" for kind, count in kinds.most_common()]
    first, last = min(each.at for each in group), max(each.at for each in group)
    return Message(
        ids=tuple(sorted(each.alert_id for each in group)),
        kind="digest",
        severity=max((each.severity for each in group), key=lambda severity: severity.rank),
        title=f"Meanwhile: {len(group)} alerts",
        lines=(f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC; /alerts lists them.", *lines),
        at=last,
        digest=True,
    )


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
        account=first.account,
        strategy=first.strategy,
        step=first.step,
        standing=first.standing,
    )
