"""`make sandbox LIVE=binance`: the whole program and its page, on the prices of a server that speaks as Binance does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp.abc import ResolveResult

from bot import __main__ as command_line
from bot.sandbox.run import run_sandbox
from bot.sandbox.server import ADMIN
from brokers.network import Network
from core import live_rounds
from core.errors import SettingsError
from tests.databases import sqlite_file
from tests.journeys.person import Person, said
from tests.venues.binance.app import BinanceServer
from tests.venues.loopback import Loopback


class Page:
    """The chat page as a person has it, and what the terminal says."""

    def __init__(self, lines: list[str], http: httpx.Client) -> None:
        self.lines = lines
        self._ada = Person(http, ADMIN.id)

    async def say(self, text: str) -> str:
        return said(await self.answer(text))

    async def answer(self, text: str) -> Any:
        return await asyncio.to_thread(self._ada.say, text)

    async def press(self, message: Any, label: str) -> None:
        await asyncio.to_thread(self._ada.toast, message, label)

    async def until(self, text: str, words: str) -> str:
        """Ask until the answer has these words."""
        async with asyncio.timeout(60):
            while words not in (answer := await self.say(text)):
                await asyncio.sleep(0.2)
        return answer

    async def alerts(self) -> list[str]:
        return [said(each).splitlines()[0] for each in await asyncio.to_thread(self._ada.pushes)]


@asynccontextmanager
async def sandbox(folder: Path, network: Network) -> AsyncIterator[Page]:
    """Started as by hand, but for the network; stopped in good order."""
    sqlite_file(folder / "quarterdeck.sqlite3")  # migrated already: that takes seconds
    lines: list[str] = []
    program = asyncio.create_task(
        run_sandbox(
            port=0, data_dir=folder, speed=None, browser=False, say=lines.append, live="binance", network=network
        )
    )
    try:
        async with asyncio.timeout(60):
            while not any(line.startswith("  prices: ") for line in lines):
                assert not program.done(), program.exception()
                await asyncio.sleep(0.02)
        url = next(line for line in lines if "is ready" in line).split()[-1]
        with httpx.Client(base_url=url, timeout=60) as http:
            yield Page(lines, http)
    finally:
        program.cancel()
        await asyncio.gather(program, return_exceptions=True)


class Cable(Loopback):
    """No name has an address until it is plugged in."""

    is_in = False

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        if not self.is_in:
            raise OSError("Name or service not known")
        return await super().resolve(host, port, family)


async def test_the_paper_account_trades_on_a_venues_prices(tmp_path):
    """Bought from the page at what the venue says now; status, brokers and positions tell whose prices they are."""
    async with BinanceServer() as venue, sandbox(tmp_path, venue.network) as page:
        assert page.lines[-1] == "  prices: live from binance"
        assert "a paper account on live prices of binance; everything is SIMULATED" in page.lines[2]
        assert "live from binance" in await page.say("/status")
        shown = await page.say("/brokers")
        assert "🟢 binance · live · prices only" in shown
        assert "quotes: heard" in shown
        venue.move("BTCUSDT", "51234.5")
        async with asyncio.timeout(60):
            while "51,234.5" not in said(preview := await page.answer("/buy BTC/USDT 0.05")):
                await asyncio.sleep(0.1)
        assert "SIMULATED" in said(preview)
        await page.press(preview, "Buy 0.05")

        async def held() -> str:
            venue.move("BTCUSDT", "51300")
            return await page.say("/positions")

        async with asyncio.timeout(60):
            while "0.05 @" not in (positions := await held()):
                await asyncio.sleep(0.1)
        assert "BTC/USDT" in positions
        assert "51,300" in positions
        assert not venue.journal.all("accepted")  # only prices are the venue's
        told = [each for each in await page.alerts() if "🔴" in each or "🟡" in each]
        assert not [each for each in told if "clock" not in each]  # a busy machine measures that of the venue badly


async def test_a_venue_that_cannot_be_reached_is_told_and_tried_again(tmp_path, monkeypatch, caplog):
    """In the terminal and the page, in plain words; nothing is halted, and with the network it goes on by itself."""
    monkeypatch.setattr(live_rounds, "_VAIN_SECONDS", 0.5)
    async with BinanceServer() as venue:
        cable = Cable(venue.port)
        async with sandbox(tmp_path, Network(resolver=cable, ssl=venue.network.ssl)) as page:
            why = "the venue could not be reached: its name has no address; is this machine online?"
            assert f"  prices: waiting for prices of binance (binance: {why})" in page.lines[-2:]
            assert page.lines[-1].startswith("  without prices nothing trades; they are asked for again and again")
            status = await page.say("/status")
            assert "HALTED" not in status.upper().replace("HALT EVERYTHING", "")
            assert why in status
            assert why in await page.say("/brokers")
            assert "waiting for prices" in await page.say("/health")
            cable.is_in = True
            status = await page.until("/status", "100,000.00 USDT")
            assert "live from binance" in status
            assert "Trading" in status
            assert not [each for each in await page.alerts() if "prices" not in each]
        assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("venue", "words"),
    [("paper", "there is no such venue; there are: binance, "), ("binanse", "no such venue; did you mean binance?")],
)
async def test_what_is_no_venue_is_refused_at_once(tmp_path, venue, words):
    """Before anything is stored."""
    with pytest.raises(SettingsError, match=words):
        await run_sandbox(port=0, data_dir=tmp_path, speed=None, browser=False, say=print, live=venue)
    assert not list(tmp_path.iterdir())


async def test_live_prices_have_their_own_speed(tmp_path):
    with pytest.raises(SettingsError, match="--speed"):
        await run_sandbox(port=0, data_dir=tmp_path, speed=2, browser=False, say=print, live="binance")


@pytest.mark.parametrize("venue", ["binanse", "../up", "a/b"])
def test_the_command_line_refuses_in_a_sentence(tmp_path, monkeypatch, capsys, venue):
    """No directory is left behind."""
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["sandbox", "--live", venue]) == 2
    assert f"--live {venue}: there is no such venue" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_line_and_the_makefile_choose_the_venue(tmp_path, monkeypatch):
    """`make sandbox LIVE=binance` is `quarterdeck sandbox --live binance`, in a data directory of its own."""
    given: dict[str, Any] = {}

    async def noted(**options: Any) -> None:
        given.update(options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.sandbox.run.run_sandbox", noted)
    assert command_line.main(["sandbox", "--live", "binance", "--no-browser"]) == 0
    assert (given["live"], given["data_dir"].name) == ("binance", "sandbox-binance")
    makefile = Path(command_line.__file__).parents[1] / "Makefile"
    assert "quarterdeck sandbox $(if $(LIVE),--live $(LIVE)) $(ARGS)" in makefile.read_text()


_PLAIN = """
import asyncio, sys
from pathlib import Path
from bot.__main__ import main
from bot.sandbox import run

async def started(**options):
    lines = []
    program = asyncio.create_task(plain(**{**options, "say": lines.append}))
    while not any("stop with Ctrl-C" in line for line in lines):
        assert not program.done(), program.exception()
        await asyncio.sleep(0.05)
    foreign = ("ccxt", "aiohttp", "brokers.ccxt", "brokers.adapters.")
    found = {name for name in sys.modules if name.startswith(foreign)} - {"brokers.adapters.paper"}
    program.cancel()
    await asyncio.gather(program, return_exceptions=True)
    print(sorted(found))

plain, run.run_sandbox = run.run_sandbox, started
main(["sandbox", "--no-browser", "--port", "0", "--data-dir", sys.argv[1]])
"""


def test_a_sandbox_on_history_loads_nothing_of_any_venue(tmp_path):
    """Neither time nor memory: not when it starts, and not while it runs."""
    sqlite_file(tmp_path / "quarterdeck.sqlite3")
    command = [sys.executable, "-c", _PLAIN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
