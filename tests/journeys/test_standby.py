"""Two accounts at two Binances, and one of them goes down: who trades on in the other, who stays, and the way back.

Everything is real but the venues: the program, its chat, ccxt, TLS and WebSockets. Program and venues run in the test's
own loop, for both venues are looked into; their clock is one, and moved by hand.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

import tests.faults.wishes  # noqa: F401 - a strategy that does as it is told
from bot.program import Program
from bot.sandbox.run import UNPACED
from bot.sandbox.server import Limits, SandboxServer
from brokers.ccxt import broker, client
from brokers.ccxt import clock as venue_clock
from brokers.ccxt.limits import Limits as CallLimits
from brokers.ccxt.pulse import Pulse
from brokers.ccxt.streams.pace import Pace
from brokers.health import Breaker
from brokers.network import Network
from brokers.resilience.ticks import ticks
from core import clock, live_rounds, moments, tending
from core.events import BarsProcessed
from core.market import feed
from core.settings import parse_settings
from core.trading import failover
from core.trading.desk import Desk
from tests.databases import sqlite_file
from tests.journeys.person import Message, Person, said
from tests.journeys.sandbox import ADMIN, TRADER
from tests.venues.binance import faults
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.errors import Refusal
from tests.venues.loopback import Loopback

BTC = "BTC/USDT"
UNITS = Decimal("0.1")
BOUGHT = UNITS * Decimal("0.999")  # the fee is taken of what was bought
AFTER = 10
# The accounts, and the mode that each has at a venue of its own.
MODES = {"main": "testnet", "reserve": "demo"}
# Whoever waits in order to try again waits no longer than that.
_SOON = 0.05
_PATIENCE = 120.0
_MOST_BARS, _LOOKS = 10, 20


class Ahead:
    """By how many seconds the time of day is ahead of the machine's: for the program, ccxt and both venues."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        seconds, nanoseconds = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: seconds() + self.seconds)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + round(self.seconds * 1e9))
        monkeypatch.setattr(clock.SystemClock, "now", lambda _: datetime.fromtimestamp(time.time(), UTC))
        monkeypatch.setattr(client, "Limits", partial(CallLimits, ticks=self._ticks))
        monkeypatch.setattr(broker, "Pulse", partial(Pulse, ticks=self._ticks))
        monkeypatch.setattr(venue_clock, "ticks", self._ticks)
        monkeypatch.setattr(broker, "Pace", partial(Pace, first_pause=_SOON, longest_pause=_SOON))
        for room, name in (
            (tending, "_RECONNECT_SECONDS"), (feed, "_AGAIN_SECONDS"), (moments, "_PAUSE_SECONDS"),
            (live_rounds, "_VAIN_SECONDS"), (failover, "_LOOK_SECONDS"),
        ):  # fmt: skip
            monkeypatch.setattr(room, name, _SOON)

    def _ticks(self) -> float:
        return ticks() + self.seconds


class Fork(AbstractResolver):
    """The names of each mode lead to the venue of the account that has it."""

    def __init__(self, venues: dict[str, BinanceServer]) -> None:
        self._roads = {MODES[name]: Loopback(venue.port) for name, venue in venues.items()}

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        mode = next(mode for mode in self._roads if mode in host)
        return await self._roads[mode].resolve(host, port)

    async def close(self) -> None:
        """Nothing is held."""


