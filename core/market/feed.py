"""One source of live prices: a broker that is listened to, whatever becomes of its connection.

It only passes on what it hears; which of several sources counts is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import structlog

from brokers.errors import BrokerError, ConfigurationError, NotSupported, Unavailable
from brokers.instrument import Instrument
from brokers.market import Bar, Quote
from brokers.port import AbstractBroker, Subscription

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 2.0
# What is wrong with the settings is not mended by asking often.
_MISCONFIGURED_SECONDS = 60.0
_CONNECT_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
# Between two questions by which rules is traded.
_RULES_SECONDS = 1800.0
# Questions that are on their way at once.
_AT_ONCE = 4


class Listener(Protocol):
    """Who is told what feeds hear."""

    async def on_instruments(self, feed: Feed, instruments: Sequence[Instrument]) -> None:
        """The venue has said by which rules it trades: with each connection, and now and then."""

    def on_quote(self, feed: Feed, quote: Quote) -> None:
        """A price."""

    def on_bars(self, feed: Feed, bars: Iterable[Bar]) -> None:
        """Complete bars, in any order, perhaps not for the first time."""


class Feed:
    """`symbols` at one broker. `is_own`: nobody else connects it; an account's connection is its account's to tend.

    A symbol of which nothing is heard for `silence` seconds is asked for: a quiet market is no dead one. Without
    `with_bars` only prices are listened to.
    """

    def __init__(
        self,
        name: str,
        broker: AbstractBroker,
        symbols: Sequence[str],
        *,
        period: timedelta,
        silence: float,
        is_own: bool,
        adapter: str = "",
        with_bars: bool = True,
    ) -> None:
        self.name = name
        self.adapter = adapter or name
        self.broker = broker
        self.symbols = tuple(symbols)
        self.is_own = is_own
        self._with_bars = with_bars
        self.problem = ""
        self.is_misconfigured = False  # the problem is one of the settings
        self._away_since: float | None = None
        self.doubt = ""  # why what it tells does not count, although it is connected
        self._period = period
        self._silence = silence
        self._heard: dict[str, float] = {}
        self._newest: dict[str, datetime] = {}
        self._nonsense: set[str] = set()  # symbols of which it says what cannot be; that is logged once
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @property
    def why(self) -> str:
        """Why nothing is heard of it, in a few words."""
        return self.problem or self.doubt or "silent"

    @property
    def away_for(self) -> float:
        """For how many seconds it could not be connected, or said nothing after it was; 0 if it is there."""
        return 0.0 if self._away_since is None else asyncio.get_running_loop().time() - self._away_since

    async def run(self, listener: Listener) -> None:
        """Listen for ever; a connection that ends is made again."""
        while True:
            try:
                await self._connect()
                self.problem = self.doubt = ""
                await listener.on_instruments(self, await self.instruments())
                await _together(
                    self._quotes(listener), self._bars(listener), self._ask(listener), self._rules(listener)
                )
            except ConfigurationError as error:
                self.is_misconfigured = True
                await self._pause(str(error), _MISCONFIGURED_SECONDS)
            except (BrokerError, TimeoutError) as error:
                await self._pause(str(error) or "the venue does not answer", _AGAIN_SECONDS)

    async def bars(self, symbol: str, *, until: datetime, count: int, period: timedelta) -> Sequence[Bar]:
        """The last bars of a symbol, in order, each once. Raises `BrokerError`."""
        async with self._turns, _bounded(_ANSWER_SECONDS):
            found = await self.broker.get_bars(symbol, until=until, count=count, period=period)
        sound = {bar.at: bar for bar in found if self._makes_sense(bar.symbol, flaw_of_bar(bar))}
        return [sound[at] for at in sorted(sound)]

    async def instruments(self) -> Sequence[Instrument]:
        """What it trades of our symbols. Raises `BrokerError`."""
        async with _bounded(_CONNECT_SECONDS):
            found = await self.broker.get_instruments()
        return [each for each in found if each.symbol in self.symbols]

    # --- one connection ----------------------------------------------------------------------------

    async def _connect(self) -> None:
        if self.is_own:
            async with _bounded(_CONNECT_SECONDS):
                await self.broker.connect()
        elif not self.broker.is_connected:
            raise Unavailable("its account is not connected")

    async def _pause(self, problem: str, seconds: float) -> None:
        if self._away_since is None:  # an account's connection is told of by those who tend it
            (log.warning if self.is_own else log.info)("a feed is away", feed=self.name, reason=problem)
            self._away_since = asyncio.get_running_loop().time()
        self.problem = problem
        await asyncio.sleep(seconds)

    async def _quotes(self, listener: Listener) -> None:
        async with _read(self.broker.quotes(self.symbols)) as quotes:
            async for quote in quotes:
                self._tell(listener, quote)
        raise Unavailable("the stream of quotes has ended")

    async def _bars(self, listener: Listener) -> None:
        """Those that the venue pushes; where it pushes none, they are asked for when they end."""
        if not self._with_bars:
            return
        try:
            stream = self.broker.bars(self.symbols, self._period)
        except NotSupported:
            return
        async with _read(stream) as bars:
            async for bar in bars:
                if self._makes_sense(bar.symbol, flaw_of_bar(bar)):
                    listener.on_bars(self, [bar])
        raise Unavailable("the stream of bars has ended")

    async def _rules(self, listener: Listener) -> None:
        """Venues change lots and ticks while we listen."""
        while True:
            await asyncio.sleep(_RULES_SECONDS)
            try:
                told = await self.instruments()
            except BrokerError as error:
                log.info("no rules", feed=self.name, reason=str(error))
            else:
                await listener.on_instruments(self, told)

    async def _ask(self, listener: Listener) -> None:
        """Ask for the price of what is silent; that it cannot be told is a silence, too."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._silence / 2)
            for symbol in self.symbols:
                if loop.time() - self._heard.get(symbol, 0.0) < self._silence:
                    continue
                try:
                    async with _bounded(_ANSWER_SECONDS):
                        self._tell(listener, await self.broker.get_quote(symbol), asked=True)
                except BrokerError as error:
                    log.info("no price", feed=self.name, symbol=symbol, reason=str(error))
                    self.doubt = str(error)

    def _tell(self, listener: Listener, quote: Quote, *, asked: bool = False) -> None:
        """Pass it on. A last price that moves beside an old bid and ask is dated like them: that is still silence."""
        if not self._makes_sense(quote.symbol, flaw_of_quote(quote)):
            return
        known = self._newest.get(quote.symbol)
        if asked or known is None or quote.at > known:
            self._heard[quote.symbol] = asyncio.get_running_loop().time()
            self._newest[quote.symbol] = quote.at
        self.doubt, self._away_since, self.is_misconfigured = "", None, False
        listener.on_quote(self, quote)

    def _makes_sense(self, symbol: str, flaw: str) -> bool:
        """Whether what the venue says of a symbol can be; what cannot is as if it had said nothing."""
        if symbol not in self.symbols:
            return False
        if not flaw:
            self._nonsense.discard(symbol)
        elif symbol not in self._nonsense:
            log.warning("a venue says what cannot be", feed=self.name, symbol=symbol, what=flaw)
            self._nonsense.add(symbol)
        if flaw:
            self.doubt = f"{symbol}: {flaw}"
        return not flaw


