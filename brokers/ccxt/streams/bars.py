"""Bars: each told once, when it has ended. What a stream leaves open, or has missed, is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from brokers.ccxt.parsing import Unreadable, bar_of
from brokers.ccxt.pulse import StreamPulse
from brokers.ccxt.streams.bar_clock import BarClock
from brokers.ccxt.streams.channel import Call
from brokers.ccxt.streams.market_feed import MarketFeed
from brokers.ccxt.streams.pace import Pace
from brokers.ccxt.streams.sockets import Sockets
from brokers.errors import BrokerError, Unavailable
from brokers.market import Bar

log = structlog.get_logger(__name__)

Ask = Callable[[str, datetime, int, timedelta], Awaitable[Sequence[Bar]]]

_MOST = 500  # bars of one question
_TRIES = 3  # so often is asked for a bar that the venue must have


class BarFeed(MarketFeed[Bar]):
    """Bars of one period. `timeframe` is ccxt's name of it, `is_final`: see `Wire.final_bars`."""

    name = "bars"
    is_lost_when_silent = True  # what is missing is asked for anyway

    def __init__(
        self,
        exchange: Callable[[], Any],
        ask: Ask,
        period: timedelta,
        timeframe: str,
        now: Callable[[], datetime],
        pace: Pace,
        pulse: StreamPulse,
        *,
        is_final: bool,
    ) -> None:
        super().__init__(pace, pulse, newest=False)
        self._exchange = exchange
        self._ask = ask
        self._period = period
        self.timeframe = timeframe
        self._now = now
        self._is_final = is_final
        self._clocks: dict[str, BarClock] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._ticker: asyncio.Task[None] | None = None

    def topic(self, item: Bar) -> str:
        """Its symbol."""
        return item.symbol

    def calls(self, topics: Sequence[str]) -> Sequence[Call]:
        """One call for each symbol. A bar that ends from here on will be told."""
        for symbol in topics:
            self._clock(symbol)
        exchange = self._exchange()
        if exchange.has.get("watchOHLCVForSymbols"):  # one message for all of them: venues count messages
            return [partial(exchange.watch_ohlcv_for_symbols, self._pairs(topics))]
        return [partial(exchange.watch_ohlcv, symbol, self.timeframe) for symbol in topics]

    async def unwatch(self, topics: Sequence[str]) -> None:
        """Take back what `calls` has asked for."""
        exchange = self._exchange()
        if exchange.has.get("unWatchOHLCVForSymbols"):
            await exchange.un_watch_ohlcv_for_symbols(self._pairs(topics))
            return
        for symbol in topics:
            await exchange.un_watch_ohlcv(symbol, self.timeframe)

    def _pairs(self, topics: Sequence[str]) -> list[list[str]]:
        return [[symbol, self.timeframe] for symbol in topics]

    def hear(self, symbol: str, row: Sequence[Any]) -> None:
        """A candle of the stream, told anew with each change."""
        try:
            candle = bar_of(symbol, row, self._period)
        except Unreadable as error:
            log.warning("a candle of the venue makes no sense", symbol=symbol, error=str(error))
            return
        self.heard(symbol)
        clock = self._clock(symbol)
        if not self._is_asking(symbol):
            self._tell(clock.hear(candle))
        else:
            clock.hold(candle)

    # --- what the stream leaves open ---------------------------------------------------------------

    def start(self, sockets: Sockets) -> None:
        """Open what is wanted, and look after ends of periods that the stream does not tell."""
        super().start(sockets)
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Close what is open."""
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)
        await super().stop()

    def opened(self, topics: Sequence[str]) -> None:
        """A new stream: what the old one said last may not have been the last word."""
        for symbol in topics:
            self._clock(symbol).broken()

    async def catch_up(self, topics: Sequence[str]) -> None:
        """The bars that ended while there was no stream."""
        for symbol in topics:
            await self._complete(symbol, timedelta(0))

    async def ask(self, topics: Sequence[str]) -> Iterable[str]:
        """Ask for bars that should have been told by now."""
        late = timedelta(seconds=self.pace.late)
        return [symbol for symbol in topics if await self._complete(symbol, late)]

    async def _tick(self) -> None:
        """Time ends a period where no candle does."""
        late = timedelta(seconds=self.pace.late)
        while True:
            await asyncio.sleep(self.pace.late / 4)
            for symbol in [each for each in self._clocks if each in self.fan.topics]:
                try:
                    await self._complete(symbol, late)
                except BrokerError as error:
                    log.warning("bars cannot be asked for", symbol=symbol, error=str(error))

    async def _complete(self, symbol: str, late: timedelta) -> bool:
        """Ask for the bars of `symbol` whose time is up, if the stream has not told them; whether there were any."""
        clock = self._clock(symbol)
        async with self._turns.setdefault(symbol, asyncio.Lock()):
            until = clock.due(self._now(), late)
            if until is None:
                return False
            bars = await self._asked(symbol, clock, until)
            told = clock.filled(bars, until)
        self._tell(told)
        self._tell(clock.release())
        return bool(told)

    async def _asked(self, symbol: str, clock: BarClock, until: datetime) -> Sequence[Bar]:
        """The bars from the last that was told up to `until`. Those that the stream has spoken of must be there."""
        count = min((until - clock.told) // self._period, _MOST)
        for attempt in range(1, _TRIES + 1):
            bars = await self._ask(symbol, until, count, self._period)
            missing = clock.wants(until) - {bar.at for bar in bars}
            if not missing:
                return bars
            await asyncio.sleep(self.pace.late * attempt / _TRIES)
        raise Unavailable(f"{symbol}: the venue has not got the bars of {', '.join(map(str, sorted(missing)))} yet")

    def _is_asking(self, symbol: str) -> bool:
        turn = self._turns.get(symbol)
        return turn is not None and turn.locked()

    def _clock(self, symbol: str) -> BarClock:
        if symbol not in self._clocks:
            self._clocks[symbol] = BarClock(self._period, self._now(), trusts_last_candle=self._is_final)
        return self._clocks[symbol]

    def _tell(self, bars: Iterable[Bar]) -> None:
        for bar in bars:
            self.fan.publish(bar)