class Town:
    """The program, its two venues, and who talks to it."""

    def __init__(self, folder: Path, ahead: Ahead, server: SandboxServer, http: httpx.Client) -> None:
        self.folder = folder
        self.ahead = ahead
        self.venues = {name: BinanceServer() for name in MODES}
        self._server = server
        self._http = http
        self._bars = 0
        self._program: Program | None = None
        (folder / "wish").write_text("0")

    # --- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """As in a real start, with everything that runs by itself."""
        first = self.venues["main"]
        network = Network(resolver=Fork(self.venues), ssl=first.network.ssl)
        self._program = Program(parse_settings(self._settings()), budget=UNPACED, durable=False, network=network)
        self._program.engine.events.subscribe(BarsProcessed, self._worked)
        await self._program.start()

    async def stop(self) -> None:
        if self._program is not None:
            await self._program.stop()
            self._program = None

    def _settings(self) -> dict[str, Any]:
        told = {"name": "told", "kind": "told", "symbols": [BTC], "parameters": {"wish": str(self.folder / "wish")}}
        server = self._server
        return {
            "telegram": {"token": server.token, "base_url": server.bot_base_url, "base_file_url": server.file_base_url},
            "data_dir": self.folder / "data",
            "users": [
                {"id": ADMIN, "name": "Ada Admin", "role": "admin"},
                {"id": TRADER, "name": "Tess Trader", "role": "trader"},
            ],
            "security": {"totp": "optional", "commands_per_minute": 600, "looks_per_minute": 600},
            "market": {
                "source": "live", "symbols": [BTC], "failover_seconds": 1,
                "feeds": [{"account": "reserve"}, {"account": "main"}],
            },
            "accounts": {
                "main": self._account("main") | {"standby": {"account": "reserve", "after_seconds": AFTER}},
                "reserve": self._account("reserve"),
            },
            "strategies": [{**told, "account": "main", "sizing": {"method": "fixed", "units": str(UNITS)}}],
            "reconcile_seconds": 300,
        }  # fmt: skip

    def _account(self, name: str) -> dict[str, Any]:
        key = self.venues[name].keys.of(MODES[name])
        given = {"adapter": "binance", "market": "spot", "mode": MODES[name], "timeout_seconds": 1}
        limits = {"max_order_value_percent": 25, "max_order_value": 50_000, "max_position_percent": 90}
        return {"broker": {**given, "api_key": key.api_key, "secret": key.secret}, "limits": limits}

    async def _worked(self, _: BarsProcessed) -> None:
        self._bars += 1

    # --- the world ---------------------------------------------------------------------------------

    async def down(self, name: str = "main") -> None:
        """Nobody answers there any more."""
        await self.venues[name].stop()
        await self.until(lambda: self.desk(name).broker.health.breaker is not Breaker.CLOSED)
        await self.program.engine.failover.look()  # from now on it counts as down

    async def up(self, name: str = "main") -> None:
        """It is there again, and knows all that it knew."""
        await self.venues[name].start()
        self.ahead.seconds += 61  # so long a breaker may wait
        await self.until(lambda: self.desk(name).reconciled and not failover.is_down(self.desk(name)))

    def want(self, exposure: float) -> None:
        """What the strategy wants from the next bar on."""
        (self.folder / "wish").write_text(str(exposure))

    async def bar(self) -> None:
        """A minute ends, with prices of then, and everybody has worked through it."""
        before = self._bars
        self.ahead.seconds += (58.0 - time.time()) % 60
        await self.until(lambda: all(self._has_prices(name) for name in MODES))
        self.ahead.seconds += 60.2 - time.time() % 60
        await self.until(lambda: self._bars > before)

    def _has_prices(self, name: str) -> bool:
        """Whether what an account knows of the market is of now, if its venue is there."""
        desk = self.desk(name)
        quote = desk.market.quotes.get(BTC)
        return failover.is_down(desk) or (quote is not None and time.time() - quote.at.timestamp() < 5)

    async def bars_until(self, true: Callable[[], Any]) -> None:
        """Minutes end until something is so: one that comes late on a busy machine is history, and decides nothing."""
        for _ in range(_MOST_BARS):
            await self.bar()
            for _ in range(_LOOKS):
                if true():
                    return
                await asyncio.sleep(_SOON)
        raise AssertionError("it never came true")

    async def look(self) -> None:
        """What the scheduler does with orders every two seconds."""
        await self.program.engine._look_after_orders()

    async def until(self, true: Callable[[], Any]) -> None:
        """The market is there, until something is so."""
        deadline = time.monotonic() + _PATIENCE
        while not true():
            assert time.monotonic() < deadline, "it never came true"
            for venue in self.venues.values():
                venue.move("BTCUSDT", "50000")
            await asyncio.sleep(0.02)

    # --- looking -----------------------------------------------------------------------------------

    @property
    def program(self) -> Program:
        assert self._program is not None
        return self._program

    def desk(self, name: str) -> Desk:
        return self.program.engine.floor.desk(name)

    def placed(self, name: str) -> int:
        """How many orders have come to a venue, whatever became of them."""
        return len(self.venues[name].journal.all("request", route="POST /api/v3/order"))

    def held(self, name: str) -> Decimal:
        """What the account really has, but for the bitcoin that was there."""
        return self.venues[name].spot.desk.wallet.balances["BTC"].total - 1

    def booked(self, name: str) -> Decimal:
        """What the strategy holds in an account by our books."""
        return self.desk(name).portfolio.lot("told", BTC).quantity

    # --- people ------------------------------------------------------------------------------------

    def person(self, number: int = ADMIN) -> Person:
        return Person(self._http, number)

    async def say(self, text: str, number: int = ADMIN) -> Message:
        return await asyncio.to_thread(self.person(number).say, text)

    async def press(self, message: Message, label: str, number: int = ADMIN) -> str:
        return said(await asyncio.to_thread(self.person(number).press, message, label))

    async def told(self, words: str, after: int = 0) -> str:
        """An alert with these words, as soon as it comes."""
        return said(await asyncio.to_thread(self.person().wait_for_push, words, after))

    async def seq(self) -> int:
        return await asyncio.to_thread(self.person().seq)


