"""What is kept back, counted and told in one: mutes, quiet hours, maintenance windows, outages, repeats of one thing."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from core.access.roles import SYSTEM
from core.alerts.channel import Severity
from core.alerts.mutes import Sort
from core.alerts.routing import Quiet
from core.clock import ManualClock
from core.store.models import AlertRow, AuditLine, DeliveryRow, MuteRow
from tests.core.alerts.duty import ADA, BOB, MINUTE, House, down, person, well

pytestmark = pytest.mark.usefixtures("database")

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
HOUR = timedelta(hours=1)


@pytest.fixture
def house(clock: ManualClock) -> House:
    return House(clock, [person(ADA)])


async def mute(house: House, scope: str, length: timedelta, sort: Sort = Sort.MUTE) -> MuteRow:
    now = house.clock.now()
    return await house.alerts.mutes.begin(sort, scope, "too many <of them>", "Ada (1)", now, now + length)


# --- mutes -------------------------------------------------------------------------------------------


async def test_what_is_muted_is_counted_and_told_at_the_end(house: House) -> None:
    """A kind, a strategy, an account; never what is critical."""
    await mute(house, "kind:fill", HOUR)
    await mute(house, "strategy:trend", HOUR)
    await mute(house, "account:fund", HOUR)
    for number in range(3):
        await house.add(f"bought {number}", INFO, kind="fill")
    await house.add("paused", WARNING, kind="strategy", strategy="trend")
    await house.add("drift", WARNING, kind="drift", account="fund")
    await house.add("grave", CRITICAL, kind="fill", strategy="trend", account="fund")
    await house.add("other", INFO, kind="job")
    await house.wait(30)
    assert house.chat.titles("1") == ["grave", "other"]
    await house.alerts.acknowledge(6, ADA)
    await house.wait(3600, 30)
    bodies = ["\n".join(one.message.lines) for one in house.chat.sent[2:]]
    assert [body.split("\n")[0] for body in bodies] == [
        "It kept back 3 alerts: fill 3.", "It kept back 1 alerts: strategy 1.", "It kept back 1 alerts: drift 1.",
    ]  # fmt: skip
    assert "too many <of them>" in bodies[0]
    assert await AuditLine.filter(action="end mute", actor=SYSTEM.name).count() == 3
    await house.add("bought again", INFO, kind="fill")
    await house.wait(30)
    assert house.chat.titles("1")[-1] == "bought again"


async def test_a_mute_holds_after_a_restart_and_ends_by_hand_once(house: House) -> None:
    """It is a row; ending it twice tells once."""
    row = await mute(house, "kind:fill", HOUR)
    house.restart()
    await house.alerts.mutes.load()
    await house.add("bought", INFO, kind="fill")
    await house.wait(30)
    assert house.chat.sent == []
    assert await house.watch.end_mute(row, "Bob (2)")
    assert not await house.watch.end_mute(row, "Bob (2)")
    await house.wait(30)
    assert len(house.chat.sent) == 1
    assert (await MuteRow.get(id=row.id)).ended_by == "Bob (2)"


@pytest.mark.parametrize("kind", ["mute", "halt", "people", "unreachable"])
async def test_some_things_are_told_whatever_is_muted(house: House, kind: str) -> None:
    """Who mutes cannot hide that, nor who comes and goes."""
    await mute(house, f"kind:{kind}", HOUR)
    await house.add("told", INFO, kind=kind)
    await house.wait(30)
    assert house.chat.titles("1") == ["told"]


# --- maintenance windows -----------------------------------------------------------------------------


async def test_a_window_holds_what_maintenance_brings_and_tells_it_in_one(house: House) -> None:
    """Of its account; the rest and what is grave comes at once."""
    await mute(house, "account:fund", HOUR, Sort.MAINTENANCE)
    for account in ("fund", "paper"):
        await house.add(f"{account} differs", WARNING, kind="drift", account=account)
    await house.add("fund away", INFO, kind="connection", account="fund")
    await house.add("fund breach", WARNING, kind="breach", account="fund")
    await house.add("fund lost", CRITICAL, kind="drift", account="fund")
    await house.alerts.acknowledge(5, ADA)
    await house.wait(60)
    assert house.chat.titles("1") == ["fund lost", "paper differs", "fund breach"]
    await house.wait(3600, 60)
    digest = next(one.message for one in house.chat.sent if one.message.digest)
    assert digest.ids == (1, 3)
    assert digest.lines[1:] == ("fund differs", "Connection: 1")


async def test_a_window_that_ends_early_tells_at_once(house: House) -> None:
    """Nobody waits for an end that has passed."""
    row = await mute(house, "", HOUR, Sort.MAINTENANCE)
    await house.add("differs", WARNING, kind="drift")
    await house.wait(10)
    assert house.chat.sent == []
    await house.watch.end_mute(row, "Ada (1)")
    await house.wait(10)
    assert sorted(house.chat.titles("1")) == ["Over: maintenance of everything", "differs"]


# --- quiet hours -------------------------------------------------------------------------------------


async def test_a_night_is_told_in_the_morning_in_one_message(clock: ManualClock) -> None:
    """Warnings by title, the rest counted; what is grave wakes; others get it all at once."""
    clock.set(datetime(2026, 3, 2, 21, tzinfo=UTC))
    house = House(clock, [person(ADA, quiet=Quiet(time(22), time(7))), person(BOB)])
    for number in range(40):
        await house.add(f"bought {number}", INFO, kind="fill")
        await house.add(f"late {number % 2}", WARNING, kind="job")
    await house.add("grave", CRITICAL)
    await house.alerts.acknowledge(81, BOB)
    await house.wait(60)
    assert house.chat.titles("1") == ["grave"]
    assert len(house.chat.titles("2")) > 5
    clock.set(datetime(2026, 3, 3, 5, 59, tzinfo=UTC))
    await house.wait(30)
    assert house.chat.titles("1") == ["grave"]
    await house.wait(60)
    digest = house.chat.sent[-1].message
    assert (house.chat.titles("1"), digest.severity, len(digest.ids)) == (
        ["grave", "Meanwhile: 80 alerts"],
        WARNING,
        80,
    )
    assert digest.lines[1:] == ("late 0 x20", "late 1 x20", "Fills: 40")


async def test_a_report_that_comes_at_night_keeps_its_attachment(clock: ManualClock) -> None:
    """It cannot be told in a line."""
    clock.set(datetime(2026, 3, 2, 21, tzinfo=UTC))
    house = House(clock, [person(ADA, quiet=Quiet(time(22), time(7)))])
    await house.add("Daily report", INFO, kind="report", attachment="day")
    await house.add("bought", INFO, kind="fill")
    clock.set(datetime(2026, 3, 3, 6, 1, tzinfo=UTC))
    await house.wait(10)
    assert sorted((one.message.title, one.message.attachment) for one in house.chat.sent) == [
        ("Daily report", "day"), ("bought", ""),
    ]  # fmt: skip


# --- outages -----------------------------------------------------------------------------------------


async def test_after_an_outage_what_is_grave_comes_first_and_old_news_in_one(house: House) -> None:
    """A thousand INFO older than an hour are one message; WARNING are kept; what is newer is told as ever."""
    house.chat.trouble = down()
    for number in range(1000):
        await house.add(f"news {number}", INFO, kind="job")
    for number in range(3):
        await house.add(f"warning {number}", WARNING, kind="job")
    await house.add("grave")
    await house.wait(60, 30)
    house.clock.advance(3700)
    await house.add("fresh", INFO, kind="job")
    house.chat.trouble = well
    await house.wait(120, 30)
    titles = house.chat.titles("1")
    assert [title for title in titles if title != "grave"] == [
        "warning 0", "warning 1", "warning 2", "Meanwhile: 1000 alerts", "fresh",
    ]  # fmt: skip
    assert titles[0] == "grave"
    assert await DeliveryRow.filter(status="waiting").count() == 0


async def test_with_much_queued_what_is_grave_comes_next(house: House) -> None:
    """It waits for the message that is on its way, and for nothing else."""
    for number in range(60):
        await house.add(f"news {number}", INFO, kind="job")

    async def grave(_recipient: str, _message: object) -> None:
        if len(house.chat.sent) == 5:
            await house.add("grave")
        if len(house.chat.sent) == 10:
            house.chat.trouble = down()

    house.chat.before = grave
    await house.look()
    assert house.chat.titles("1").index("grave") == 6


# --- one thing told again and again ------------------------------------------------------------------


async def test_repeats_of_one_thing_within_ten_seconds_are_one_message_with_a_count(house: House) -> None:
    """The first at once; what is critical is never put together with anything."""
    for number in range(30):
        await house.add("venue slow", WARNING, kind="connection", key="venue:paper", body=f"{number} s")
        await house.add(f"grave {number % 2}", CRITICAL)
        await house.look()
        house.clock.advance(0.2)
    await house.wait(12, 1)
    slow = [one.message for one in house.chat.sent if one.message.title == "venue slow"]
    assert [len(message.ids) for message in slow] == [1, 29]
    assert slow[1].lines == ("29 s",)
    first = [one.message.ids for one in house.chat.sent if one.message.severity is CRITICAL and not one.message.step]
    assert len(first) == 30


async def test_different_things_do_not_wait_for_one_another(house: House) -> None:
    """Another key, account or kind is another thing."""
    for key, account in (("a", ""), ("b", ""), ("a", "fund")):
        await house.add("slow", WARNING, kind="connection", key=key, account=account)
    await house.look()
    assert len(house.chat.sent) == 3


async def test_old_rows_of_the_version_before_are_delivered(house: House) -> None:
    """They know no person, step or time of their own."""
    now = house.clock.now()
    row = await AlertRow.create(kind="job", severity="INFO", title="old", body="", market_at=now, at=now - 30 * MINUTE)
    await DeliveryRow.create(alert_id=row.id, rank=0, channel="telegram", recipient="1", status="waiting")
    grave = await AlertRow.create(kind="halt", severity="CRITICAL", title="old halt", body="", market_at=now, at=now)
    await DeliveryRow.create(alert_id=grave.id, rank=2, channel="telegram", recipient="1", status="waiting")
    await house.wait(30)
    assert house.chat.titles("1") == ["old halt", "old"]
