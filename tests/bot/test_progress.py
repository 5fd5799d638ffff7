"""Long work shows that it is going on, through the real client and the embedded server: one message for one answer."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from bot import progress
from bot.answer import Answer
from bot.framing import notice
from bot.people import Caller
from bot.progress import Progress
from core.access.roles import Actor, Role
from core.alerts.channel import ChannelDown
from core.clock import SystemClock
from tests.bot.test_app import ADMIN, Stage, on_stage


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a second here."""
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr("bot.front.PATIENCE", 0.05)
    monkeypatch.setattr(progress, "_STEP", 0.1)


async def events(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    """Everything that the bot has shown so far."""
    found = (await stage.chat.http.get("/sandbox/events", params={"chat_id": ADMIN.id, "after": 0, "wait": 0})).json()
    return [(each["kind"], each["message"]) for each in found["events"] if each["message"]["from"]["is_bot"]]


async def standing(stage: Stage) -> list[dict[str, Any]]:
    """The messages of the bot that stand in the chat now, each as it is now."""
    shown: dict[int, dict[str, Any]] = {}
    for kind, message in await events(stage):
        shown.pop(message["message_id"], None)
        if kind != "delete":
            shown[message["message_id"]] = message
    return list(shown.values())


async def test_slow_work_is_told_and_turns_into_its_answer(tmp_path: Path) -> None:
    """Told, told again with the time, and then the answer in the same message, whose buttons work."""
    async with on_stage(tmp_path) as stage:
        stage.service.gate = asyncio.Event()
        await stage.chat.say("/status")
        assert (await stage.chat.next())["text"] == "⏳ /status is being worked on …"
        assert re.search(r"\(\d+ s\)", (await stage.chat.next())["text"])
        stage.service.gate.set()
        while "Status" not in (await stage.chat.next())["text"]:
            pass
        (answer,) = await standing(stage)
        assert "🏠 ▸ Status" in answer["text"]
        await stage.chat.press(answer, "Halt everything")
        assert stage.service.calls[0][0] == "halt"


async def test_quick_work_is_one_message(tmp_path: Path) -> None:
    """Sent once and never edited."""
    async with on_stage(tmp_path) as stage:
        progress.PATIENCE = 60.0
        await stage.chat.ask("/status")
        await asyncio.sleep(0.3)
        assert [kind for kind, _ in await events(stage)] == ["message"]


async def test_a_picture_shows_that_it_comes(tmp_path: Path) -> None:
    """As Telegram's own sign, so that no message has to go."""
    async with on_stage(tmp_path) as stage:
        stage.service.gate = asyncio.Event()
        await stage.chat.say("/performance")
        told: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while not told.get("action"):
                told = (await stage.chat.http.get("/sandbox/typing", params={"chat_id": ADMIN.id})).json()
        assert told["action"] == "upload_photo"
        assert await standing(stage) == []
        stage.service.gate.set()
        assert (await stage.chat.next())["photo_url"]
        assert len(await standing(stage)) == 1


async def test_work_that_fails_leaves_no_sign_behind(tmp_path: Path) -> None:
    """The incident stands where the sign stood."""
    async with on_stage(tmp_path) as stage:
        stage.service.gate = asyncio.Event()
        await stage.chat.say("/status")
        await stage.chat.next()
        stage.service.fault = RuntimeError("broken")
        stage.service.gate.set()
        while "incident" not in (await stage.chat.next())["text"]:
            pass
        assert len(await standing(stage)) == 1


async def test_a_slow_press_keeps_its_message_and_is_told(tmp_path: Path) -> None:
    """A toast, and then the screen in the place of the one that was pressed."""
    async with on_stage(tmp_path) as stage:
        menu = await stage.chat.ask("/menu")
        stage.service.gate = asyncio.Event()
        toast = await stage.chat.press(menu, "Status")
        assert toast["text"] == progress.WORKING
        assert (await standing(stage))[0]["text"] == menu["text"]
        stage.service.gate.set()
        assert "Status" in (await stage.chat.next())["text"]
        assert len(await standing(stage)) == 1


class Board:
    """Telegram, which may be slow or away."""

    def __init__(self, *, slow: float = 0, away: bool = False) -> None:
        self.slow, self.away = slow, away
        self.replies: list[int | None] = []

    async def working(self, caller: Caller, text: object) -> int:
        await asyncio.sleep(self.slow)
        if self.away:
            raise ChannelDown("away")
        return 7

    async def still_working(self, caller: Caller, message_id: int, text: object) -> None:
        return None

    async def drawing(self, caller: Caller) -> None:
        return None

    async def reply(self, caller: Caller, answer: Answer, instead_of: int | None = None) -> None:
        self.replies.append(instead_of)


ADA = Caller(Actor("1", "Ada", Role.ADMIN), 1, 1)


async def slowly(seconds: float = 0.1) -> Answer:
    await asyncio.sleep(seconds)
    return Answer.of(notice("done"))


async def test_a_sign_that_is_on_its_way_is_waited_for() -> None:
    """Else it would arrive after its answer, and stand there for ever."""
    board = Board(slow=0.3)
    await Progress(board, SystemClock()).show(ADA, "/status", slowly(), draws=False)
    assert board.replies == [7]


async def test_telegram_away_does_not_matter() -> None:
    """The answer goes its usual way."""
    board = Board(away=True)
    await Progress(board, SystemClock()).show(ADA, "/status", slowly(), draws=False)
    assert board.replies == [None]


async def test_a_stop_takes_the_work_along() -> None:
    """Nothing goes on alone, and the sign is taken back."""
    board, work = Board(), asyncio.Event()

    async def endless() -> Answer:
        try:
            await asyncio.sleep(100)
        finally:
            work.set()
        raise AssertionError

    showing = asyncio.ensure_future(Progress(board, SystemClock()).show(ADA, "/status", endless(), draws=False))
    await asyncio.sleep(0.15)
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    assert work.is_set()
    assert board.replies == [7]
