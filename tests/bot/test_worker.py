"""Order of danger, one chat after another, and what a crash leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.worker import Worker
from core.alerts.channel import ChannelDown
from core.views import AuditRow
from tests.bot.fakes import NOW
from tests.bot.stage import FakeSurface, Stage, key_data, pressed, typed


class Yard:
    """A worker over a stage; `crash` kills it and starts another on the same inbox."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.surface = FakeSurface()
        self.new()

    def new(self) -> None:
        self.worker = Worker(self.stage.inbox, self.stage.front(self.surface), self.stage.clock)  # type: ignore[arg-type]
        self.running = asyncio.create_task(self.worker.run())

    async def put(self, *raws: str, first: int = 1, doubtful: bool = False) -> None:
        ids = list(range(first, first + len(raws)))
        if doubtful:
            self.worker.doubt(ids)
        await self.stage.inbox.append(list(zip(ids, raws, strict=True)))
        self.worker.received()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def crash(self) -> None:
        self.running.cancel()
        for task in tuple(self.worker._tasks):
            task.cancel()
        await asyncio.gather(self.running, *self.worker._tasks, return_exceptions=True)
        self.new()
        await self.settle()

    @property
    def outcomes(self) -> dict[int, str]:
        return self.stage.inbox.outcomes

    @property
    def actions(self) -> list[str]:
        return [call[0] for call in self.stage.service.calls]


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    yard = Yard()
    yield yard
    yard.running.cancel()
    await asyncio.gather(yard.running, return_exceptions=True)
    await yard.worker.stop()


async def test_halt_overtakes_a_slow_command(yard: Yard) -> None:
    """A command that hangs does not delay a halt in the same chat by anything."""
    yard.stage.service.gate = asyncio.Event()
    await yard.put(typed("/status"), typed("/pause trend-aapl"), typed("/halt now"))
    assert yard.actions == ["halt"]
    assert yard.outcomes == {3: "done"}
    yard.stage.service.gate.set()
    await yard.settle()
    assert yard.actions == ["halt", "pause"]
    assert yard.outcomes == {1: "done", 2: "done", 3: "done"}


async def test_a_halt_button_overtakes_too(yard: Yard) -> None:
    """Also as a button, whose ticket is opaque."""
    menu = await yard.stage.say("/menu")
    assert menu.screen
    message_id, keyboard = await yard.stage.show(menu.screen)
    yard.stage.service.gate = asyncio.Event()
    await yard.put(typed("/status"), pressed(key_data(keyboard, "Halt"), message_id=message_id))
    assert yard.actions == ["halt"]
    yard.stage.service.gate.set()


async def test_chats_run_side_by_side_and_each_in_order(yard: Yard) -> None:
    """Presses first, then messages as they came; another chat waits for nobody."""
    gate = yard.stage.service.gate = asyncio.Event()
    await yard.put(
        typed("/positions"),
        typed("/run trend-aapl"),
        typed("/pause trend-aapl"),
        pressed("n1|risk"),
        typed("/nonsense", user=2),
    )
    assert yard.outcomes == {5: "refused"}
    gate.set()
    await yard.settle()
    assert yard.actions == ["start", "pause"]
    assert list(yard.outcomes) == [5, 4, 1, 2, 3]


async def test_expired_ones_wait_for_fresh_ones(yard: Yard) -> None:
    """After an outage a fresh command is not stuck behind five hundred old ones."""
    old = NOW - timedelta(hours=6)
    yard.stage.service.gate = asyncio.Event()
    await yard.put(
        typed("/status"), *(typed("/run trend-aapl", at=old) for _ in range(500)), typed("/pause trend-aapl")
    )
    yard.stage.service.gate.set()
    while len(yard.outcomes) < 502:
        await yard.settle()
    assert list(yard.outcomes)[:2] == [1, 502]
    assert yard.actions == ["pause"]
    assert list(yard.outcomes.values()).count("expired") == 500


async def test_nothing_is_done_twice(yard: Yard) -> None:
    """The same update again, and the same press with a new update id."""
    card = await yard.stage.say("/strategy trend-aapl")
    assert card.screen
    message_id, keyboard = await yard.stage.show(card.screen)
    press = pressed(key_data(keyboard, "Pause"), message_id=message_id)
    await yard.put(press, press)
    await yard.put(press)
    assert yard.actions == ["pause"]


@pytest.mark.parametrize(
    ("line", "action", "outcome"),
    [
        ("/halt", ["halt"], "done"),
        ("/status", [], "done"),
        ("/pause trend-aapl", [], "interrupted"),
        ("/resume", [], "interrupted"),
    ],
)
async def test_after_a_crash_in_the_middle(yard: Yard, line: str, action: list[str], outcome: str) -> None:
    """A halt runs again, looking runs again, anything else says that it does not know."""
    await yard.stage.inbox.append([(7, typed(line))])
    await yard.stage.inbox.begin(7)
    await yard.crash()
    assert yard.actions == action
    assert yard.outcomes == {7: outcome}
    assert len(yard.surface.shown) == 1


