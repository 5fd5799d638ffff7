"""One seed, one run: an hour of virtual time with the real engine, a venue of truth, crashes and random faults.

Forty minutes of faults, in which only safety is judged; then everything heals, a person resumes if trading was
halted, and within twenty minutes all must agree. A fault that a seed draws at all (a quarter of them) fires at a
quarter of its chances ("buggify" in two phases), so that each seed is bad in its own way.

    python -m tests.faults.simulation 17 18 19       # these seeds, with what each met
    python -m tests.faults.simulation --from 0 --count 1000 --processes 2
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import structlog

from brokers.errors import BrokerError
from brokers.order import OrderType, Side, TimeInForce
from core.access.roles import CONSOLE
from core.alerts import outbox, watch
from core.engine import Engine
from core.market import replay
from core.service import Quarterdeck
from core.settings import parse_settings
from core.store import database
from core.strategy import host as strategy_host
from risk.intent import OrderIntent, Origin
from risk.verdict import Approved
from risk.view import TradingState
from tests.faults import wishes  # noqa: F401 - registers the strategies
from tests.faults.exchange import Exchange
from tests.faults.faulty_venue import FaultyVenue, Script
from tests.faults.file_channel import FileChannel
from tests.faults.limits import WIDE
from tests.faults.oracle import Oracle
from tests.faults.virtual_loop import Crash, VirtualLoop, crash, sqlite_in_the_loop
from tests.faults.wire_broker import MemoryLine, WireBroker

START = datetime(2030, 3, 4, 12, tzinfo=UTC)
FAULTY_SECONDS, WHOLE_SECONDS = 2400.0, 3600.0
SYMBOLS = ("ACME", "BOLT")
BUGGIFY = 0.25

# What each call may meet, see `faulty_venue`.
FAULTS = {
    "place": ("refused", "down", "never", "lost", "garbage", "partial", "filled", "then_filled", "partial_lost",
              "filled_lost", "hidden", "slow"),
    "cancel": ("refused", "down", "never", "lost", "garbage", "lie", "filled", "slow"),
    "modify": ("refused", "down", "never", "lost", "garbage"),
    "query": ("down", "garbage", "stale", "slow"),
    "report": ("lose", "twice", "later", "break"),
    "world": ("crash", "halt", "outage", "late_fee", "late_fill", "correct", "bust", "overfill", "third_currency", "withdraw"),
}  # fmt: skip

# Where the venue itself changes what was agreed, holding more than was wanted is no fault of ours.
_VENUE_BREAKS_ITS_WORD = ("lie", "late_fill", "correct", "bust", "overfill")


@dataclass
class Outcome:
    """How a seed went. `trace` is a hash of everything that happened: the same seed gives the same."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    executions: int = 0
    lives: int = 0
    seconds: float = 0.0
    trace: str = ""


class InlineHost:
    """Strategies in the loop's own thread."""

    async def decide(self, calls: Sequence[strategy_host.Call]) -> Sequence[strategy_host.Outcome]:
        return [strategy_host._call(call) for call in calls]

    async def close(self) -> None:
        """Nothing is held."""


