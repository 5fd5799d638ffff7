"""The terminal: same commands, numbered buttons, y/N, a socket of its own, and a halt that always works."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from bot.console import ConsoleSession
from bot.console_server import ConsoleClient, ConsoleServer, NotRunning, halt, send_line, socket_path
from core.halt_flag import HALT_FLAG
from tests.bot.stage import Stage


def session(stage: Stage) -> ConsoleSession:
    return ConsoleSession(stage.dispatcher, stage.keyboards, stage.clock)


async def test_commands_with_and_without_a_slash() -> None:
    """Buttons are numbered and can be typed."""
    stage = Stage()
    terminal = session(stage)
    shown = await terminal.run("menu")
    assert "[1] 📊 Status" in shown
    assert "Cash" in await terminal.run("1")
    assert "no such choice" in await terminal.run("99")
    assert "Halted" in await terminal.run("/halt enough")
    assert stage.service.calls == [("halt", "enough", "console")]


@pytest.mark.parametrize(("reply", "calls"), [("y", 1), ("YES", 1), ("n", 0), ("", 0), ("status", 0)])
async def test_a_question_is_answered_with_y_or_n(reply: str, calls: int) -> None:
    """Anything but yes is no."""
    stage = Stage()
    terminal = session(stage)
    assert "[y/N]" in await terminal.run("flatten")
    await terminal.run(reply)
    await terminal.run("y")
    assert len(stage.service.calls) == calls


async def test_a_late_yes_does_nothing() -> None:
    """The ticket behind y/N expires like any other."""
    stage = Stage()
    terminal = session(stage)
    await terminal.run("flatten")
    stage.clock.advance(61)
    await terminal.run("y")
    assert stage.service.calls == []


async def test_over_the_socket(tmp_path: Path) -> None:
    """Owner only; nonsense is answered; the file goes away at the end."""
    stage = Stage()
    server = ConsoleServer(tmp_path, lambda: session(stage))
    await server.start()
    assert stat.S_IMODE(socket_path(tmp_path).stat().st_mode) == 0o600
    assert "SIMULATED" in await send_line(tmp_path, "status")
    assert "Halted" in await halt(tmp_path, "from a shell")
    reader, writer = await asyncio.open_unix_connection(socket_path(tmp_path))
    writer.write(b"nonsense\n")
    assert b"understand" in await reader.readline()
    client = await ConsoleClient.connect(tmp_path)
    await client.send("status")
    await server.stop()
    with pytest.raises(NotRunning):
        await client.send("status")
    await client.close()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert not socket_path(tmp_path).exists()


async def test_a_halt_without_an_instance_leaves_a_flag(tmp_path: Path) -> None:
    """And says so; anything else says that nothing runs."""
    with pytest.raises(NotRunning, match="nothing was halted"):
        await halt(tmp_path / "mistyped", "power cut")
    assert not (tmp_path / "mistyped").exists()
    (tmp_path / "data").mkdir()
    said = await halt(tmp_path / "data", "power cut")
    assert "next start begins halted" in said
    assert (tmp_path / "data" / HALT_FLAG).read_text() == "power cut\n"
    with pytest.raises(NotRunning):
        await send_line(tmp_path, "status")


async def test_a_stale_socket_counts_as_not_running(tmp_path: Path) -> None:
    """After kill -9 the file is still there; the next start replaces it."""
    stage = Stage()
    first = ConsoleServer(tmp_path, lambda: session(stage))
    await first.start()
    assert first._server
    first._server.close()
    await first._server.wait_closed()
    if not socket_path(tmp_path).exists():
        socket_path(tmp_path).touch()
    assert "HALT" in await halt(tmp_path)
    second = ConsoleServer(tmp_path, lambda: session(stage))
    await second.start()
    assert "SIMULATED" in await send_line(tmp_path, "status")
    await second.stop()


async def test_a_very_long_data_directory(tmp_path: Path) -> None:
    """A socket's path holds about a hundred bytes."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    stage = Stage()
    server = ConsoleServer(deep, lambda: session(stage))
    await server.start()
    assert "SIMULATED" in await send_line(deep, "status")
    await server.stop()
