"""The whole chat through the real telegram.Bot and the embedded Bot API server, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
from tests.bot.fakes import FakeAudit, FakeInbox, FakeMemory, FakeService, FakeTickets, busy_world

FAST = Budget(1000, 1000, 0, 1000, 1000, 0)


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

    async def next(self, user: Any = ADMIN, wait: float = 5) -> dict[str, Any]:
        """The next thing that the bot shows."""
        while True:
            params = {"chat_id": user.id, "after": self.seen.get(user.id, 0), "wait": wait, "limit": 1}
            events = (await self.http.get("/sandbox/events", params=params)).json()["events"]
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
        self.chat = Chat(server, http)
        self.app: ChatApp | None = None

    async def alert(self, title: str, body: str) -> None:
        self.troubles.append(title)

    async def start(self) -> ChatApp:
        self.app = ChatApp(
            settings=self.settings, service=self.service, inbox=self.inbox, tickets=self.tickets,
            audit=self.audit, memory=self.memory, events=self.events, clock=self.clock, alert=self.alert, budget=FAST,
        )  # fmt: skip
        await self.app.start()
        return self.app

    async def stop(self) -> None:
        if self.app:
            await self.app.stop()
            self.app = None


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        stage = Stage(server, http, tmp_path)
        await stage.start()
        yield stage
        await stage.stop()
    await server.stop()


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
    assert [row[1] for row in stage.audit.rows] == ["message from a stranger"]
