"""The whole program in the test's own loop: halting whatever breaks, resuming, the flag, stopping."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tortoise import connections

from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import Limits, SandboxServer
from core.access.roles import Actor, Role
from core.engine import Engine
from core.halt_flag import HALT_FLAG, HaltFlag
from core.service import Quarterdeck
from core.store import control as switch_store
from core.store.models import AlertRow, AuditLine, KillRow, TradingStateRow
from core.trading.sweep import Errand, Fate, SweepReport, Swept
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.databases import sqlite_file

ADA, TOM = Actor("1", "Ada", Role.ADMIN), Actor("2", "Tom", Role.TRADER)
STILL = {"market": {"speed": 0.001}}


class Stage:
    """An engine and its service, without a chat."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.service = engine, Quarterdeck(engine)

    @property
    def state(self) -> TradingState:
        return self.engine.switch.state(GLOBAL)

    async def stored(self) -> tuple[int, int, int]:
        """Stored state, halts in the audit trail, alerts of halts."""
        row = await TradingStateRow.get_or_none(scope=GLOBAL)
        audit, alerts = await AuditLine.filter(action="halt").count(), await AlertRow.filter(kind="halt").count()
        return (-1 if row is None else row.state, audit, alerts)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    sqlite_file(tmp_path / "quarterdeck.sqlite3")  # migrated already
    engine = Engine(sandbox_settings(tmp_path, SandboxServer(data_dir=tmp_path), STILL), durable=False)
    await engine.start()
    yield Stage(engine)
    await engine.stop()


# --- halting -------------------------------------------------------------------------------------------


async def test_a_halt_is_told_in_one_commit_before_anything_is_cancelled(stage: Stage) -> None:
    """A crash while cancelling leaves nobody untold."""
    seen = []

    async def sweep(_: Errand) -> SweepReport:
        seen.append((await stage.stored(), await KillRow.all().count()))
        return SweepReport("paper")

    stage.engine.floor.first.sweeper.sweep = sweep  # type: ignore[method-assign]
    assert (await stage.service.halt(TOM, "enough\n\ud800")).ok
    assert seen == [((TradingState.HALTED, 1, 1), 1)]
    assert await KillRow.all().count() == 0


async def test_a_halt_whose_alert_cannot_be_stored_is_stored_all_the_same_and_told_later(stage: Stage) -> None:
    """Whatever fails beside it, a restart does not trade; the audit line and the alert follow as soon as they can."""
    add = stage.engine.alerts.add

    async def broken(*_: Any) -> Any:
        raise OSError("disk full")

    stage.engine.alerts.add = broken  # type: ignore[method-assign]
    result = await stage.service.halt(TOM, "enough")
    assert (result.ok, stage.state) == (False, TradingState.HALTED)
    assert "could NOT be stored (OSError): the file HALT holds it" in result.message
    assert await stage.stored() == (TradingState.HALTED, 0, 0)
    stage.engine.alerts.add = add  # type: ignore[method-assign]
    await stage.engine.sweep()
    assert await stage.stored() == (TradingState.HALTED, 1, 1)


async def test_a_halt_works_with_a_database_that_cannot_be_written(stage: Stage, tmp_path: Path) -> None:
    """In memory at once, orders cancelled, and stored with everybody told as soon as it can be; twice is fine."""
    swept = []
    sweep = stage.engine.floor.first.sweeper.sweep

    async def watched(errand: Errand) -> SweepReport:
        swept.append(errand.reason)
        return await sweep(errand)

    stage.engine.floor.first.sweeper.sweep = watched  # type: ignore[method-assign]
    database = connections.get("default")
    await database.execute_query("PRAGMA query_only = ON")
    for _ in range(2):
        assert "could NOT be stored" in (await stage.service.halt(TOM, "enough")).message
    assert stage.state is TradingState.HALTED
    assert swept == ["halt: enough"] * 2
    assert not stage.engine.switch.is_saved(GLOBAL)
    assert (tmp_path / HALT_FLAG).read_text() == "enough\n"  # so a restart begins halted
    await database.execute_query("PRAGMA query_only = OFF")
    await stage.engine.switch.save()
    assert await stage.stored() == (TradingState.HALTED, 2, 1)
    assert stage.engine.switch.is_saved(GLOBAL)


