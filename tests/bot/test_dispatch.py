"""Authorisation, freshness, arguments, confirmations and faults: nothing half-done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.dispatch import Answer, Outcome
from bot.figures import table
from bot.keyboard import read_data
from core.access.roles import Role
from core.errors import UserError
from core.rows import limit_title, limit_value
from core.views import StrategyStatus
from risk.limits import RiskLimits
from tests.bot.fakes import World, strategy_row
from tests.bot.stage import Stage, key_data, labels, users


def text(answer: Answer) -> str:
    return answer.screen.text.plain if answer.screen else answer.toast


WRONG = ["/orders open \uff10", "/orders open \uff11", "/fills NaN", "/fills 1e400", "/fills inf", "/fills -1", "/fills 0", "/fills 1.5",
         "/fills +1", "/fills 9999999", "/fills ²", "/orders maybe", "/orders open 1 2 3 4", "/report year", "/live maybe",
         "/job daily-report explode", "/job a run b", "/buy AAPL 1,5", "/trade sideways", "/status now", "/help nonsense",
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
    if verb == "run":
        stage.service.world.strategies["trend-aapl"] = strategy_row(status=StrategyStatus.PAUSED)
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


@pytest.mark.parametrize("line", ["/fills AAPL", "/fills aapl 1", "/fills 1 AAPL", "/fills 1", "/fills"])
async def test_fills_take_symbol_and_page_in_any_order(line: str) -> None:
    """Each at most once, and none of them needed."""
    shown = text(await Stage().say(line))
    assert "page 1 of" in shown
    assert ("Fills ▸ AAPL" in shown) == ("AAPL" in line.upper())


@pytest.mark.parametrize("words", ["all trend-aapl 1", "1 trend-aapl all", "trend-aapl ALL", "all 1 trend-aapl"])
async def test_orders_take_their_words_in_any_order(words: str) -> None:
    """The buttons' own order among them."""
    assert "trend-aapl ▸ Orders ▸ all" in text(await Stage().say(f"/orders {words}"))


@pytest.mark.parametrize(
    "line", ["/orders nope", "/orders all nope", "/fills ZZZ", "/orders all trend-aapl nope", "/fills 1 2"]
)
async def test_unknown_names_are_told_with_those_that_exist(line: str) -> None:
    """And never shown as an empty list, which looks like an answer."""
    answer = await Stage().say(line)
    assert answer.outcome is Outcome.REFUSED
    assert any(hint in text(answer) for hint in ("trend-aapl", "AAPL", "Use it like this"))


async def test_only_a_halt_is_obeyed_without_its_ticket() -> None:
    """The disk is full, or the button is older than what is kept: halting is safe, anything else is not."""
    stage = Stage()
    menu, card = await stage.say("/menu"), await stage.say("/strategy trend-aapl")
    assert menu.screen
    assert card.screen
    message_id, keyboard = await stage.show(menu.screen)
    stage.tickets.stored.clear()
    assert (await stage.press(key_data(keyboard, "Halt"), message_id)).outcome is Outcome.DONE
    assert (await stage.press("h1|anything", 5, Role.VIEWER)).outcome is Outcome.REFUSED
    assert (await stage.press("a1|anything", 5)).outcome is Outcome.REFUSED
    assert [call[0] for call in stage.service.calls] == ["halt"]

    async def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    message_id, keyboard = await stage.show(card.screen)
    stage.tickets.take = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(OSError, match="disk full"):
        await stage.press(key_data(keyboard, "Pause"), message_id)
    assert (await stage.press("h1|anything", 5, Role.TRADER)).outcome is Outcome.DONE
    assert [call[0] for call in stage.service.calls] == ["halt", "halt"]


async def test_a_command_for_another_bot_is_not_ours() -> None:
    """Neither run nor urgent, whatever it is, once we know our own name."""
    stage = Stage()
    stage.dispatcher.call_me("Our_Bot")
    for line in ("/halt@other_bot", "/Status@other", "/nonsense@other_bot"):
        answer = await stage.say(line)
        assert answer.outcome is Outcome.REFUSED
        assert "I did nothing" in text(answer)
        assert not stage.dispatcher.is_urgent(line)
    assert stage.service.calls == []
    assert stage.dispatcher.is_urgent("/halt@our_BOT mail me@home")
    assert (await stage.say("/halt@our_BOT mail me@home")).outcome is Outcome.DONE
    assert stage.service.calls[0][1] == "mail me@home"


async def test_an_instrument_that_only_reduces_is_shown_and_can_be_resumed() -> None:
    """The account trades, one instrument of it does not: that is no reason to say that there is nothing to resume."""
    stage = Stage()
    stage.service.world.restricted = ("ACME",)
    assert "Only reducing: ACME" in text(await stage.say("/status"))
    asked = await stage.say("/resume")
    assert "Resume trading?" in text(asked)
    assert "instrument:paper/ACME" in text(asked)


async def test_after_a_resume_the_figures_say_since_when_they_are_measured() -> None:
    """A drawdown from a new peak must not pass for one from the old."""
    stage = Stage()
    assert "since resume" not in text(await stage.say("/risk")) + text(await stage.say("/status"))
    stage.service.measured_since = stage.clock.now() - timedelta(minutes=3)
    assert "Peak since resume" in text(await stage.say("/risk"))
    assert "since the resume, 3 min ago" in text(await stage.say("/risk"))
    assert "Below peak since resume" in text(await stage.say("/status"))


def test_limits_can_be_told_apart_on_a_phone() -> None:
    """As they are really called, beside the widest value; money has its currency."""
    names = list(RiskLimits.model_fields)
    rows = [(limit_title(name), limit_value(name, getattr(RiskLimits(), name), "USD")) for name in names]
    assert "…" not in table([*rows, ("x", "not checked")]).plain
    assert len({title for title, _ in rows}) == len(names)
    assert ("Order value", "10,000 USD") in rows


async def test_lines_of_the_trail_that_say_the_same_are_one() -> None:
    """With how often, and since when."""
    stage = Stage()
    row = stage.service.world.audit[0]
    stage.service.world.audit = [row, replace(row, at=row.at - timedelta(minutes=5)), replace(row, action="resume")]
    shown = text(await stage.say("/audit"))
    assert shown.count("halt: too risky") == 1
    assert "x2 since 03-02 13:58:22" in shown
