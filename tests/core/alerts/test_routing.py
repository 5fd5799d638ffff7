"""Who hears of what, over which channels, now or later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.roles import Actor, Role
from core.alerts.audience import EveryOne, quiet_of, rules_of
from core.alerts.channel import Severity
from core.alerts.escalation import Ladder, detour
from core.alerts.routing import DEFAULT_ROUTES, HOUSE, Hold, Listener, News, Place, Quiet, Route, everywhere, route
from core.settings import Settings, parse_settings
from tests.core.alerts.duty import ADA, BOB, RIK, VI, person

NOW = datetime(2026, 3, 2, 22, tzinfo=UTC)
NIGHT = Quiet(time(22), time(7))
THE_HOUSE = Listener(HOUSE, Actor(HOUSE, HOUSE, Role.VIEWER), (("webhook", HOUSE), ("apprise", "house/1")))
EVERYBODY = [person(ADA, "telegram", "email"), person(BOB, "telegram", "email"), person(RIK), person(VI), THE_HOUSE]


def places(news: News, routes: tuple[Route, ...] = DEFAULT_ROUTES) -> list[tuple[str, str]]:
    return [(each.channel, each.recipient) for each in route(news, EVERYBODY, routes, NOW)]


def test_by_default_everyone_hears_by_telegram_and_admins_of_what_is_grave_in_every_way() -> None:
    """The house's webhook gets everything, its other addresses what needs looking at."""
    people = [("telegram", "1"), ("telegram", "2"), ("telegram", "3"), ("telegram", "4")]
    assert places(News(Severity.INFO)) == [*people, ("webhook", HOUSE)]
    assert places(News(Severity.WARNING)) == [*people, ("webhook", HOUSE), ("apprise", "house/1")]
    assert places(News(Severity.CRITICAL)) == [
        ("telegram", "1"), ("email", "1"), *people[1:], ("webhook", HOUSE), ("apprise", "house/1"),
    ]  # fmt: skip


def test_an_account_that_somebody_does_not_see_is_none_of_theirs() -> None:
    """Bob has no part in the fund; the house hears of everything."""
    assert ("telegram", "2") not in places(News(Severity.CRITICAL, "fund"))
    assert ("telegram", "2") in places(News(Severity.CRITICAL, "paper"))
    assert ("webhook", HOUSE) in places(News(Severity.INFO, "fund"))


def test_routes_of_the_settings() -> None:
    """By role, by name, by number; without channels: over all that they have."""
    routes = (
        Route(Severity.WARNING, frozenset({"risk", "bob"})),
        Route(Severity.INFO, frozenset({"4"}), ("telegram",)),
    )
    assert places(News(Severity.INFO), routes) == [("telegram", "4")]
    assert places(News(Severity.WARNING), routes) == [
        ("telegram", "2"), ("email", "2"), ("telegram", "3"), ("telegram", "4"),
    ]  # fmt: skip


def test_a_group_hears_of_strategies() -> None:
    """Of nothing else; it answers nothing, and stands in for nobody."""
    group = Listener("-100", Actor("-100", "group", Role.VIEWER), (("telegram", "-100"),), of_topics=True)
    for strategy, told in (("trend", True), ("", False)):
        found = route(News(Severity.CRITICAL, "", None, strategy), [person(BOB), group], DEFAULT_ROUTES, NOW)
        assert (Place("-100", "telegram", "-100") in found) is told
        assert Place("2", "telegram", "2") in found
    assert not group.may_answer("")
    assert Ladder().called(9, [person(BOB), group], "") == [person(BOB)]


