"""Binance in a process of its own, as two venues: one for us, one for bare ccxt, so that neither hears of the other.

`python -m tests.benchmarks.support.venue DIR SYMBOLS` is what runs there: the server of `tests/venues`, with limits of
its own that nobody reaches (they would be what is measured), as many spot symbols as wanted, each told as long-winded
as the real venue does (its 46 permission groups included), and two commands more:

`prepare` {"what": "reports" | "quotes", "first": N, "count": N} makes numbered events ready, as bytes of WebSocket
frames; `fire` sends them all at once to whoever listens, and says when (the machine's monotonic clock, nanoseconds).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from brokers.network import Network
from brokers.registry import BrokerContext, BrokerFactory
from core.clock import SystemClock
from tests.benchmarks.support.process import running
from tests.venues import loopback
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.control import Control, tell
from tests.venues.binance.keys import Keys
from tests.venues.binance.limits import MINUTE, TEN_SECONDS, Budget, Window
from tests.venues.binance.listing import USUAL, Listing
from tests.venues.binance.sockets import Socket

OURS, BARE = "ours", "bare"
SYMBOL = "BTC/USDT"
FIRST_PRICE = 50_000
_NO_LIMIT = 10**9
_GROUPS = tuple(f"TRD_GRP_{number:03d}" for number in range(4, 50))
_QUOTES = ("USDT", "BTC", "USDC", "TRY", "BNB", "FDUSD", "EUR", "ETH")


# --- the other process -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verbose(Listing):
    """A symbol that names all groups of accounts which may trade it, as the real venue does."""

    def info(self) -> dict[str, Any]:
        """As `exchangeInfo` tells it."""
        return {**Listing.info(self), "permissionSets": [["SPOT", "MARGIN", *_GROUPS]]}


class Stand(Control):
    """The usual commands, `prepare` and `fire`."""

    def __init__(self, venue: BinanceServer) -> None:
        super().__init__(venue)
        self._frames = b""
        self._site = ""
        self._commands |= {"prepare": self._prepare, "fire": self._fire, "requests": self._requests}

    def _prepare(self, told: dict[str, Any]) -> int:
        make, self._site = {"reports": (_report, "ws-api"), "quotes": (_touch, "stream")}[told["what"]]
        numbers = range(told["first"], told["first"] + told["count"])
        self._frames = b"".join(_frame(json.dumps(make(number)).encode()) for number in numbers)
        return len(self._frames)

    def _fire(self, told: dict[str, Any]) -> int:
        del told
        at = time.monotonic_ns()
        sockets = self._venue.sockets.of(self._site)
        (socket,) = (each for each in sockets if self._site == "ws-api" or "btcusdt@bookTicker" in each.streams)
        socket.marks["transport"].write(self._frames)
        return at

    def _requests(self, told: dict[str, Any]) -> list[list[Any]]:
        """Route and time of arrival of each request."""
        found = self._venue.journal.requests(told.get("route", ""))
        return [[entry["route"], entry.get("came_ns")] for entry in found[int(told.get("since", 0)) :]]


def order_of(number: int) -> str:
    """The client's id of the order that an event tells of: two events for each."""
    return f"bench-{1_000_000 + number // 2}"


def _report(number: int) -> dict[str, Any]:
    """An order that is taken, and with the next event filled."""
    order, is_trade = 1_000_000 + number // 2, number % 2
    event = {
        "e": "executionReport", "E": 1767225600000 + number, "s": "BTCUSDT", "c": order_of(number), "S": "BUY",
        "o": "LIMIT", "f": "GTC", "q": "0.01000000", "p": "50000.00000000", "P": "0.00000000", "F": "0.00000000",
        "g": -1, "C": "", "x": "TRADE" if is_trade else "NEW", "X": "FILLED" if is_trade else "NEW", "r": "NONE",
        "i": order, "l": "0.01000000" if is_trade else "0.00000000", "z": "0.01000000" if is_trade else "0.00000000",
        "L": "50000.00000000" if is_trade else "0.00000000", "n": "0.00001000" if is_trade else "0",
        "N": "BTC" if is_trade else None, "T": 1767225600000 + number, "t": order if is_trade else -1, "v": 3,
        "I": number, "w": not is_trade, "m": False, "M": False, "O": 1767225600000 + number,
        "Z": "500.00000000" if is_trade else "0.00000000", "Y": "500.00000000" if is_trade else "0.00000000",
        "Q": "0.00000000", "W": 1767225600000, "V": "EXPIRE_MAKER",
    }  # fmt: skip
    return {"subscriptionId": 0, "event": event}


def _touch(number: int) -> dict[str, Any]:
    """A best bid and ask; the last of them can be told from all others."""
    return {
        "u": 400_900_217 + number,
        "s": "BTCUSDT",
        "b": f"{FIRST_PRICE + number}.10000000",
        "B": "31.21000000",
        "a": f"{FIRST_PRICE + number}.20000000",
        "A": "40.66000000",
    }


