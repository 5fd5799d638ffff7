"""A CRITICAL alert goes on until somebody answers it: over more channels, to more people, and every copy shows who."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core.alerts.audience import Rules
from core.alerts.channel import Severity
from core.alerts.routing import Route
from core.clock import ManualClock
from core.store.database import transaction
from core.store.models import AlertRow, AuditLine, DeliveryRow
from tests.core.alerts.duty import (
    ACKNOWLEDGED,
    ADA,
    BOB,
    CLOSED,
    MINUTE,
    OPEN,
    RIK,
    SNOOZED,
    House,
    blocked,
    down,
    person,
    well,
)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def house(clock: ManualClock) -> House:
    return House(clock)


def steps(house: House, alert: int, recipient: str) -> list[tuple[int, int]]:
    """Step and seconds after the first, of every message about an alert by chat."""
    sent = house.chat.about(alert)
    return [
        (one.message.step, round((one.at - sent[0].at).total_seconds())) for one in sent if one.recipient == recipient
    ]


async def test_an_unanswered_alert_is_repeated_and_calls_one_more_person_each_time(house: House) -> None:
    """At once to everyone; after 60 s again to the first, after 180 s to the second too, then every five minutes."""
    alert = await house.add("loss")
    await house.wait(800)
    assert steps(house, alert, "1") == [(0, 0), (1, 60), (2, 180), (3, 480), (4, 780)]
    assert steps(house, alert, "2") == [(0, 0), (2, 180), (3, 480), (4, 780)]
    assert steps(house, alert, "3") == [(0, 0), (3, 480), (4, 780)]
    assert steps(house, alert, "4") == [(0, 0)]


async def test_a_repeat_goes_over_every_channel_of_who_is_called_and_of_the_house(clock: ManualClock) -> None:
    """A trader gets the first message by chat alone."""
    house = House(clock, [person(BOB, "telegram", "email")]).with_webhook()
    alert = await house.add("loss")
    await house.wait(59)
    assert (len(house.chat.about(alert)), len(house.mail.about(alert)), len(house.hook.about(alert))) == (1, 0, 1)
    await house.wait(5)
    assert (len(house.chat.about(alert)), len(house.mail.about(alert)), len(house.hook.about(alert))) == (2, 1, 2)


async def test_the_first_answer_counts_and_every_copy_shows_it(house: House) -> None:
    """Repeats end; also the copies of repeats are changed, and nobody can answer again."""
    alert = await house.add("loss")
    await house.wait(200)
    assert await house.alerts.acknowledge(alert, RIK)
    assert not await house.alerts.acknowledge(alert, ADA)
    assert not await house.alerts.snooze(alert, ADA, house.clock.now() + MINUTE)
    await house.wait(2000, 20)
    copies = [one.copy for one in house.chat.about(alert)]
    assert len(copies) == 4 + 1 + 2
    standings = [house.chat.shown[copy].standing for copy in copies]
    assert {(one.status, one.by) for one in standings if one} == {(ACKNOWLEDGED, "Rik")}
    assert not await DeliveryRow.filter(stale=True).exists()


async def test_of_a_hundred_who_press_at_once_one_wins(house: House) -> None:
    """The database decides."""
    alert = await house.add("loss")
    people = [ADA, BOB, RIK] * 33
    won = await asyncio.gather(*(house.alerts.acknowledge(alert, each) for each in people))
    assert sum(won) == 1
    assert (await house.row(alert)).answered_by == people[won.index(True)].name


async def test_a_snoozed_alert_is_silent_and_comes_back(house: House) -> None:
    """To whom it would call at that step, and to who snoozed it; then it goes on as before."""
    alert = await house.add("loss")
    await house.wait(10)
    assert await house.alerts.snooze(alert, RIK, house.clock.now() + 15 * MINUTE)
    await house.wait(15 * 60 - 10, 10)
    assert len(house.chat.about(alert)) == 4
    assert {house.chat.shown[one.copy].standing.status for one in house.chat.about(alert)} == {SNOOZED}
    await house.wait(15)
    assert (await house.row(alert)).status == OPEN
    assert steps(house, alert, "3")[1][0] == 1
    assert {house.chat.shown[one.copy].standing.status for one in house.chat.about(alert)} == {OPEN}
    assert await house.alerts.acknowledge(alert, ADA)


async def test_a_snoozed_alert_can_be_acknowledged(house: House) -> None:
    """Without waiting for it to come back."""
    alert = await house.add("loss")
    assert await house.alerts.snooze(alert, RIK, house.clock.now() + MINUTE)
    assert await house.alerts.acknowledge(alert, ADA)
    await house.wait(600, 20)
    assert len(house.chat.about(alert)) == 4


async def test_what_is_over_needs_no_answer(house: House) -> None:
    """The program closes it by its key, in the transaction of what ended it; the answer stays."""
    mine, other = await house.add("venue away", key="venue:paper"), await house.add("loss", key="loss")
    await house.wait(1)
    assert await house.alerts.acknowledge(mine, BOB)
    async with transaction():
        assert await house.alerts.close("venue:paper", "the venue answers again") == 1
    assert await house.alerts.close("venue:paper", "again") == 0
    await house.wait(100)
    (shown,) = {house.chat.shown[one.copy].standing for one in house.chat.about(mine)}
    assert shown is not None
    assert (shown.status, shown.by, shown.note) == (CLOSED, "Bob", "the venue answers again")
    assert (await house.row(other)).status == OPEN
    assert len(house.chat.about(other, "1")) == 2


async def test_a_close_shares_the_fate_of_its_transaction(house: House) -> None:
    """Rolled back, the alert is open as before and goes on."""
    alert = await house.add("venue away", key="venue")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with transaction():
            await house.alerts.close("venue", "over")
            raise ZeroDivisionError
    await house.wait(60)
    assert len(house.chat.about(alert, "1")) == 2


async def test_the_same_again_takes_the_place_of_the_open_one_and_its_clock_goes_on(house: House) -> None:
    """An alarm that is raised every 30 s is told each time, is one to answer, and escalates all the same."""
    alerts = []
    for _ in range(8):
        alerts.append(await house.add("orders still open", key="kill:global"))
        await house.wait(30)
    assert [(await house.row(each)).status for each in alerts] == [CLOSED] * 7 + [OPEN]
    told = {who: sum(len(house.chat.about(each, who)) for each in alerts) for who in "124"}
    assert told == {"1": 8 + 2, "2": 8 + 1, "4": 8}
    assert house.chat.shown[house.chat.about(alerts[0])[0].copy].standing.note == f"again: see #{alerts[1]}"
    assert await house.alerts.acknowledge(alerts[-1], BOB)
    again = await house.add("orders still open", key="kill:global")
    assert (await house.row(again)).status == OPEN


async def test_the_same_again_while_it_is_snoozed_is_told_once_and_stays_snoozed(house: House) -> None:
    """Who snoozed it knows."""
    await house.add("orders still open", key="kill:global")
    first = (await AlertRow.all().first()).id
    assert await house.alerts.snooze(first, ADA, house.clock.now() + 15 * MINUTE)
    again = await house.add("orders still open", key="kill:global")
    await house.wait(600, 20)
    assert len(house.chat.about(again, "1")) == 1
    assert (await house.row(again)).status == SNOOZED


async def test_who_does_not_see_an_account_is_neither_told_nor_called(house: House) -> None:
    """Bob has no part in the fund."""
    alert = await house.add("loss", account="fund")
    await house.wait(1000, 20)
    assert house.chat.about(alert, "2") == []
    assert [step for step, _ in steps(house, alert, "3")] == [0, 2, 3, 4]


async def test_nobody_who_may_answer_means_everybody_is_called(clock: ManualClock) -> None:
    """Better too many than none."""
    house = House(clock, [person(BOB)])
    alert = await house.add("loss", account="fund")
    await house.wait(70)
    assert len(house.chat.about(alert, "2")) == 2


async def test_it_all_goes_on_after_a_restart(house: House) -> None:
    """Steps, snoozes and copies are rows; what was due meanwhile is done once."""
    alert, snoozed = await house.add("loss"), await house.add("drift")
    await house.wait(70)
    assert await house.alerts.snooze(snoozed, ADA, house.clock.now() + 15 * MINUTE)
    house.chat.trouble = down()
    await house.wait(10)
    house.clock.advance(3600)
    house.restart()
    house.chat.trouble = well
    await house.wait(1)
    assert [step for step, _ in steps(house, alert, "1")] == [0, 1, 2]
    assert len(house.chat.about(snoozed, "1")) == 3
    assert {house.chat.shown[one.copy].standing.status for one in house.chat.about(snoozed)} == {OPEN}


# --- ways around -------------------------------------------------------------------------------------


async def test_a_chat_that_must_wait_is_gone_around_after_five_seconds(clock: ManualClock) -> None:
    """Whatever Telegram says of later: the trader has mail. What waits comes when it may."""
    house = House(clock, [person(BOB, "telegram", "email"), person(RIK)])
    house.chat.trouble = lambda recipient, message: down(40.0)(recipient, message) if recipient == "2" else None
    alert = await house.add("loss")
    await house.wait(4, 1)
    assert (len(house.chat.about(alert, "3")), len(house.mail.about(alert))) == (1, 0)
    await house.wait(2, 1)
    assert [(house.mail.about(alert)[0].at - house.chat.about(alert)[0].at) <= timedelta(seconds=6)] == [True]
    house.chat.trouble = well
    await house.wait(40)
    assert len(house.chat.about(alert, "2")) == 1


async def test_who_has_blocked_the_bot_is_reached_another_way_and_somebody_is_told(clock: ManualClock) -> None:
    """Within one look; an admin hears of it once a day."""
    house = House(clock, [person(BOB, "telegram", "email"), person(ADA)])
    house.chat.trouble = blocked("2")
    alert = await house.add("loss")
    await house.wait(1)
    await house.wait(1)
    assert len(house.mail.about(alert, "2")) == 1
    assert "Bob cannot be reached by telegram" in house.chat.titles("1")
    await house.add("fill", Severity.INFO)
    await house.wait(30)
    assert house.chat.titles("1").count("Bob cannot be reached by telegram") == 1


async def test_who_has_no_other_way_is_stood_in_for_by_the_next_person(clock: ManualClock) -> None:
    """By a way that was not tried yet."""
    house = House(clock, [person(BOB), person(RIK, "telegram", "email")])
    house.chat.trouble = blocked("2")
    alert = await house.add("loss")
    await house.wait(2)
    await house.wait(1)
    assert len(house.mail.about(alert, "3")) == 1


async def test_with_every_channel_down_one_reminder_waits_and_not_a_hundred(house: House) -> None:
    """After a night without network each person gets what is newest, once."""
    house.chat.trouble = house.mail.trouble = down()
    alert = await house.add("loss")
    await house.wait(3600, 30)
    house.chat.trouble = house.mail.trouble = well
    await house.wait(120)
    assert len(house.chat.about(alert, "1")) <= 2
    assert len(house.mail.about(alert, "1")) <= 2
    assert house.chat.about(alert, "4")[0].message.step == 0


async def test_an_answer_between_sending_and_noting_is_shown_as_well(house: House) -> None:
    """The copy is on its way while somebody acknowledges by another channel."""
    house.chat.before = lambda recipient, message: _acknowledge_once(house, recipient)
    alert = await house.add("loss")
    await house.wait(1)
    await house.wait(1)
    assert (await house.row(alert)).status == ACKNOWLEDGED
    assert {house.chat.shown[one.copy].standing.status for one in house.chat.about(alert)} == {ACKNOWLEDGED}


async def _acknowledge_once(house: House, recipient: str) -> None:
    if recipient == "1":
        await house.alerts.acknowledge((await AlertRow.all().first()).id, ADA)


async def test_copies_that_cannot_be_changed_now_are_changed_later(house: House) -> None:
    """A chat that is away gets the answer when it is back, and delays nobody else's."""
    alert = await house.add("loss")
    await house.wait(1)
    house.chat.trouble = lambda recipient, message: down()(recipient, message) if recipient == "2" else None
    await house.alerts.acknowledge(alert, ADA)
    await house.wait(1)
    shown = {one.recipient: house.chat.shown[one.copy].standing.status for one in house.chat.about(alert)}
    assert shown == {"1": ACKNOWLEDGED, "2": OPEN, "3": ACKNOWLEDGED, "4": ACKNOWLEDGED}
    house.chat.trouble = well
    await house.wait(120)
    assert {house.chat.shown[one.copy].standing.status for one in house.chat.about(alert)} == {ACKNOWLEDGED}