async def test_a_crash_before_the_beginning_runs_it_once(yard: Yard) -> None:
    """Stored but not begun: it simply runs, if it is still fresh."""
    await yard.stage.inbox.append([(7, typed("/pause trend-aapl"))])
    await yard.crash()
    await yard.crash()
    assert yard.actions == ["pause"]


async def test_a_press_interrupted_by_a_crash_is_not_repeated(yard: Yard) -> None:
    """Its ticket may or may not have been used: the user is told."""
    await yard.stage.inbox.append([(7, pressed("a1|00")), (8, pressed("n1|risk"))])
    await yard.stage.inbox.begin(7)
    await yard.stage.inbox.begin(8)
    await yard.crash()
    assert yard.outcomes == {7: "interrupted", 8: "done"}
    assert "interrupted" in yard.surface.texts()[0]


@pytest.mark.parametrize("late", [True, False])
async def test_a_press_of_unknown_age_is_only_run_if_telegram_still_takes_its_answer(yard: Yard, late: bool) -> None:
    """Presses carry no time; after an outage their age is asked of Telegram."""
    card = await yard.stage.say("/strategy trend-aapl")
    assert card.screen
    message_id, keyboard = await yard.stage.show(card.screen)
    yard.surface.late = late
    await yard.put(pressed(key_data(keyboard, "Pause"), message_id=message_id), doubtful=True)
    assert yard.actions == ([] if late else ["pause"])
    assert yard.outcomes == {1: "expired" if late else "done"}


async def test_a_press_that_waited_too_long_here(yard: Yard) -> None:
    """Older than 30 s since it was stored: not run."""
    await yard.stage.inbox.append([(7, pressed("a1|00"))])
    yard.stage.clock.advance(31)
    await yard.crash()
    assert yard.outcomes == {7: "expired"}


async def test_an_unreadable_update_stops_nobody(yard: Yard) -> None:
    """It is closed as failed, and the next one runs."""
    await yard.put("{}", '{"update_id": 2, "message": {"text": 5}}', "not json", typed("/halt"))
    assert yard.actions == ["halt"]
    assert yard.outcomes[4] == "done"
    assert set(yard.outcomes) == {1, 2, 3, 4}


async def test_a_fault_outside_any_command_is_told(yard: Yard) -> None:
    """The audit trail cannot be written: the user still gets an incident number."""

    async def broken(*_: object) -> None:
        raise OSError("disk full")

    yard.stage.audit.record = broken  # type: ignore[method-assign,assignment]
    await yard.put(typed("/halt", at=NOW - timedelta(hours=1)), typed("/nonsense"))
    assert yard.outcomes == {1: "failed", 2: "refused"}
    assert any("incident" in text for text in yard.surface.texts())


async def test_a_halt_runs_even_when_the_inbox_cannot_write(yard: Yard) -> None:
    """A full disk stops bookkeeping, not the halt."""

    async def broken(*_: object) -> None:
        raise OSError("disk full")

    yard.stage.inbox.begin = broken  # type: ignore[method-assign]
    await yard.put(typed("/halt"))
    assert yard.actions == ["halt"]


async def test_a_halt_in_a_burst_goes_first_and_the_same_question_is_answered_once(yard: Yard) -> None:
    """A hundred commands come at once while the chat is slow."""
    gate = yard.stage.service.gate = asyncio.Event()
    burst = [typed(("/status", "/s", "/positions")[n % 3], number=n) for n in range(100)]
    burst[0] = typed("/risk", number=0)
    burst[50] = typed("/halt now", number=50)
    burst[60] = typed("/pause trend-aapl", number=60)
    await yard.put(*burst)
    assert yard.actions == ["halt"]
    assert len(yard.surface.shown) == 1
    gate.set()
    await yard.settle()
    assert len(yard.outcomes) == 100
    assert yard.actions == ["halt", "pause"]
    texts = yard.surface.texts()
    assert len(texts) == 5
    assert "paused" in texts[2], "the questions are answered in their last place, and so show what was done"
    assert "Asked 65 times" in texts[3] + texts[4]
    assert "Asked 32 times" in texts[3] + texts[4]


async def test_the_newest_of_the_same_questions_counts(yard: Yard) -> None:
    """It is fresh although the first is too old: the old ones are told together."""
    gate = yard.stage.service.gate = asyncio.Event()
    old = NOW - timedelta(minutes=5)
    lines = [typed("/risk", at=old, number=n) for n in range(1, 9)] + [typed("/pause trend-aapl", at=old, number=9)]
    await yard.put(typed("/positions"), *lines, typed("/risk", number=20))
    gate.set()
    await yard.settle()
    texts = yard.surface.texts()
    assert len(texts) == 3
    assert "9 commands reached me too late; none was run" in texts[2]
    assert texts[2].count("Expired, not run") == 2
    assert yard.actions == []
    assert list(yard.outcomes.values()).count("expired") == 9