def flaw_of_quote(quote: Quote) -> str:
    """Why a quote cannot be true; nothing if it can. Without a buyer or a seller there is no market price."""
    if not _are_prices(quote.bid, quote.ask, quote.last):
        return f"a price that is none (bid {quote.bid}, ask {quote.ask}, last {quote.last})"
    return f"its bid {quote.bid} is above its ask {quote.ask}" if quote.bid > quote.ask else ""


def flaw_of_bar(bar: Bar) -> str:
    """Why a bar cannot be true; nothing if it can."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not _are_prices(*prices) or not bar.volume.is_finite() or bar.volume < 0:
        return f"a bar of numbers that cannot be (until {bar.at:%Y-%m-%d %H:%M})"
    is_within = bar.low <= bar.close <= bar.high  # some venues open a bar where the one before has closed
    return "" if is_within else f"a bar that closes beyond its high or low (until {bar.at:%Y-%m-%d %H:%M})"


def _are_prices(*numbers: Decimal) -> bool:
    return all(number.is_finite() and number > 0 for number in numbers)


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    """Inside, a venue that does not answer is `Unavailable`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(f"no answer within {seconds:g} s") from error


@asynccontextmanager
async def _read(stream: Subscription[Any]) -> AsyncIterator[Subscription[Any]]:
    try:
        yield stream
    finally:
        await stream.aclose()


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """All at once until one fails, with which all end; its error is raised as it is."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