def test_what_is_critical_is_never_for_nobody() -> None:
    """If no route takes it to a person it goes to all of them, in every way."""
    routes = (Route(Severity.INFO, frozenset({"nobody"})),)
    assert places(News(Severity.WARNING), routes) == []
    assert len(places(News(Severity.CRITICAL), routes)) == 6
    assert len(places(News(Severity.CRITICAL), (Route(Severity.INFO, frozenset({HOUSE})),))) == 8
    assert [each.recipient for each in route(News(Severity.CRITICAL, "fund"), [person(BOB)], routes, NOW)] == ["2"]


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-02 20:59", None),
        ("2026-03-02 21:00", "2026-03-03 06:00"),
        ("2026-03-03 05:59", "2026-03-03 06:00"),
        ("2026-03-03 06:00", None),
        ("2026-03-28 23:30", "2026-03-29 05:00"),  # clocks go forward that night
        ("2026-10-24 22:30", "2026-10-25 06:00"),  # and back
    ],
)
def test_quiet_hours_go_by_the_clock_of_the_person(at: str, until: str | None) -> None:
    """22:00 to 07:00 in Berlin."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    ends = NIGHT.until(moment, ZoneInfo("Europe/Berlin"))
    assert ends == (datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None)


def test_quiet_hours_and_windows_hold_all_but_what_is_critical() -> None:
    """The later end counts."""
    sleeper = [person(VI, quiet=NIGHT)]
    morning = datetime(2026, 3, 3, 6, tzinfo=UTC)
    for severity, due in ((Severity.INFO, morning), (Severity.WARNING, morning), (Severity.CRITICAL, None)):
        assert [each.due for each in route(News(severity), sleeper, DEFAULT_ROUTES, NOW)] == [due]
    late = Hold(1, morning + timedelta(hours=2))
    assert [each.due for each in route(News(Severity.INFO, "", late), sleeper, DEFAULT_ROUTES, NOW)] == [late.until]
    assert route(News(Severity.WARNING, "", Hold(1)), sleeper, DEFAULT_ROUTES, NOW) == []
    assert len(route(News(Severity.CRITICAL, "", Hold(1)), sleeper, DEFAULT_ROUTES, NOW)) == 1


QUIETS = st.one_of(
    st.none(),
    st.builds(Quiet, st.times(), st.times()).filter(lambda quiet: quiet.start != quiet.end),
)
LISTENERS = st.lists(
    st.builds(
        lambda n, role, ways, zone, quiet, roles: Listener(
            str(n), Actor(str(n), f"P{n}", role, roles), tuple((way, str(n)) for way in ways), ZoneInfo(zone), quiet
        ),
        st.integers(1, 6),
        st.sampled_from(Role),
        st.lists(st.sampled_from(["telegram", "email", "apprise"]), min_size=1, unique=True),
        st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        QUIETS,
        st.dictionaries(st.sampled_from(["fund", "paper"]), st.one_of(st.none(), st.sampled_from(Role)), max_size=2),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.id,
)
ROUTES = st.lists(
    st.builds(
        Route,
        st.sampled_from(Severity),
        st.frozensets(st.sampled_from(["everyone", "admin", "risk", "p1", "2", "house"]), min_size=1, max_size=3),
        st.lists(st.sampled_from(["telegram", "email"]), max_size=2).map(tuple),
    ),
    max_size=4,
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))


@given(LISTENERS, ROUTES, st.sampled_from(Severity), st.sampled_from(["", "fund"]), MOMENTS)
def test_routing_in_general(
    listeners: list[Listener], routes: list[Route], severity: Severity, account: str, now: datetime
) -> None:
    """No address twice; nothing for who may not see it; what is critical at once, to somebody; the rest within a day."""
    found = route(News(severity, account), listeners, routes, now)
    assert len({(each.channel, each.recipient) for each in found}) == len(found)
    seeing = {each.id for each in listeners if each.sees(account)}
    if severity is Severity.CRITICAL:
        assert found
        assert all(each.due is None for each in found)
    assert {each.person for each in found} <= seeing or (severity is Severity.CRITICAL and not seeing)
    assert all(each.due is None or now < each.due <= now + timedelta(hours=26) for each in found)


@given(LISTENERS, st.integers(1, 9), st.sampled_from(["", "fund"]), st.permutations("123456"))
def test_each_step_calls_who_was_called_before_and_one_more(
    listeners: list[Listener], step: int, account: str, order: list[str]
) -> None:
    """Never nobody, and never somebody who may not answer while there is one who may."""
    ladder = Ladder(order=tuple(order))
    before, after = ladder.called(step, listeners, account), ladder.called(step + 1, listeners, account)
    assert before
    assert {each.id for each in before} <= {each.id for each in after}
    able = [each for each in listeners if each.may_answer(account)]
    if able:
        assert len(before) == min(step, len(able))
        assert all(each.may_answer(account) for each in after)
    assert ladder.next_at(step, NOW) > NOW


@given(LISTENERS, st.data())
def test_a_detour_is_a_way_that_was_not_tried_yet_or_none(listeners: list[Listener], data: st.DataObject) -> None:
    """First of the same person."""
    ways = [way for each in listeners for way in everywhere(each)]
    tried = data.draw(st.lists(st.sampled_from(ways), min_size=1, unique=True))
    found = detour(tried, listeners, "", Ladder())
    own = [way for way in ways if way.person == tried[-1].person and way not in tried]
    assert found == own[:1] or not own
    assert not set(found) & set(tried)


def settings(**more: object) -> Settings:
    return parse_settings(
        {
            "telegram": {"token": "123456789:" + "A" * 35},
            "users": [
                {"id": 1, "name": "Ada", "role": "admin", "email": "ada@example.org", "quiet_hours": "22:00-07:00"},
                {"id": 2, "name": "Bob", "role": "trader", "apprise": ["ntfys://a", "ntfys://b"]},
            ],
            "market": {"symbols": ["AAPL"]},
            "accounts": {"paper": {"broker": {"adapter": "paper"}}},
            **more,
        }
    )


def test_the_settings_say_who_is_reached_how() -> None:
    """E-mail only where there is a mail server; a person's own addresses, and those of the house."""
    bare, full = settings(), settings(
        alerts={
            "email": {"host": "localhost", "tls": "none", "sender": "q@example.org"},
            "webhook": {"url": "https://example.org", "secret": "x" * 16},
            "apprise": ["ntfys://c"],
            "routes": [{"severity": "CRITICAL", "to": ["Ada", 2], "over": ["email"]}],
            "escalation": {"order": ["Bob", 1], "every_seconds": 20},
        }
    )  # fmt: skip
    assert [each.addresses for each in EveryOne(bare, lambda: bare.users).listeners()] == [
        (("telegram", "1"),),
        (("telegram", "2"), ("apprise", "2/1"), ("apprise", "2/2")),
    ]
    listeners = EveryOne(full, lambda: full.users).listeners()
    assert listeners[0].addresses == (("telegram", "1"), ("email", "1"))
    assert listeners[0].quiet == quiet_of("22:00-07:00") == NIGHT
    assert listeners[-1].addresses == (("webhook", "house"), ("apprise", "house/1"))
    rules = rules_of(full)
    assert rules.routes == (Route(Severity.CRITICAL, frozenset({"ada", "2"}), ("email",)),)
    assert (rules.ladder.order, rules.ladder.every_seconds) == (("2", "1"), 20)
    assert rules_of(bare).routes == DEFAULT_ROUTES


