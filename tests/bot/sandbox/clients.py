"""Clients that the tests use: a person at the page, and a bot that looks closely at what it receives."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import telegram
from telegram.request import HTTPXRequest

from bot.sandbox.server import SandboxServer


def exact_bot(server: SandboxServer) -> telegram.Bot:
    request = HTTPXRequest(read_timeout=60)
    return telegram.Bot(
        server.token,
        base_url=server.bot_base_url,
        base_file_url=server.file_base_url,
        request=request,
        get_updates_request=HTTPXRequest(read_timeout=60),
    )


def unknown_fields(thing: Any, path: str = "") -> list[str]:
    """Every field in what python-telegram-bot received that it does not know."""
    if isinstance(thing, list | tuple):
        return [found for index, item in enumerate(thing) for found in unknown_fields(item, f"{path}[{index}]")]
    if not isinstance(thing, telegram.TelegramObject):
        return []
    found = [f"{path}.{name}" for name in thing.api_kwargs]
    for name in thing._get_attrs_names(include_private=False):
        found += unknown_fields(getattr(thing, name), f"{path}.{name}")
    return found


@dataclass
class Person:
    http: httpx.AsyncClient
    id: int

    async def say(self, text: str, **more: Any) -> dict[str, Any]:
        return await self.post("/sandbox/messages", text=text, **more)

    async def press(self, message_id: int, data: str) -> dict[str, Any]:
        return await self.post("/sandbox/presses", message_id=message_id, data=data)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json={"user_id": self.id, "chat_id": self.id, **body}, timeout=60)
        answer.raise_for_status()
        return answer.json()

    async def events(self, after: int = 0, **query: Any) -> dict[str, Any]:
        answer = await self.http.get(
            "/sandbox/events", params={"chat_id": self.id, "after": after, **query}, timeout=60
        )
        answer.raise_for_status()
        return answer.json()

    async def last(self) -> dict[str, Any]:
        return (await self.events())["events"][-1]["message"]


async def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until it is so; a slow machine is given its time."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)
