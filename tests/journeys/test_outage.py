"""Telegram out of reach, in conflict, or telling us to wait. Program and server run in the test's own loop."""

import asyncio
import time
from collections.abc import Callable

import httpx

from bot.sandbox.server import Limits
from tests.journeys.books import Books
from tests.journeys.inside import running
from tests.journeys.person import Person, said
from tests.journeys.sandbox import ADMIN, TRADER, VIEWER

SIGNS = {"🔴": 2, "🟡": 1, "🔹": 0}


async def eventually(true: Callable[[], bool], seconds: float = 80) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)


async def test_trading_and_risk_go_on_and_no_alert_is_lost(tmp_path):
    """The crash comes while Telegram is down; afterwards the gravest news comes first, and all of it."""
    async with running(tmp_path, Limits.relaxed(), start="2000-08-21T00:00:00Z", speed=0.001) as server:
        books = Books(tmp_path)
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin, viewer = Person(http, ADMIN), Person(http, VIEWER)
            assert "Trading" in said(await asyncio.to_thread(admin.say, "/status"))
            marks = {person: await asyncio.to_thread(person.seq) for person in (admin, viewer)}
            server.faults.down = True
            program_speed(100)
            await eventually(lambda: books.cursor() > "2000-10-05")
            assert books.ask("SELECT state FROM trading_states WHERE scope = 'account:paper'") == [(2,)]
            assert not await asyncio.to_thread(admin.pushes, marks[admin])
            server.faults.down = False
            await eventually(lambda: not books.ask("SELECT 1 FROM deliveries WHERE status = 'waiting'"))
            assert not books.ask("SELECT 1 FROM deliveries WHERE status <> 'delivered'")
            for person, mark in marks.items():
                pushes = await asyncio.to_thread(person.pushes, mark)
                ranks = [SIGNS[said(one)[0]] for one in pushes]
                assert ranks[0] == 2, [said(one)[:60] for one in pushes]
                late = len(ranks) - 1 - ranks[::-1].index(2)
                assert all(rank == 2 for rank in ranks[: late + 1]), ranks
                told = "\n".join(said(one) for one in pushes)
                assert "RISK BREACH" in told
                assert "Bought" in told


def program_speed(speed: float) -> None:
    """Let the replay of this loop's program go at another pace."""
    import gc

    from core.market.replay import ReplayFeed

    for feed in (each for each in gc.get_objects() if isinstance(each, ReplayFeed)):
        feed.speed = speed


async def test_a_second_poller_is_reported(tmp_path):
    """Somebody else uses our token: everyone hears of it, and our own commands work again afterwards."""
    async with running(tmp_path, Limits.relaxed(), speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin = Person(http, ADMIN)
            await asyncio.to_thread(admin.say, "/status")
            url = f"{server.bot_base_url}{server.token}/getUpdates"
            await asyncio.to_thread(http.get, url, params={"timeout": 1})
            push = await asyncio.to_thread(admin.wait_for_push, "telegram conflict")
            assert "Another program uses this bot token" in said(push)
            assert said(push).startswith("🔴")
            assert "Cash" in said(await asyncio.to_thread(admin.say, "/status"))


async def test_one_slow_chat_delays_no_other(tmp_path):
    """Telegram says 429 in one chat: the others are answered at once, and this one when its time has come."""
    limits = Limits(chat_burst=6, chat_per_second=0.2, overall_burst=1000, overall_per_second=1000)
    async with running(tmp_path, limits, speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin, trader = Person(http, ADMIN), Person(http, TRADER)
            url = f"{server.bot_base_url}{server.token}/sendMessage"
            while (await asyncio.to_thread(http.post, url, json={"chat_id": ADMIN, "text": "x"})).status_code == 200:
                pass
            slow = asyncio.create_task(asyncio.to_thread(timed, admin))
            await asyncio.sleep(0.2)
            quick = [await asyncio.to_thread(timed, trader) for _ in range(2)]
            assert not slow.done(), quick
            assert 1.0 < await slow < 60.0


def timed(person: Person) -> float:
    begun = time.monotonic()
    after = person.seq()
    person.send("/status")
    person.wait(lambda one: "Cash" in said(one["message"]), after)
    return time.monotonic() - begun
