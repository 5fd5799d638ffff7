"""The harness: a venue of truth, and one life of the program after another on the same data."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from tests.faults.child import Life
from tests.faults.exchange import Exchange, Journal
from tests.faults.faulty_venue import FaultyVenue
from tests.faults.limits import WIDE
from tests.faults.oracle import Oracle, Truth
from tests.faults.venue_server import VenueServer

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("child.py")
PATIENCE = 60.0
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

GOAL = 10
TOLD = ({"name": "told", "kind": "told", "symbols": ["ACME"], "sizing": {"method": "fixed", "units": 10}},)
PROTECTED = ({**TOLD[0], "exits": {"stop_loss": {"percent": 20}}},)


class Template:
    """The process that every life is forked from: importing takes a second, a fork takes none."""

    def __init__(self, log: Path, watch: Sequence[str] = (), child: Path = CHILD) -> None:
        with log.open("a") as out:
            self._process = subprocess.Popen(
                [*watch, sys.executable, str(child)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}, preexec_fn=_die_with_us,  # noqa: PLW1509 - one system call
            )  # fmt: skip
        self._heard = b""

    def fork(self, life: Any) -> int:
        """A new process; its id."""
        assert self._process.stdin is not None
        self._process.stdin.write(life.json().encode() + b"\n")
        self._process.stdin.flush()
        while (said := self._read(1.0)) is None:
            assert self._process.poll() is None, "the template has died"
        return int(said["pid"])

    async def wait(self) -> int:
        """How it ended: an exit code, or minus the signal."""
        while (said := self._read(0.0)) is None:
            await asyncio.sleep(0.002)
        return int(said["code"])

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _read(self, seconds: float) -> dict[str, Any] | None:
        """The next thing that it says, if it does within so long."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        if b"\n" not in self._heard and select.select([pipe], [], [], seconds)[0]:
            self._heard += os.read(pipe, 4096)
        line, end, rest = self._heard.partition(b"\n")
        if not end:
            return None
        self._heard = rest
        return dict(json.loads(line))


