"""Authorisation, freshness, arguments, confirmations and faults: nothing half-done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.dispatch import Answer, Outcome
from bot.keyboard import read_data
from core.access.roles import Role
from core.errors import UserError
from tests.bot.fakes import World
from tests.bot.stage import Stage, key_data, labels, users


def text(answer: Answer) -> str:
    return answer.screen.text.plain if answer.screen else answer.toast


WRONG = ["/orders open \uff10", "/orders open \uff11", "/fills NaN", "/fills 1e400", "/fills inf", "/fills -1", "/fills 0", "/fills 1.5",
         "/fills +1", "/fills 9999999", "/fills ²", "/orders maybe", "/orders open 1 2 3 4", "/report year", "/live maybe",
         "/job", "/job daily-report", "/job daily-report explode", "/job a run b", "/cancel", "/status now", "/help nonsense",
         "/strategy trend-appl", "/strategy <b>x</b>", "/cancel <i>", "/limits ٣", "/audit x", "/alerts 1 1"]  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
async def test_wrong_arguments_get_a_short_clear_answer(line: str) -> None:
    """The answer fits a phone and nothing is done."""
    stage = Stage()
    answer = await stage.say(line)
    assert answer.outcome is Outcome.REFUSED
    assert 10 < len(text(answer)) < 400
    assert stage.service.calls == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/stauts", "/status"),
        ("/xyzzy", "/help"),
        ("hello", "/menu"),
        ("/", "/help"),
        ("\uff0fhalt", "/menu"),
        ("/status" + " x" * 2500, "characters"),
        ("<b>", "/menu"),
        ("", "/menu"),
    ],
)
async def test_what_is_no_command(line: str, hint: str) -> None:
    """A hint, never silence."""
    assert hint in text(await Stage().say(line))


async def test_a_suggestion_respects_the_role() -> None:
    """A viewer is not pointed at what a viewer may not do."""
    assert "/resume" not in text(await Stage().say("/resme", Role.VIEWER))


async def test_halt_takes_any_reason() -> None:
    """Long, odd or addressed to the bot: a halt is a halt."""
    stage = Stage()
    await stage.say("/HALT@our_bot <b>too</b> risky " + "x" * 4000)
    assert stage.service.calls[0][0] == "halt"
    assert stage.service.calls[0][1].startswith("<b>too</b> risky x")
    assert len(stage.service.calls[0][1]) <= 200


@pytest.mark.parametrize(("line", "limit"), [("/status", 30), ("/pause trend-aapl", 30), ("/halt", 120)])
async def test_an_old_command_is_not_run_but_a_tap_away(line: str, limit: int) -> None:
    """Just in time runs; a moment later it expires, and one press runs it, once."""
    fresh, late = Stage(), Stage()
    assert (await fresh.say(line, age=limit)).outcome is Outcome.DONE
    answer = await late.say(line, age=limit + 1)
    assert answer.outcome is Outcome.EXPIRED
    assert "not run" in text(answer)
    assert late.service.calls == []
    assert answer.screen
    message_id, keyboard = await late.show(answer.screen)
    data = key_data(keyboard, "Run it now")
    assert (await late.press(data, message_id)).outcome is Outcome.DONE
    assert "Already used" in (await late.press(data, message_id)).toast
    assert late.service.calls == fresh.service.calls


async def test_resume_asks_and_runs_once() -> None:
    """Question, yes, done; the second press of the same button does nothing."""
    stage = Stage()
    await stage.say("/halt")
    asked = await stage.say("/resume")
    assert "Resume trading?" in text(asked)
    assert len(stage.service.calls) == 1
    assert asked.screen
    message_id, keyboard = await stage.show(asked.screen)
    yes = key_data(keyboard, "Yes")
    assert (await stage.press(yes, message_id)).outcome is Outcome.DONE
    again = await stage.press(yes, message_id)
    assert again.outcome is Outcome.REFUSED
    assert [call[0] for call in stage.service.calls] == ["halt", "resume"]


async def test_a_confirmation_expires_after_60_seconds() -> None:
    """59.9 seconds are good, 60 are not."""
    stage = Stage()
    asked = await stage.say("/flatten")
    assert asked.screen
    message_id, keyboard = await stage.show(asked.screen)
    stage.clock.advance(60)
    answer = await stage.press(key_data(keyboard, "Yes"), message_id)
    assert "expired" in answer.toast
    assert answer.screen
    assert stage.service.calls == []


@pytest.mark.parametrize("how", ["other user", "other message", "tampered", "demoted"])
async def test_a_confirmation_is_bound(how: str) -> None:
    """To its user, its message, its exact number; and the role is looked up again."""
    stage = Stage()
    asked = await stage.say("/flatten trend-aapl", Role.TRADER)
    assert asked.screen
    message_id, keyboard = await stage.show(asked.screen, Role.TRADER)
    data, role = key_data(keyboard, "Yes"), Role.TRADER
    if how == "other user":
        role = Role.ADMIN
    elif how == "other message":
        message_id += 1
    elif how == "tampered":
        data = data[:-1] + ("0" if data[-1] != "0" else "1")
    else:
        stage.people.replace(users(Tom=Role.VIEWER))
    answer = await stage.press(data, message_id, role)
    assert answer.outcome is Outcome.REFUSED
    assert answer.toast
    assert stage.service.calls == []
    assert stage.audit.rows[-1][3] == "refused"


async def test_a_confirmation_carries_its_exact_parameters() -> None:
    """What was asked is what is done."""
    stage = Stage()
    await stage.tap(await stage.say("/flatten trend-aapl"), "Yes")
    assert stage.service.calls == [("flatten", "trend-aapl", "Ada")]


async def test_looking_data_cannot_change_anything() -> None:
    """A client may send any data: a changing command needs a ticket."""
    stage = Stage()
    for data in (
        "n1|halt",
        "p1|flatten",
        "n1|run|trend-aapl",
        "n1|nonsense",
        "x9|status",
        "",
        "n1|",
        "a1|",
        "a1|zz",
        "|" * 64,
    ):
        answer = await stage.press(data, 5)
        assert answer.outcome is Outcome.REFUSED, data
        assert answer.toast, data
    assert stage.service.calls == []


async def test_stop_asks_only_while_something_is_held() -> None:
    """No positions and no orders: nothing to ask."""
    held, free = Stage(), Stage()
    free.service.world.positions, free.service.world.orders = [], []
    assert "holds" in text(await held.say("/stop trend-aapl"))
    assert held.service.calls == []
    await free.say("/stop trend-aapl")
    assert free.service.calls == [("stop", "trend-aapl", "Ada")]


@pytest.mark.parametrize("verb", ["run", "pause", "stop"])
async def test_without_a_name_the_strategies_are_offered(verb: str) -> None:
    """As buttons that do it."""
    stage = Stage()
    offered = await stage.say(f"/{verb}")
    assert offered.screen
    assert any("trend-aapl" in label for label in labels(offered.screen))
    await stage.tap(offered, "trend-aapl")


async def test_a_fault_becomes_an_incident() -> None:
    """The user learns an incident number, not the secret inside the exception."""
    stage = Stage()
    stage.service.fault = RuntimeError("secret 123456:ABCDEF")
    answer = await stage.say("/status")
    assert answer.outcome is Outcome.FAILED
    assert "incident" in text(answer)
    assert "secret" not in text(answer)
    assert stage.audit.rows[-1][3] == "failed"


async def test_a_users_mistake_is_told_as_it_is() -> None:
    """UserError is for people."""
    stage = Stage()
    stage.service.fault = UserError("The venue is closed <now>.")
    assert "The venue is closed <now>." in text(await stage.say("/status"))


async def test_long_names_need_a_ticket_and_still_work() -> None:
    """64 bytes are few; what does not fit is kept on our side."""
    name = "strategie-mit-sehr-langem-namen-für-äöü-und-noch-mehr-" + "x" * 20
    world = World()
    stage = Stage(world)
    world.strategies[name] = replace(Stage().service.world.strategies["trend-aapl"], name=name)
    card = await stage.tap(await stage.say("/strategies"), name[:20])
    assert name in text(card)


def test_reading_data() -> None:
    """Versions are told apart."""
    assert read_data("n1|orders|open|2") == read_data("n1|orders|open|2")
    assert read_data("n2|orders") is None
    assert read_data("n1") is None