@asynccontextmanager
async def _town(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    (folder / "data").mkdir()
    sqlite_file(folder / "data" / "quarterdeck.sqlite3")  # migrated already: that takes seconds
    ahead = Ahead(monkeypatch)
    server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed(), clock=time.time)
    await server.start()
    http = httpx.Client(base_url=server.url, timeout=60)
    town = Town(folder, ahead, server, http)
    for venue in town.venues.values():
        await venue.start()
    try:
        await town.start()
        yield town
    finally:
        await town.stop()
        for venue in town.venues.values():
            await venue.stop()
        http.close()
        await server.stop()


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    async with _town(tmp_path, monkeypatch) as made:
        await made.bar()
        yield made


async def test_who_is_flat_trades_on_in_the_other_until_an_admin_brings_it_back(town: Town) -> None:
    """Not before its time; a restart in the middle of it doubles nothing; the way back is closed until it is flat."""
    await town.down()
    assert "Every strategy trades in its own account" in said(await town.say("/failback"))
    town.ahead.seconds += AFTER
    assert "told trades in reserve now, the standby of main" in await town.told("told trades in reserve now")
    town.want(1)
    await town.bars_until(lambda: town.booked("reserve"))
    brokers = said(await town.say("/brokers"))
    assert re.search(
        r"main .*\n⚡ The venue does not answer.*\n🔁 Standby: reserve, after 10 s\n🔁 told trades in r", brokers
    )
    assert "🔁 told of main trades here since" in brokers

    await town.stop()
    await town.start()
    await town.bar()
    await town.bar()
    assert (town.placed("main"), town.placed("reserve"), town.held("reserve")) == (0, 1, BOUGHT)

    await town.up()
    await town.press(await town.say("/resume"), "Yes")  # an account whose venue is away at the start is halted
    question = await town.say("/failback told")
    assert "told stays in reserve: it holds something in reserve" in await town.press(question, "Yes")
    assert "needs the role admin; yours is trader" in said(await town.say("/failback told", TRADER))

    reserve = town.venues["reserve"]
    leave_in_doubt(reserve, "drop_after")
    town.want(0)
    await town.bars_until(
        lambda: [str(each.state) for each in town.desk("reserve").orders.open_orders] == ["uncertain"]
    )
    refused = await town.press(await town.say("/failback"), "Yes")
    assert "told stays in reserve: it holds something in reserve" in refused
    reserve.script.clear()
    await town.until(lambda: not town.booked("reserve"))
    assert (town.held("reserve"), town.placed("reserve")) == (0, 2)

    back = await town.press(await town.say("/failback"), "Yes")
    assert "They trade in their own accounts again.\n• told: main" in back
    town.want(1)
    await town.bars_until(lambda: town.booked("main"))
    await town.bar()
    assert (town.placed("main"), town.held("main"), town.placed("reserve")) == (1, BOUGHT, 2)


