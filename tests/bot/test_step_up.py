"""Codes from the chat's side: asked after the yes, bound to it, once; locked out, a halt still works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.answer import Outcome
from core.access.roles import Role
from core.settings.security import Totp
from core.store.database import Database
from core.store.models import TicketRow
from risk.view import TradingState
from tests.bot.guarded import ADA, BO, RIK, TOM, Guarded, text
from tests.databases import database_url


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Guarded]:
    database = Database(database_url(tmp_path / "test.sqlite3"), require_durable=False)
    await database.open()
    try:
        made = await Guarded(tmp_path, commands_per_minute=600).open()
        await made.enrol(ADA, BO)
        yield made
    finally:
        await database.close()


async def test_question_code_done(stage: Guarded) -> None:
    """Each step stands in the trail, and the code nowhere."""
    asked = await stage.resume()
    assert "Send the 6-digit code" in text(asked)
    assert stage.done == []
    code = stage.code(ADA)
    assert (await stage.say(code)).outcome is Outcome.DONE
    assert stage.done == ["resume"]
    trail = await stage.trail()
    assert [line[1:] for line in trail][:2] == [
        ("/resume", trail[0][2], "confirmed"),
        ("code accepted", trail[1][2], "ok"),
    ]
    assert code not in json.dumps(trail)
    again = await stage.say(code)
    assert "Nothing awaits a code" in text(again)
    assert stage.done == ["resume"]


async def test_who_has_no_factor_is_told_what_to_do(stage: Guarded) -> None:
    """Required is required; nothing waits for a code afterwards."""
    refused = await stage.resume(RIK)
    assert refused.outcome is Outcome.REFUSED
    assert "quarterdeck totp Rik" in text(refused)
    assert "Nothing awaits" in text(await stage.say("123456", RIK))
    assert stage.done == []


@pytest.mark.parametrize(("rule", "done"), [("optional", ["resume"]), ("off", ["resume"])])
async def test_who_has_no_factor_where_it_is_not_required(
    stage: Guarded, tmp_path: Path, rule: str, done: list[str]
) -> None:
    """Optional asks those who have one, off nobody."""
    stage.settings = stage.settings.model_copy(update={"totp": Totp(rule)})
    stage.restart()
    await stage.resume(RIK)
    assert stage.done == done
    assert ("Send the 6-digit code" in text(await stage.resume(ADA))) == (rule == "optional")


async def test_the_console_is_never_asked(stage: Guarded) -> None:
    """Who can open it owns the machine."""
    await stage.resume(0)
    assert stage.done == ["resume"]


async def test_wrong_codes_count_down_and_lock_and_a_halt_still_works(stage: Guarded) -> None:
    """By message and by button, alias and all; afterwards the right code waits as long as was said."""
    stage.service.world.state = TradingState.ACTIVE
    menu = await stage.show(await stage.say("/menu"))
    await stage.resume()
    said = [text(await stage.say(stage.wrong(ADA))) for _ in range(5)]
    assert [words.split(".")[1].strip() for words in said[:4]] == [
        "4 tries left",
        "3 tries left",
        "2 tries left",
        "1 try left",
    ]
    assert "15 min" in said[4]
    assert "/halt works all the same" in said[4]
    assert "15 min" in text(await stage.say(stage.code(ADA)))
    assert "no code is looked at" in text(await stage.resume())
    assert stage.done == []
    assert (await stage.say("/kill")).outcome is Outcome.DONE
    halt = next(key.data for row in menu[1].rows for key in row if key.data.startswith("h1|"))
    assert (await stage.press(halt, menu[0])).outcome is Outcome.DONE
    assert stage.done == ["halt", "halt"]
    refused = [line for line in await stage.trail() if line[1] == "code refused"]
    assert len(refused) == 6
    assert "locked" in refused[4][2]
    stage.restart()
    stage.clock.advance(15 * 60)
    await stage.resume()
    assert (await stage.say(stage.code(ADA))).outcome is Outcome.DONE


async def test_an_admin_unlocks(stage: Guarded) -> None:
    """With a code of their own; twenty wrong ones a day need it."""
    await stage.resume()
    await stage.factors.judge(ADA, stage.wrong(ADA), _nothing)
    asked = await stage.say("/unlock Ada", BO)
    assert "Send the 6-digit code" in text(asked)
    assert "/unlock Ada" in text(asked)
    await stage.say(stage.code(BO), BO)
    assert stage.done == ["unlock_codes"]
    assert (await stage.say("/unlock Ada", TOM)).outcome is Outcome.REFUSED


async def _nothing() -> None: ...


async def test_a_code_is_bound_to_its_person_and_what_was_asked_last(stage: Guarded) -> None:
    """Another's code runs nothing; the older of two questions is dropped."""
    await stage.resume()
    assert "Nothing awaits" in text(await stage.say(stage.code(BO), BO))
    await stage.say("/unlock Bo")
    assert (await stage.say(stage.code(ADA))).outcome is Outcome.DONE
    assert stage.done == ["unlock_codes"]
    stage.clock.advance(30)
    assert "Nothing awaits" in text(await stage.say(stage.code(ADA)))


