"""The stream of order reports of one account.

It ends with `Unavailable` when it is lost, in whatever way it is lost, and is then opened anew by the next `open`:
nothing is replayed, so whoever listens must reconcile. While it is open it is questioned: whether its sockets live,
whether it tells what answers to questions tell. Where there is none, or it cannot be kept open, orders are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from brokers.ccxt.calls import Call
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.pulse import StreamPulse
from brokers.ccxt.streams.channel import Channel
from brokers.ccxt.streams.ear import Ear
from brokers.ccxt.streams.fan import Fan, Reader
from brokers.ccxt.streams.looks import Find, Looks
from brokers.ccxt.streams.pace import Attempts, Pace
from brokers.ccxt.streams.renewal import Renewal
from brokers.ccxt.streams.sockets import Sockets
from brokers.ccxt.streams.story import Story
from brokers.ccxt.streams.tap import Message, Tap
from brokers.ccxt.streams.tracker import Key, Tracker, key_of, our_id
from brokers.errors import BrokerError, Unavailable
from brokers.order import ClientOrderId, OrderReport
from brokers.resilience.ticks import ticks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """Where to ask: for one order by our id, for all that are open, conditional ones included, and for the rest."""

    find: Find
    open_orders: Callable[[], Awaitable[Sequence[OrderReport]]]
    ask: Callable[[Call], Awaitable[Any]]


class ReportFeed:
    """Opened by `open`; then `reports` gives readers, until it is lost.

    `is_polled`: the venue pushes nothing here, or its stream cannot be opened; orders are asked for instead.
    """

    def __init__(
        self,
        dialect: Dialect[Any],
        account: Account,
        story: Story,
        tracker: Tracker,
        pace: Pace,
        attempts: Attempts,
        pulse: StreamPulse,
    ) -> None:
        self._dialect = dialect
        self._account = account
        self._story = story
        self._tracker = tracker
        self._pace = pace
        self._pulse = pulse
        self._looks = Looks(account.find, pace, self._is_whole, self.lose)
        self._fan = _fan("not open yet")
        self._channel: Channel | None = None
        self._life: asyncio.Task[None] | None = None
        self._ear = Ear(pace.grace)
        self._attempts = attempts
        self._lost = ""
        self.is_polled = False

    # --- opening and losing ------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether what happens is told, by the stream or by asking."""
        return self._life is not None and not self._life.done() and not self._lost

    def reports(self) -> Reader[OrderReport]:
        """A reader from now on; it ends with `Unavailable` when the stream is lost, at once if it is not open."""
        return self._fan.subscribe()

    async def open(self, exchange: Any, sockets: Sockets, tap: Tap) -> None:
        """Open the stream, unless it is; what happens from the return on is told. Raises `Unavailable`."""
        if self.is_open:
            return
        await self.close("opened anew")
        self._lost, self._ear = "", Ear(self._pace.grace)
        self.is_polled = not self._dialect.capabilities.report_stream or self._attempts.failures >= self._pace.tries
        try:
            if not self.is_polled:
                self._channel = await self._opened(exchange, sockets, tap)
            await self._take_stock()
            self._check_lost()
        except BaseException:
            await self._give_up()
            raise
        self._fan = _fan()
        (self._pulse.answered if self.is_polled else self._pulse.opened)()
        live = self._poll(partial(self._opened, exchange, sockets, tap)) if self.is_polled else self._listen()
        self._life = asyncio.create_task(live)
        self._life.add_done_callback(self._life_ended)

    async def close(self, reason: str) -> None:
        """End the stream and everything that belongs to it."""
        self._fan.close(reason)
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            self._pulse.lost(self._lost)
        await self._looks.close()
        await self._give_up(reason)

    def _check_lost(self) -> None:
        """Somebody else may have given it up while it was being opened."""
        if self._lost:
            raise Unavailable(f"the stream of reports was lost while it was opened: {self._lost}")

    async def _give_up(self, reason: str = "given up") -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(reason, shared=True)

    async def _opened(self, exchange: Any, sockets: Sockets, tap: Tap) -> Channel:
        wire = self._dialect.wire
        wire.forget_login(exchange)
        calls = [partial(getattr(exchange, call.method), *deepcopy(call.args)) for call in wire.report_calls]
        channel = Channel(sockets, calls)
        tap.account, tap.private = self._hear, channel.urls
        try:
            await channel.open(self._pace.opening)
        except ConnectionError as error:
            await channel.close(str(error), shared=True)
            self._attempts.failures += 1
            raise Unavailable(f"the stream of reports cannot be opened: {error}") from error
        except BaseException:  # whoever wanted it has gone
            await channel.close("given up", shared=True)
            raise
        return channel

    def _life_ended(self, life: asyncio.Task[None]) -> None:
        """Whoever reads must not wait for a stream that nobody looks after."""
        if not life.cancelled():
            error = life.exception()
            self.lose(repr(error) if error is not None else "ended")

    def lose(self, reason: str) -> None:
        """The stream is worth nothing any more."""
        if not self._lost:
            self._lost = reason or "lost"
            self._attempts.failures += 1
            log.warning("the stream of reports is lost", venue=self._dialect.venue, reason=self._lost)
            self._fan.close(self._lost)
            self._pulse.lost(self._lost)

    # --- listening ---------------------------------------------------------------------------------

    async def _listen(self) -> None:
        channel = self._channel
        assert channel is not None
        asked_at = ticks()
        renewal = Renewal(self._dialect.wire, self._account.ask, self._pace.longest_pause)
        while not self._lost:
            await asyncio.wait({channel.ended}, timeout=self._pace.step)
            if channel.ended.done():
                self.lose(channel.ended.result())
            elif channel.lifeless_for() > self._pace.silence:
                self.lose("no sign of life")
            elif await self._is_deaf():
                self.lose("it is open and does not tell what happens")
            elif ticks() - asked_at > self._pace.silence:
                asked_at = ticks()
                await self._question()
            elif ended := await renewal.tend():
                self.lose(ended)
        await channel.close(self._lost, shared=True)

    async def _is_deaf(self) -> bool:
        overdue = self._ear.overdue()
        for key in overdue:
            log.warning("the stream has not told of an order", order=key[1])
            if report := await self._ask(our_id(key)):
                self._found(report)
        return bool(overdue)

    async def _question(self) -> None:
        """Now and then, whatever is told: see whether all that happened was."""
        try:
            self._ear.expect(await self._take_stock())
        except BrokerError as error:
            log.warning("open orders cannot be asked for", venue=self._dialect.venue, error=str(error))

    def _hear(self, message: Message) -> None:
        """A message of the venue, just now. Nothing here may wait."""
        self._pulse.heard()
        news = self._story.hear(message)
        if news.spoken_of:
            self._attempts.failures = 0
        for key in news.spoken_of:
            self._ear.heard(key)
        for report in news.reports:
            self._fan.publish(report)
            self._check_fills(report)
        for order in news.looks:
            self._looks.at(order)

    def _check_fills(self, report: OrderReport) -> None:
        """Fills that the venue tells apart from the order come soon, and so do fees; else they are asked for."""
        key = key_of(report)
        if report.client_order_id and not self._tracker.is_settled(key):
            self._looks.later(report.client_order_id, self._pace.grace, lambda: self._tracker.is_settled(key))

    # --- asking ------------------------------------------------------------------------------------

    def told(self, report: OrderReport) -> None:
        """The venue has told us this in an answer: the stream must tell it, too. Nothing is passed on.

        What the stream told before we knew that the order is ours, nobody has believed: it is asked for.
        """
        stranger = (report.symbol, report.venue_order_id)
        was_strange = self._tracker.find(stranger) is not None
        self._tracker.take(replace(report, fills=(), busted=()), asked=True)
        if not self.is_open or not report.client_order_id:
            return
        if was_strange:
            self._looks.at(report.client_order_id)
        elif not self.is_polled and not report.type.is_conditional:
            self._ear.expect([key_of(report)])

    async def _take_stock(self) -> list[Key]:
        """Ask for all open orders, pass on what is new, also of those that have gone; of which there was news.

        Conditional orders are left out: not every venue tells of them.
        """
        before = self._tracker.open()
        answer = await self._account.open_orders()
        gone = before.keys() - {key_of(report) for report in answer}
        found = [*answer, *[report for key in sorted(gone) if (report := await self._ask(our_id(key)))]]
        return [key_of(report) for report in found if self._found(report) and not report.type.is_conditional]

    async def _ask(self, order: ClientOrderId | None) -> OrderReport | None:
        """What became of an order; later, if it cannot be had now."""
        try:
            return await self._account.find(order) if order else None
        except BrokerError:
            if order:
                self._looks.later(order, self._pace.poll, lambda: False)
            return None

    def _is_whole(self, report: OrderReport) -> bool:
        """An answer to a look: whether it told all the fills that it should have."""
        self._found(report)
        return self._tracker.is_complete(key_of(report))

    def _found(self, report: OrderReport) -> bool:
        """An answer: pass on what is new in it; whether anything was."""
        news = self._tracker.take(report, asked=True)
        if news is not None:
            self._fan.publish(news)
        return news is not None

    # --- polling -----------------------------------------------------------------------------------

    async def _poll(self, opened: Callable[[], Awaitable[Channel]]) -> None:
        """Ask again and again; try the stream now and then, and go over to it without a gap."""
        heard_at = tried_at = ticks()
        while not self._lost:
            await asyncio.sleep(self._pace.poll)
            try:
                await self._take_stock()
            except BrokerError as error:
                if ticks() - heard_at > self._pace.silence:
                    self.lose(str(error))
                continue
            heard_at = ticks()
            self._pulse.answered()
            if self._dialect.capabilities.report_stream and ticks() - tried_at > self._pace.longest_pause:
                tried_at = ticks()
                if await self._has_gone_over(opened):
                    return

    async def _has_gone_over(self, opened: Callable[[], Awaitable[Channel]]) -> bool:
        try:
            self._channel = await opened()
            self._ear = Ear(self._pace.grace)
            await self._take_stock()
        except BrokerError:
            await self._give_up()
            return False
        self.is_polled, self._attempts.failures = False, 0
        self._pulse.opened()
        await self._listen()
        return True


def _fan(ended: str = "") -> Fan[OrderReport]:
    fan: Fan[OrderReport] = Fan("reports", lambda report: report.symbol)
    if ended:
        fan.close(ended)
    return fan
