"""The program under test: the real engine on a real database, in a process that may die at any moment.

Run as a script it is a template: everything imported, nothing started. Each line on its standard input, the JSON of
a `Life`, is a fork that becomes one run of the program; the template says its process id and later how it ended.
With `QUARTERDECK_FAULTS_LIFE` in the environment it is that one run itself, without a fork.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

from tortoise import connections

from brokers.network import OPEN
from brokers.order import ClientOrderId, OrderType, Side, TimeInForce
from core.access.roles import CONSOLE
from core.engine import Engine
from core.events import BarsProcessed
from core.service import Quarterdeck
from core.settings import parse_settings
from core.store.instance_lock import InstanceLock
from risk.intent import OrderIntent, Origin
from risk.verdict import Approved
from tests.faults import wire_broker, wishes  # noqa: F401 - they register an adapter and strategies
from tests.faults.binance_child import at_binance, import_ccxt
from tests.faults.breakages import BREAKAGES
from tests.faults.crash_points import arm, watch_sqlite
from tests.faults.file_channel import FileChannel
from tests.faults.forking import template, write_to


@dataclass
class Life:
    """One run of the program. `offset` moves its wall clock (seconds); `point` is where it dies, of `signal`:
    from the start (`armed`), or from the moment when it is told to `arm`. `venue` is the folder of a Binance server,
    `broken` what is wrong with the program on purpose."""

    settings: dict[str, Any]
    control: str
    channel: str
    marker: str
    log: str
    offset: float = 0.0
    point: str = ""
    armed: bool = True
    signal: int = int(signal.SIGKILL)
    venue: str = ""
    broken: str = ""

    def json(self) -> str:
        return json.dumps(asdict(self), default=str)


class HandClock:
    """The machine's clock, and what a hand has moved it by."""

    def __init__(self, offset: float) -> None:
        self._offset = timedelta(seconds=offset)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    @property
    def moved(self) -> float:
        """By how many seconds."""
        return self._offset.total_seconds()

    def advance(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)


class Running:
    """A life that obeys its control line."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.clock = HandClock(life.offset)
        if life.broken:
            BREAKAGES[life.broken]()
        network = at_binance(Path(life.venue), self.clock) if life.venue else OPEN
        self.engine = Engine(parse_settings(life.settings), clock=self.clock, network=network)
        self.service = Quarterdeck(self.engine)
        self._lock = InstanceLock(self.engine.settings.data_dir)
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = asyncio.Event()
        self._bars = 0
        self.engine.events.subscribe(BarsProcessed, self._worked)

    async def _worked(self, _: BarsProcessed) -> None:
        self._bars += 1

    async def run(self) -> None:
        """Start, obey until SIGTERM, stop."""
        self._lock.take()
        reader, writer = await asyncio.open_unix_connection(self.life.control)
        self.engine.outbox.use(FileChannel(Path(self.life.channel)))
        await self.engine.start()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._told.set)
        self._say(writer, {"ready": True})
        obeying = asyncio.create_task(self._obey(reader, writer))
        await self._told.wait()
        for task in (obeying, *self._tasks):
            task.cancel()
        await asyncio.gather(obeying, *self._tasks, return_exceptions=True)
        writer.close()
        await self.engine.stop()
        self._lock.release()

    def _say(self, writer: asyncio.StreamWriter, what: dict[str, Any]) -> None:
        writer.write(json.dumps(what, default=str).encode() + b"\n")

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            task = asyncio.create_task(self._do(json.loads(line), writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _do(self, command: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number = command.pop("number")
        try:
            answer = await getattr(self, f"do_{command.pop('do')}")(**command)
        except Exception as error:  # noqa: BLE001 - the harness decides what it means
            self._say(writer, {"number": number, "error": f"{type(error).__name__}: {error}"})
        else:
            self._say(writer, {"number": number, "answer": answer})

    # --- what may be asked for ---------------------------------------------------------------------

    async def do_arm(self) -> None:
        """From now on the point kills."""
        arm(self.life.point, self.life.signal, Path(self.life.marker))

    async def do_advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def do_reconcile(self) -> list[str]:
        return [str(drift) for drift in await self.engine.reconcile()]

    async def do_look(self) -> None:
        """What the scheduler does with orders every two seconds."""
        await self.engine._look_after_orders()

    async def do_sweep(self) -> None:
        await self.engine.sweep()

    async def do_order(self, quantity: str, **more: Any) -> str:
        signed = Decimal(quantity)
        desk = self.engine.floor.first
        limit = more.get("limit")
        intent = OrderIntent(
            account=desk.account,
            instrument=desk.portfolio.instruments[more.get("symbol", "ACME")],
            side=Side.of(signed),
            quantity=abs(signed),
            at=self.engine.trading_clock.now(),
            allocations={"manual": signed},
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=None if limit is None else Decimal(limit),
            time_in_force=TimeInForce.GTC,
            origin=Origin(more.get("origin", "strategy")),
        )
        verdict = desk.gate.review(intent, desk.view())
        if not isinstance(verdict, Approved):
            return f"denied: {verdict.code}"
        return str((await desk.orders.submit(verdict)).state)

    async def do_cancel(self) -> list[str]:
        orders = self.engine.floor.first.orders
        return [str(await orders.cancel(order.id, "by the harness")) for order in orders.open_orders]

    async def do_modify(self, quantity: str) -> list[str]:
        orders = self.engine.floor.first.orders
        wanted = Decimal(quantity)
        return [
            str(await orders.modify(ClientOrderId(order.id), quantity=wanted, reason="by the harness"))
            for order in orders.open_orders
            if order.request.limit_price is not None
        ]

    async def do_halt(self) -> list[str]:
        return list((await self.service.halt(CONSOLE, "too hot")).lines)

    async def do_resume(self) -> str:
        return (await self.service.resume(CONSOLE)).message

    async def do_checkpoint(self) -> None:
        await connections.get("default").execute_query("PRAGMA wal_checkpoint(TRUNCATE)")

    async def do_state(self) -> dict[str, Any]:
        desk = self.engine.floor.first
        return {
            "open": {order.id: str(order.state) for order in desk.orders.open_orders},
            "held": {symbol: str(quantity) for symbol, quantity in desk.portfolio.held().items()},
            "trading": self.engine.switch.state_for(desk.account).name,
            "market": self.engine.rounds.status,
            "bars": self._bars,
            "prices": {symbol: str(quote.last) for symbol, quote in self.engine.market.quotes.items()},
            "parts": dict(self.engine.supervisor.failures),
        }


def live(life: Life) -> None:
    """Be that run, to its end."""
    write_to(Path(life.log))
    if life.point:
        watch_sqlite()
    if life.point and life.armed:
        arm(life.point, life.signal, Path(life.marker))
    asyncio.run(Running(life).run())


if __name__ == "__main__":
    if given := os.environ.get("QUARTERDECK_FAULTS_LIFE"):
        live(Life(**json.loads(given)))
    else:
        import_ccxt()
        template(lambda line: live(Life(**line)))