class LoopClock:
    """The wall's time is the loop's."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def now(self) -> datetime:
        return START + timedelta(seconds=self._simulation.elapsed)


class Simulation:
    """One seed."""

    def __init__(self, seed: int, folder: Path, *, faults: dict[str, tuple[str, ...]] = FAULTS) -> None:
        self.outcome = Outcome(seed)
        self.dice = Random(seed)
        self.folder = folder
        self.elapsed = 0.0
        self.loop: VirtualLoop | None = None
        self.clock = LoopClock(self)
        self.exchange = Exchange(self._now)
        self.exchange.prices = {symbol: Decimal(100) for symbol in SYMBOLS}
        drawn = {kind: tuple(f for f in names if self.dice.random() < BUGGIFY) for kind, names in faults.items()}
        self.drawn = drawn
        if not set(_VENUE_BREAKS_ITS_WORD) & {*drawn["world"], *drawn["cancel"]}:
            self.exchange.most = {"ACME": Decimal(20), "BOLT": Decimal(10)}
        self.venue = FaultyVenue(self.exchange, Script(self._draw), asyncio.sleep)
        self.venue.slowness = 3.0
        self.lines: list[MemoryLine] = []
        self.engine: Engine | None = None
        self._halted_by_us = False

    def _now(self) -> datetime:
        if self.loop is not None:
            self.elapsed = self.loop.elapsed
        return START + timedelta(seconds=self.elapsed)

    def _draw(self, method: str) -> str:
        """Which fault this call meets, if any."""
        names = self.drawn.get("query" if method not in self.drawn else method, ())
        if not names or self.dice.random() >= BUGGIFY:
            return "ok"
        return self.dice.choice(names)

    def _fires(self, what: str, chance: float = BUGGIFY) -> bool:
        return what in self.drawn["world"] and self.dice.random() < chance

    # --- lives -------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Life after life, until the hour is over."""
        began = time.process_time()
        outcome = self.outcome
        with closing(sqlite3.connect(self.folder / "quarterdeck.sqlite3")) as keeper:
            keeper.execute("PRAGMA schema_version")  # a killed process leaves SQLite's log: never the last to close
            self._live_on()
        outcome.seconds = time.process_time() - began
        outcome.met.update(f"{method} {fault}" for method, fault in self.venue.script.met)
        outcome.orders, outcome.executions = len(self.exchange.orders), len(self.exchange.executions)
        outcome.trace = hashlib.sha256(repr(self.exchange.journal.lines).encode()).hexdigest()
        return outcome

    def _live_on(self) -> None:
        outcome = self.outcome
        while not outcome.wrong and self.elapsed < WHOLE_SECONDS:
            outcome.lives += 1
            self._live()
            if not outcome.wrong:
                outcome.wrong += [f"at {self.elapsed:.0f} s: {each}" for each in self.oracle().safe()]

    def _live(self) -> None:
        self.loop = loop = VirtualLoop(self.dice, self.elapsed)
        if self._fires("crash", 0.9) and self.elapsed < FAULTY_SECONDS:
            loop.fuse = int(self.dice.expovariate(1 / 3500)) + 1
        self.venue.break_line()
        try:
            loop.run_until_complete(self._life())
        except Crash:
            self.outcome.met["world crash"] += 1
        finally:
            self.elapsed = loop.elapsed
            for line in self.lines:
                line.is_cut = True
            crash(loop)
            self.loop = None
            self.elapsed += self.dice.uniform(0.2, 20)

    async def _life(self) -> None:
        """The program from its start to the end of the hour, or to its death."""
        engine = self.engine = self._engine()
        await engine.start()
        tasks = [asyncio.ensure_future(part()) for part in (self._market, self._jobs, self._person, self._trouble)]
        if self.elapsed < FAULTY_SECONDS:
            await asyncio.sleep(FAULTY_SECONDS - self._loop_time())
        await self._heal(tasks[3])
        await asyncio.sleep(max(WHOLE_SECONDS - 300 - self._loop_time(), 300))
        await self._finish(tasks)
        await engine.stop()

    def _engine(self) -> Engine:
        engine = Engine(settings(self.folder), clock=self.clock, host=InlineHost(), durable=False)
        engine.ids._entropy = self.dice.randbytes
        engine.scheduler.start = _nothing  # type: ignore[method-assign]
        engine.scheduler.stop = lambda: None  # type: ignore[method-assign]
        engine.outbox.use(FileChannel(self.folder / "alerts.jsonl"))
        broker = engine.floor.first.broker
        assert isinstance(broker, WireBroker)
        broker.line = line = MemoryLine(self.venue, self._pause)
        self.lines = [line]
        return engine

    async def _pause(self) -> None:
        await asyncio.sleep(self.dice.choice((0.0, 0.001, 0.01, 0.05, 0.2)))

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    # --- what goes on ------------------------------------------------------------------------------

    async def _market(self) -> None:
        """Prices wander, and what meets them fills, often in part."""
        while True:
            await asyncio.sleep(self.dice.uniform(5, 40))
            for symbol in SYMBOLS:
                price = max(self.exchange.prices[symbol] + Decimal(self.dice.randint(-100, 100)) / 100, Decimal(50))
                share = self.dice.choice((None, None, Decimal("0.3"), Decimal("0.7")))
                self.venue.trade(symbol, price, share=share)

    async def _jobs(self) -> None:
        """What the scheduler would do."""
        assert self.engine is not None
        while True:
            await asyncio.sleep(60)
            await self.engine.sweep()
            if self.engine.floor.first.broker.is_connected:
                with suppress(BrokerError):
                    await self.engine.reconcile()

    async def _person(self) -> None:
        """Somebody who orders, changes, cancels, and now and then halts everything."""
        assert self.engine is not None
        service, orders = Quarterdeck(self.engine), self.engine.floor.first.orders
        while True:
            await asyncio.sleep(self.dice.uniform(20, 120))
            roll = self.dice.random()
            mine = [order for order in orders.open_orders if order.request.limit_price is not None]
            with suppress(BrokerError):
                if roll < 0.4 and self._loop_time() < WHOLE_SECONDS - 600:
                    await self._submit()
                elif roll < 0.6 and mine:
                    await orders.cancel(self.dice.choice(mine).id, "a person")
                elif roll < 0.75 and mine and hasattr(orders, "modify"):
                    await self._modify(self.dice.choice(mine))
                elif roll < 0.85 and self._fires("halt") and self._loop_time() < FAULTY_SECONDS:
                    self._halted_by_us = True
                    await service.halt(CONSOLE, "too hot")
                    await asyncio.sleep(self.dice.uniform(1, 60))
                    await service.resume(CONSOLE)

    async def _submit(self) -> None:
        assert self.engine is not None
        desk = self.engine.floor.first
        signed = Decimal(self.dice.choice((-7, -3, 2, 5)))
        symbol = self.dice.choice(SYMBOLS)
        limit = (self.exchange.prices[symbol] * Decimal(self.dice.choice(("0.98", "1", "1.02")))).quantize(
            Decimal("0.01")
        )
        intent = OrderIntent(
            account=desk.account, instrument=desk.portfolio.instruments[symbol], side=Side.of(signed),
            quantity=abs(signed), at=self.engine.trading_clock.now(), allocations={"manual": signed},
            type=OrderType.LIMIT, limit_price=limit, time_in_force=TimeInForce.GTC, origin=Origin.STRATEGY,
        )  # fmt: skip
        verdict = desk.gate.review(intent, desk.view())
        if isinstance(verdict, Approved):
            await desk.orders.submit(verdict)

    async def _modify(self, order: Any) -> None:
        assert self.engine is not None
        wanted = order.request.quantity + self.dice.choice((-1, 1, 3))
        if wanted > 0:
            await self.engine.floor.first.orders.modify(order.id, quantity=wanted, reason="a person")

    async def _trouble(self) -> None:
        """What venues do to executions and to lines, and nobody asked for."""
        while True:
            await asyncio.sleep(self.dice.uniform(20, 90))
            if self._fires("outage"):
                self.venue.break_line()
                self.drawn, before = {**self.drawn, "place": ("down",), "query": ("down",)}, self.drawn
                await asyncio.sleep(self.dice.uniform(5, 200))
                self.drawn = before
            trouble_with_executions(self.exchange, self.dice, self._fires, self.outcome.met)

    # --- the end -----------------------------------------------------------------------------------

    async def _heal(self, trouble: asyncio.Future[None]) -> None:
        """From here on everything works."""
        assert self.engine is not None
        assert self.loop is not None
        trouble.cancel()
        self.loop.fuse = 0
        self.venue.script.heal()
        self.drawn = dict.fromkeys(self.drawn, ())
        for execution in self.exchange.executions:
            if execution.fee_told_at is None:
                self.exchange.tell_fee(execution)
        for order in self.exchange.orders.values():
            order.hidden_until = None

    async def _finish(self, tasks: list[asyncio.Future[None]]) -> None:
        """Nobody wants anything new; what is open is filled; a minute later all must agree."""
        assert self.engine is not None
        for task in tasks:
            task.cancel()
        service, engine, wrong = Quarterdeck(self.engine), self.engine, self.outcome.wrong
        for order in engine.floor.first.orders.open_orders:
            if order.request.limit_price is not None:
                with suppress(BrokerError):
                    await engine.floor.first.orders.cancel(order.id, "the end")
        if any(each.state is not TradingState.ACTIVE for each in engine.switch.settings.values()):
            said = await service.resume(CONSOLE)
            if not said.ok and "not halted" not in said.message:
                wrong.append(f"it cannot be resumed: {said.message}")
        left: list[str] = []
        for _ in range(40):
            for symbol, price in self.exchange.prices.items():
                self.venue.trade(symbol, price)
            await asyncio.sleep(5)
            await engine.reconcile()
            await asyncio.sleep(5)
            active = all(each.state is TradingState.ACTIVE for each in engine.switch.settings.values())
            if not (left := [*self.oracle().settled(), *(self.oracle().unmet() if active else ())]):
                break
        wrong += left
        failures = self.engine.supervisor.failures
        if failures:
            wrong.append(f"parts failed: {failures}")

    def oracle(self) -> Oracle:
        return Oracle(self.folder / "quarterdeck.sqlite3", self.exchange, self.folder / "alerts.jsonl")


