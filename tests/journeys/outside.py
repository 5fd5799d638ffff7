"""What lies outside the program and outlives it: a Binance in a process of its own, Telegram, and the time of day."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx

from bot.sandbox.server import Limits, SandboxServer
from tests.databases import sqlite_file
from tests.journeys.nursery import Program, die_with_us
from tests.journeys.person import Person
from tests.journeys.sandbox import ROOT, environment, nursery
from tests.venues.binance import journal
from tests.venues.binance.control import tell
from tests.venues.binance.journal import Entry

_START_SECONDS = 30.0


class TimeOfDay:
    """How far the clocks of program, venue and Telegram are ahead of this machine's: so a minute need not be waited for.

    It lies in a file that the program maps; see `sandbox_with.py`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + float(struct.unpack("d", self._shared)[0])

    def pass_to(self, second: float, venue: Venue) -> None:
        """Go on to that second of a minute, everywhere."""
        ahead = self.now() - time.time() + (second - self.now()) % 60
        venue.tell("clock", offset_ms=round(ahead * 1000))
        self._shared[:] = struct.pack("d", ahead)


class Venue:
    """`python -m tests.venues.binance`: the venue, with a journal of what really happened there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.venues.binance", "--dir", str(folder)],
            stdout=subprocess.PIPE, cwd=ROOT, env=environment(), start_new_session=True,
            preexec_fn=die_with_us,  # noqa: PLW1509 - one system call
        )  # fmt: skip
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self._control: int = told["control"]
        self.keys: dict[str, tuple[str, str]] = {mode: tuple(pair) for mode, pair in told["keys"].items()}

    def tell(self, do: str, **told: Any) -> Any:
        """A command of `tests.venues.binance.control`."""
        return tell(self._control, do, **told)

    def move(self, price: str, symbol: str = "BTCUSDT") -> None:
        """The price is another one now."""
        self.tell("move", symbol=symbol, price=price)

    def journal(self, kind: str = "", **facts: Any) -> list[Entry]:
        """What really happened."""
        found = [each for each in journal.read(self.folder) if kind in {"", each.kind}]
        return [each for each in found if all(each.get(name) == value for name, value in facts.items())]

    def asked(self, route: str) -> int:
        """How often something was asked of it."""
        return len(self.journal("request", route=route))

    def open_orders(self) -> dict[str, Entry]:
        """The orders that rest there, by our ids."""
        placed = {each["client_id"]: each for each in self.journal("accepted")}
        for over in (*self.journal("cancelled"), *self.journal("expired")):
            placed.pop(over["client_id"], None)
        filled: dict[str, Decimal] = {}
        for each in self.journal("execution"):
            filled[each["client_id"]] = filled.get(each["client_id"], Decimal(0)) + Decimal(each["quantity"])
        return {name: each for name, each in placed.items() if filled.get(name, 0) < Decimal(each["quantity"])}

    def holds(self, asset: str) -> Decimal:
        """What belongs to the account there, free and locked."""
        free, locked = self.tell("balances").get(asset, ("0", "0"))
        return Decimal(free) + Decimal(locked)

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Telegram:
    """The embedded Bot API server on a thread of its own: as in life, it goes on when the program dies."""

    def __init__(self, folder: Path, time_of_day: TimeOfDay) -> None:
        self.server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed(), clock=time_of_day.now)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)

    def close(self) -> None:
        """End it."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class House:
    """`quarterdeck run` on a folder of settings, as its owner would have written them; venue and Telegram around it."""

    def __init__(self, folder: Path, settings: dict[str, Any], *, asset: str = "BTC") -> None:
        self.folder = folder
        self.asset = asset
        folder.mkdir(parents=True, exist_ok=True)
        self.time = TimeOfDay(folder / "ahead")
        self.venue = Venue(folder / "venue")
        self.telegram = Telegram(folder, self.time)
        self.http = httpx.Client(base_url=self.telegram.server.url, timeout=60)
        self.data_dir = folder / "data"
        self.data_dir.mkdir()
        sqlite_file(self.data_dir / "quarterdeck.sqlite3")  # migrated already: that takes seconds
        self._life = 0
        self.program: Program | None = None
        self._write(settings)

    def _write(self, settings: dict[str, Any]) -> None:
        server, (key, secret) = self.telegram.server, self.venue.keys["testnet"]
        bot_api = {"base_url": server.bot_base_url, "base_file_url": server.file_base_url}
        whole = {"telegram": bot_api, "data_dir": str(self.data_dir), **settings}
        (self.folder / "quarterdeck.yaml").write_text(json.dumps(whole))
        (self.folder / ".env").write_text(
            f"QUARTERDECK_TELEGRAM__TOKEN={server.token}\n"
            f"QUARTERDECK_ACCOUNTS__MAIN__BROKER__API_KEY={key}\n"
            f"QUARTERDECK_ACCOUNTS__MAIN__BROKER__SECRET={secret}\n"
        )

    def start(self) -> Self:
        """Begin, and wait until it answers in chat."""
        self._life += 1
        around = json.dumps({"relaxed": True, "venue": str(self.venue.folder), "ahead": str(self.time.path)})
        self.program = nursery().start(
            ["run", "--config", str(self.folder)],
            environment(JOURNEY=around),
            out=self._log("out"),
            err=self._log("err"),
        )
        return self

    def kill(self) -> None:
        """kill -9."""
        assert self.program is not None
        os.killpg(self.program.pid, signal.SIGKILL)
        self.program.wait(10)
        self.program = None

    def stop(self) -> None:
        """SIGTERM: it ends in good order."""
        assert self.program is not None
        self.program.send_signal(signal.SIGTERM)
        code = self.program.wait(15)
        self.program = None
        assert code == 0, self.log()

    def log(self) -> str:
        """What this life has written to stderr."""
        return self._log("err").read_text(errors="replace")

    def _log(self, kind: str) -> Path:
        return self.folder / f"{self._life}.{kind}"

    def person(self, number: int) -> Person:
        """Somebody in their private chat."""
        return Person(self.http, number)

    def close(self) -> None:
        """However it stands: nothing of it stays."""
        if self.program is not None and self.program.poll() is None:
            self.kill()
        self.http.close()
        self.telegram.close()
        self.venue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
