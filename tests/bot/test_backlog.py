"""After an outage: what came meanwhile, in order of danger over all chats, and nothing against its writer's last word."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot import worker as worker_room
from bot.backlog import Backlog, Job, Place, Rank, Waiting
from core.access.roles import Role
from tests.bot.fakes import NOW
from tests.bot.stage import key_data, pressed, typed
from tests.bot.test_worker import Yard

OLD = NOW - timedelta(hours=6)
USERS = {1: "Ada", 2: "Tom"}


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    yard = Yard()
    await asyncio.sleep(0)
    yield yard
    yard.running.cancel()
    await asyncio.gather(yard.running, return_exceptions=True)
    await yard.worker.stop()


async def start_button(yard: Yard, role: Role = Role.ADMIN) -> tuple[str, int]:
    """A ticket that starts a strategy: as dangerous as a press can be, and opaque."""
    yard.stage.service._set("trend-aapl", yard.stage.service.world.strategies["trend-aapl"].status.__class__.PAUSED)
    card = await yard.stage.say("/strategy trend-aapl", role)
    assert card.screen
    message_id, keyboard = await yard.stage.show(card.screen, role)
    return key_data(keyboard, "Start"), message_id


async def everything(yard: Yard) -> None:
    for _ in range(400):
        await asyncio.sleep(0)
        if len(yard.outcomes) == len(yard.stage.inbox.items):
            return
    raise AssertionError(f"{len(yard.outcomes)} of {len(yard.stage.inbox.items)} are done")


async def test_five_hundred_updates_in_order_of_danger(yard: Yard) -> None:
    """Three chats, strangers, every kind: the halt is the last to come in and the first to be done."""
    button, message_id = await start_button(yard)
    dice = random.Random(7)
    raws = [typed("/run trend-aapl", at=OLD, user=dice.choice([1, 2]), number=n) for n in range(300)]
    raws += [typed("/status", user=dice.choice([1, 2, 3]), number=n) for n in range(300, 380)]
    raws += [typed("hello", user=dice.choice([1, 2]), at=OLD, number=n) for n in range(380, 400)]
    raws += [typed("/halt", user=900 + n % 7, number=n) for n in range(400, 440)]
    raws += [typed("/run trend-aapl", user=2, number=n) for n in range(430, 450)]
    raws += [typed("/halt", user=1, at=OLD, number=n) for n in range(450, 460)]
    dice.shuffle(raws)
    raws += [pressed(button, message_id=message_id, number=470), typed("/flatten", user=2, number=471)]
    raws += [typed("/pause trend-aapl", user=1, number=n) for n in range(472, 501)]
    raws += [typed("/halt now", user=2, number=501)]
    ids = list(range(1, len(raws) + 1))
    assert len(ids) >= 500
    yard.worker.doubt(ids)
    begun = time.process_time()  # of this process: how long others keep it waiting is not its own
    for start in range(0, len(ids), 100):  # as Telegram hands them out
        await yard.stage.inbox.append(list(zip(ids, raws, strict=True))[start : start + 100])
        yard.worker.received(more_within=5 if start + 100 < len(ids) else 0)
        await asyncio.sleep(0)
        if start + 100 < len(ids):
            assert yard.actions == [], "before all is in, only a halt is run"
    while not yard.actions:
        await asyncio.sleep(0)
    assert time.process_time() - begun < 1.0
    assert yard.actions[0] == "halt"
    await everything(yard)
    assert yard.actions.count("halt") == 1, "those of strangers, and those of six hours ago, are not run"
    assert set(yard.actions) == {"halt", "pause"}, "what was written before the halt does not raise the risk after it"
    outcomes = [(number, yard.outcomes[number]) for number in yard.outcomes]
    place = {number: place for place, (number, _) in enumerate(outcomes)}
    reduced = max(place[number] for number, raw in zip(ids, raws, strict=True) if "/pause" in raw)
    looked = min(place[number] for number, raw in zip(ids, raws, strict=True) if "/status" in raw)
    expired = min(place[number] for number, outcome in outcomes if outcome == "expired")
    assert place[len(ids)] == 0
    assert reduced < looked < expired
    told = [text for chat in (1, 2) for text in yard.surface.texts(chat) if "too late" in text]
    assert len(told) == 2, "one digest a chat"
    assert "/halt" in told[0].split("\n")[1] or "/halt" in told[1].split("\n")[1], "the gravest first"
    assert len(yard.surface.shown) < 60
    assert not yard.surface.texts(900)


async def test_what_was_said_before_a_halt_is_not_done_after_it(yard: Yard) -> None:
    """Neither the press nor the command, whoever gave the halt; what only looks or reduces is. Not after a crash either."""
    button, message_id = await start_button(yard)
    gate = yard.stage.service.gate = asyncio.Event()
    await yard.put(typed("/status"))
    await yard.put(
        typed("/run trend-aapl"),
        typed("/pause trend-aapl"),
        pressed(button, message_id=message_id, number=4),
        typed("/halt", user=2),
        first=2,
    )
    assert yard.actions == ["halt"]
    await yard.crash()
    gate.set()
    await everything(yard)
    assert yard.actions == ["halt", "pause"]
    assert [yard.outcomes[number] for number in (1, 2, 3, 4, 5)] == [
        "done",
        "interrupted",
        "done",
        "interrupted",
        "done",
    ]


async def test_it_can_be_done_all_the_same(yard: Yard) -> None:
    """A tap runs the command, and the press's button has not been used up."""
    button, message_id = await start_button(yard)
    gate = yard.stage.service.gate = asyncio.Event()
    raws = [
        typed("/status"),
        typed("/run trend-aapl"),
        pressed(button, message_id=message_id, number=3),
        typed("/halt"),
    ]
    await yard.put(*raws)
    gate.set()
    await everything(yard)
    assert yard.actions == ["halt"]
    assert any("Not run" in text for text in yard.surface.texts())
    answer = next(answer for _, answer in yard.surface.shown if answer.screen and "Not run" in answer.screen.text.plain)
    await yard.stage.tap(answer, "all the same")
    assert yard.actions == ["halt", "start"]
    await yard.put(pressed(button, message_id=message_id, number=9), first=9)
    await everything(yard)
    assert yard.actions == ["halt", "start", "start"]


