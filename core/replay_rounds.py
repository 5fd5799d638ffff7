"""Works through the moments of a replayed market, one after another and each to its end.

A moment: the venue trades along the day's path of prices, the books follow, risk looks at every tick, and at the
close the strategies decide. How far we are is stored at the end of each, so that a restart goes on exactly there;
a moment that was cut short is worked through again, and what it had already done changes nothing the second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta

from brokers.errors import BrokerError
from brokers.market import Bar, Quote
from brokers.simulation.source import ticks_of
from core.attendance import Moment
from core.clock import ManualClock
from core.events import BarsProcessed
from core.market.archive import BarArchive, FolderArchive, bundled_archive
from core.market.replay import BarBatch, ReplayFeed
from core.rounds import Around, Rounds
from core.settings import MarketSettings
from core.store.control import get_cursor, put_cursor
from core.store.database import transaction
from core.trading.desk import Desk
from risk.view import TradingState

_CURSOR = "replay"

# Prices of a daily bar are played within the hours of a New York session.
_SESSION = timedelta(hours=6.5)


def archive_of(settings: MarketSettings) -> BarArchive:
    """The history that the settings name. Raises `MarketDataError` for a folder that cannot be read."""
    return bundled_archive() if settings.folder is None else FolderArchive(settings.folder)


class ReplayRounds(Rounds):
    """History played in all accounts; `trading_clock` is moved by it."""

    def __init__(self, settings: MarketSettings, around: Around, trading_clock: ManualClock) -> None:
        super().__init__(around)
        self._settings = settings
        self._archive = archive_of(settings)
        self._clock = trading_clock
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
        self._market.remember(past)
        self._mark({symbol: bars[-1].close for symbol, bars in past.items() if bars})
        self._feed, self._is_fresh = feed, True

    async def run(self) -> None:
        """Work until history ends. Started again after a failure, it begins with the moment that failed."""
        if not self._is_fresh:
            await self.open()
        self._is_fresh = False
        assert self._feed is not None
        async for batch in self._feed.batches():
            await self._work_through(batch)

    async def _work_through(self, batch: BarBatch) -> None:
        """When somebody is there to do it."""
        while True:
            await self._attendance.somebody()
            async with self.between():
                if not self._attendance.is_empty:  # they may have gone while a lock was waited for
                    await self.process(batch)
                    return

    @asynccontextmanager
    async def between(self) -> AsyncIterator[None]:
        """Inside, no moment is being worked through: books and venue can be compared."""
        async with self._lock:
            yield

    def apart(self, account: str) -> AbstractAsyncContextManager[None]:
        """The same: a moment is everybody's."""
        del account
        return self.between()

    @property
    def status(self) -> str:
        """A sentence on where prices come from and how far we are."""
        feed = self._feed
        if feed is None or feed.position is None:
            return "no prices yet"
        if feed.at_end:
            return f"replay has ended at {feed.position:%Y-%m-%d}"
        pace = f"{feed.speed:g} bar{'' if feed.speed == 1 else 's'} a second" if feed.speed else "full speed"
        return f"replaying {feed.position:%Y-%m-%d} at {pace}"

    async def process(self, batch: BarBatch) -> None:
        """One moment, to its end."""
        moment = Moment(self._attendance.present(), self._failed)
        await moment.each(lambda desk: desk.roll_day(batch.at))
        await self._trade(batch, moment)
        self._clock.set(batch.at)
        self._market.on_bars(batch.bars.values())
        await moment.each(lambda desk: desk.roll_day())
        await self._decide(batch.bars, moment)
        await self._remember(batch.at)
        await self._events.publish(BarsProcessed(batch.at))

    async def _trade(self, batch: BarBatch, moment: Moment) -> None:
        """Play the path of prices to the venues, tick by tick across all symbols."""
        paths = [self._path(symbol, batch) for symbol in batch.bars]
        for ticks in zip(*paths, strict=True):
            self._clock.set(ticks[0].at)
            self._market.on_quotes(ticks)
            # Marks first: a fill at the new price beside an old mark would look like a loss for a moment.
            self._mark({tick.symbol: tick.last for tick in ticks})
            self._push(ticks)
            await moment.each(self._follow)

    def _push(self, ticks: Sequence[Quote]) -> None:
        """To every venue; one that cannot take them is away from now on, which its own account will find out."""
        try:
            self._source.push(ticks)
        except BrokerError:
            if self._floor.is_single:
                raise

    async def _decide(self, bars: Mapping[str, Bar], moment: Moment) -> None:
        """Every strategy sees its bars once, then each account orders for its own; where trading is halted, nobody."""
        pipelines = self._floor.pipelines
        self._strategies.observe(bars.values())
        await moment.each(lambda desk: pipelines[desk.account].prepare(bars))
        trading = [desk for desk in moment.desks if desk.state_for() is not TradingState.HALTED]
        if not trading:
            return
        await self._strategies.decide(bars, [name for desk in trading for name in self._awake(desk)])

        async def order(desk: Desk) -> None:
            if desk in trading:
                await pipelines[desk.account].order(bars)

        await moment.each(order)

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
            await self._note_all(at)

    async def note_equity(self) -> None:
        """Write down what we are worth now, between two moments."""
        async with self.between(), transaction():
            await self._note_all(self._clock.now())

    async def _note_all(self, at: datetime) -> None:
        for desk in self._floor:
            await self._note(at, desk)