def test_places_say_whom_they_are_to_reach() -> None:
    """So that another way can be found."""
    assert route(News(Severity.INFO), [person(ADA)], DEFAULT_ROUTES, NOW) == [Place("1", "telegram", "1")]


def test_the_ladder_goes_on_for_ever_at_the_same_pace() -> None:
    """60 s, 180 s, then every five minutes."""
    pauses = [Ladder().pause_after(step).total_seconds() for step in range(9)]
    assert pauses == [60, 120, 300, 300, 300, 300, 300, 300, 300]


def without(person_: Listener, *lost: tuple[str, str]) -> Listener:
    return replace(person_, lost=frozenset(lost))


def test_where_a_chat_is_lost_the_next_channel_is_taken_at_once() -> None:
    """Also for what is no more than news; the lost one is tried all the same, for it may be there again."""
    bob = without(person(BOB, "telegram", "email"), ("telegram", "2"))
    found = [(each.channel, each.recipient) for each in route(News(Severity.INFO), [bob], DEFAULT_ROUTES, NOW)]
    assert found == [("telegram", "2"), ("email", "2")]


def test_who_cannot_be_reached_takes_nobodys_turn() -> None:
    """The first repeat reaches the first who can be reached."""
    ada = without(person(ADA), ("telegram", "1"))
    ladder = Ladder(order=("1", "2", "3"))
    called = ladder.called(1, [ada, person(BOB), person(RIK)], "")
    assert [each.id for each in called] == ["1", "2"]
    assert [each.id for each in ladder.called(1, [ada, without(person(BOB), ("telegram", "2"))], "")] == ["1", "2"]


def test_a_detour_prefers_ways_that_are_not_lost() -> None:
    """A lost one is better than none."""
    tried = [Place("1", "telegram", "1")]
    bob, rik = without(person(BOB), ("telegram", "2")), person(RIK)
    assert detour(tried, [person(ADA), bob, rik], "", Ladder()) == [Place("3", "telegram", "3")]
    assert detour(tried, [person(ADA), bob], "", Ladder()) == [Place("2", "telegram", "2")]