def _die_with_us() -> None:
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Lives(ABC):
    """A data directory, and whichever life of the program is running on it. Where the venue is, subclasses say."""

    # An order that rests, for whoever wants to cancel or change one; and what it may become.
    resting: Mapping[str, Any] = {"quantity": "5", "limit": "50"}
    smaller = "4"
    # How long an answer, a start or an end may take.
    patience = PATIENCE

    def __init__(self, folder: Path, template: Template) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.offset = 0.0
        self.life: Life | None = None
        self.broken = ""
        self.pid = 0
        self._template = template
        self._control: asyncio.Server | None = None
        self._ready: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0

    def now(self) -> datetime:
        """The wall's time, moved by hand."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @abstractmethod
    async def settle(self, rounds: int = 8) -> None:
        """The venue is well, the market trades, and wall time passes with a comparison every ten seconds."""

    @abstractmethod
    async def pass_time(self, seconds: float) -> None:
        """So much of it, for everybody; and the market trades. Raises `ConnectionError` if the program dies."""

    @abstractmethod
    async def nudge(self) -> None:
        """Strategies decide now, if they would not do so by themselves."""

    @abstractmethod
    def oracle(self) -> Oracle:
        """Judges the books against the venue."""

    @abstractmethod
    def plan(self, outcome: str) -> None:
        """What the venue makes of the next order."""

    @abstractmethod
    def hush(self) -> None:
        """What became of an order is neither answered nor reported from now on."""

    @abstractmethod
    def heal(self) -> None:
        """From now on everything at the venue works."""

    @abstractmethod
    def has_arrived(self) -> bool:
        """Whether an order has come to the venue, or met a fault on the way."""

    @abstractmethod
    def count(self) -> int:
        """How many orders the venue has taken."""

    @abstractmethod
    def missing(self) -> str:
        """How the venue's position differs from what the strategy was told to want; empty if it does not."""

    @abstractmethod
    def without_stops(self) -> list[str]:
        """What is wrong with the stops at the venue: one, for exactly what is held, is right."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """The settings of the program."""

    async def open(self) -> Self:
        path = self.folder / "control.sock"
        path.unlink(missing_ok=True)
        self._control = await asyncio.start_unix_server(self._meet, path)
        return self

    async def close(self) -> None:
        if self.pid:
            await self.kill()
        assert self._control is not None
        self._control.close()

    # --- lives -------------------------------------------------------------------------------------

    async def begin(self, *, point: str = "", armed: bool = True, number: int = signal.SIGKILL) -> None:
        """Start the program without waiting."""
        assert not self.pid, "it runs already"
        self._ready, self._gone = asyncio.get_running_loop().create_future(), asyncio.Event()
        self.life = Life(
            self._settings(),
            control=str(self.folder / "control.sock"),
            channel=str(self.folder / "alerts.jsonl"),
            marker=str(self.folder / "reached"),
            log=str(self.folder / "log"),
            offset=self.offset,
            point=point,
            armed=armed,
            signal=int(number),
            venue=self._venue_folder(),
            broken=self.broken,
        )
        self.pid = self._template.fork(self.life)

    async def start(self, *, point: str = "", number: int = signal.SIGKILL) -> None:
        """Start the program and wait until it has recovered."""
        await self.begin(point=point, number=number)
        assert self._ready is not None
        gone = asyncio.ensure_future(self._gone.wait())
        await asyncio.wait({self._ready, gone}, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        assert self._ready.done(), f"it does not start: {self.log()[-3000:]}"

    async def ended(self) -> int:
        """Wait for its end."""
        code = await asyncio.wait_for(self._template.wait(), self.patience)
        self.pid = 0
        return code

    async def kill(self, number: int = signal.SIGKILL) -> int:
        """End it; SIGTERM must lead to a good end."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        code = await self.ended()
        if number == signal.SIGTERM:
            assert code == 0, f"exit code {code}: {self.log()[-3000:]}"
        return code

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def reached(self) -> bool:
        """Whether the armed point was met."""
        path = self.folder / "reached"
        return path.exists()

    # --- asking ------------------------------------------------------------------------------------

    async def ask(self, do: str, **more: Any) -> Any:
        """Let the program do something. Raises `ConnectionError` if it dies meanwhile."""
        assert self._writer is not None
        if do == "advance":
            self.offset += more["seconds"]
        self._asked += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = answer
        self._writer.write(json.dumps({"number": self._asked, "do": do, **more}).encode() + b"\n")
        gone = asyncio.ensure_future(self._gone.wait())
        await asyncio.wait({answer, gone}, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not answer.done():
            answer.cancel()
            raise ConnectionError(f"no answer to {do}: {self.log()[-2000:]}")
        return answer.result()

    async def tell(self, do: str, **more: Any) -> None:
        """The same, whether it survives or not."""
        with suppress(ConnectionError, RuntimeError):
            await self.ask(do, **more)

    def want(self, exposure: float) -> None:
        """What the strategy `told` wants from now on; written whole or not at all."""
        part = self.folder / "wish.part"
        part.write_text(str(exposure))
        part.rename(self.folder / "wish")

    def _wishing(self, strategies: Any) -> list[dict[str, Any]]:
        """The strategies; those that do as they are told are told where to look."""
        wish = {"parameters": {"wish": str(self.folder / "wish")}}
        return [{**each, **(wish if each["kind"] == "told" else {})} for each in strategies]

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> bool:
        """Wait for something, or for the end of the process; whether it came."""
        for _ in range(int(seconds / 0.005)):
            if true():
                return True
            if self._gone.is_set():
                return true()
            await asyncio.sleep(0.005)
        return False

    def _venue_folder(self) -> str:
        """Where a venue of its own kind tells how to reach it."""
        return ""

    def _oracle(self, truth: Truth) -> Oracle:
        return Oracle(self.data / "quarterdeck.sqlite3", truth, self.folder / "alerts.jsonl")

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, gone = writer, self._gone
        with suppress(OSError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        gone.set()
        writer.close()

    def _hear(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            assert self._ready is not None
            if not self._ready.done():
                self._ready.set_result(None)
            return
        answer = self._answers.pop(said["number"], None)
        if answer is None or answer.done():
            return
        if "error" in said:
            answer.set_exception(RuntimeError(said["error"]))
        else:
            answer.set_result(said["answer"])


class World(Lives):
    """The venue of truth beside it, behind a unix socket."""

    def __init__(self, folder: Path, template: Template, *, speed: float = 100, strategies: Any = TOLD) -> None:
        super().__init__(folder, template)
        self.exchange = Exchange(self.now, journal=Journal(folder / "truth.jsonl"))
        self.exchange.prices["ACME"] = Decimal(100)
        for each in strategies:
            for symbol in each["symbols"]:
                self.exchange.most[symbol] = self.exchange.most.get(symbol, Decimal(0)) + each["sizing"]["units"]
        self.venue = FaultyVenue(self.exchange)
        self.server = VenueServer(self.venue, folder / "venue.sock")
        self._speed = speed
        self._strategies = strategies

    async def open(self) -> Self:
        _write_bars(self.folder / "bars")
        await self.server.start()
        return await super().open()

    async def close(self) -> None:
        await super().close()
        await self.server.stop()
        self.exchange.journal.close()

    async def settle(self, rounds: int = 8) -> None:
        """The venue is well, the market trades, and seventy seconds of wall time pass with a comparison every ten."""
        self.heal()
        for _ in range(rounds):
            await self.pass_time(10)
            with suppress(RuntimeError):  # a refusal is told by the oracle, if it lasts
                await self.ask("reconcile")
            await asyncio.sleep(0.02)

    async def pass_time(self, seconds: float) -> None:
        for symbol, price in list(self.exchange.prices.items()):
            self.venue.trade(symbol, price)
        await self.ask("advance", seconds=seconds)

    async def nudge(self) -> None:
        """The market that is replayed goes on by itself."""

    def oracle(self) -> Oracle:
        return self._oracle(self.exchange)

    def plan(self, outcome: str) -> None:
        self.venue.script.plan("place", outcome)

    def hush(self) -> None:
        self.server.quiet = True

    def heal(self) -> None:
        self.server.quiet = False
        self.venue.script.heal()

    def has_arrived(self) -> bool:
        return bool(self.exchange.journal.of("received") or self.venue.script.met)

    def count(self) -> int:
        return len(self.exchange.orders)

    def missing(self) -> str:
        held = self.exchange.positions()
        return "" if held == {"ACME": GOAL} else f"wanted {GOAL} ACME, the venue has {held}"

    def without_stops(self) -> list[str]:
        stops = [order for order in self.exchange.live_orders() if order.request.type.is_conditional]
        sizes = [int(order.left) for order in stops]
        return [] if sizes == [GOAL] else [f"the stops at the venue are {sizes}, wanted is one of {GOAL}"]

    def _settings(self) -> dict[str, Any]:
        return {
            "data_dir": str(self.data),
            "telegram": {"token": "123456789:" + "A" * 35},
            "users": [{"id": 1, "name": "Ada", "role": "admin"}],
            "market": {
                "source": "folder", "folder": str(self.folder / "bars"), "symbols": sorted(self.exchange.prices),
                "speed": self._speed,
            },
            "accounts": {"main": {
                "broker": {"adapter": "wire", "socket": str(self.server.socket), "seconds": 0.4},
                "limits": WIDE,
            }},
            "strategies": self._wishing(self._strategies),
            "reconcile_seconds": 5,
        }  # fmt: skip


@asynccontextmanager
async def world(folder: Path, template: Template, **options: Any) -> AsyncIterator[World]:
    """A world that is closed at the end."""
    opened = await World(folder, template, **options).open()
    try:
        yield opened
    finally:
        await opened.close()


def _write_bars(folder: Path, symbols: tuple[str, ...] = ("ACME", "BOLT"), count: int = 9000) -> None:
    """Daily bars of a calm market from the year 2000 on: no end of them is ever reached."""
    folder.mkdir(exist_ok=True)
    day = datetime(2000, 1, 3, tzinfo=UTC)
    dates = [(day + timedelta(days=n)).date().isoformat() for n in range(count)]
    for symbol in symbols:
        rows = (f"{each},100,101,99,{100 + n % 2},100000000" for n, each in enumerate(dates))
        (folder / f"{symbol}.csv").write_text("date,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
