"""A loss, an alert, an answer: the whole program in the test's loop, three people in their chats, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import Limits, SandboxServer
from brokers.market import Bar
from core.market.replay import BarBatch
from core.store.models import AlertRow, AuditLine, DeliveryRow
from tests.databases import sqlite_file
from tests.journeys.person import Message, Person, labels, said
from tests.journeys.sandbox import ADMIN, TRADER, VIEWER

OVER = {
    "market": {"speed": 0.001, "symbols": ["AAPL", "IBM", "MSFT"]},
    "strategies": [],
    "alerts": {"escalation": {"repeat_seconds": 600, "next_person_seconds": 1200, "every_seconds": 1200}},
    "security": {"orders_per_10_seconds": 100, "looks_per_minute": 600, "commands_per_minute": 600},
}


QUICK = {"escalation": {"repeat_seconds": 5, "next_person_seconds": 10, "every_seconds": 10}}


class Desk:
    """An admin, a trader and a viewer, and the program that they share."""

    def __init__(self, program: Program, http: httpx.Client) -> None:
        self.program = program
        self.people = {number: Person(http, number) for number in (ADMIN, TRADER, VIEWER)}
        self.admin, self.trader, self.viewer = self.people.values()

    async def trades_at(self, price: int) -> None:
        """A day passes in which AAPL has this one price."""
        rounds = self.program.engine.rounds
        async with rounds.between():
            at = self.program.engine.trading_clock.now() + timedelta(days=1)
            bar = Bar("AAPL", at, *[Decimal(price)] * 4, Decimal(1_000_000))
            await rounds.process(BarBatch(at, 0, {"AAPL": bar}))

    async def loss(self) -> None:
        """A fifth of the account in one symbol, which loses a half of its price."""
        await self.trades_at(100)
        preview = await asyncio.to_thread(self.trader.say, "/buy AAPL 200")
        await asyncio.to_thread(self.trader.press, preview, "✅")
        await self.trades_at(100)
        await self.trades_at(50)
        await self.program.engine.sweep()

    async def push(self, person: Person, words: str) -> Message:
        return await asyncio.to_thread(person.wait_for_push, words)

    async def shows(self, person: Person, message: Message, words: str) -> Message:
        """Wait until a message says this."""

        def look() -> Message | None:
            found = person.look(message["message_id"])
            return found if words in said(found) else None

        return await eventually(look, f"{words!r} in {said(message)!r}")


async def eventually(look: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    for _ in range(round(seconds / 0.05)):
        if found := await asyncio.to_thread(look):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never came true: {what}")


@asynccontextmanager
async def desk(folder: Path, server: SandboxServer, **over: Any) -> AsyncIterator[Desk]:
    program = Program(sandbox_settings(folder, server, {**OVER, **over}), budget=UNPACED, durable=False)
    await program.start()
    try:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            await asyncio.sleep(0.1)
            yield Desk(program, http)
    finally:
        await program.stop()


@asynccontextmanager
async def telegram(folder: Path) -> AsyncIterator[SandboxServer]:
    sqlite_file(folder / "quarterdeck.sqlite3")
    server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_breach_is_told_to_three_and_answered_by_one(tmp_path: Path) -> None:
    """Everyone's copy shows who; reminders end; a second answer is a toast; the viewer never had the keys."""
    async with telegram(tmp_path) as server, desk(tmp_path, server) as here:
        await here.loss()
        copies = {person: await here.push(person, "HALTED") for person in here.people.values()}
        assert [label for label in labels(copies[here.viewer]) if "Ack" in label or "💤" in label] == []
        pressed, toast = await asyncio.gather(
            asyncio.to_thread(here.trader.toast, copies[here.trader], "Acknowledge"),
            asyncio.to_thread(here.admin.toast, copies[here.admin], "Acknowledge"),
        )
        toasts = sorted(str(each["text"])[:1] for each in (pressed, toast))
        assert toasts == ["⚠", "✅"]
        row = await AlertRow.filter(severity="CRITICAL").first()
        assert row is not None
        for person, message in copies.items():
            shown = await here.shows(person, message, f"✅ Acknowledged by {row.answered_by} at")
            assert not [label for label in labels(shown) if "Acknowledge" in label]
        assert await AuditLine.filter(action="acknowledged", outcome="ok").count() == 1
        assert await AuditLine.filter(action="acknowledged", outcome="no change").count() == 1
        details = said(await asyncio.to_thread(here.viewer.say, f"/alert {row.id}"))
        assert f"Acknowledged by {row.answered_by}" in details
        assert details.count("by telegram: delivered") == 3


async def test_keeping_things_back_from_chat(tmp_path: Path) -> None:
    """By a word or by buttons, with an end, seen by everyone; what it kept back is told."""
    async with telegram(tmp_path) as server, desk(tmp_path, server) as here:
        engine, admin = here.program.engine, here.admin
        assert "#1: kind job until" in said(await asyncio.to_thread(admin.say, "/mute job 2h too many of them"))
        await here.push(here.viewer, "Muted: kind job until")
        await engine.alerts.add(_news("job"))
        listed = await asyncio.to_thread(here.viewer.say, "/mutes")
        assert "too many of them" in said(listed)
        assert "Kept back: job 1" in said(listed)
        assert "#1 is over" in said(await asyncio.to_thread(admin.say, "/unmute 1"))
        assert "It kept back 1 alerts: job 1." in said(await here.push(here.trader, "Over: mute of kind job"))
        assert "maintenance of paper until" in said(await asyncio.to_thread(admin.say, "/maintenance 30m cables paper"))
        await engine.alerts.add(_news("drift", account="paper"))
        assert "#2 is over" in said(await asyncio.to_thread(admin.say, "/unmute 2"))
        await here.push(here.trader, "News of drift")
        assert "There is no kind" in said(await asyncio.to_thread(admin.say, "/mute nonsense 2h why"))
        assert await AuditLine.filter(action__startswith="begin ").count() == 2


def _news(kind: str, account: str = "") -> Any:
    from core.alerts.channel import Severity
    from core.alerts.outbox import Alert

    return Alert(kind, Severity.WARNING, f"News of {kind}", account=account)


async def test_a_restart_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    """Raised and repeated by one life of the program, snoozed and acknowledged in the next, shown in all copies."""
    async with telegram(tmp_path) as server:
        async with desk(tmp_path, server, alerts=QUICK) as before:
            alert = (await before.program.engine.alerts.add(_grave())).id
            first = await before.push(before.trader, "Venue away")
            again = await before.push(before.admin, "reminder 1")
            async with asyncio.timeout(60):  # until it is noted: else the next life would send it once more
                while await DeliveryRow.filter(status="waiting").exists():
                    await asyncio.sleep(0.05)
        async with desk(tmp_path, server, alerts=QUICK) as here:
            await asyncio.to_thread(here.trader.toast, first, "1 h")
            await here.shows(here.admin, again, "💤 Snoozed by")
            await asyncio.to_thread(here.admin.say, f"/ack {alert}")
            for person, message in ((here.trader, first), (here.admin, again)):
                await here.shows(person, message, "✅ Acknowledged by")
            assert await DeliveryRow.filter(alert_id=alert, status="waiting").count() == 0
            assert await here.program.engine.alerts.close("venue:paper", "the venue answers again") == 1
            await here.shows(here.admin, again, "the venue answers again")


def _grave() -> Any:
    from core.alerts.channel import Severity
    from core.alerts.outbox import Alert

    return Alert("connection", Severity.CRITICAL, "Venue away", "No answer for 30 s.", key="venue:paper")