async def test_what_expires_while_it_waits_is_told_at_once(yard: Yard) -> None:
    """Fresh when it came, too old when its turn comes."""
    gate = yard.stage.service.gate = asyncio.Event()
    await yard.put(typed("/positions"), *(typed(f"/orders all {n}", number=n) for n in range(2, 40)))
    yard.stage.clock.advance(31)
    gate.set()
    await yard.settle()
    assert len(yard.surface.shown) == 2
    assert "… and 23 earlier ones" in yard.surface.texts()[1]
    assert yard.actions == []


@pytest.mark.parametrize("fails", ["begin", "finish"])
async def test_a_chat_goes_on_when_the_inbox_cannot_write(yard: Yard, fails: str) -> None:
    """Looking works; what changes something is not done without its beginning being stored; nothing is done twice."""
    inbox, healthy = yard.stage.inbox, getattr(yard.stage.inbox, fails)

    async def broken(*_: object) -> None:
        raise OSError("disk full")

    setattr(inbox, fails, broken)
    await yard.put(typed("/status"), typed("/pause trend-aapl"), typed("/risk"))
    texts = yard.surface.texts()
    assert len(texts) == 3
    assert yard.actions == ([] if fails == "begin" else ["pause"])
    setattr(inbox, fails, healthy)
    await yard.put(typed("/status"), first=9)
    assert set(yard.outcomes) == {1, 2, 3, 9}
    assert yard.actions == ([] if fails == "begin" else ["pause"])


@pytest.mark.parametrize("error", [ChannelDown("away"), RuntimeError("bug")])
async def test_a_slow_press_is_done_even_if_it_cannot_be_answered_in_time(
    yard: Yard, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left behind with work whose end nobody sees."""
    monkeypatch.setattr("bot.front.PATIENCE", 0.0)

    async def confirm(_: object, said: str = "") -> bool:
        raise error

    yard.surface.confirm = confirm  # type: ignore[method-assign]
    gate = yard.stage.service.gate = asyncio.Event()
    await yard.put(pressed("n1|risk"))
    gate.set()
    await yard.settle()
    assert yard.outcomes == {1: "done"}
    assert "Risk" in yard.surface.texts()[0]


@pytest.mark.parametrize("patience", [0.0, 1.5])
async def test_a_stop_takes_the_work_of_a_slow_press_along(
    yard: Yard, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled with its press, and not left to run into a closed database."""
    monkeypatch.setattr("bot.front.PATIENCE", patience)
    yard.stage.service.gate = asyncio.Event()
    before = asyncio.all_tasks()
    await yard.put(pressed("n1|risk"))
    for task in tuple(yard.worker._tasks):
        task.cancel()
    await yard.settle()
    assert asyncio.all_tasks() == before


async def test_after_a_crash_the_audit_trail_says_what_was_done(yard: Yard) -> None:
    """Not "I do not know" when it is known; and a press whose ticket is unused has done nothing."""
    asked = await yard.stage.say("/flatten trend-aapl")
    assert asked.screen
    message_id, keyboard = await yard.stage.show(asked.screen)
    data = key_data(keyboard, "Yes")
    row = AuditRow(1, NOW, "Ada (1)", "flatten", "trend-aapl: Sell 120 AAPL: sent", "ok")
    for number, used, trail in ((1, True, [row]), (2, True, []), (3, False, [])):
        yard.stage.service.world.audit = trail
        yard.stage.tickets.stored[data.partition("|")[2]].used = used
        await yard.stage.inbox.append([(number, pressed(data, message_id=message_id))])
        await yard.stage.inbox.begin(number)
        await yard.crash()
    known, unknown, unused = yard.surface.texts()
    assert "Sell 120 AAPL: sent" in known
    assert "I do not know" not in known
    assert "I do not know" in unknown
    assert "before anything was done" in unused
    assert yard.actions == []
    assert set(yard.outcomes.values()) == {"interrupted"}


async def test_a_typed_command_too(yard: Yard) -> None:
    """By its name and argument, and not by another of the same name."""
    yard.stage.service.world.audit = [
        AuditRow(1, NOW, "Ada (1)", "pause strategy", "trend-aapl", "ok"),
        AuditRow(2, NOW, "Ada (1)", "start strategy", "other", "ok"),
    ]
    await yard.stage.inbox.append([(1, typed("/pause trend-aapl")), (2, typed("/run trend-aapl"))])
    await yard.stage.inbox.begin(1)
    await yard.stage.inbox.begin(2)
    await yard.crash()
    known, unknown = yard.surface.texts()
    assert "pause strategy: trend-aapl" in known
    assert "I do not know" in unknown
