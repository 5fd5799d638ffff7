"""Works through the moments of the market, one after another and each to its end.

A moment: the venue trades along the day's path of prices, the books follow, risk looks at every tick, and at the
close the strategies decide. How far we are is stored at the end of each, so that a restart goes on exactly there;
a moment that was cut short is worked through again, and what it had already done changes nothing the second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.market import Quote
from brokers.simulation.source import TickSource, ticks_of
from core.clock import ManualClock
from core.events import BarsProcessed, Events
from core.market.archive import BarArchive, FolderArchive, bundled_archive
from core.market.replay import BarBatch, ReplayFeed
from core.settings import MarketSettings
from core.store.control import add_equity, get_cursor, put_cursor
from core.store.database import transaction
from core.store.rates import put_rates
from core.strategy.manager import StrategyManager
from core.trading.desk import Desk
from core.trading.market import Market
from core.trading.pipeline import Pipeline
from core.trading.profit import Profit, profits

_CURSOR = "replay"

# Prices of a daily bar are played within the hours of a New York session.
_SESSION = timedelta(hours=6.5)


def archive_of(settings: MarketSettings) -> BarArchive:
    """The history that the settings name. Raises `MarketDataError` for a folder that cannot be read."""
    return bundled_archive() if settings.folder is None else FolderArchive(settings.folder)


class Rounds:
    """The replayed market and everything that it sets in motion."""

    def __init__(
        self,
        settings: MarketSettings,
        source: TickSource,
        *,
        market: Market,
        desk: Desk,
        strategies: StrategyManager,
        pipeline: Pipeline,
        trading_clock: ManualClock,
        events: Events,
        history_bars: int,
    ) -> None:
        self._settings = settings
        self._archive = archive_of(settings)
        self._source = source
        self._market = market
        self._desk = desk
        self._strategies = strategies
        self._pipeline = pipeline
        self._clock = trading_clock
        self._events = events
        self._history_bars = history_bars
        self._lock = asyncio.Lock()
        self._feed: ReplayFeed | None = None
        self._is_fresh = False

    async def open(self) -> None:
        """Find where we were, and show the strategies and the books the past until there."""
        cursor = await get_cursor(_CURSOR)
        series = [self._archive.load(symbol) for symbol in self._settings.symbols]
        feed = ReplayFeed(series, start=self._settings.start, cursor=cursor, speed=self._settings.speed)
        if feed.position is not None:
            self._clock.set(feed.position)
        past = feed.history_until(feed.position, self._history_bars)
        self._strategies.warm_up(past)
        self._desk.mark({symbol: bars[-1].close for symbol, bars in past.items() if bars})
        self._feed, self._is_fresh = feed, True

    async def run(self) -> None:
        """Work until history ends. Started again after a failure, it begins with the moment that failed."""
        if not self._is_fresh:
            await self.open()
        self._is_fresh = False
        assert self._feed is not None
        async for batch in self._feed.batches():
            async with self.between():
                await self.process(batch)

    @asynccontextmanager
    async def between(self) -> AsyncIterator[None]:
        """Inside, no moment is being worked through: books and venue can be compared."""
        async with self._lock:
            yield

    @property
    def status(self) -> str:
        """A sentence on where prices come from and how far we are."""
        feed = self._feed
        if feed is None or feed.position is None:
            return "no prices yet"
        if feed.at_end:
            return f"replay has ended at {feed.position:%Y-%m-%d}"
        pace = f"{feed.speed:g} bars a second" if feed.speed else "full speed"
        return f"replaying {feed.position:%Y-%m-%d} at {pace}"

    async def process(self, batch: BarBatch) -> None:
        """One moment, to its end."""
        await self._desk.roll_day(batch.at)
        await self._trade(batch)
        self._clock.set(batch.at)
        self._market.on_bars(batch.bars.values())
        await self._desk.roll_day()
        await self._pipeline.on_bars(batch.bars)
        await self._remember(batch.at)
        await self._events.publish(BarsProcessed(batch.at))

    async def _trade(self, batch: BarBatch) -> None:
        """Play the path of prices to the venue, tick by tick across all symbols."""
        paths = [self._path(symbol, batch) for symbol in batch.bars]
        for ticks in zip(*paths, strict=True):
            self._clock.set(ticks[0].at)
            self._market.on_quotes(ticks)
            # Marks first: a fill at the new price beside an old mark would look like a loss for a moment.
            self._desk.mark({tick.symbol: tick.last for tick in ticks})
            self._source.push(ticks)
            await self._desk.broker.settled()
            await self._pipeline.keep()
            await self._desk.sweep()

    def _path(self, symbol: str, batch: BarBatch) -> Sequence[Quote]:
        return ticks_of(
            batch.bars[symbol],
            spread_bps=self._settings.spread_bps,
            instrument=self._source.instruments[symbol],
            period=_SESSION,
        )

    async def _remember(self, at: datetime) -> None:
        """How far we are and what we are worth, in one commit."""
        async with transaction():
            await put_cursor(_CURSOR, at)
            await self._note(at)

    async def note_equity(self) -> None:
        """Write down what we are worth now, between two moments."""
        async with self.between(), transaction():
            await self._note(self._clock.now())

    async def _note(self, at: datetime) -> None:
        """What we are worth, and by which rates of exchange."""
        if values := self._values():
            await add_equity(values, at)
            await put_rates(self._desk.portfolio.rates_used(), at)

    def _values(self) -> dict[str, Decimal]:
        """Equity of the account and net profit by strategy; nothing while a price or a rate is unknown."""
        equity = self._desk.portfolio.equity
        if equity is None:
            return {}
        by_name = profits(self._desk.portfolio)
        nets = {each.name: by_name.get(each.name, Profit()).net for each in self._strategies.instances}
        return {"account": equity, **{name: net for name, net in nets.items() if net is not None}}
