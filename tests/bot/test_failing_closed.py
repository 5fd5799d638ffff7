"""A fault in any check denies, and says so; a halt goes through whatever is broken but the knowledge of who it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.answer import Outcome
from core.access.approvals import Approvals
from core.access.rates import Rates
from core.access.rights import Rights
from core.access.roles import Actor
from core.access.tickets import Tickets
from core.access.totp import SecondFactors
from core.access.vault import Vault
from core.store.database import Database
from tests.bot.guarded import ADA, Guarded, text
from tests.databases import database_url


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Guarded]:
    database = Database(database_url(tmp_path / "test.sqlite3"), require_durable=False)
    await database.open()
    try:
        made = await Guarded(tmp_path, two_person=["resume"]).open()
        await made.enrol(ADA)
        yield made
    finally:
        await database.close()


def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("secret inside")


async def attempt(stage: Guarded) -> None:
    """All the way to a resume, as far as it goes; every step may raise, as the worker above catches that."""
    try:
        asked = await stage.say("/resume")
        if asked.screen and "Yes" in asked.screen.buttons[0][0].label:
            await stage.tap(asked, "Yes")
        await stage.say(stage.code(ADA))
    except RuntimeError as error:  # as bot/worker.py does
        assert str(error) == "secret inside"  # noqa: PT017


@pytest.mark.parametrize(
    ("owner", "check"),
    [
        (Actor, "may"),
        (Actor, "may_in"),
        (Actor, "may_somewhere"),
        (Rates, "ask"),
        (Rights, "of"),
        (Tickets, "take"),
        (Tickets, "awaiting_code"),
        (Tickets, "redeem"),
        (SecondFactors, "has"),
        (SecondFactors, "locked"),
        (SecondFactors, "judge"),
        (Vault, "open"),
        (Approvals, "ask"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
async def test_a_fault_in_a_check_denies(
    stage: Guarded, monkeypatch: pytest.MonkeyPatch, owner: type, check: str
) -> None:
    """Whichever it is, nothing is resumed, and nothing waits that could be approved."""
    monkeypatch.setattr(owner, check, _broken)
    await attempt(stage)
    assert stage.done == []
    monkeypatch.undo()
    assert await stage.approvals.waiting() == []


async def test_without_a_fault_it_goes_all_the_way(stage: Guarded) -> None:
    """Otherwise the test above could not fail."""
    await attempt(stage)
    assert len(await stage.approvals.waiting()) == 1


@pytest.mark.parametrize(
    ("owner", "check"),
    [
        (Approvals, "find"),
        (Approvals, "decide"),
        (Approvals, "rights_hold"),
        (SecondFactors, "judge"),
        (Actor, "may_in"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
async def test_a_fault_while_it_is_approved_denies(
    stage: Guarded, monkeypatch: pytest.MonkeyPatch, owner: type, check: str
) -> None:
    """The request stays as it was."""
    await attempt(stage)
    await stage.enrol(5)
    if check == "judge":
        asked = await stage.tap(await stage.say("/approve 1", 5), "Yes", 5)
        assert "code" in text(asked)
        monkeypatch.setattr(owner, check, _broken)
        with pytest.raises(RuntimeError):
            await stage.say(stage.code(5), 5)
    else:
        monkeypatch.setattr(owner, check, _broken)
        assert (await stage.say("/approve 1", 0)).outcome is not Outcome.EXPIRED
        await stage.dispatcher._runner.run(  # past the question, as its yes would
            stage.caller(0), _approve(), ("1",), message_id=1, origin=_press(), confirmed=True
        )
    assert stage.done == []
    monkeypatch.undo()
    assert len(await stage.approvals.waiting()) == 1


def _approve() -> Any:
    from bot.command import REGISTRY

    return REGISTRY.find("approve")


def _press() -> Any:
    from bot.command import Origin

    return Origin.PRESS


@pytest.mark.parametrize(
    ("owner", "check"),
    [(Rates, "ask"), (Tickets, "take"), (Tickets, "look"), (SecondFactors, "has"), (Vault, "open"), (Approvals, "ask")],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
async def test_a_halt_goes_through(stage: Guarded, monkeypatch: pytest.MonkeyPatch, owner: type, check: str) -> None:
    """Typed and pressed."""
    monkeypatch.setattr(owner, check, _broken)
    assert (await stage.say("/halt")).outcome is Outcome.DONE
    assert (await stage.press("h1|anything", 5)).outcome is Outcome.DONE
    assert stage.done == ["halt", "halt"]


async def test_a_halt_goes_through_though_its_accounts_cannot_be_told(stage: Guarded) -> None:
    """Then it is one of the house."""
    stage.service.haltable = _broken  # type: ignore[method-assign]
    assert (await stage.say("/halt")).outcome is Outcome.DONE
    assert stage.done == ["halt"]


async def test_a_flood_is_refused_politely_and_a_halt_in_it_runs(stage: Guarded) -> None:
    """A thousand commands: twenty run, few are answered, one line of the trail; each press still hears something."""
    answers = [await stage.say("/pause trend-aapl") for _ in range(1_000)]
    assert len(stage.done) == 20
    told = [answer for answer in answers[20:] if answer.screen]
    assert len(told) == 1
    assert "Try again in 60 seconds" in text(told[0])
    assert (await stage.say("/halt")).outcome is Outcome.DONE
    assert (
        "Too fast" in (await stage.press("n1|status", 1)).toast or (await stage.say("/status")).outcome is Outcome.DONE
    )
    assert sum(line[2] == "too fast" for line in await stage.trail()) == 1
    stage.clock.advance(60)
    assert (await stage.say("/pause trend-aapl")).outcome is Outcome.DONE


async def test_looking_has_a_limit_of_its_own(stage: Guarded) -> None:
    """Screens, presses, words that are no command; and nobody pays for another."""
    for _ in range(20):
        await stage.say("/status")
        await stage.press("n1|positions", 1)
        await stage.say("hello")
    assert "a lot at once" in text(await stage.say("/status"))
    assert "Too fast" in (await stage.press("n1|positions", 1)).toast
    assert (await stage.say("/pause trend-aapl")).outcome is Outcome.DONE
    assert (await stage.say("/status", 5)).outcome is Outcome.DONE


async def test_who_is_removed_while_their_command_waits_is_refused(stage: Guarded) -> None:
    """Rights are looked up when it runs, not when it came."""
    caller = stage.caller(ADA)
    await stage.give(ADA, None)
    answer = await stage.dispatcher.line(caller, "/pause trend-aapl", message_id=1, sent_at=stage.clock.now())
    assert answer.outcome is Outcome.REFUSED
    assert stage.done == []
