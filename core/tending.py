"""Tends one account while the program runs: connects, reconciles, listens, and keeps its stops and targets in place.

Each account has its own, so that a broker that is down or slow holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from brokers.errors import BrokerError, Unavailable, Uncertain
from brokers.health import Breaker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.errors import Postponed, in_words
from core.events import Events, FillRecorded, OrderChanged
from core.rounds import Rounds
from core.trading.desk import Desk
from core.trading.pipeline import Pipeline
from core.trading.reconcile import Drift
from core.trading.states import OrderState

log = structlog.get_logger(__name__)

_RECONNECT_SECONDS = 2.0
# How long other accounts wait for one whose venue does not answer; in a live market nobody has to.
_PATIENCE_SECONDS = 10.0
_LIVE_PATIENCE_SECONDS = 30.0
# A real venue that has just come back, or is far away, may refuse now and then.
_TRIES = 3
_TOLD_AFTER = 5
_LONGEST_PAUSE_SECONDS = 15.0
_LEARN_SECONDS = 1800.0


class Tending:
    """The life of one account. `is_alone`: there is no other account that would have to wait for this one.

    `alerts` are given in a live market: no account waits for another there, and a real venue that cannot be asked for a
    while halts nothing, but people hear of it.
    """

    def __init__(
        self,
        desk: Desk,
        pipeline: Pipeline,
        rounds: Rounds,
        events: Events,
        *,
        is_alone: bool,
        alerts: Alerts | None = None,
    ) -> None:
        self.desk = desk
        self._pipeline = pipeline
        self._rounds = rounds
        self._events = events
        self._patience = None if is_alone else _PATIENCE_SECONDS
        if alerts is not None:
            self._patience = _LIVE_PATIENCE_SECONDS
        self._alerts = alerts
        self.is_real = alerts is not None and not desk.broker.capabilities.simulated
        self._was_there = False
        self._left_out: set[str] = set()
        self._waits = False  # simulated, and by which rules its market trades nobody has said yet
        self._is_slow = False  # its venue has kept the others waiting

    async def recover(self) -> None:
        """Ask the venue; if it cannot be asked, nothing trades in this account.

        That is a halt, but for a real venue that is away for a while after it was there: strategies wait until books
        and venue have been compared, and what rests there stays. A simulated one waits for the rules of its market.
        """
        async with self._rounds.without(self.desk.account):
            failures = 0
            while problem := await self._asked():
                failures += 1
                self.desk.reconciled = False
                if not self._is_worth_trying(problem, failures):
                    break
                if failures == _TOLD_AFTER:
                    await self._tell(problem)
                await asyncio.sleep(min(_RECONNECT_SECONDS * failures, _LONGEST_PAUSE_SECONDS))
            waits = bool(problem) and self._waits_for_market
            try:
                await self._settle(problem, failures, waits=waits)
            finally:  # it is judged from now on: before there is anything to measure losses from, that would halt it
                self._waits = waits

    async def _settle(self, problem: Exception | None, failures: int, *, waits: bool) -> None:
        """What follows from an answer, or from none; and what losses are measured from."""
        if waits:
            log.info("a simulated venue waits for its market", account=self.desk.account)
            return
        if problem:
            said = in_words(problem, self.desk.account) or "the venue does not answer"
            await self.desk.halt_for("RECONCILIATION FAILED", said)
        else:
            self._was_there = True
            await self._tell_of_end(failures)
            await self._tell_left_out()
        await self.desk.roll_day()

    def _is_worth_trying(self, problem: Exception, failures: int) -> bool:
        """What is refused stays refused; a real venue that does not answer may do so soon."""
        is_passing = isinstance(problem, (Unavailable, Uncertain, TimeoutError))
        return self.is_real and is_passing and (self._was_there or failures < _TRIES)

    @property
    def _waits_for_market(self) -> bool:
        return self.desk.broker.capabilities.simulated and not self._rounds.is_described

    @property
    def _key(self) -> str:
        return f"compare:{self.desk.account}"

    async def _tell(self, problem: Exception) -> None:
        if self._alerts is None:
            return
        account = self.desk.account
        body = (
            f"{str(problem) or 'The venue does not answer'}.\n"
            "Its strategies wait until books and venue have been compared; what rests at the venue stays there. "
            "It is tried again every few seconds."
        )
        title = f"{account}: the venue cannot be asked"
        await self._alerts.add(Alert("connection", Severity.CRITICAL, title, body, account=account, key=self._key))

    async def _tell_of_end(self, failures: int) -> None:
        if self._alerts is not None and failures >= _TOLD_AFTER:
            await self._alerts.close(self._key, f"books and venue of {self.desk.account} have been compared")

    async def _tell_left_out(self) -> None:
        """A symbol that its venue does not list is no reason to leave the others alone; people hear of it once."""
        account = self.desk.account
        for symbol, why in self.desk.broker.left_out.items():
            if self._alerts is None or symbol in self._left_out:
                continue
            self._left_out.add(symbol)
            end = "" if why.endswith("?") else "."
            advice = "Nothing is ordered in it, and nothing is watched. Correct the settings, and start anew."
            body = f"{why}{end}\n{advice}"
            title = f"{account}: {symbol} is left out"
            await self._alerts.add(Alert("instrument", Severity.CRITICAL, title, body, account=account))

    async def _asked(self) -> Exception | None:
        """Connect, learn by which rules is traded, and compare; what has kept us from it."""
        try:
            async with asyncio.timeout(self._patience):
                await self.desk.broker.connect()
                await self.desk.learn()
            await self._compare()
        except (BrokerError, TimeoutError) as error:
            return error
        return None

    async def learn(self) -> None:
        """Ask now and then by which rules is traded, and after every refusal: venues change lots and ticks."""
        refused = asyncio.Event()

        async def wake(changed: OrderChanged) -> None:
            if changed.state == OrderState.REJECTED:
                refused.set()

        forget = self._events.subscribe(OrderChanged, wake)
        try:
            while True:
                refused.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(refused.wait(), _LEARN_SECONDS)
                await self._learn()
        finally:
            forget()

    async def _learn(self) -> None:
        """Asked beside everything else; what is new counts from one moment of the market to the next."""
        try:
            await self.desk.broker.get_instruments()
            async with self._quiet():
                await self.desk.learn()
        except BrokerError as error:
            log.info("by which rules is traded cannot be asked", account=self.desk.account, reason=str(error))

    async def reconcile(self) -> list[Drift]:
        """Compare books and venue between two moments of the market, when nothing is on its way.

        Raises `BrokerError` if the venue cannot be asked.
        """
        try:
            return await self._compare()
        except TimeoutError as error:
            raise Unavailable(f"{self.desk.account}: the venue does not answer") from error

    async def reconcile_if_connected(self) -> None:
        """The same, every now and then. Raises `Postponed` where a venue is known to take no questions."""
        if not self.desk.broker.is_connected:
            return
        try:
            await self.reconcile()
        except Unavailable as error:
            health = self.desk.broker.health
            if health.banned_until is None and health.breaker is Breaker.CLOSED:
                raise
            raise Postponed(str(error)) from error

    async def _compare(self) -> list[Drift]:
        async with self._quiet():
            try:
                async with asyncio.timeout(self._patience):
                    await self.desk.broker.settled()
                    drifts = await self.desk.reconcile()
            except TimeoutError:
                self._is_slow, self.desk.reconciled = True, False
                raise
        self._is_slow = False
        return drifts

    @asynccontextmanager
    async def _quiet(self) -> AsyncIterator[None]:
        """No moment is worked through meanwhile; for a slow venue only none in this account."""
        async with AsyncExitStack() as stack:
            without = self._rounds.without(self.desk.account)
            await stack.enter_async_context(without if self._is_slow else self._rounds.apart(self.desk.account))
            yield

    async def listen(self) -> None:
        """Believe reports; when the connection ends, connect again and reconcile, for nothing is replayed."""
        told = ""
        while True:
            try:
                await self.desk.listen()
            except Unavailable as down:
                if (reason := str(down)) != told and not self._waits:
                    log.warning("the broker is gone", account=self.desk.account, reason=reason)
                    told = reason
            await asyncio.sleep(_RECONNECT_SECONDS)
            await self.recover()
            told = "" if self.desk.reconciled else told

    async def protect(self) -> None:
        """Stops and targets are in place from the start on and follow every fill at once, not only the next price."""
        filled = asyncio.Event()

        async def wake(_fill: FillRecorded) -> None:
            filled.set()

        forget = self._events.subscribe(FillRecorded, wake)
        try:
            while True:
                filled.clear()
                await self._pipeline.keep()
                await filled.wait()
        finally:
            forget()

    async def sweep(self) -> None:
        """Assess risk now, and look after stops and targets. What has not opened yet has no equity to be judged by."""
        if self._waits:
            return
        await self.desk.sweep()
        await self._pipeline.keep()