async def test_a_halt_with_a_disk_that_hangs_cancels_after_a_second(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venues do not wait for a commit that never returns; and the answer does not either."""
    monkeypatch.setattr("core.actions.halting._DISK_SECONDS", 0.05)
    hanging, swept = asyncio.Event(), []
    put = switch_store.put_trading_state

    async def hangs(*values: Any) -> None:
        await hanging.wait()
        await put(*values)

    async def sweep(errand: Errand) -> SweepReport:
        swept.append(stage.state)
        return SweepReport("paper")

    monkeypatch.setattr("core.trading.switch.put_trading_state", hangs)
    stage.engine.floor.first.sweeper.sweep = sweep  # type: ignore[method-assign]
    result = await asyncio.wait_for(stage.service.halt(TOM, "enough"), 30)
    assert "could NOT be stored (TimeoutError)" in result.message
    assert swept == [TradingState.HALTED]
    hanging.set()
    await until(lambda: stage.engine.switch.is_saved(GLOBAL))
    assert await stage.stored() == (TradingState.HALTED, 1, 1)


async def test_a_halt_says_what_is_still_held_and_names_orders_as_people_know_them(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by raw numbers; what may be open comes first; and how to get out."""
    orders = (
        Swept("Buy 100 AAPL", Fate.CANCELLED),
        Swept("Sell 5 MSFT", Fate.UNKNOWN, "refused"),
        Swept("Buy 1 IBM", Fate.FILLED),
    )

    async def sweep(_: Errand) -> SweepReport:
        return SweepReport("paper", orders, is_empty=False)

    portfolio = stage.engine.floor.first.portfolio
    monkeypatch.setattr(type(portfolio), "held", lambda _: {"AAPL": Decimal("1200.0"), "MSFT": Decimal(-30)})
    stage.engine.floor.first.sweeper.sweep = sweep  # type: ignore[method-assign]
    result = await stage.service.halt(TOM, "")
    monkeypatch.undo()
    assert not result.ok
    assert result.message.startswith("Trading is HALTED. KILL INCOMPLETE: paper.")
    assert result.lines == (
        "🔴 paper: KILL INCOMPLETE (1 cancelled, 1 filled meanwhile, 1 may still be open)",
        "🔴 Sell 5 MSFT: refused",
        "Positions still open, their stops cancelled: +1,200 AAPL, -30 MSFT; /flatten closes them, also while halted.",
        "Buy 100 AAPL: cancelled",
        "Buy 1 IBM: filled meanwhile",
    )


# --- resuming ------------------------------------------------------------------------------------------


async def test_a_resume_never_overwrites_a_newer_halt(stage: Stage) -> None:
    """Somebody halts again, for another reason, while books and venue are being compared."""
    await stage.service.halt(TOM, "first")
    reconcile = stage.engine.reconcile

    async def halted_meanwhile(*account: str) -> Any:
        found = await reconcile(*account)
        await stage.service.halt(TOM, "second")
        return found

    stage.engine.reconcile = halted_meanwhile  # type: ignore[method-assign]
    result = await stage.service.resume(ADA)
    assert not result.ok
    assert "Still halted" in result.message
    assert stage.engine.switch.settings[GLOBAL].reason == "second"
    await stage.engine.switch.load()
    assert stage.state is TradingState.HALTED
    stage.engine.reconcile = reconcile  # type: ignore[method-assign]
    assert (await stage.service.resume(ADA)).ok
    assert stage.state is TradingState.ACTIVE
    assert [row.outcome for row in await AuditLine.filter(action="resume").order_by("seq")] == ["refused", "ok"]
    assert await AlertRow.filter(kind="resume").count() == 1
    since = (await stage.service.overview()).measured_since
    assert since
    await stage.service.halt(TOM, "third")
    assert (await stage.service.risk()).measured_since == since


@pytest.mark.parametrize("moment", ["before the write", "before the commit"])
async def test_a_halt_in_the_middle_of_relaxing_rolls_it_back(
    stage: Stage, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for a moment does the disk say ACTIVE; and nobody is told that trading has resumed."""
    switch = stage.engine.switch
    await switch.set(GLOBAL, TradingState.HALTED, "first", "x")
    seen = switch.settings[GLOBAL]
    halts: list[asyncio.Task[None]] = []

    async def halt() -> None:
        halts.append(asyncio.create_task(switch.set(GLOBAL, TradingState.HALTED, "second", "x")))
        await asyncio.sleep(0)

    async def along() -> None:
        if moment == "before the commit":
            await halt()

    if moment == "before the write":
        await halt()
    assert not await switch.relax(GLOBAL, seen, "Ada", along)
    await asyncio.gather(*halts)
    assert switch.settings[GLOBAL].reason == "second"
    assert (await TradingStateRow.get(scope=GLOBAL)).reason == "second"


# --- the flag ------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Program]:
    sqlite_file(folder / "quarterdeck.sqlite3")  # migrated already
    server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed())
    await server.start()
    try:
        program = Program(sandbox_settings(folder, server, STILL), budget=UNPACED, durable=False)
        await program.start()
        try:
            yield program
        finally:
            await program.stop()
    finally:
        await server.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def test_the_flag_is_a_kill_switch_of_the_running_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Obeyed within moments, each time; a resume is not undone by a flag that was obeyed."""
    monkeypatch.setattr("bot.program._FLAG_SECONDS", 0.02)
    flag = tmp_path / HALT_FLAG
    async with running(tmp_path) as program:
        switch = program.engine.switch
        for reason in ("by hand", "once more"):
            HaltFlag(tmp_path).leave(reason)
            await until(lambda: not flag.exists())
            assert switch.state(GLOBAL) is TradingState.HALTED
            assert switch.settings[GLOBAL].reason == reason
            assert (await program.service.resume(ADA)).ok
        async with asyncio.timeout(30):
            while await AuditLine.filter(action="halt").count() < 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert switch.state(GLOBAL) is TradingState.ACTIVE
        assert {row.detail for row in await AuditLine.filter(action="halt")} == {"by hand", "once more"}


async def test_a_flag_that_cannot_be_removed_or_read_halts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it is there is enough; it is not obeyed every second."""
    monkeypatch.setattr("bot.program._FLAG_SECONDS", 0.02)
    async with running(tmp_path) as program:
        (tmp_path / HALT_FLAG).mkdir()
        await until(lambda: program.engine.switch.state(GLOBAL) is TradingState.HALTED)
        async with asyncio.timeout(30):
            while not await AuditLine.filter(action="halt").exists():
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert await AuditLine.filter(action="halt").count() == 1


async def test_a_flag_that_could_not_be_stored_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start must know of it; it goes once the halt is stored."""
    monkeypatch.setattr("bot.program._FLAG_SECONDS", 0.02)
    async with running(tmp_path) as program:
        database = connections.get("default")
        await database.execute_query("PRAGMA query_only = ON")
        HaltFlag(tmp_path).leave("full disk")
        await until(lambda: program.engine.switch.state(GLOBAL) is TradingState.HALTED)
        await until(lambda: program.engine.halt_flag.news() is None)
        await asyncio.sleep(0.1)
        assert (tmp_path / HALT_FLAG).exists()
        await database.execute_query("PRAGMA query_only = OFF")
        await until(lambda: not (tmp_path / HALT_FLAG).exists())
        assert (await TradingStateRow.get(scope=GLOBAL)).state == TradingState.HALTED


async def test_a_flag_before_the_first_start_of_all(tmp_path: Path) -> None:
    """Begins halted; its alert is of this year, although the market has no time yet. Odd bytes are no obstacle."""
    (tmp_path / HALT_FLAG).write_bytes(b"\xff too risky")
    async with running(tmp_path) as program:
        assert program.engine.switch.state(GLOBAL) is TradingState.HALTED
        assert not (tmp_path / HALT_FLAG).exists()
        (alert,) = await AlertRow.filter(kind="halt")
        assert alert.market_at == alert.at
        assert "too risky" in alert.body
        assert await AuditLine.filter(action="halt").count() == 1


# --- parts and stopping --------------------------------------------------------------------------------


async def test_the_parts_of_the_chat_are_in_the_health_screen(tmp_path: Path) -> None:
    """With words that say how they are."""
    async with running(tmp_path) as program:
        rows = {row.part: row for row in await program.service.health()}
        for name in ("chat worker", "chat polling", "chat live status", "chat command lists", "halt flag", "outbox"):
            assert (rows[name].ok, rows[name].detail) == (True, "running")
        assert not any(part.startswith("part ") for part in rows)


async def test_a_part_that_fails_to_stop_keeps_no_other_from_it(tmp_path: Path) -> None:
    """The books are closed and the lock is let go; the error is not swallowed."""
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await server.start()
    program = Program(sandbox_settings(tmp_path, server, STILL), budget=UNPACED, durable=False)
    await program.start()
    stop = program.chat.worker.stop, program._console.stop

    async def fails(which: Any) -> None:
        await which()
        raise OSError("no")

    program.chat.worker.stop = lambda: fails(stop[0])  # type: ignore[method-assign]
    program._console.stop = lambda: fails(stop[1])  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no"):
        await program.stop()
    assert program.engine.supervisor.parts == ()
    assert not program.engine.floor.first.broker.is_connected
    again = Program(sandbox_settings(tmp_path, server, STILL), budget=UNPACED, durable=False)
    await again.start()
    await again.stop()
    await server.stop()


async def test_signals_are_ours_only_while_we_wait_for_them(tmp_path: Path) -> None:
    """So that a second Ctrl-C ends a program that does not stop by itself."""
    before = signal.getsignal(signal.SIGTERM)
    async with running(tmp_path) as program:
        waiting = asyncio.create_task(program.until_told())
        await until(lambda: signal.getsignal(signal.SIGTERM) is not before)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(waiting, 30)
        assert signal.getsignal(signal.SIGTERM) == before
