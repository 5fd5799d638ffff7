"""Buttons that outlived the rights of those who have them on their screens."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx

from bot.sandbox.server import Limits
from tests.journeys.books import Books
from tests.journeys.inside import running
from tests.journeys.person import Message, Person, buttons, find, said
from tests.journeys.sandbox import ADMIN, STRANGER
from tests.journeys.test_bad_telegram import handed_over, tap
from tests.journeys.test_outage import eventually

SAM = STRANGER  # the sandbox's fourth person: an admin at first, then less, then nobody
OVER: dict[str, object] = {
    "users": [
        {"id": ADMIN, "name": "Ada Admin", "role": "admin"},
        {"id": 1002, "name": "Vic Viewer", "role": "viewer"},
    ],
    "security": {"totp": "off"},
}
SCREENS = ("/menu", "/strategy trend-aapl", "/schedule", "/scopes", "/flatten", "/resume")


def acting(shown: list[Message]) -> list[tuple[Message, str]]:
    """Everything on these screens that would do something."""
    return [(one, key["data"]) for one in shown for key in buttons(one) if key["data"].startswith(("a1|", "h1|"))]


def world(books: Books) -> list[Any]:
    """All that the buttons could change; a job has a row of its own once it has run."""
    tables = ("SELECT name, status FROM strategies ORDER BY 1", "SELECT scope, state FROM trading_states ORDER BY 1",
              "SELECT count(*) FROM orders", "SELECT name FROM jobs WHERE NOT enabled ORDER BY 1")  # fmt: skip
    return [books.ask(table) for table in tables]


async def test_a_stranger_and_a_demoted_admin_press_old_buttons(tmp_path: Path) -> None:
    """Invited as an admin, demoted, removed: every old button is refused, then met with silence; so are a stranger's presses."""
    async with running(tmp_path, Limits.relaxed(), over=OVER, speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            ada, sam, books = Person(http, ADMIN), Person(http, SAM), Books(tmp_path)

            async def agreed(text: str) -> str:
                question = await asyncio.to_thread(ada.say, text)
                return said(await asyncio.to_thread(ada.press, question, "Yes"))

            async def pressed(keys: list[tuple[Message, str]], numbers: int) -> None:
                for place, (message, data) in enumerate(keys):
                    tap(server, message, data, SAM, range(numbers + place, numbers + place + 1))
                await handed_over(server)
                await eventually(lambda: not books.ask("SELECT 1 FROM inbox WHERE outcome = ''"))

            theirs = await asyncio.to_thread(ada.say, "/menu")
            before = world(books)
            after = await asyncio.to_thread(sam.seq)
            await pressed(acting([theirs]), 0)
            assert await asyncio.to_thread(sam.quiet, after, 0.5), "a stranger was answered"
            assert world(books) == before

            told = await agreed("/invite Sam admin")
            code = re.findall(r"/start (\S+)", told)[0]
            await asyncio.to_thread(sam.say, f"/start {code}")
            await asyncio.to_thread(sam.say, "/halt to begin with")
            shown = [await asyncio.to_thread(sam.say, text) for text in SCREENS]
            keys = acting(shown)
            assert len(keys) >= 8
            assert find(shown[-1], "Yes, resume")
            assert "viewer" in await agreed("/role Sam viewer")
            before = world(books)
            await pressed(keys, 100)
            assert world(books) == before
            refused = [row for row in books.audit() if "Sam" in row[0] and row[3] == "refused"]
            assert len(refused) >= 1, books.audit()[-20:]
            await agreed("/remove Sam")
            after = await asyncio.to_thread(sam.seq)
            await pressed(keys, 300)
            assert world(books) == before
            assert await asyncio.to_thread(sam.quiet, after, 0.5), "who is nobody here was answered"