@pytest.mark.parametrize(("fault", "bought"), [("drop_after", BOUGHT), ("html_502_before", Decimal(0))])
async def test_an_order_without_an_answer_keeps_it_where_it_is(town: Town, fault: str, bought: Decimal) -> None:
    """Whether or not the venue has it, nothing is ordered in the other; back again, it is compared before it trades.

    And whoever holds something stays, too, whatever he wants meanwhile.
    """
    main = town.venues["main"]
    leave_in_doubt(main, fault)
    town.want(1)
    await town.bars_until(lambda: town.placed("main"))
    await town.down()
    town.ahead.seconds += AFTER
    assert "told: an order of it may still fill in main" in await town.told("reserve does not take over from main")
    await town.bar()
    await town.bar()
    assert "🔁 told stays: an order of it may still fill in main" in said(await town.say("/brokers"))
    assert (town.placed("main"), town.placed("reserve"), town.held("main")) == (1, 0, bought)

    main.script.clear()
    seen = len(main.journal)
    await town.up()
    await town.bar()
    for _ in range(_MOST_BARS):  # what is not there is looked for until that is certain, and then wanted again
        await town.look()
        await town.bar()
    assert town.held("main") == BOUGHT
    assert (town.placed("main"), town.placed("reserve")) == (1 if bought else 2, 0)
    asked = [each["route"] for each in list(main.journal)[seen:] if each.kind == "request"]
    assert_compared_first(asked)

    await town.down()
    town.want(0)
    town.ahead.seconds += AFTER
    after = await town.seq()
    assert "told: it holds something in main" in await town.told("reserve does not take over from main", after)
    await town.bar()
    await town.bar()
    sent, seen = town.placed("main"), len(main.journal)
    assert town.placed("reserve") == 0
    await town.up()
    await town.bars_until(lambda: not town.booked("main"))
    assert (town.placed("main"), town.held("main"), town.placed("reserve")) == (sent + 1, 0, 0)
    assert_compared_first([each["route"] for each in list(main.journal)[seen:] if each.kind == "request"])


def leave_in_doubt(venue: BinanceServer, fault: str) -> None:
    """The answer to the next order is lost, and nobody can find out what became of it; prices go on."""
    venue.script.plan("POST /api/v3/order", fault)
    for question in ("GET *rder*", "GET *rades", "GET *account"):
        venue.script.plan(question, "drop_before", times=None)
    venue.script.plan("STREAM user *", "miss", times=None)


def assert_compared_first(routes: list[str]) -> None:
    """The venue was asked what is open and what is held before it was sent an order."""
    ordered = routes.index("POST /api/v3/order") if "POST /api/v3/order" in routes else len(routes)
    assert {"GET /api/v3/openOrders", "GET /api/v3/account"} <= set(routes[:ordered])


async def test_what_the_first_did_although_it_said_no_only_closes(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that refuses an order and executes it: the strategy has moved by then. People are told; nothing is opened."""
    main = town.venues["main"]
    refusal = Refusal(-2010, "Account has insufficient balance for requested action.")
    monkeypatch.setitem(faults.REST, "lie", faults.Mischief(True, faults.Manner.ANSWER, 400, refusal))
    main.script.plan("POST /api/v3/order", "lie")
    main.script.plan("STREAM user *", "miss", times=None)
    monkeypatch.setitem(faults.REST, "none", faults.Mischief(False, faults.Manner.ANSWER, 200, "[]"))
    main.script.plan("GET /api/v3/myTrades", "none", times=None)  # or a comparison finds out before the outage
    town.want(1)
    await town.bars_until(lambda: town.held("main"))
    await town.down()
    town.ahead.seconds += AFTER
    await town.told("told trades in reserve now")
    await town.bars_until(lambda: town.booked("reserve"))
    main.script.clear()
    await town.up()
    alert = await town.told("told holds something in two accounts")
    assert "its own account main reports BTC/USDT of it. It only closes from now on." in alert
    await town.bar()
    await town.bar()
    assert (town.placed("main"), town.placed("reserve")) == (1, 1)
    assert (town.booked("main"), town.booked("reserve")) == (town.held("main"), town.held("reserve")) == (BOUGHT,) * 2
    answer = await town.press(await town.say("/flatten told"), "Yes")
    await town.until(lambda: not town.held("main") + town.held("reserve"))
    assert answer.count("closed") == 2, answer
    await town.bar()
    assert (town.placed("main"), town.placed("reserve")) == (2, 2)
