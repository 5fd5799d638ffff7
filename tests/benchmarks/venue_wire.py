"""How long it takes from a strategy's signal to the request's bytes at Binance, beside the same call through bare ccxt.

The venue is a process of its own, which notes when each request has come. Here the whole engine runs on a spot account:
strategy thread, conflicts, sizing, risk gate, the one durable commit, limits, ccxt, TLS. Between two of its orders one
goes the bare way: `create_order` of ccxt.pro, without a rate limiter, in the same loop, to a venue of its own in that
same process. What is ours beyond the commit is told in three ways: as what passes before ccxt is called (measured), as
the difference of percentiles, and as the percentile of differences between neighbours. Of the commit it is told what the
loop does for it and what SQLite's thread does; beside that, the very same statements through bare SQLite.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.market import Bar
from core.engine import Engine
from core.pauses import rare_pauses
from core.settings import parse_settings
from core.store import sqlite
from core.strategy.registry import strategy
from core.strategy.sdk import Strategy
from tests.benchmarks.orders import NoParameters
from tests.benchmarks.support.disk import fdatasync_ms, sqlite_ms
from tests.benchmarks.support.figure import Figure, figure, many, percentile, told
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, scratch
from tests.benchmarks.support.venue import BARE, OURS, SYMBOL, Side, never_limited, venues

GOAL_MS = 1.0
ROUTE = "POST /api/v3/order"
QUANTITY = "0.01"
WARM = 30  # orders of each kind that are not counted
PAUSE_SECONDS = 0.01
KIND = "bench_in_and_out"
OUR_VOLUME = Decimal("123.45")
# By default a strategy enters 20 times in five minutes at most: here the rule has about as many to look at.
ENTRIES = {"max_entries": 100_000, "entries_seconds": "2"}
SIGNALS: list[float] = []
SETTINGS: dict[str, Any] = {
    "telegram": {"token": "123456789:" + "A" * 35},
    "users": [{"id": 1, "name": "Ada", "role": "admin"}],
    "market": {"source": "live", "symbols": [SYMBOL], "period": "1d", "feeds": [{"account": "main"}]},
    "strategies": [
        {"name": "turn", "kind": KIND, "symbols": [SYMBOL], "sizing": {"method": "fixed", "units": QUANTITY}}
    ],
}


@strategy(KIND)
class InAndOut(Strategy[NoParameters]):
    """Long, then flat, then long: a signal with every bar of ours, and none with what the feed itself tells."""

    title = "In and out with every bar"
    Parameters = NoParameters

    @property
    def warm_up(self):
        return 1

    def on_bar(self, bar, history, exposure):
        if bar.volume != OUR_VOLUME:
            return ()
        signal = self.signal(bar, 0.0 if exposure > 0 else 1.0, "turn")
        SIGNALS.append(time.monotonic())
        return (signal,)


async def run() -> list[Figure]:
    never_limited()
    with scratch() as folder, venues(folder) as sides:
        sync = fdatasync_ms(folder, many(500, 50))
        async with trading(folder, sides[OURS]) as engine, sides[BARE].bare() as ccxt:
            watch = Watch(engine, sides)
            for number in range(WARM + many(600, 40)):
                await watch.one(number, ccxt)
            spans = watch.spans()
        sync += fdatasync_ms(folder, many(500, 50))
        small = sqlite_ms(folder, many(1000, 50))
        same = again_ms(folder / "quarterdeck.sqlite3", watch.statements, many(500, 50))
    disk = f"fdatasync {told(sync)}; bare SQLite commit of two small rows {told(small)}, of the same rows {told(same)}"
    return figures(spans, disk)


def figures(spans: dict[str, list[float]], disk: str) -> list[Figure]:
    """What the samples come to."""
    names = ("whole", "commit", "before", "busy", "bare", "prepared")
    whole, commit, before, busy, bare, prepared = (spans[name] for name in names)
    rest = [each - durable for each, durable in zip(whole, commit, strict=True)]
    pairs = [ours - theirs for ours, theirs in zip(rest, bare, strict=True)]
    median, tail = (percentile(rest, each) - percentile(bare, each) for each in (50, 99))
    beside = f"bare ccxt {told(bare)}"
    return [
        figure("Signal → request bytes at Binance", "ms", whole, reference=beside),
        figure("– of it: the one write-ahead commit", "ms", commit, reference=disk),
        figure("– – of that: processor time of the loop", "ms", spans["written"]),
        figure("– – of that: in SQLite's thread", "ms", spans["carried"]),
        figure("– of it: everything but the commit", "ms", rest, reference=beside),
        figure("Bare ccxt: `create_order` → request bytes at Binance", "ms", bare, reference="the same loop and run"),
        figure(
            "Ours beyond the commit, measured: signal → ccxt is called", "ms", before, goal=GOAL_MS, reference=beside
        ),
        figure(
            "– of it: processor time of the loop, which no other program lengthens much", "ms", busy,
            reference=f"bare ccxt, until its request is handed to aiohttp: {told(prepared)}",
            note="from the strategies' answer on; without the hop from their thread",
        ),
        Figure(
            "Ours beyond commit and bare ccxt: difference of percentiles", "ms", median, tail, goal=GOAL_MS,
            samples=len(rest), reference=beside,
        ),
        figure("Ours beyond commit and bare ccxt: of neighbours", "ms", pairs, reference=beside),
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def trading(folder: Path, side: Side) -> AsyncIterator[Engine]:
    """The engine on an account at the venue, running."""
    limits = {**NEVER_IN_THE_WAY, **NEVER_HALTED, **ENTRIES}
    account = {"broker": side.settings("testnet"), "limits": limits}
    given = parse_settings({**SETTINGS, "data_dir": folder, "accounts": {"main": account}})
    engine = Engine(given, network=side.network)
    try:
        await engine.start()
        async with asyncio.timeout(30):
            while SYMBOL not in engine.market.quotes:
                await asyncio.sleep(PAUSE_SECONDS)
        with rare_pauses():  # as the program does
            yield engine
    finally:
        await engine.stop()


def again_ms(path: Path, statements: list[tuple[str, list[list[Any]]]], count: int) -> list[float]:
    """The statements of an order again and again through bare SQLite, in the file that they were made for."""
    order = next(rows[0][0] for sql, rows in statements if sql.startswith('INSERT INTO "orders"'))
    taken = []
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=FULL")
        for number in range(count):
            name = f"again{number:023d}"
            new = [
                (sql, [[name if value == order else value for value in row] for row in rows])
                for sql, rows in statements
            ]
            begin = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            for sql, rows in new:
                database.executemany(sql, rows)
            database.execute("COMMIT")
            taken.append((time.perf_counter() - begin) * 1000)
    return taken


class Watch:
    """Lets the two ways take turns, and notes when what has happened."""

    def __init__(self, engine: Engine, sides: dict[str, Side]) -> None:
        self._engine = engine
        self._sides = sides
        self._desk = engine.floor.first
        self._commits: list[float] = []
        self._called: list[float] = []
        self._busy: list[float] = []
        self._written: list[float] = []
        self._carried: list[float] = []
        self._bare: list[float] = []
        self._prepared: list[float] = []
        self.statements: list[tuple[str, list[list[Any]]]] = []
        self._over = asyncio.Event()
        SIGNALS.clear()
        self._listen()
        self._listen_to_the_disk()

    def _listen(self) -> None:
        orders, exchange = self._desk.orders, self._desk.broker._client.exchange  # type: ignore[attr-defined]
        write, create, submit = orders._store, exchange.create_order, orders.submit
        strategies, decide = self._engine.strategies, self._engine.strategies.decide
        worked = [0.0]  # processor time of this thread: when what counts began, less what does not count

        async def timed_decide(*arguments: Any) -> Any:
            decided = await decide(*arguments)
            worked[0] = time.thread_time()
            return decided

        async def timed_store(*arguments: Any) -> Any:
            begin, spent = time.monotonic(), time.thread_time()
            written = await write(*arguments)
            self._commits.append(time.monotonic() - begin)
            self._written.append(time.thread_time() - spent)
            worked[0] += self._written[-1]
            return written

        async def timed_create(*arguments: Any) -> Any:
            self._busy.append(time.thread_time() - worked[0])
            self._called.append(time.monotonic())
            return await create(*arguments)

        async def watched_submit(*arguments: Any, **named: Any) -> Any:
            order = await submit(*arguments, **named)
            if order.state.is_open:
                raise RuntimeError(f"an order was not filled at once: {order.state} {order.reason}")
            self._over.set()
            return order

        orders._store, exchange.create_order, orders.submit = timed_store, timed_create, watched_submit
        strategies.decide = timed_decide  # type: ignore[method-assign]

    def _listen_to_the_disk(self) -> None:
        """What SQLite's thread does for a new order; its statements are kept."""
        carry_out = sqlite._Line._carry_out

        def timed(line: Any, kept: list[tuple[str, list[list[Any]]]], sql: str | None) -> None:
            begin = time.monotonic()
            carry_out(line, kept, sql)
            if any(statement.startswith('INSERT INTO "orders"') for statement, _ in kept):
                self._carried.append(time.monotonic() - begin)
                self.statements = kept

        sqlite._Line._carry_out = timed  # type: ignore[method-assign]

    async def one(self, number: int, ccxt: Any) -> None:
        """One order of ours; when everything is quiet again, one the bare way."""
        self._over.clear()
        self._bar(number)
        await asyncio.wait_for(self._over.wait(), 20)
        await self._quiet(number)
        await self._one_bare(number, ccxt)
        await asyncio.sleep(PAUSE_SECONDS)

    async def _one_bare(self, number: int, ccxt: Any) -> None:
        side, fetch, begun = "buy" if number % 2 == 0 else "sell", ccxt.fetch, time.thread_time()

        async def timed_fetch(url: str, method: str = "GET", *arguments: Any) -> Any:
            if method == "POST":  # before its first order ccxt asks for the markets
                self._prepared.append(time.thread_time() - begun)
            return await fetch(url, method, *arguments)

        ccxt.fetch = timed_fetch
        try:
            self._bare.append(time.monotonic())
            await ccxt.create_order(SYMBOL, "market", side, float(QUANTITY), None, {"clientOrderId": f"bare-{number}"})
        finally:
            ccxt.fetch = fetch

    def _bar(self, number: int) -> None:
        """A bar has ended, as the feed would tell it."""
        price = Decimal(50_000) + number % 7
        bar = Bar(SYMBOL, datetime.now(UTC), price, price, price, price, volume=OUR_VOLUME)
        rounds = self._engine.rounds
        self._engine.strategies.observe([bar])
        self._engine.market.on_bars([bar], daily=False)
        rounds._moments["main"].move({SYMBOL: bar})  # type: ignore[attr-defined]

    async def _quiet(self, number: int) -> None:
        """The order's fill is booked, its events have come, and nothing more is being done."""
        async with asyncio.timeout(20):
            while bool(self._desk.portfolio.lot("turn", SYMBOL).quantity) == bool(number % 2):
                await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)
        async with self._engine.rounds.between():
            pass
        await asyncio.sleep(PAUSE_SECONDS)

    def spans(self) -> dict[str, list[float]]:
        """Milliseconds of every order that counts."""
        ours, bare = (self._arrivals(self._sides[each]) for each in (OURS, BARE))
        counted = (self._commits, self._carried, self._called, ours, bare, self._bare, self._prepared)
        if any(len(each) != len(SIGNALS) for each in counted):
            raise RuntimeError("an order did not come from its signal")
        made = {
            "whole": [at - signal for signal, at in zip(SIGNALS, ours, strict=True)],
            "commit": self._commits,
            "before": [
                at - signal - commit for signal, at, commit in zip(SIGNALS, self._called, self._commits, strict=True)
            ],
            "busy": self._busy,
            "written": self._written,
            "carried": self._carried,
            "prepared": self._prepared,
            "bare": [at - begin for begin, at in zip(self._bare, bare, strict=True)],
        }
        return {name: [each * 1000 for each in values[WARM:]] for name, values in made.items()}

    def _arrivals(self, side: Side) -> list[float]:
        return [at / 1e9 for _, at in side.tell("requests", route=ROUTE)]