def trouble_with_executions(exchange: Exchange, dice: Random, fires: Any, met: Counter[str]) -> None:
    """Corrections, busts, overfills, late fills and strange fees."""
    live = [each for each in exchange.executions if each.void_at is None]
    closed = [order for order in exchange.orders.values() if not order.is_open and order.closed_as is not None]
    opened = exchange.live_orders()
    if live and fires("correct"):
        old = dice.choice(live)
        exchange.correct(old, price=old.price + Decimal("0.05"))
        met["world correct"] += 1
    elif live and fires("bust"):
        exchange.bust(dice.choice(live))
        met["world bust"] += 1
    elif opened and fires("overfill"):
        order = dice.choice(opened)
        exchange.execute(order, order.left + 1)
        met["world overfill"] += 1
    elif closed and fires("late_fill"):
        order = dice.choice(closed)
        if order.left > 0:
            exchange.execute(order)
            met["world late_fill"] += 1
    elif opened and fires("late_fee"):
        exchange.execute(dice.choice(opened), tell_fee=False)
        met["world late_fee"] += 1
    elif opened and fires("third_currency"):
        exchange.execute(dice.choice(opened), fee=Decimal("0.01"), fee_currency="BNB")
        met["world third_currency"] += 1
    elif fires("withdraw"):
        exchange.deposit(Decimal(dice.choice((-100, 250))), "USD")
        met["world withdraw"] += 1


