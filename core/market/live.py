"""The live market: what several feeds hear, brought to one word for each symbol.

Symbols that the same feeds have form a lane, in which one feed counts at a time. Prices of it are kept until they are
taken, the newest of each symbol only; bars are brought together by their end; and what is missing of the past is asked
for, from the feed that counts and no other, so that a bar and the history before it are of one venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import structlog

from brokers.errors import BrokerError
from brokers.instrument import Instrument
from brokers.market import Bar, Quote
from brokers.port import DAY
from core.clock import Clock
from core.market.bar_ends import BarEnd, BarEnds, newest_end
from core.market.failover import Choice
from core.market.feed import Feed

log = structlog.get_logger(__name__)

# A feed that has failed counts again when it has been well for so many times the patience.
_TRUST = 4
# The venue's stream comes first; what it has not brought so long after the end is asked for.
_ASK_AFTER = timedelta(seconds=1)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=30)
_LOOK_SECONDS = 0.25
# That history cannot be loaded is told when it has lasted so long.
_WITHOUT_PAST_SECONDS = 60.0
_FEW = 3


class Lack(StrEnum):
    """What there may be none of, in a word for people."""

    PRICES = "prices"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class News:
    """Something that people should know of a lane: another feed counts (`before`), or there is a `lack` of something.

    `symbol` is the only one of the lane that is lacking it; `is_over`: it is there again.
    """

    lane: Lane
    before: Feed | None = None
    lack: Lack | None = None
    symbol: str = ""
    is_over: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """Symbols that the same feeds have, the preferred feed first; prices only, if they are those of one `account`."""

    symbols: tuple[str, ...]
    feeds: tuple[Feed, ...]
    choice: Choice
    ends: BarEnds
    quotes: dict[str, Quote] = field(default_factory=dict)
    served: dict[str, Feed] = field(default_factory=dict)  # whose past the strategies have been shown, by symbol
    volumes_of: dict[str, date] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)  # when each symbol was last priced, by the feed that counts
    since: float = 0.0  # the feed that counts does, or is heard again
    is_silent: bool = False
    lacks_history: bool = False
    unpriced: set[str] = field(default_factory=set)  # symbols of which there are no prices, but of others there are
    told: dict[str, bool] = field(default_factory=dict)  # what was told last: whether a symbol ("": all) lacks prices
    ask_at: datetime | None = None
    pause: timedelta = _FIRST_PAUSE
    asked_end: datetime | None = None
    account: str = ""
    asked: Feed | None = None  # whoever has been asked for history last, with or without success

    @property
    def feed(self) -> Feed:
        """The feed that counts."""
        return self.feeds[self.choice.current]

    @property
    def unserved(self) -> tuple[str, ...]:
        """The symbols whose history is not that of the feed that counts."""
        return tuple(symbol for symbol in self.symbols if self.served.get(symbol) is not self.feed)

    @property
    def name(self) -> str:
        """Its symbols, or the first of many."""
        few = len(self.symbols) <= _FEW
        return ", ".join(self.symbols) if few else f"{self.symbols[0]} and {len(self.symbols) - 1} more"


class LiveMarket:
    """The feeds and what has come of them since it was last taken.

    `own` are feeds with prices that count for one account only, its own venue's. `learnt` is told of instruments that
    the preferred feed of their symbols has described. `seconds` only grows.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        symbols: Sequence[str],
        own: Mapping[str, Feed],
        *,
        period: timedelta,
        patience: float,
        clock: Clock,
        history_bars: int,
        learnt: Callable[[Sequence[Instrument]], Awaitable[None]],
        seconds: Callable[[], float] | None = None,
    ) -> None:
        self.feeds = tuple(feeds)
        self.period = period
        self.patience = patience
        self._clock = clock
        self._history_bars = history_bars
        self._learnt = learnt
        self._seconds = seconds or (lambda: asyncio.get_running_loop().time())
        self._symbols = tuple(symbols)
        self._own = dict(own)
        self._lane_of: dict[str, Lane] = {}
        self._described: set[str] = set()
        self._describing = asyncio.Lock()
        self._past: dict[str, Sequence[Bar]] = {}
        self._volumes: dict[str, Decimal] = {}
        self._news = asyncio.Event()
        self.lanes: tuple[Lane, ...] = ()
        self.own_lanes: tuple[Lane, ...] = ()

    def open(self, described: Iterable[str]) -> None:
        """Begin to wait for prices; of `described` symbols the instruments are remembered."""
        self._described = set(described)
        groups: dict[tuple[Feed, ...], list[str]] = {}
        for symbol in self._symbols:
            groups.setdefault(tuple(feed for feed in self.feeds if symbol in feed.symbols), []).append(symbol)
        self.lanes = tuple(self._lane(tuple(symbols), feeds) for feeds, symbols in groups.items())
        self._lane_of = {symbol: lane for lane in self.lanes for symbol in lane.symbols}
        self.own_lanes = tuple(self._lane(feed.symbols, (feed,), account) for account, feed in self._own.items())

    def _lane(self, symbols: tuple[str, ...], feeds: tuple[Feed, ...], account: str = "") -> Lane:
        now = self._seconds()
        choice = Choice(len(feeds), patience=self.patience, trust=_TRUST * self.patience, now=now)
        return Lane(symbols, feeds, choice, BarEnds(self.period, symbols), since=now, account=account)

    # --- what feeds tell ---------------------------------------------------------------------------

    async def on_instruments(self, feed: Feed, instruments: Sequence[Instrument]) -> None:
        """The preferred feed's rules count; another's only as long as there are none."""
        async with self._describing:
            mine = [each for each in instruments if self._counts(feed, each.symbol)]
            if mine:
                await self._learnt(mine)
                self._described.update(each.symbol for each in mine)
                self._news.set()

    def _counts(self, feed: Feed, symbol: str) -> bool:
        lane = self._lane_of.get(symbol)
        if lane is None or feed not in lane.feeds:
            return False
        return feed is lane.feeds[0] or symbol not in self._described

    def on_quote(self, feed: Feed, quote: Quote) -> None:
        """The newest of each symbol is kept, of the feed that counts. A price from the future is one of now."""
        for lane in (self._lane_of.get(quote.symbol), *self.own_lanes):
            if lane is not None and feed in lane.feeds:
                self._take(lane, feed, quote)

    def _take(self, lane: Lane, feed: Feed, quote: Quote) -> None:
        now = self._clock.now()
        place, age = lane.feeds.index(feed), (now - quote.at).total_seconds()
        counts = place == lane.choice.current
        if age <= self.patience:
            lane.choice.heard(place, self._seconds())
            if counts:
                lane.heard[quote.symbol] = self._seconds()
        else:  # a venue that repeats an old price is silent
            feed.doubt = f"its prices are {age:.0f} s old (is the clock of this machine right?)"
        if not counts:
            return
        known = lane.quotes.get(quote.symbol)
        if known is None or quote.at >= known.at:
            lane.quotes[quote.symbol] = quote if quote.at <= now else replace(quote, at=now)
            self._news.set()

    def on_bars(self, feed: Feed, bars: Iterable[Bar]) -> None:
        """Bars of the feed that counts wait for the others of their end."""
        for bar in bars:
            lane = self._lane_of.get(bar.symbol)
            if lane is not None and feed is lane.feed:
                lane.ends.take([bar], self._clock.now())
                self._news.set()

    # --- what is taken -----------------------------------------------------------------------------

    async def news(self, seconds: float) -> None:
        """Return when something has come, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    def look(self) -> list[News]:
        """Choose the feeds that count from now on, and say what has changed."""
        now = self._seconds()
        found = []
        for lane in (*self.lanes, *self.own_lanes):
            before = lane.feed
            if lane.choice.look(now):
                lane.quotes.clear()
                lane.heard.clear()
                lane.ends.forget()
                lane.ask_at, lane.since = None, now
                found.append(News(lane, before=before))
            found += self._lacks(lane, now)
        return found

    def _lacks(self, lane: Lane, now: float) -> Iterator[News]:
        """What has begun to be lacking, or is there again. Where nothing is priced, that is all there is to say."""
        was_silent, lane.is_silent = lane.is_silent, lane.choice.is_silent(now)
        if was_silent and not lane.is_silent:  # those that are not heard yet have their time from here on
            lane.since = now
        if lane.is_silent or lane.choice.well_for(now) >= self.patience:  # what comes and goes is one silence
            yield from self._told(lane, "", lane.is_silent)
        unpriced = {
            each for each in lane.symbols if now - max(lane.heard.get(each, lane.since), lane.since) > self.patience
        }
        if lane.is_silent or len(unpriced) == len(lane.symbols):
            return
        lane.unpriced = unpriced
        for symbol in lane.symbols if len(lane.symbols) > 1 else ():
            if symbol in unpriced or symbol in lane.heard:
                yield from self._told(lane, symbol, symbol in unpriced)
        lacks_history = bool(lane.unserved) and not lane.account and now - lane.since > _WITHOUT_PAST_SECONDS
        if lacks_history != lane.lacks_history:
            lane.lacks_history = lacks_history
            yield News(lane, lack=Lack.HISTORY, is_over=not lacks_history)

    @staticmethod
    def _told(lane: Lane, symbol: str, lacks: bool) -> Iterator[News]:
        """Prices are lacking or are there: told when it changes, and once after a start, for it may be open since."""
        if lane.told.get(symbol) != lacks:
            lane.told[symbol] = lacks
            yield News(lane, lack=Lack.PRICES, symbol=symbol, is_over=not lacks)

    def take_quotes(self) -> list[Quote]:
        """The newest prices since the last time, one of each symbol at most."""
        found = [quote for lane in self.lanes for quote in lane.quotes.values()]
        for lane in self.lanes:
            lane.quotes.clear()
        return found

    def take_own(self) -> Mapping[str, Sequence[Quote]]:
        """The same of those accounts that have prices of their own."""
        found = {lane.account: tuple(lane.quotes.values()) for lane in self.own_lanes if lane.quotes}
        for lane in self.own_lanes:
            lane.quotes.clear()
        return found

    def take_ends(self) -> list[BarEnd]:
        """The bars that are complete by now, by their ends."""
        now = self._clock.now()
        return sorted((end for lane in self.lanes for end in lane.ends.ready(now)), key=lambda end: end.at)

    def take_past(self) -> Mapping[str, Sequence[Bar]]:
        """History that has been loaded since the last time: it takes the place of what there was."""
        past, self._past = self._past, {}
        return past

    def take_volumes(self) -> Mapping[str, Decimal]:
        """What was traded in the newest complete day, where that has become known."""
        volumes, self._volumes = self._volumes, {}
        return volumes

    @property
    def is_waiting(self) -> bool:
        """Whether something has yet to come that needs neither an account to be connected nor other settings."""
        own = (lane for lane in self.lanes if any(feed.is_own and not feed.is_misconfigured for feed in lane.feeds))
        return any(lane.asked is not lane.feed or not self._described.issuperset(lane.symbols) for lane in own)

    @property
    def is_in_vain(self) -> bool:
        """Whether no feed can be connected at all."""
        return all(feed.problem for feed in self.feeds)

    # --- what is asked for -------------------------------------------------------------------------

    async def serve(self, lane: Lane) -> None:
        """Ask for what is missing, for ever."""
        while True:
            await self.serve_once(lane)
            await asyncio.sleep(_LOOK_SECONDS)

    async def serve_once(self, lane: Lane) -> None:
        """Ask for what is missing now: the past, bars that have ended, the day's volume. One that fails is repeated."""
        now = self._clock.now()
        if lane.asked_end != (end := newest_end(now, self.period)):
            lane.asked_end, lane.pause = end, _FIRST_PAUSE
            due = end + _ASK_AFTER  # what has no history is asked for sooner, and delays the bars of no other
            lane.ask_at = due if not lane.unserved else lane.ask_at and min(lane.ask_at, due)
        feed = lane.feed
        if (lane.ask_at is not None and now < lane.ask_at) or feed.problem or not feed.broker.is_connected:
            return
        try:
            await self._ask(lane, feed)
        except BrokerError as error:
            log.warning("bars could not be asked for", feed=feed.name, reason=str(error))
        lane.asked = feed
        lane.ask_at, lane.pause = self._clock.now() + lane.pause, min(2 * lane.pause, _LONGEST_PAUSE)

    async def _ask(self, lane: Lane, feed: Feed) -> None:
        """Each symbol by itself: one that the venue cannot tell of keeps no other waiting. Raises `BrokerError`."""
        missing = lane.ends.missing(self._clock.now())
        works = [self._load_past(lane, feed, symbol) for symbol in lane.unserved]
        works += [self._fill(lane, feed, symbol, count) for symbol, count in missing.items()]
        found = await asyncio.gather(*works, return_exceptions=True)
        today = self._clock.now().date()
        due = [each for each in lane.symbols if each not in lane.unserved and lane.volumes_of.get(each) != today]
        found += await asyncio.gather(*(self._load_volume(lane, feed, each) for each in due), return_exceptions=True)
        for failure in found:
            if failure is not None:
                raise failure

    async def _fill(self, lane: Lane, feed: Feed, symbol: str, count: int) -> None:
        """What has ended and has not come."""
        end = newest_end(self._clock.now(), self.period)
        found = await feed.bars(symbol, until=end, count=min(count, self._history_bars), period=self.period)
        now = self._clock.now()
        if feed is lane.feed and end == newest_end(now, self.period):
            lane.ends.take(found, now)
            lane.ends.asked([symbol], now)
            self._news.set()

    async def _load_past(self, lane: Lane, feed: Feed, symbol: str) -> None:
        """All history anew, of the feed that counts now. What ended last is left to be traded on if it was not yet."""
        until = newest_end(self._clock.now(), self.period)
        bars = await feed.bars(symbol, until=until, count=self._history_bars, period=self.period)
        if feed is not lane.feed:
            return
        newest, known = newest_end(self._clock.now(), self.period), lane.ends.known_until(symbol)
        past = tuple(bar for bar in bars if bar.at < newest or (known is not None and bar.at <= known))
        self._past[symbol] = past
        lane.ends.begin(symbol, past[-1].at if past else newest - self.period)
        lane.ends.take(bars, self._clock.now())
        lane.served[symbol] = feed
        self._news.set()

    async def _load_volume(self, lane: Lane, feed: Feed, symbol: str) -> None:
        today = self._clock.now().date()
        days = await feed.bars(symbol, until=newest_end(self._clock.now(), DAY), count=1, period=DAY)
        self._volumes.update({bar.symbol: bar.volume for bar in days[-1:]})
        lane.volumes_of[symbol] = today

    # --- words -------------------------------------------------------------------------------------

    def status(self) -> str:
        """A sentence on where prices come from."""
        now = self._seconds()
        silent = [lane for lane in self.lanes if lane.choice.is_silent(now)]
        if silent:
            seconds = min(min(lane.choice.silence(place, now) for place in range(len(lane.feeds))) for lane in silent)
            names = "; ".join(self._of(feed) for feed in dict.fromkeys(f for lane in silent for f in lane.feeds))
            what = "" if len(silent) == len(self.lanes) else f" of {', '.join(lane.name for lane in silent)}"
            return f"NO PRICES{what} for {seconds:.0f} s, so nothing new trades ({names})"
        feeds = dict.fromkeys(lane.feed for lane in self.lanes)
        if not any(lane.choice.is_well(lane.choice.current, now) for lane in self.lanes):
            why = "; ".join(self._of(feed) for feed in feeds if feed.problem)
            return f"waiting for prices of {', '.join(feed.name for feed in feeds)}{f' ({why})' if why else ''}"
        spare = " in place of a preferred feed" if any(lane.choice.current for lane in self.lanes) else ""
        unpriced = sorted(symbol for lane in self.lanes for symbol in lane.unpriced)
        but = f"; NO PRICES of {', '.join(unpriced)}" if unpriced else ""
        return f"live from {', '.join(feed.name for feed in feeds)}{spare}{but}"

    @staticmethod
    def _of(feed: Feed) -> str:
        return f"{feed.name}: {feed.why}"