async def test_a_code_after_a_minute_runs_nothing(stage: Guarded) -> None:
    """Asked at 0 s: 59 s are good, 60 are not."""
    await stage.resume()
    stage.clock.advance(60)
    assert "came too late" in text(await stage.say(stage.code(ADA)))
    await stage.resume()
    stage.clock.advance(59)
    assert (await stage.say(stage.code(ADA))).outcome is Outcome.DONE


async def test_a_question_survives_a_restart_and_the_code_counts_once(stage: Guarded) -> None:
    """Both are rows."""
    await stage.resume()
    stage.restart()
    code = stage.code(ADA)
    assert (await stage.say(code)).outcome is Outcome.DONE
    await stage.resume()
    stage.restart()
    assert "has been used" in text(await stage.say(code))
    assert stage.done == ["resume"]


async def test_a_code_that_was_in_work_when_we_died_is_not_run_again(stage: Guarded) -> None:
    """It was redeemed: the person is told that it was interrupted."""
    await stage.resume()
    code, begun = stage.code(ADA), stage.clock.now()
    await stage.say(code)
    answer = await stage.dispatcher.line(
        stage.caller(ADA), code, message_id=1, sent_at=begun, interrupted_at=begun - timedelta(milliseconds=1)
    )
    assert answer.outcome is Outcome.INTERRUPTED
    assert stage.done == ["resume"]


async def test_one_code_sent_a_hundred_times_at_once_resumes_once(stage: Guarded) -> None:
    """Whatever the chat program repeats."""
    await stage.resume()
    code = stage.code(ADA)
    answers = await asyncio.gather(*(stage.say(code) for _ in range(50)))
    assert stage.done == ["resume"]
    assert sum(answer.outcome is Outcome.DONE for answer in answers) == 1


@pytest.mark.parametrize("how", ["demoted", "demoted and promoted", "removed and let in again"])
@pytest.mark.parametrize("when", ["before the yes", "before the code"])
async def test_a_question_dies_with_the_rights_it_was_asked_under(stage: Guarded, how: str, when: str) -> None:
    """At once, and for ever."""
    asked = await stage.say("/resume")
    message_id, keyboard = await stage.show(asked)
    yes = keyboard.rows[0][0].data
    if when == "before the code":
        await stage.press(yes, message_id)
    await stage.give(ADA, None if how.startswith("removed") else Role.VIEWER)
    if how != "demoted":
        await stage.give(ADA, Role.ADMIN)
    if when == "before the yes":
        answer = await stage.press(yes, message_id)
        assert "has changed since" in answer.toast
    else:
        answer = await stage.say(stage.code(ADA))
        assert "Nothing awaits" in text(answer)
    assert answer.outcome is Outcome.REFUSED
    assert stage.done == []


async def test_a_hundred_taps_on_one_button_have_one_effect(stage: Guarded) -> None:
    """In parallel, with the real database; a flatten needs no code."""
    message_id, keyboard = await stage.show(await stage.say("/flatten trend-aapl"))
    yes = keyboard.rows[0][0].data
    answers = await asyncio.gather(*(stage.press(yes, message_id) for _ in range(100)))
    assert stage.done == ["flatten"]
    assert sum(answer.outcome is Outcome.DONE for answer in answers) == 1


async def test_a_stranger_and_a_demoted_admin_press_old_buttons(stage: Guarded) -> None:
    """Every button of every screen that an admin had: neither changes anything."""
    lines = ["/menu", "/resume", "/flatten", "/strategy trend-aapl", "/schedule", "/orders"]
    shown = [(await stage.say(line, BO)) for line in lines]
    keys = [(number, key.data) for answer in shown for number, board in [await stage.show(answer, BO)]
            for row in board.rows for key in row if not key.data.startswith("n1|")]  # fmt: skip
    await stage.give(BO, Role.VIEWER)
    assert len(keys) >= 8
    for number, data in keys:
        assert (await stage.press(data, number, BO)).outcome is Outcome.REFUSED
    await stage.give(BO, None)
    assert stage.people.find(BO, BO) is None
    assert await TicketRow.filter(user_id=BO, used_at=None).count() == len(keys)
    assert stage.done == []


async def test_codes_are_not_asked_for_in_a_group(stage: Guarded) -> None:
    """Others would read them: it goes on in private, and the code runs it there."""
    ada = stage.caller(ADA)
    group = type(ada)(ada.actor, ada.user_id, -100)
    known = stage.people.find
    stage.people.find = lambda user_id, chat_id: group  # type: ignore[method-assign]
    question = await stage.dispatcher.line(group, "/resume", message_id=1, sent_at=stage.clock.now())
    assert question.screen
    keyboard = await stage.keyboards.build(question.screen.buttons, user_id=ADA, chat_id=-100, message_id=9)
    answer = await stage.dispatcher.press(group, keyboard.rows[0][0].data, message_id=9)
    assert "private chat" in text(answer)
    assert answer.private
    assert "Send the 6-digit code" in answer.private.text.plain
    assert stage.done == []
    stage.people.find = known  # type: ignore[method-assign]
    await stage.say(stage.code(ADA))
    assert stage.done == ["resume"]