def _frame(text: bytes) -> bytes:
    """A text message of a WebSocket server (RFC 6455): whole, not masked."""
    head = b"\x81" + (bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big"))
    return head + text


def _remember_transports() -> None:
    """Have each socket know its transport, for `fire`."""
    write = Socket._write

    async def remembering(self: Socket, ws: web.WebSocketResponse, request: web.BaseRequest) -> None:
        self.marks["transport"] = request.transport
        await write(self, ws, request)

    Socket._write = remembering  # type: ignore[method-assign]


def _enlarge(venue: BinanceServer, symbols: int) -> None:
    """No limits, and so many spot symbols."""
    for site in ("api", "fapi"):
        windows = (Window(each, _NO_LIMIT) for each in (MINUTE, TEN_SECONDS, MINUTE))
        venue.limits.budgets[site] = Budget(*windows)
    names = [f"X{number:04d}" for number in range((symbols + len(_QUOTES) - 1) // len(_QUOTES))]
    pairs = [(base, quote) for base in names for quote in _QUOTES][: max(symbols - len(USUAL), 0)]
    for base, quote in pairs:
        made = Verbose(base + quote, base, quote, Decimal(1))
        venue.spot.listings[made.symbol] = made
        venue.spot.market.list(made.symbol, made.tick, made.lot, made.price)


async def _serve(folder: Path, symbols: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    _remember_transports()
    (folder / BARE).mkdir(parents=True, exist_ok=True)
    (folder / OURS).mkdir(exist_ok=True)
    async with BinanceServer() as ours, BinanceServer() as bare:
        told = {}
        stands = {OURS: Stand(ours), BARE: Stand(bare)}
        for (name, stand), venue in zip(stands.items(), (ours, bare), strict=True):
            _enlarge(venue, symbols)
            told[name] = [venue.port, await stand.start()]
        print(json.dumps({**told, "ca": loopback.ca_pem()}), flush=True)
        await stopped.wait()
        for stand in stands.values():
            await stand.stop()


# --- this process ------------------------------------------------------------------------------------


@dataclass
class Side:
    """One of the two venues, seen from here."""

    port: int
    control: int
    ca: str

    @property
    def network(self) -> Network:
        """The way there."""
        return loopback.network(self.port, self.ca)

    def tell(self, do: str, **told: Any) -> Any:
        """A command of `tests.venues.binance.control`, or one of the two here. Blocks."""
        return tell(self.control, do, **told)

    async def told(self, do: str, **told: Any) -> Any:
        """As `tell`, while the loop goes on."""
        return await asyncio.to_thread(tell, self.control, do, **told)

    def settings(self, mode: str = "live") -> dict[str, Any]:
        """Those of an account here."""
        key = Keys().of(mode)
        return {
            "adapter": "binance",
            "market": "spot",
            "mode": mode,
            "api_key": key.api_key,
            "secret": key.secret,
        }

    def broker(self, name: str, folder: Path, mode: str = "live", symbols: tuple[str, ...] = (SYMBOL,)) -> Any:
        """An account on the adapter as it is, not connected."""
        context = BrokerContext(folder, SystemClock().now, symbols=symbols, network=self.network)
        return BrokerFactory(context).build(name, self.settings(mode))

    @contextlib.asynccontextmanager
    async def bare(self) -> AsyncIterator[Any]:
        """Ccxt as anybody would use it: its own class, a session of aiohttp, no rate limiter to wait for."""
        import aiohttp
        from ccxt.pro import binance

        connector = aiohttp.TCPConnector(resolver=self.network.resolver, ssl=self.network.ssl, keepalive_timeout=75)
        key = Keys().of("live")
        options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}
        async with aiohttp.ClientSession(connector=connector) as session:
            exchange = binance(
                {
                    "apiKey": key.api_key,
                    "secret": key.secret,
                    "session": session,
                    "enableRateLimit": False,
                    "options": {**options, "fetchCurrencies": False},
                }
            )
            exchange.ssl_context = self.network.ssl
            exchange.timeout_on_exit = 0
            try:
                yield exchange
            finally:
                await exchange.close()


@contextlib.contextmanager
def venues(folder: Path, symbols: int = len(USUAL)) -> Iterator[dict[str, Side]]:
    """Both venues, `OURS` and `BARE`, in another process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with running(["-m", "tests.benchmarks.support.venue", str(folder), str(symbols)]) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the venue did not start; its error is above")
        told = json.loads(line)
        yield {name: Side(*told[name], told["ca"]) for name in (OURS, BARE)}


def never_limited() -> None:
    """Have our own budget count as always, and never be used up."""
    from brokers.adapters.binance import spot
    from brokers.ccxt.limits import Rates
    from brokers.ccxt.limits import Window as Share

    usual = spot.BINANCE_SPOT

    def wide(windows: tuple[Share, ...]) -> tuple[Share, ...]:
        return tuple(Share(_NO_LIMIT, each.seconds, dict.fromkeys(each.headers, _NO_LIMIT)) for each in windows)

    spot.BINANCE_SPOT = Rates(wide(usual.requests), wide(usual.orders))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