async def _nothing() -> None:
    """Stands in for the scheduler: the simulation does its jobs in virtual time."""


# --- running seeds ---------------------------------------------------------------------------------


def settings(folder: Path, *, speed: float = 1 / 120) -> Any:
    market = {"source": "folder", "folder": str(bars()), "symbols": list(SYMBOLS), "speed": speed}
    strategies = [
        {"name": f"restless-{n}", "kind": "restless", "symbols": [symbol], "parameters": {"seed": n},
         "sizing": {"method": "fixed", "units": 10}}
        for n, symbol in enumerate(("ACME", "ACME", "BOLT"))
    ]  # fmt: skip
    raw = {
        "data_dir": str(folder), "telegram": {"token": "123456789:" + "A" * 35},
        "users": [{"id": 1, "name": "Ada", "role": "admin"}], "market": market,
        "accounts": {"main": {"broker": {"adapter": "wire", "socket": "/nowhere"}, "limits": WIDE}},
        "strategies": strategies,
    }  # fmt: skip
    return parse_settings(raw)


@cache
def bars() -> Path:
    """A folder of daily bars, made once for a process."""
    folder = scratch() / "bars"
    folder.mkdir(exist_ok=True)
    day = datetime(2000, 1, 3, tzinfo=UTC)
    rows = [f"{(day + timedelta(days=n)).date()},100,101,99,{100 + n % 2},100000000" for n in range(400)]
    for symbol in SYMBOLS:
        (folder / f"{symbol}.csv").write_text("date,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    return folder


@cache
def scratch() -> Path:
    """Memory, where the machine has such a disk."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="quarterdeck-simulation-", dir=place))


@cache
def empty_database() -> Path:
    """A migrated database, made once for a process."""
    path = scratch() / "empty.sqlite3"

    async def make() -> None:
        made = database.Database(database.sqlite_url(path, durable=False), require_durable=False)
        await made.open()
        await made.close()

    asyncio.run(make())
    gc.collect()
    gc.freeze()  # what is imported by now stays: each seed sweeps up only its own
    return path


def run_seed(seed: int, **options: Any) -> Outcome:
    """One seed in a folder of its own, which is gone afterwards."""
    base = empty_database()
    folder = Path(tempfile.mkdtemp(dir=scratch()))
    shutil.copyfile(base, folder / "quarterdeck.sqlite3")
    try:
        with ExitStack() as stack:
            stack.enter_context(patch.object(sys, "unraisablehook", lambda _: None))  # the dead protest
            stack.enter_context(_no_gc())
            stack.enter_context(sqlite_in_the_loop())
            stack.enter_context(patch.object(database, "migrate", _migrated))
            stack.enter_context(patch.object(replay, "_SLICE", 60.0))  # nobody changes the speed
            stack.enter_context(patch.object(outbox, "_LOOK_SECONDS", 60.0))
            stack.enter_context(patch.object(watch, "_LOOK_SECONDS", 20.0))  # every second, it took half of the time
            return Simulation(seed, folder, **options).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _no_gc() -> Iterator[None]:
    """What a crash leaves behind is swept up once, at the end of the seed."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


async def _migrated(*_: Any, **__: Any) -> None:
    """The copy is migrated already."""


def run_seeds(seeds: Sequence[int], processes: int = 1) -> list[Outcome]:
    """Many seeds; each prints how to run it again if it fails."""
    if processes == 1:
        return [_told(run_seed(seed)) for seed in seeds]
    with ProcessPoolExecutor(processes, initializer=quiet) as pool:
        return [_told(outcome) for outcome in pool.map(run_seed, seeds, chunksize=20)]


def _told(outcome: Outcome) -> Outcome:
    if outcome.wrong:
        print(
            f"seed {outcome.seed}: {outcome.wrong[0][:300]}\n  again: python -m tests.faults.simulation {outcome.seed}",
            flush=True,
        )
    return outcome


def quiet() -> None:
    """The log of a world full of faults is of no use."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    warnings.simplefilter("ignore")


def main(words: list[str]) -> int:
    quiet()
    if "--from" in words:
        first, count = int(words[words.index("--from") + 1]), int(words[words.index("--count") + 1])
        processes = int(words[words.index("--processes") + 1]) if "--processes" in words else 1
        outcomes = run_seeds(range(first, first + count), processes)
    else:
        outcomes = [run_seed(int(word)) for word in words]
        for outcome in outcomes:
            print(outcome.seed, *outcome.wrong, dict(outcome.met), sep="\n    ")
    bad = [each for each in outcomes if each.wrong]
    spent = sum(each.seconds for each in outcomes)
    print(f"{len(outcomes)} seeds, {len(bad)} bad, {sum(o.orders for o in outcomes)} orders, "
          f"{sum(o.executions for o in outcomes)} executions, {sum(o.lives for o in outcomes)} lives, "
          f"{spent / max(len(outcomes), 1):.3f} s a seed")  # fmt: skip
    shutil.rmtree(scratch(), ignore_errors=True)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
