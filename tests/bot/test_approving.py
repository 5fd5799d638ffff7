"""The rule of two: never oneself, never something else, never twice, never late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from bot.answer import Answer, Outcome
from bot.people import Caller
from core.access.roles import Role
from core.settings.security import Totp
from core.store.database import Database
from tests.bot.guarded import ADA, BO, RIK, TOM, VI, Guarded, text
from tests.databases import database_url


class Post:
    """Runs what tells people, and keeps it."""

    def __init__(self, stage: Guarded) -> None:
        self.stage = stage
        self.told: list[tuple[int, Answer]] = []
        self.edited: dict[int, list[Answer]] = {}  # by the message that was changed
        self.numbers = count(9_000)

    async def tell(self, caller: Caller, answer: Answer, instead_of: int | None = None) -> int | None:
        if instead_of is not None:
            self.edited.setdefault(instead_of, []).append(answer)
            return None
        self.told.append((caller.user_id, answer))
        return next(self.numbers)

    async def collect(self) -> list[tuple[int, Answer]]:
        """What has been told since the last time."""
        task = asyncio.create_task(self.stage.dispatcher.approving.run(self.tell))
        async with asyncio.timeout(30):
            while not self.stage.dispatcher.approving._news._getters:  # nothing is left to tell, and it waits for more
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        told, self.told = self.told, []
        return told


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Guarded]:
    database = Database(database_url(tmp_path / "test.sqlite3"), require_durable=False)
    await database.open()
    try:
        yield await Guarded(tmp_path, totp="off", two_person=["resume", "flatten"], commands_per_minute=600).open()
    finally:
        await database.close()


@pytest.fixture
def post(stage: Guarded) -> Post:
    return Post(stage)


async def request(stage: Guarded, post: Post, user: int = ADA) -> dict[int, Answer]:
    """A resume that waits; what each of the others is shown."""
    waits = await stage.resume(user)
    assert "Waits for a second person" in text(waits)
    return dict(await post.collect())


async def test_two_people(stage: Guarded, post: Post) -> None:
    """Those who hold the permission are shown it in full; one approves; it runs as the first; the trail names both."""
    asked = await request(stage, post)
    assert set(asked) == {BO, RIK}
    assert "Resume trading?" in text(asked[BO])
    assert "/resume" in text(asked[BO])
    assert stage.done == []
    done = await stage.tap(asked[BO], "Approve", BO)
    assert done.outcome is Outcome.DONE
    assert stage.service.calls == [("resume", "Ada")]
    told = [text(answer) for user, answer in await post.collect() if user == ADA]
    assert "approved by Bo" in told[0]
    trail = [line for line in await stage.trail() if line[1].startswith("approval")]
    assert [(line[0], line[1]) for line in trail] == [
        ("Ada (1)", "approval requested"),
        ("Bo (5)", "approval given"),
    ]
    assert "by Ada (1)" in trail[1][2]


async def test_every_copy_shows_who_decided(stage: Guarded, post: Post) -> None:
    """The buttons are gone from all of them; an old press does nothing."""
    asked = await request(stage, post)
    await stage.tap(asked[BO], "Decline", BO)
    await post.collect()
    assert len(post.edited) == len(asked)
    for (shown,) in post.edited.values():
        assert "declined by Bo" in text(shown)
        assert shown.screen
        assert not any("Approve" in key.label for row in shown.screen.buttons for key in row)
    assert "has been declined by Bo" in text(await stage.tap(asked[RIK], "Approve", RIK))


async def test_nobody_approves_their_own(stage: Guarded, post: Post) -> None:
    """Neither by a button that was meant for another nor by typing; not even after becoming somebody's equal."""
    asked = await request(stage, post)
    assert "is your own" in text(await stage.tap(asked[BO], "Approve", ADA))
    assert "is your own" in text(await stage.say("/approve 1"))
    assert "is your own" in text(await stage.say("/decline 1"))
    assert stage.done == []


@pytest.mark.parametrize("user", [TOM, VI])
async def test_who_may_not_do_it_may_not_approve_it(stage: Guarded, post: Post, user: int) -> None:
    """Nor decline it, nor see it."""
    await request(stage, post)
    for line in ("/approve 1", "/decline 1"):
        assert (await stage.say(line, user)).outcome is Outcome.REFUSED
    assert "Resume" not in text(await stage.say("/approvals", user))
    assert stage.done == []


@pytest.mark.parametrize("how", ["demoted", "removed", "requester demoted", "requester demoted and promoted"])
async def test_rights_are_looked_at_again_at_the_press(stage: Guarded, post: Post, how: str) -> None:
    """The approver's and the requester's."""
    asked = await request(stage, post)
    number, keyboard = await stage.show(asked[BO], BO)
    yes = keyboard.rows[0][0].data
    caller = stage.caller(BO)
    if how == "demoted":
        await stage.give(BO, Role.TRADER)
    elif how == "removed":
        await stage.give(BO, None)
    else:
        await stage.give(ADA, Role.VIEWER)
        if how.endswith("promoted"):
            await stage.give(ADA, Role.ADMIN)
    answer = await stage.dispatcher.press(caller, yes, message_id=number)
    assert answer.outcome is Outcome.REFUSED
    if how.startswith("requester"):
        assert "is void" in text(answer)
    assert stage.done == []


@pytest.mark.parametrize("change", ["state", "reason"])
async def test_another_effect_voids_it(stage: Guarded, post: Post, change: str) -> None:
    """Approved is what was shown; the requester is told, and asks again."""
    asked = await request(stage, post)
    if change == "state":
        stage.service.world.restricted = ("ACME",)
    else:
        stage.service.world.reason = "a newer halt"
    answer = await stage.tap(asked[BO], "Approve", BO)
    assert "void: what it would do has changed" in text(answer)
    assert "void" in text(dict(await post.collect())[ADA])
    assert "is void" in text(await stage.tap(asked[RIK], "Approve", RIK))
    assert stage.done == []
    assert (await stage.trail())[-1][1] != "approval given"


