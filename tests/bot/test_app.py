"""The whole chat through the real telegram.Bot and the embedded Bot API server, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bot.app import ChatApp
from bot.pacing import Budget
from bot.sandbox.server import ADMIN, STRANGER, TRADER, VIEWER, Limits, SandboxServer
from core.access.roles import Role
from core.clock import SystemClock
from core.events import Events
from core.settings import TelegramSettings, UserSettings
from core.settings.manual import ManualSettings
from core.supervision import Supervisor
from tests.bot.fakes import FakeAudit, FakeInbox, FakeMemory, FakeService, FakeTickets, busy_world
from tests.bot.stage import no_safeguards

FAST = Budget(1000, 1000, 0, 1000, 1000, 0, 1000, 1000, 0)


class Settings:
    def __init__(self, server: SandboxServer, data_dir: Path) -> None:
        self.telegram = TelegramSettings(
            token=SecretStr(server.token),
            base_url=server.bot_base_url,
            base_file_url=server.file_base_url,
            poll_seconds=2,
        )
        people = ((ADMIN, "Ada", Role.ADMIN), (TRADER, "Tom", Role.TRADER), (VIEWER, "Vi", Role.VIEWER))
        self.users = tuple(UserSettings(id=user.id, name=name, role=role) for user, name, role in people)
        self.environment = "test"
        self.manual = ManualSettings()
        self.data_dir = data_dir


class Chat:
    """A user at the sandbox's chat page."""

    def __init__(self, server: SandboxServer, http: httpx.AsyncClient) -> None:
        self.server, self.http = server, http
        self.seen: dict[int, int] = {}

    async def say(self, text: str, user: Any = ADMIN, **more: Any) -> int:
        body = {"user_id": user.id, "chat_id": user.id, "text": text, **more}
        reply = await self.http.post("/sandbox/messages", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["message_id"]

    async def press(self, message: dict[str, Any], label: str, user: Any = ADMIN) -> dict[str, Any]:
        data = next(key["data"] for row in message["buttons"] for key in row if label in key["text"])
        body = {"user_id": user.id, "chat_id": user.id, "message_id": message["message_id"], "data": data}
        reply = await self.http.post("/sandbox/presses", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def next(self, user: Any = ADMIN, wait: float = 30) -> dict[str, Any]:
        """The next thing that the bot shows; an answer without events tells that the list of commands has changed."""
        end = asyncio.get_running_loop().time() + wait
        while True:
            params = {"chat_id": user.id, "after": self.seen.get(user.id, 0), "wait": wait, "limit": 1}
            events = (await self.http.get("/sandbox/events", params=params)).json()["events"]
            if not events and asyncio.get_running_loop().time() < end:
                continue
            assert events, "the bot says nothing"
            self.seen[user.id] = events[0]["seq"]
            message = events[0]["message"]
            if events[0]["kind"] != "delete" and message["from"]["is_bot"]:
                return message

    async def ask(self, text: str, user: Any = ADMIN) -> dict[str, Any]:
        await self.say(text, user)
        return await self.next(user)


class Stage:
    """A server, and an app that can die and be started again."""

    def __init__(self, server: SandboxServer, http: httpx.AsyncClient, data_dir: Path) -> None:
        self.clock = SystemClock()
        self.server = server
        self.settings = Settings(server, data_dir)
        self.service = FakeService(busy_world(4))
        self.inbox, self.tickets = FakeInbox(self.clock), FakeTickets(self.clock)
        self.audit, self.memory, self.events = FakeAudit(), FakeMemory(), Events()
        self.troubles: list[str] = []
        self.warnings: list[str] = []
        self.chat = Chat(server, http)
        self.supervisor = Supervisor(self.failed, lambda: "ABC", first_pause=0.02)
        self.app: ChatApp | None = None

    async def failed(self, part: str, incident: str, error: BaseException) -> None:
        self.troubles.append(part)

    async def alert(self, title: str, body: str) -> None:
        self.troubles.append(title)

    async def warn(self, title: str, body: str) -> None:
        self.warnings.append(f"{title}: {body}")

    async def start(self) -> ChatApp:
        self.app = ChatApp(
            settings=self.settings, service=self.service, inbox=self.inbox, tickets=self.tickets,
            audit=self.audit, memory=self.memory, events=self.events, clock=self.clock, alert=self.alert, budget=FAST,
            supervisor=self.supervisor, warn=self.warn, safeguards=no_safeguards(self.clock),
        )  # fmt: skip
        await self.app.start()
        return self.app

    async def stop(self) -> None:
        if self.app:
            await self.app.stop()
            self.app = None


@asynccontextmanager
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A server and a running app, both stopped at the end."""
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        stage = Stage(server, http, tmp_path)
        try:
            await stage.start()
            yield stage
        finally:  # else the next test would be told of what a failed one has left open
            await stage.stop()
            await server.stop()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path) as stage:
        yield stage


async def test_a_command_is_answered(stage: Stage) -> None:
    message = await stage.chat.ask("/status")
    assert "SIMULATED" in message["text"]


async def test_the_menu_edits_itself(stage: Stage) -> None:
    menu = await stage.chat.ask("/menu")
    await stage.chat.press(menu, "Strategies")
    listed = await stage.chat.next()
    assert listed["message_id"] == menu["message_id"]
    await stage.chat.press(listed, "trend-aapl")
    card = await stage.chat.next()
    toast = await stage.chat.press(card, "Pause")
    assert "paused" in toast["text"]
    assert ("pause", "trend-aapl", "Ada") in stage.service.calls


async def test_a_stranger_hears_nothing(stage: Stage) -> None:
    await stage.chat.say("/status", STRANGER)
    await stage.chat.ask("/status")
    await wait_until(lambda: [row[1] for row in stage.audit.rows] == ["message from a stranger"])


async def wait_until(condition: Any, seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


async def test_a_confirmation_end_to_end(stage: Stage) -> None:
    """Halt, question, yes; the question's buttons are gone afterwards."""
    await stage.chat.ask("/halt too risky")
    question = await stage.chat.ask("/resume")
    toast = await stage.chat.press(question, "Yes")
    assert "Trading again" in toast["text"]
    after = await stage.chat.next()
    assert after["message_id"] == question["message_id"]
    assert not any("Yes" in key["text"] for row in after["buttons"] for key in row)
    assert [call[0] for call in stage.service.calls] == ["halt", "resume"]


async def test_pictures_files_and_going_on_from_them(stage: Stage) -> None:
    """A report is a file and a picture; its buttons open a new message, as text cannot replace a picture."""
    await stage.chat.say("/report")
    file, picture = await stage.chat.next(), await stage.chat.next()
    assert file["document_url"]
    assert picture["photo_url"]
    await stage.chat.press(picture, "Menu")
    menu = await stage.chat.next()
    assert menu["message_id"] not in (file["message_id"], picture["message_id"])
    await stage.chat.press(menu, "Charts")
    await stage.chat.press(await stage.chat.next(), "Performance")
    assert (await stage.chat.next())["photo_url"]


async def test_killed_and_started_again(stage: Stage) -> None:
    """What came while we were away is answered: fresh ones run once, old ones expire; old buttons still work."""
    menu = await stage.chat.ask("/menu")
    await stage.stop()
    await stage.chat.say("/pause trend-aapl", date_offset=-3600)
    await stage.chat.say("/halt while away")
    await stage.start()
    shown = [(await stage.chat.next())["text"] for _ in range(2)]
    assert any("Halted" in text for text in shown)
    assert any("Expired, not run" in text for text in shown)
    assert [call[0] for call in stage.service.calls] == ["halt"]
    await stage.chat.press(menu, "Risk")
    assert "Risk" in (await stage.chat.next())["text"]


async def test_telegram_on_a_bad_day(stage: Stage) -> None:
    """502, 429 and a cut connection while replying: the answer comes all the same."""
    stage.server.faults.fail("sendMessage", status=502, description="Bad Gateway")
    stage.server.faults.fail("sendMessage", status=429, description="Too Many Requests: retry after 1", retry_after=1)
    assert "Status" in (await stage.chat.ask("/status"))["text"]


async def test_start_while_telegram_is_unreachable(stage: Stage) -> None:
    """Starting returns at once; commands are answered once Telegram is back."""
    await stage.stop()
    stage.server.faults.down = True
    app = await stage.start()
    await wait_until(lambda: app.intake.trouble == "outage")
    stage.server.faults.down = False
    assert "Status" in (await stage.chat.ask("/status"))["text"]
    assert app.intake.trouble == ""


async def test_another_poller_is_reported_once(stage: Stage) -> None:
    """409: a critical alert, and we keep trying."""
    conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    stage.server.faults.fail("getUpdates", status=409, description=conflict)
    await stage.chat.say("/status")
    await wait_until(lambda: stage.troubles == ["telegram conflict"], 8)


async def test_updates_delivered_twice_run_once(stage: Stage) -> None:
    """A press that Telegram repeats under a new update id spends its ticket only once."""
    await stage.chat.say("/strategy trend-aapl")
    card = await stage.chat.next()
    stage.server.faults.duplicate_next_updates()
    await stage.chat.press(card, "Pause")
    await asyncio.sleep(0.3)
    assert [call[0] for call in stage.service.calls] == ["pause"]


async def test_the_command_list_follows_the_role(stage: Stage) -> None:
    """A viewer's list has no halt."""
    lists: dict[int, set[str]] = {}
    while not lists.get(ADMIN.id) or not lists[TRADER.id] or not lists[VIEWER.id]:
        chats = (await stage.chat.http.get("/sandbox/state")).json()["chats"]
        lists = {chat["id"]: {one["command"] for one in chat["commands"]} for chat in chats}
        await asyncio.sleep(0.02)
    assert "halt" in lists[TRADER.id]
    assert "halt" not in lists[VIEWER.id]
    assert "audit" in lists[ADMIN.id]


async def test_the_live_message(stage: Stage) -> None:
    """It is pinned, follows the state, survives a restart, and rests when told."""
    live = await stage.chat.ask("/live")
    await wait_until(lambda: stage.memory.values.get((ADMIN.id, "live")) == str(live["message_id"]))
    stage.service.world.reason = "x"
    await stage.stop()
    await stage.start()
    stage.service.world.state = stage.service.world.state.__class__.HALTED
    assert stage.app
    await stage.app.live.on_event(None)
    edited = await stage.chat.next()
    while "Halted" not in (edited["text"] or ""):
        edited = await stage.chat.next()
    assert edited["message_id"] == live["message_id"]
    await stage.chat.ask("/live off")
    await wait_until(lambda: stage.memory.values[ADMIN.id, "live"] == "")


async def test_an_update_is_stored_before_it_is_acknowledged(stage: Stage) -> None:
    """While the inbox cannot store, Telegram keeps the update, and it runs once storing works again."""
    append, failures = stage.inbox.append, 0

    async def broken(updates: Any) -> int:
        nonlocal failures
        failures += 1
        raise OSError("disk full")

    stage.inbox.append = broken  # type: ignore[method-assign]
    await stage.chat.say("/pause trend-aapl")
    await wait_until(lambda: failures > 0)
    assert stage.service.calls == []
    await stage.stop()
    stage.inbox.append = append  # type: ignore[method-assign]
    await stage.start()
    await stage.chat.next()
    assert [call[0] for call in stage.service.calls] == ["pause"]


async def test_a_halt_works_while_nothing_can_be_stored(stage: Stage) -> None:
    """Neither the inbox nor the audit trail nor a ticket; it runs once, also when Telegram brings it again and again."""
    menu = await stage.chat.ask("/menu")
    append = stage.inbox.append

    async def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    for owner, name in (
        (stage.inbox, "append"),
        (stage.inbox, "begin"),
        (stage.audit, "record"),
        (stage.tickets, "take"),
    ):
        setattr(owner, name, broken)
    await stage.chat.say("/halt now")
    assert "Halted" in (await stage.chat.next())["text"]
    await stage.chat.press(menu, "Halt everything")
    await wait_until(lambda: len(stage.service.calls) == 2)
    stage.inbox.append = append  # type: ignore[method-assign]
    await stage.chat.say("/status")
    await wait_until(lambda: len(stage.inbox.outcomes) == 4)
    assert [call[0] for call in stage.service.calls] == ["halt", "halt"]


async def test_the_chat_hears_again_after_its_database_failed(stage: Stage) -> None:
    """Not even the failure can be recorded: the parts start again all the same, and are among those that are watched."""
    healthy = stage.inbox.pending, stage.audit.record

    async def broken(*_: Any) -> Any:
        raise OSError("disk full")

    stage.inbox.pending = stage.audit.record = broken  # type: ignore[method-assign,assignment]
    await stage.chat.say("/status")
    await wait_until(lambda: stage.supervisor.failures.get("chat worker", 0) >= 3)
    stage.inbox.pending, stage.audit.record = healthy  # type: ignore[method-assign]
    assert "Status" in (await stage.chat.next())["text"]
    assert stage.supervisor.is_well("chat worker")
    assert stage.supervisor.is_running("chat polling")


async def test_a_refused_token_is_told_once_and_asked_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single 404, from whatever stands in between, must not make the chat deaf for good."""
    monkeypatch.setattr("bot.intake._TOKEN_PAUSE", 0.05)
    for _ in range(3):
        stage.server.faults.fail("getUpdates", status=404, description="Not Found")
    await stage.chat.say("/status")
    await stage.chat.next(wait=8)
    assert stage.troubles == ["telegram token refused"]


async def test_a_command_for_another_bot_is_not_run(stage: Stage) -> None:
    """Whatever it is; our own name, in any case, is ours."""
    assert "I did nothing" in (await stage.chat.ask("/halt@other_bot"))["text"]
    assert stage.service.calls == []
    assert stage.app
    own = (await stage.app._bot.get_me()).username
    assert own
    await stage.chat.ask(f"/halt@{own.upper()} now")
    assert [call[0] for call in stage.service.calls] == ["halt"]
