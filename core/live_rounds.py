"""Works through the moments of a live market, each account by itself, as prices come and as bars end.

Prices reach everybody as fast as they come, but the newest only, so that a fast market starves nobody. A bar that has
ended is shown to the strategies of every account with all others that ended with it; what comes later than a whole
period after its end is history, and nothing is traded on it. The trading clock is the wall clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import structlog

from brokers.errors import BrokerError
from brokers.instrument import Instrument
from brokers.market import Bar, Quote
from brokers.port import DAY
from core.alerts.outbox import Alerts
from core.clock import Clock
from core.events import BarsProcessed
from core.market.feed import Feed
from core.market.history import utc
from core.market.live import LiveMarket
from core.moments import Moments
from core.price_telling import PriceTelling
from core.rounds import Around, Rounds, Start
from core.settings import MarketSettings
from core.store.database import transaction
from core.store.instruments import FEEDS
from core.trading.desk import Desk
from core.trading.instruments import InstrumentBook
from core.trading.market import Market
from risk.view import TradingState

log = structlog.get_logger(__name__)

# Prices are taken in so often at most, and everything is looked at so often at least.
_BEAT_SECONDS, _IDLE_SECONDS = 0.05, 1.0
# How long a start waits for the first word of the feeds.
_START_SECONDS = 30.0
# And if none of them can even be connected.
_VAIN_SECONDS = 5.0
# What losses are measured from is kept so often.
_ROLL = timedelta(seconds=10)


class LiveRounds(Rounds):
    """The market as it is now, in all accounts."""

    def __init__(
        self,
        settings: MarketSettings,
        around: Around,
        feeds: Sequence[Feed],
        own: Mapping[str, Feed],
        *,
        clock: Clock,
        alerts: Alerts,
    ) -> None:
        super().__init__(around)
        self.live = LiveMarket(
            feeds,
            settings.symbols,
            own,
            period=settings.period.length,
            patience=settings.failover_seconds,
            clock=clock,
            history_bars=around.history_bars,
            learnt=self._learnt,
        )
        self._own = dict(own)
        self._period = settings.period.length
        self._clock = clock
        self._telling = PriceTelling(alerts)
        self._book = InstrumentBook(FEEDS, {}, alerts=alerts, clock=clock)
        self._moments = {
            desk.account: Moments(desk, self._attendance, self._work, around.failed) for desk in around.floor
        }
        self._rolled: dict[str, datetime] = {}
        self._thinking = asyncio.Lock()  # strategies of all accounts think on one thread

    # --- start -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up by which rules the venues traded last."""
        await self._book.load()
        self._source.learn(self._book.known.values())
        self.live.open(self._book.known)

    async def ready(self, start: Start) -> None:
        """Listen to the feeds, and give them a little time: an account on their prices begins with some."""
        for feed in self.live.feeds:
            start(f"feed {feed.name}", partial(feed.run, self.live))
        for account, feed in self._own.items():
            start(f"prices {account}", partial(feed.run, self.live))
        for number, lane in enumerate(self.live.lanes, 1):
            start(f"bars {number}" if len(self.live.lanes) > 1 else "bars", partial(self.live.serve, lane))
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.live.is_waiting and loop.time() - began < (
            _VAIN_SECONDS if self.live.is_in_vain else _START_SECONDS
        ):
            await self.live.news(_IDLE_SECONDS / 10)
            await self.step()
        await self.step()

    def parts(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What runs: the market, and the moments of each account."""
        name = "moments" if self._floor.is_single else "moments {}"
        return {"market": self.run, **{name.format(each): moments.run for each, moments in self._moments.items()}}

    async def close(self) -> None:
        """Leave the feeds that are nobody else's, each even if another does not let go."""
        async with AsyncExitStack() as every:
            for feed in self.live.feeds:
                if feed.is_own:
                    every.push_async_callback(feed.broker.disconnect)

    async def _learnt(self, instruments: Sequence[Instrument]) -> None:
        """A feed has said by which rules its venue trades: accounts that live on its prices trade by them, too."""
        await self._book.refresh(instruments)
        self._source.learn(instruments)
        for desk in self._floor:
            if desk.broker.capabilities.simulated and desk.broker.is_connected:
                await desk.learn()

    # --- the market --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take in what comes, for ever."""
        while True:
            await self.step()
            await asyncio.sleep(_BEAT_SECONDS)
            await self.live.news(_IDLE_SECONDS)

    async def step(self) -> None:
        """Take in what has come since the last time, and let every account work through it. Waits for no venue."""
        for news in self.live.look():
            await self._telling.of(news)
        await self._telling.of_feeds(self.live.feeds)
        if past := self.live.take_past():
            self._strategies.warm_up(past)
            self._market.remember(past)
        self._market.on_volumes(self.live.take_volumes())
        self._see(self.live.take_quotes())
        ends = self.live.take_ends()
        for end in ends:
            self._strategies.observe(end.bars.values())
            self._market.on_bars(end.bars.values(), daily=self._period == DAY)
        await self._telling.of_late(ends)
        fresh = {symbol: bar for end in ends if not end.is_old for symbol, bar in end.bars.items()}
        for moments in self._moments.values():
            moments.move(fresh)

    def _see(self, quotes: Sequence[Quote]) -> None:
        """New prices. Marks first: a fill at the new price beside an old mark would look like a loss for a moment."""
        self._market.on_quotes(quotes)
        shared = [desk for desk in self._floor if desk.market is self._market]
        _mark(shared, self._market, quotes)
        for account, own in self.live.take_own().items():
            desk = self._floor.desk(account)
            desk.market.on_quotes(own)
            _mark([desk], desk.market, own)
        try:
            self._source.push([quote for quote in quotes if quote.symbol in self._source.instruments])
        except BrokerError as error:  # it is away from now on, which its own account finds out
            log.warning("a simulated venue takes no prices", reason=str(error))

    @property
    def status(self) -> str:
        """A sentence on where prices come from."""
        return self.live.status()

    @property
    def is_described(self) -> bool:
        """Whether some feed has told it of every symbol, now or before this start."""
        return self._source.is_known

    @property
    def is_well(self) -> bool:
        """Whether there are prices of everything."""
        return not any(lane.is_silent or lane.unpriced for lane in (*self.live.lanes, *self.live.own_lanes))

    # --- one account -------------------------------------------------------------------------------

    async def _work(self, desk: Desk, bars: Mapping[str, Bar]) -> None:
        """What a moment means for an account: what it is measured from, fills, exits, risk; then its strategies."""
        await self._roll(desk)
        await self._follow(desk)
        mine = {
            symbol: bar for symbol, bar in bars.items() if self._is_now(bar) and symbol in desk.portfolio.instruments
        }
        if not mine:
            return
        await self._decide(desk, mine)
        at = max(bar.at for bar in mine.values())
        async with transaction():
            await self._note(at, desk)
        await self._events.publish(BarsProcessed(at))

    async def _roll(self, desk: Desk) -> None:
        """A day begins at midnight UTC; in between what losses are measured from need not be of this very second."""
        now, last = self._clock.now(), self._rolled.get(desk.account)
        if last is None or now.date() != last.date() or now - last >= _ROLL:
            await desk.roll_day()
            self._rolled[desk.account] = now

    async def _decide(self, desk: Desk, bars: Mapping[str, Bar]) -> None:
        """Exits have seen the bars, then strategies, then it is ordered; where trading is halted, nobody decides."""
        pipeline = self._floor.pipelines[desk.account]
        await pipeline.prepare(bars)
        if desk.state_for() is TradingState.HALTED:
            return
        async with self._thinking:
            newest = {symbol: bar for symbol, bar in bars.items() if self._is_last(bar)}
            await self._strategies.decide(newest, self._awake(desk))
        await pipeline.order(bars)

    def _is_last(self, bar: Bar) -> bool:
        """Whether history ends with it. If not, history is another venue's by now, or ahead of it."""
        history = self._strategies.history(bar.symbol)
        if history is None or not len(history):
            return False
        return bool(history.at[-1] == utc(bar.at) and history.close[-1] == float(bar.close))

    def _is_now(self, bar: Bar) -> bool:
        """Whether it may be traded on: it is not older than a period."""
        return self._clock.now() - bar.at < self._period

    # --- between two moments -----------------------------------------------------------------------

    @asynccontextmanager
    async def between(self) -> AsyncIterator[None]:
        """Inside, no moment is being worked through in any account."""
        async with AsyncExitStack() as stack:
            for moments in self._moments.values():
                await stack.enter_async_context(moments.apart())
            yield

    def apart(self, account: str) -> AbstractAsyncContextManager[None]:
        """Inside, no moment is being worked through in this account; the others go on."""
        return self._moments[account].apart()

    async def note_equity(self) -> None:
        """Write down what we are worth now; no account waits for another's venue."""
        async with transaction():
            for desk in self._floor:
                if desk.broker.is_connected or not desk.broker.capabilities.simulated:  # else it may never have opened
                    await self._note(self._clock.now(), desk)


def _mark(desks: Iterable[Desk], market: Market, quotes: Iterable[Quote]) -> None:
    """Value positions by those of the quotes that are the newest: a venue may be behind another, or out of order."""
    marks = {quote.symbol: quote.last for quote in quotes if market.quotes[quote.symbol] is quote}
    for desk in desks:
        desk.mark(marks)