async def test_what_something_is_worth_may_move(stage: Guarded, post: Post) -> None:
    """What is sent may not."""
    await stage.tap(await stage.say("/flatten"), "Yes")
    asked = dict(await post.collect())
    assert set(asked) == {BO, RIK, TOM}
    world = stage.service.world
    world.positions = [type(row)(**{**_fields(row), "value": row.value + 1}) for row in world.positions]
    assert (await stage.tap(asked[TOM], "Approve", TOM)).outcome is Outcome.DONE
    assert stage.done == ["flatten"]
    await stage.tap(await stage.say("/flatten"), "Yes")
    asked = dict(await post.collect())
    world.positions = [type(row)(**{**_fields(row), "quantity": row.quantity + 1}) for row in world.positions]
    assert "has changed" in text(await stage.tap(asked[TOM], "Approve", TOM))
    assert stage.done == ["flatten"]


def _fields(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}  # type: ignore[attr-defined]


async def test_one_decision_only(stage: Guarded, post: Post) -> None:
    """Everybody at the same moment, yes and no: one counts, the others are told whose."""
    asked = await request(stage, post)
    answers = await asyncio.gather(
        *(stage.say("/decline 1", RIK) for _ in range(5)),
        stage.tap(asked[BO], "Approve", BO),
        stage.say("/decline 1", 0),
    )
    assert sum(answer.outcome is Outcome.DONE for answer in answers) == 1
    assert stage.done == []
    assert "has been declined by Rik" in text(answers[-1])


async def test_a_hundred_approvals_at_once_run_it_once(stage: Guarded, post: Post) -> None:
    """With buttons of their own for each."""
    asked = await request(stage, post)
    boards = [await stage.show(asked[BO], BO) for _ in range(50)]
    presses = [stage.press(board.rows[0][0].data, number, BO) for number, board in boards]
    answers = await asyncio.gather(*presses)
    assert stage.done == ["resume"]
    assert sum(answer.outcome is Outcome.DONE for answer in answers) == 1


async def test_after_five_minutes_it_is_over(stage: Guarded, post: Post) -> None:
    """299 s are good, 300 are not; the requester is told, once."""
    asked = await request(stage, post)
    stage.clock.advance(299)
    assert "request 1" in text(await stage.say("/approvals", BO))
    stage.clock.advance(1)
    assert "has expired" in text(await stage.tap(asked[BO], "Approve", BO))
    assert stage.done == []
    assert "Nothing waits" in text(await stage.say("/approvals", BO))
    assert [line[1] for line in await stage.trail()].count("approval expired") == 1


async def test_the_requester_hears_that_nobody_came(stage: Guarded, post: Post) -> None:
    """Without anybody looking."""
    await request(stage, post)
    stage.clock.advance(300)
    ((user, answer),) = await post.collect()
    assert user == ADA
    assert "nobody approved it in time" in text(answer)


async def test_a_request_survives_a_restart(stage: Guarded, post: Post) -> None:
    """It is asked again, and the old buttons still work."""
    asked = await request(stage, post)
    stage.restart()
    again = dict(await post.collect())
    assert set(again) == {BO, RIK}
    assert (await stage.tap(asked[BO], "Approve", BO)).outcome is Outcome.DONE
    assert stage.done == ["resume"]


async def test_asking_twice_makes_one_request(stage: Guarded, post: Post) -> None:
    """And another account's admin is not asked at all."""
    await request(stage, post)
    assert "Waits already" in text(await stage.resume())
    assert len(await stage.approvals.waiting()) == 1


async def test_the_console_approves_and_asks(stage: Guarded, post: Post) -> None:
    """With the same rule: not its own."""
    await stage.resume()
    typed = await stage.say("/approve 1", 0)
    assert "asks for your approval" in text(typed)
    assert (await stage.tap(typed, "Yes, approve", 0)).outcome is Outcome.DONE
    assert stage.done == ["resume"]
    await stage.resume(0)
    assert "is your own" in text(await stage.say("/approve 2", 0))
    await post.collect()
    typed = await stage.say("/approve 2", BO)
    await stage.tap(typed, "Yes, approve", BO)
    assert stage.service.calls[-1] == ("resume", "console")


async def test_both_show_who_they_are(stage: Guarded, post: Post) -> None:
    """A code of each, their own, and no code counts for both."""
    stage.settings = stage.settings.model_copy(update={"totp": Totp.REQUIRED})
    await stage.enrol(ADA, BO)
    stage.restart()
    await stage.resume()
    assert "Waits for a second person" in text(await stage.say(stage.code(ADA)))
    asked = dict(await post.collect())
    assert "quarterdeck totp Rik" in text(await stage.tap(asked[RIK], "Approve", RIK))
    assert "Send the 6-digit code" in text(await stage.tap(asked[BO], "Approve", BO))
    assert "Wrong code" in text(await stage.say(stage.wrong(BO), BO))
    assert stage.done == []
    await stage.say(stage.code(BO), BO)
    assert stage.service.calls == [("resume", "Ada")]


async def test_an_approved_action_that_fails_is_told(stage: Guarded, post: Post) -> None:
    """To both, and it is used up."""
    asked = await request(stage, post)

    async def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    stage.service.resume = broken  # type: ignore[method-assign,assignment]
    assert (await stage.tap(asked[BO], "Approve", BO)).outcome is Outcome.FAILED
    assert "but it failed" in text(dict(await post.collect())[ADA])
    assert "has been approved" in text(await stage.tap(asked[RIK], "Approve", RIK))