async def test_in_a_backlog_a_reduction_overtakes_other_chats_too(yard: Yard) -> None:
    """Ada runs, then Tom pauses: paused it stays."""
    await yard.put(typed("/run trend-aapl"), typed("/status"), typed("/pause trend-aapl", user=2), doubtful=True)
    await everything(yard)
    assert yard.actions == ["pause"]
    assert any("Not run" in text for text in yard.surface.texts())


async def test_without_an_outage_a_chat_keeps_its_order(yard: Yard) -> None:
    """Paused, then run: it runs."""
    await yard.put(typed("/pause trend-aapl"), typed("/run trend-aapl"))
    await everything(yard)
    assert yard.actions == ["pause", "start"]


async def test_a_chat_that_hangs_holds_up_the_others_for_a_moment_only(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telegram has one chat wait for an hour: what is less dangerous goes on after a moment."""
    monkeypatch.setattr(worker_room, "_PATIENCE", 0.5)
    whole = yard.surface.reply

    async def reply(caller: Any, answer: Any) -> None:
        if caller.chat_id == 1:
            await asyncio.sleep(3600)
        await whole(caller, answer)

    yard.surface.reply = reply  # type: ignore[method-assign]
    await yard.put(typed("/pause trend-aapl"), typed("/status", user=2), typed("/risk"), doubtful=True)
    assert yard.actions == ["pause"]
    assert not yard.surface.texts(2)
    await asyncio.sleep(0.6)
    await yard.settle()
    assert yard.surface.texts(2)


async def test_more_than_anybody_means_does_not_pile_up(yard: Yard) -> None:
    """A thousand wait; the rest is turned away with one word, but never what makes safer."""
    yard.stage.service.gate = asyncio.Event()
    raws = [typed(f"/orders all {n}", number=n) for n in range(1, 1_300)]
    await yard.put(typed("/status"), *raws, typed("/pause trend-aapl"), typed("/halt"))
    assert yard.actions == ["halt"]
    assert sum("more than I keep waiting" in text for text in yard.surface.texts()) == 1
    assert len(yard.worker._backlog.of(1)) <= 1_001
    yard.stage.service.gate.set()


async def test_strangers_share_one_line_and_come_last(yard: Yard) -> None:
    """A thousand of them are no thousand tasks."""
    yard.stage.service.gate = asyncio.Event()
    await yard.put(*(typed("/halt", user=10_000 + n, number=n) for n in range(1_500)), typed("/halt"))
    assert yard.actions == ["halt"]
    assert len(yard.worker._tasks) < 5
    yard.stage.service.gate.set()
    for _ in range(60):
        await yard.settle()
    assert set(yard.outcomes.values()) == {"done", "refused"}


async def test_updates_out_of_order_run_in_the_order_of_writing(yard: Yard) -> None:
    """The higher number comes first: within what came together that changes nothing."""
    await yard.stage.inbox.append(
        [(12, typed("/run trend-aapl", number=12)), (11, typed("/pause trend-aapl", number=11))]
    )
    yard.worker.received()
    await everything(yard)
    assert yard.actions == ["pause", "start"]


async def test_telegram_numbers_anew_after_a_quiet_week(yard: Yard) -> None:
    """Lower numbers than we have: they are news all the same, and a halt of last week overtakes nothing."""
    await yard.put(typed("/halt", number=9_000), first=9_000)
    await yard.put(typed("/run trend-aapl", number=5), first=5)
    await everything(yard)
    assert yard.actions == ["halt", "start"]


async def test_many_old_presses_are_told_once(yard: Yard) -> None:
    """Each is asked of Telegram; one word is enough."""
    button, message_id = await start_button(yard)
    yard.surface.late = True
    await yard.put(*(pressed(button, message_id=message_id, number=n) for n in range(1, 9)), doubtful=True)
    await everything(yard)
    assert yard.actions == []
    assert len(yard.surface.shown) == 1
    assert set(yard.outcomes.values()) == {"expired"}


def waiting(number: int, rank: Rank, *, line: int = 1, doubtful: bool = True) -> Waiting:
    return Waiting(Job(number, "", NOW, doubtful), Place(line, rank), number)


def test_a_full_line_takes_what_makes_safer() -> None:
    """And nothing else."""
    backlog = Backlog()
    assert all(backlog.add(waiting(number, Rank.REST)) for number in range(1_000))
    assert not backlog.add(waiting(1_001, Rank.PRESS))
    assert backlog.add(waiting(1_002, Rank.REDUCE))
    assert backlog.add(waiting(1_003, Rank.REST, line=2))
    assert backlog.first_rank(()) is Rank.REDUCE
