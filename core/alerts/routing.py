"""Who hears of an alert, over which channels, now or later. Pure: it knows people, routes and the time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo

from core.access.roles import Actor, Permission
from core.alerts.channel import Severity

EVERYONE = "everyone"
HOUSE = "house"
TOPICS = "topics"


@dataclass(frozen=True, slots=True)
class Quiet:
    """A part of the day in which somebody is left alone, by their own clock; it may go over midnight."""

    start: time
    end: time

    def until(self, now: datetime, zone: tzinfo) -> datetime | None:
        """When the quiet time ends that `now` lies in; None outside of it."""
        local = now.astimezone(zone)
        clock = local.time().replace(tzinfo=None)
        within = self.start <= clock < self.end if self.start < self.end else not self.end <= clock < self.start
        if not within:
            return None
        day = local.date() + timedelta(days=1 if clock >= self.end else 0)
        ends = datetime.combine(day, self.end, zone).astimezone(UTC)
        return max(ends, now + timedelta(minutes=1))  # clocks that are changed at night must not hold anything for ever


@dataclass(frozen=True, slots=True)
class Listener:
    """A person, the house itself, or a group with topics; and how they are reached, the preferred way first."""

    id: str
    actor: Actor
    addresses: tuple[tuple[str, str], ...]  # (channel, recipient)
    zone: tzinfo = UTC
    quiet: Quiet | None = None
    of_topics: bool = False
    lost: frozenset[tuple[str, str]] = frozenset()  # those of the addresses that take nothing at present

    @property
    def ways(self) -> tuple[tuple[str, str], ...]:
        """The addresses that are not lost."""
        return tuple(each for each in self.addresses if each not in self.lost)

    @property
    def is_house(self) -> bool:
        """Whether it is the house: it hears of everything, but it answers nothing."""
        return self.id == HOUSE

    @property
    def is_person(self) -> bool:
        """Whether somebody is there who could answer."""
        return not self.is_house and not self.of_topics

    def sees(self, account: str) -> bool:
        """Whether news of this account are for them; "" is the house as a whole."""
        return not self.is_person or (self.actor.sees(account) if account else self.actor.may(Permission.VIEW))

    def may_answer(self, account: str) -> bool:
        """Whether they may acknowledge what happens there."""
        return self.is_person and self.actor.may(Permission.HALT, account)


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts from a severity on go to some, over some channels.

    `to`: "everyone" (all people), "house", "topics", a role, a name in small letters, or an id.
    """

    severity: Severity = Severity.INFO
    to: frozenset[str] = frozenset({EVERYONE})
    over: tuple[str, ...] = ()  # empty: all that they have

    def fits(self, listener: Listener, severity: Severity) -> bool:
        """Whether an alert so grave takes this route to `listener`."""
        if severity.rank < self.severity.rank:
            return False
        if not listener.is_person:
            return (HOUSE if listener.is_house else TOPICS) in self.to
        actor = listener.actor
        return bool(self.to & {EVERYONE, actor.role.label, actor.name.casefold(), listener.id})


@dataclass(frozen=True, slots=True)
class Place:
    """Where one delivery goes; `due` is when it may, None: at once."""

    person: str
    channel: str
    recipient: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Something keeps an alert back: for good (a mute), or until the end of a maintenance window."""

    id: int
    until: datetime | None = None


DEFAULT_ROUTES = (
    Route(Severity.INFO, frozenset({EVERYONE}), ("telegram",)),
    Route(Severity.INFO, frozenset({TOPICS})),
    Route(Severity.INFO, frozenset({HOUSE}), ("webhook",)),
    Route(Severity.WARNING, frozenset({HOUSE}), ("apprise",)),
    Route(Severity.CRITICAL, frozenset({"admin"})),
)


@dataclass(frozen=True, slots=True)
class News:
    """What routing must know of an alert."""

    severity: Severity
    account: str = ""
    hold: Hold | None = field(default=None)
    strategy: str = ""


def route(news: News, listeners: Sequence[Listener], routes: Iterable[Route], now: datetime) -> list[Place]:
    """Every place an alert goes to, each once. A CRITICAL one is never held back, and never for nobody."""
    critical = news.severity is Severity.CRITICAL
    if news.hold is not None and not critical and news.hold.until is None:
        return []
    seeing = [each for each in listeners if each.sees(news.account) and (news.strategy or not each.of_topics)]
    table = tuple(routes)
    places = _places(news, seeing, table, now)
    if critical and not any(each.is_person for each in listeners if each.id in {one.person for one in places}):
        people = [each for each in seeing if each.is_person] or listeners
        return _unique([*places, *(place for each in people for place in everywhere(each))])
    return places


def _places(news: News, seeing: Sequence[Listener], routes: Sequence[Route], now: datetime) -> list[Place]:
    return _unique(
        Place(each.id, channel, recipient, _due(news, each, now))
        for each in seeing
        for channel, recipient in _around(
            each,
            [
                (channel, recipient)
                for channel, recipient in each.addresses
                if any(one.fits(each, news.severity) and (not one.over or channel in one.over) for one in routes)
            ],
        )
    )


def _around(listener: Listener, wanted: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """The same, and where one of these addresses is lost also the next that is not.

    The lost one is tried all the same: that costs nothing, and tells us if it is there again.
    """
    if not listener.lost.intersection(wanted):
        return wanted
    return [*wanted, *(each for each in listener.ways if each not in wanted)][: len(wanted) + 1]


def _due(news: News, listener: Listener, now: datetime) -> datetime | None:
    if news.severity is Severity.CRITICAL:
        return None
    times = (
        news.hold.until if news.hold else None,
        listener.quiet.until(now, listener.zone) if listener.quiet else None,
    )
    return max((each for each in times if each is not None), default=None)


def everywhere(listener: Listener) -> list[Place]:
    """Every way to reach somebody."""
    return [Place(listener.id, channel, recipient) for channel, recipient in listener.addresses]


def _unique(places: Iterable[Place]) -> list[Place]:
    """One place for each address, the first that names it."""
    by_address: dict[tuple[str, str], Place] = {}
    for each in places:
        by_address.setdefault((each.channel, each.recipient), each)
    return list(by_address.values())
