"""Whatever Telegram does, trading goes on: to the last fill as if nothing had been."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.sandbox.server import Limits, SandboxServer
from tests.journeys.books import Books
from tests.journeys.inside import running
from tests.journeys.person import Person, find, said
from tests.journeys.sandbox import ADMIN
from tests.journeys.test_outage import eventually, program_speed

UNTIL = "2000-05-15"
OUTGOING = ("sendMessage", "sendPhoto", "editMessageText", "answerCallbackQuery", "pinChatMessage", "sendChatAction")


def down(server: SandboxServer) -> None:
    """Not reachable at all."""
    server.faults.down = True


def waits_an_hour(server: SandboxServer) -> None:
    """429 in everybody's chat, to be asked again in an hour."""
    for method in OUTGOING:
        said = "Too Many Requests: retry after 3600"
        server.faults.fail(method, status=429, description=said, retry_after=3600, times=100_000)


def bad_gateway(server: SandboxServer) -> None:
    """502 to three hundred calls of each kind, polls included."""
    for method in ("getUpdates", *OUTGOING):
        server.faults.fail(method, status=502, description="Bad Gateway", times=300)


def fills(books: Books) -> list[Any]:
    return [fill for fill in books.fills() if fill[0] < UNTIL]


@pytest.mark.parametrize("trouble", [down, waits_an_hour, bad_gateway])
async def test_the_same_fills_as_on_a_good_day(
    tmp_path: Path, lived: Path, trouble: Callable[[SandboxServer], None]
) -> None:
    """Ten weeks of the market while Telegram fails: each fill of the undisturbed run, and no alert lost or given up."""
    whole = fills(Books(lived))
    assert len(whole) > 5
    async with running(tmp_path, Limits.relaxed(), is_down=trouble is down, start="2000-03-01", speed=0.001) as server:
        trouble(server)
        program_speed(100)
        books = Books(tmp_path)
        await eventually(lambda: books.cursor() > UNTIL)
        program_speed(0.001)
        assert fills(books) == whole
        assert not books.ask("SELECT 1 FROM deliveries WHERE status NOT IN ('waiting', 'delivered')")
        if trouble is waits_an_hour:
            return  # nobody waits that long here: what is owed is stored, and waits
        server.faults.clear()
        server.faults.down = False
        with httpx.Client(base_url=server.url, timeout=60) as http:
            assert "Cash" in said(await asyncio.to_thread(Person(http, ADMIN).say, "/status"))
        await eventually(lambda: not books.ask("SELECT 1 FROM deliveries WHERE status = 'waiting'"))


async def test_a_halt_counts_while_no_answer_can_leave(tmp_path: Path) -> None:
    """429 for an hour, and what is said is done all the same, and stored."""
    async with running(tmp_path, Limits.relaxed(), speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin, books = Person(http, ADMIN), Books(tmp_path)
            await asyncio.to_thread(admin.say, "/status")
            waits_an_hour(server)
            await asyncio.to_thread(admin.send, "/halt no answer")
            await eventually(lambda: books.ask("SELECT 1 FROM trading_states WHERE scope = 'global' AND state = 2"))
            done = [row for row in books.audit() if row[1] == "halt" and "no answer" in row[2]]
            assert len(done) == 1, done


async def test_answers_that_get_lost_run_nothing_twice(tmp_path: Path) -> None:
    """Polls and replies arrive and their answers do not: a pause, a start and a pause again are done in order, each once."""
    async with running(tmp_path, Limits.relaxed(), speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin, books = Person(http, ADMIN), Books(tmp_path)
            server.faults.drop("getUpdates", times=3, after=True)
            server.faults.drop("sendMessage", times=1, after=True)
            for text in ("/pause trend-aapl", "/run trend-aapl", "/pause trend-aapl"):
                await asyncio.to_thread(admin.say, text)
            await handed_over(server)
            await eventually(lambda: not books.ask("SELECT 1 FROM inbox WHERE outcome = ''"))
            done = [row[1] for row in books.audit() if "trend-aapl" in row[2] and "strategy" in row[1]]
            assert done == ["pause strategy", "start strategy", "pause strategy"]
            assert books.strategies()["trend-aapl"] == "paused"


async def test_a_hundred_taps_have_one_effect(tmp_path: Path) -> None:
    """A hundred updates with presses of one button, each with a number of its own: traded again once, told to all."""
    async with running(tmp_path, Limits.relaxed(), speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin, books = Person(http, ADMIN), Books(tmp_path)
            await asyncio.to_thread(admin.say, "/halt")
            question = await asyncio.to_thread(admin.say, "/resume")
            tap(server, question, find(question, "Yes, resume")["data"], ADMIN, range(100))
            await handed_over(server)
            await eventually(lambda: not books.ask("SELECT 1 FROM inbox WHERE outcome = ''"))
            assert [row[1] for row in books.audit() if row[1] == "resume" and row[3] in ("ok", "done")] == ["resume"]
            assert len(books.ask("SELECT 1 FROM alerts WHERE title LIKE '%resumed%'")) == 1


async def handed_over(server: SandboxServer) -> None:
    """Wait until the program has taken every update, twice if it came twice."""
    async with asyncio.timeout(60):
        while server.world.updates.count():
            await asyncio.sleep(0.05)


def tap(server: SandboxServer, message: dict[str, Any], data: str, user: int, numbers: range) -> None:
    """As Telegram would hand us presses of a button that may not be there any more."""
    shown = {"message_id": message["message_id"], "date": message["date"], "text": "old",
             "chat": {"id": message["chat_id"], "type": "private"}}  # fmt: skip
    who = {"id": user, "is_bot": False, "first_name": "Somebody"}
    for number in numbers:
        press = {"id": f"9{user}{number}", "from": who, "message": shown, "chat_instance": "1", "data": data}
        server.world.updates.put("callback_query", press)
    server.world.updates.wake()
