"""Runs the sandbox: an embedded Bot API server with a chat page, and the real program talking to it."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.pacing import Budget
from bot.program import Program
from bot.sandbox.choosing import chosen, raw_settings, remember, remembered
from bot.sandbox.server import PortInUse, SandboxServer
from brokers.network import OPEN, Network
from core.checking import check_deeply
from core.errors import SettingsError
from core.settings import Settings, merge, parse_settings

# The sandbox's server has Telegram's own limits; against ourselves we need not hold back further.
UNPACED = Budget(1000, 1000, 0, 1000, 1000, 0, 1000, 1000, 0)


def sandbox_settings(data_dir: Path, server: SandboxServer, over: dict[str, Any], venue: str = "") -> Settings:
    """The sandbox's settings, `over` laid over them; on live prices, if a `venue` is named. Raises `SettingsError`."""
    telegram = {
        "token": server.token,
        "base_url": server.bot_base_url,
        "base_file_url": server.file_base_url,
        "poll_seconds": 20,
    }
    raw = merge(raw_settings(venue), {"telegram": telegram, "data_dir": data_dir})
    return parse_settings(merge(raw, over))


def stored_settings(data_dir: Path) -> Settings:
    """The settings of a sandbox that does not run, to look at what it has stored. Raises `SettingsError`."""
    if not data_dir.is_dir():
        raise SettingsError([f"{data_dir}: there is no such data directory"])
    return sandbox_settings(data_dir, SandboxServer(data_dir=data_dir), {}, remembered(data_dir))


async def run_sandbox(
    *,
    port: int,
    data_dir: Path,
    speed: float | None,
    browser: bool,
    say: Callable[[str], None],
    live: str = "",
    network: Network = OPEN,
) -> None:
    """Run until told to stop. Raises `SettingsError` for a taken port or a used data directory.

    `live` names the venue whose prices it trades on, in place of history; `network` is the way there.
    """
    venue = chosen(data_dir, live)
    if venue and speed is not None:
        raise SettingsError(["--speed: live prices have a speed of their own; leave it out"])
    server = SandboxServer(data_dir=data_dir, port=port)
    try:
        await server.start()
    except PortInUse as error:
        raise SettingsError([f"port {port}: something else listens there; use --port with another number"]) from error
    try:
        over = {} if speed is None else {"market": {"speed": speed}}
        settings = sandbox_settings(data_dir, server, over, venue)
        if venue:
            check_deeply(settings)
            remember(data_dir, venue)
            say(f"Asking {venue} for prices; this takes some seconds.")
            sys.stdout.flush()
        program = Program(settings, network=network)
        await program.start()
        try:
            _announce(server, data_dir, venue, say)
            if venue:
                _tell_of_prices(program, say)
            if browser and _has_screen():
                await asyncio.to_thread(webbrowser.open, server.url)
            await program.until_told()
        finally:
            await program.stop()
    finally:
        await server.stop()


def _has_screen() -> bool:
    """Whether a browser window can open: without a screen `webbrowser` would start one in the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _tell_of_prices(program: Program, say: Callable[[str], None]) -> None:
    """That there are none is no error: it is tried again, and the page says how it stands."""
    rounds = program.engine.rounds
    say(f"  prices: {rounds.status}")
    if not rounds.has_prices:
        say("  without prices nothing trades; they are asked for again and again, and /status says how it stands")
    sys.stdout.flush()


def _announce(server: SandboxServer, data_dir: Path, venue: str, say: Callable[[str], None]) -> None:
    say(f"Quarterdeck sandbox is ready: {server.url}")
    market = f"live prices of {venue}" if venue else "market history of 2000"
    say(f"  a paper account on {market}; everything is SIMULATED")
    say(f"  bot token of this run: {server.token}")
    say(f"  data: {data_dir}   console: quarterdeck console --data-dir {data_dir}")
    say("  stop with Ctrl-C; start again with the same data to go on where it was")
    sys.stdout.flush()
