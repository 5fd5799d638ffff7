"""Answering alerts and keeping things back, from chat."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.channels.telegram import buttons as keys_of
from bot.channels.telegram import render
from bot.console import render_plain
from bot.dispatch import Outcome
from bot.screen import Act, Nav, Screen
from core.access.roles import Role
from core.alerts.channel import Message, Severity, Standing, Status
from core.views import Muting
from tests.bot.fakes import NOW, World, alert, busy_world
from tests.bot.parser import utf16, visible
from tests.bot.stage import Stage, key_data

OPEN = Standing(Status.OPEN)
ANSWERED = Standing(Status.ACKNOWLEDGED, "Bob <b>", NOW - timedelta(minutes=3))
ASLEEP = Standing(Status.SNOOZED, "Bob", NOW, NOW + timedelta(minutes=15))
OVER = Standing(Status.CLOSED, "", None, ended=NOW - timedelta(hours=5), note="again: see #7")
LONG = "\n".join(f"{number}. the venue says <no> & nothing else about order {number}" for number in range(120))


def world() -> World:
    made = busy_world()
    made.alerts = [
        alert(4, severity="CRITICAL", title="Daily loss 5.1%", account="paper", strategy="trend-aapl", standing=OPEN,
              repeats=2, body="Limit: 5%\nTrading is HALTED."),
        alert(3, severity="CRITICAL", title="In doubt", standing=ANSWERED),
        alert(2, severity="CRITICAL", title="Venue away", standing=ASLEEP, delivered=0, muted=None),
        alert(1, severity="CRITICAL", title="Long", standing=OVER, body=LONG),
        alert(5, muted=9, delivered=0),
    ]  # fmt: skip
    made.mutes = [
        Muting(9, False, "kind fill", "too <many>", "Ada (1)", NOW, NOW + timedelta(hours=2), {"fill": 12}),
        Muting(10, True, "maintenance of fund", "planned", "Bob (2)", NOW, NOW + timedelta(minutes=30), {}),
    ]
    return made


def shown(screen: Screen) -> str:
    rows = ["  ".join(f"[{button.label}]" for button in row) for row in screen.buttons]
    return "\n".join([render_plain(screen), "", *rows])


LINES = [
    "/alerts", "/alerts open", "/alerts muted", "/alerts warning 9", "/alert 4", "/alert 3", "/alert 2", "/alert #1", "/alert 1 2",
    "/alert 5", "/alert 77", "/alert x", "/ack", "/ack 4", "/ack 3", "/snooze 4", "/snooze 4 1h", "/snooze 4 soon", "/mutes",
    "/mutes new", "/mutes new kind:fill", "/mute", "/mute fill", "/mute fill 2h too many", "/mute fill 2x y", "/unmute", "/unmute 9",
    "/maintenance", "/maintenance 30m new cables", "/maintenance 30m new cables paper",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
async def test_screens(line: str, snapshot: SnapshotAssertion) -> None:
    """As a person reads them, and as Telegram takes them."""
    answer = await Stage(world()).say(line)
    assert answer.screen
    plain = visible(answer.screen.text.markup)
    assert 0 < utf16(plain) <= 4096
    assert shown(answer.screen) == snapshot


async def test_details_of_a_long_alert_go_over_several_pages_and_lose_nothing() -> None:
    """Each page parses by itself; together they are the whole body."""
    stage = Stage(world())
    pages = [(await stage.say(f"/alert 1 {number}")).screen for number in (1, 2, 3)]
    text = "".join(screen.text.plain for screen in pages if screen)
    assert all(f"about order {number}\n" in text or f"about order {number}" in text for number in range(120))
    assert pages[0]
    assert any(isinstance(key, Nav) and key.args == ("1", "2") for row in pages[0].buttons for key in row)


def alert_message() -> Message:
    return Message((4,), "breach", Severity.CRITICAL, "Daily loss 5.1%", ("Limit: 5%",), NOW, standing=OPEN)


async def test_a_press_answers_and_the_message_stays_the_alert() -> None:
    """It shows who has answered; who presses too late is told by a toast, and sees the same."""
    stage = Stage(world())
    message = alert_message()
    number, keys = await stage.show(Screen(render(message), keys_of(message, stage.caller().actor)))
    answer = await stage.press(key_data(keys, "Acknowledge"), number)
    assert stage.service.calls == [("acknowledge", "4", "Ada")]
    assert answer.toast == "✅ Acknowledged: it is yours now."
    assert answer.screen
    assert "Acknowledged by Ada" in answer.screen.text.plain
    assert not any(isinstance(key, Act) and key.command == "ack" for row in answer.screen.buttons for key in row)

    number, keys = await stage.show(Screen(render(message), keys_of(message, stage.caller(Role.RISK).actor)), Role.RISK)
    late = await stage.press(key_data(keys, "Acknowledge"), number, Role.RISK)
    assert (late.toast, late.alert) == ("⚠️ #4 is acknowledged already by Bob.", True)
    assert late.screen
    assert "Acknowledged by Ada" in late.screen.text.plain
    assert len(stage.service.calls) == 1


async def test_a_press_by_who_may_not_is_a_toast_and_leaves_the_alert_alone() -> None:
    """A demoted person's old button, or anybody's in a group."""
    stage = Stage(world())
    message = alert_message()
    number, keys = await stage.show(Screen(render(message), keys_of(message, stage.caller().actor)), Role.VIEWER)
    answer = await stage.press(key_data(keys, "Acknowledge"), number, Role.VIEWER)
    assert answer.outcome is Outcome.REFUSED
    assert (answer.screen, answer.alert) == (None, True)
    assert "Not allowed" in answer.toast
    assert stage.service.calls == []


@pytest.mark.parametrize(("label", "length"), [("15 min", "0:15:00"), ("1 h", "1:00:00")])
async def test_snoozing_by_a_press(label: str, length: str) -> None:
    """For a quarter of an hour, or for one."""
    stage = Stage(world())
    message = alert_message()
    number, keys = await stage.show(Screen(render(message), keys_of(message, stage.caller().actor)))
    answer = await stage.press(key_data(keys, label), number)
    assert stage.service.calls == [("snooze", "4", length, "Ada")]
    assert answer.screen
    assert "Snoozed by Ada" in answer.screen.text.plain


async def test_a_mute_can_be_put_together_by_presses_alone() -> None:
    """What, then how long; and it can be ended by one."""
    stage = Stage(world())
    what = await stage.tap(await stage.say("/mutes"), "Mute something")
    length = await stage.tap(what, "kind drift")
    assert (await stage.tap(length, "2h")).outcome is Outcome.DONE
    assert stage.service.calls == [("mute", "kind:drift", "2:00:00", "chosen by button", "Ada")]
    assert (await stage.tap(await stage.say("/mutes"), "End #9")).outcome is Outcome.DONE
    assert stage.service.calls[1] == ("unmute", "9", "Ada")


async def test_a_window_names_its_account_last() -> None:
    """A last word that is no account belongs to the reason."""
    stage = Stage(world())
    await stage.say("/maintenance 30m new cables paper")
    await stage.say("/maintenance 2h new paper cables")
    await stage.say("/maintenance 2h paper")
    assert [call[1:4] for call in stage.service.calls] == [
        ("0:30:00", "new cables", "paper"), ("2:00:00", "new paper cables", ""), ("2:00:00", "paper", ""),
    ]  # fmt: skip


async def test_a_viewer_looks_and_answers_nothing() -> None:
    """No keys that would be refused."""
    stage = Stage(world())
    stage.service.world.alerts = [replace(each, account="") for each in stage.service.world.alerts]
    screens = [(await stage.say(line, Role.VIEWER)).screen for line in ("/alerts", "/alert 4", "/mutes")]
    assert not [key for screen in screens if screen for row in screen.buttons for key in row if isinstance(key, Act)]
    assert (await stage.say("/ack 4", Role.VIEWER)).outcome is Outcome.REFUSED
