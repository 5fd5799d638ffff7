"""Whom alerts may reach, and how: people as they are at that moment, and the house."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Protocol
from zoneinfo import ZoneInfo

from core.access.roles import Actor, Role
from core.alerts.channel import Severity
from core.alerts.escalation import Ladder
from core.alerts.routing import DEFAULT_ROUTES, HOUSE, Listener, Quiet, Route
from core.settings import Settings, UserSettings


class Audience(Protocol):
    """Asked anew for every alert: people come, go and change their roles."""

    def listeners(self) -> Sequence[Listener]:
        """Everyone whom an alert may reach."""
        ...


class Fixed:
    """Addresses that never change, as "channel:recipient"; each is an admin's."""

    def __init__(self, addresses: Iterable[str]) -> None:
        pairs = [each.split(":", 1) for each in addresses]
        self._listeners = tuple(
            Listener(recipient, Actor(recipient, recipient, Role.ADMIN), ((channel, recipient),))
            for channel, recipient in pairs
        )

    def listeners(self) -> Sequence[Listener]:
        """The same every time."""
        return self._listeners


class EveryOne:
    """The people whom `people` names at that moment, and what belongs to the house."""

    def __init__(self, settings: Settings, people: Callable[[], Iterable[UserSettings]]) -> None:
        self._settings = settings.alerts
        self._groups = [group for group in settings.telegram.groups if group.topics]
        self._people = people

    def listeners(self) -> Sequence[Listener]:
        """People in the order of the settings, then the house, then groups with topics."""
        return [*(self._person(user) for user in self._people()), *self._house(), *self._topics()]

    def _person(self, user: UserSettings) -> Listener:
        own = str(user.id)
        addresses = [("telegram", own)]
        if self._settings.email and user.email:
            addresses.append(("email", own))
        addresses += [("apprise", f"{own}/{number}") for number in range(1, len(user.apprise) + 1)]
        actor = Actor(own, user.name, user.role, user.accounts)
        return Listener(own, actor, tuple(addresses), ZoneInfo(user.time_zone), quiet_of(user.quiet_hours))

    def _house(self) -> list[Listener]:
        addresses = [("webhook", HOUSE)] if self._settings.webhook else []
        addresses += [("apprise", f"{HOUSE}/{number}") for number in range(1, len(self._settings.apprise) + 1)]
        return [Listener(HOUSE, Actor(HOUSE, HOUSE, Role.VIEWER), tuple(addresses))] if addresses else []

    def _topics(self) -> list[Listener]:
        actors = [Actor(str(group.id), f"group {group.id}", Role.VIEWER) for group in self._groups]
        return [Listener(each.id, each, (("telegram", each.id),), of_topics=True) for each in actors]


def quiet_of(text: str | None) -> Quiet | None:
    """`22:00-07:00` as a part of the day."""
    if text is None:
        return None
    start, end = text.split("-")
    return Quiet(time.fromisoformat(start), time.fromisoformat(end))


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say: which way alerts go, and how unanswered ones go on."""

    routes: tuple[Route, ...] = DEFAULT_ROUTES
    ladder: Ladder = field(default_factory=Ladder)


def rules_of(settings: Settings) -> Rules:
    """Routes and ladder of the settings; people may be named by name or id, and are meant by id."""
    alerts = settings.alerts
    routes = tuple(
        Route(Severity(each.severity), frozenset(word.casefold() for word in each.to), each.over)
        for each in alerts.routes
    )
    ids = {user.name.casefold(): str(user.id) for user in settings.users}
    ladder = Ladder(
        alerts.escalation.repeat_seconds,
        alerts.escalation.next_person_seconds,
        alerts.escalation.every_seconds,
        tuple(ids.get(each.casefold(), each) for each in alerts.escalation.order),
    )
    return Rules(routes or DEFAULT_ROUTES, ladder)