async def test_audit_and_answer_are_one_commit(house: House) -> None:
    """An acknowledgement that cannot be recorded has not happened."""
    alert = await house.add("loss")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with transaction():
            await house.alerts.acknowledge(alert, ADA)
            await house.audit.record(ADA, "acknowledged", f"#{alert}")
            raise ZeroDivisionError
    assert (await house.row(alert)).status == OPEN
    assert not await AuditLine.all().exists()


async def test_what_a_lost_chat_cannot_take_goes_to_the_next_person_in_the_same_commit(clock: ManualClock) -> None:
    """Only Ada hears of it by the routes; her chat is lost, so Bob gets it before anything is refused."""
    house = House(clock, [person(ADA), person(BOB), person(RIK)], Rules((Route(to=frozenset({"ada"})),)))
    house.alerts.is_lost = lambda channel, recipient: (channel, recipient) == ("telegram", "1")
    alert = await house.add("loss")
    assert await house.statuses(alert) == [("telegram", "1", 0, "waiting"), ("telegram", "2", 0, "waiting")]


async def test_a_lost_chat_is_told_of_once(house: House) -> None:
    """The others must know who does not hear of anything."""
    await house.watch.lost("telegram", "2", "blocked by the user")
    await house.watch.lost("telegram", "2", "blocked by the user")
    await house.look()
    assert [title for title in house.chat.titles("1") if "Bob" in title] == ["Bob cannot be reached by telegram"]
