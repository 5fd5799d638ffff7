"""Tends one account while the program runs: connects, reconciles, listens, and keeps its stops and targets in place.

Each account has its own, so that a broker that is down or slow holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from brokers.errors import BrokerError, ConfigurationError, Unavailable
from core.events import Events, FillRecorded
from core.rounds import Rounds
from core.trading.desk import Desk
from core.trading.pipeline import Pipeline
from core.trading.reconcile import Drift

log = structlog.get_logger(__name__)

_RECONNECT_SECONDS = 2.0
# How long other accounts wait for one whose venue does not answer; in a live market nobody has to.
_PATIENCE_SECONDS = 10.0
_LIVE_PATIENCE_SECONDS = 30.0
# A real venue that has just come back, or is far away, may refuse now and then.
_TRIES = 3


class Tending:
    """The life of one account. `is_alone`: there is no other account that would have to wait for this one.

    `is_live`: no account waits for another, and a connection that is lost for a while halts nothing.
    """

    def __init__(
        self,
        desk: Desk,
        pipeline: Pipeline,
        rounds: Rounds,
        events: Events,
        *,
        is_alone: bool,
        is_live: bool = False,
    ) -> None:
        self.desk = desk
        self._pipeline = pipeline
        self._rounds = rounds
        self._events = events
        self._patience = None if is_alone else _PATIENCE_SECONDS
        if is_live:
            self._patience = _LIVE_PATIENCE_SECONDS
        self._tries = _TRIES if is_live and not desk.broker.capabilities.simulated else 1
        self._was_there = False
        self._is_slow = False  # its venue has kept the others waiting

    async def recover(self) -> None:
        """Ask the venue; if it cannot be asked, nothing trades in this account.

        That is a halt, but for a connection to a real venue that is lost while we run: without it nothing can trade,
        and nothing does before books and venue have been compared.
        """
        async with self._rounds.without(self.desk.account):
            problem = await self._asked()
            for _ in range(1, self._tries):
                if problem and not isinstance(problem, ConfigurationError):
                    await asyncio.sleep(_RECONNECT_SECONDS)
                    problem = await self._asked()
            if problem and not self._will_come_back(problem):
                await self.desk.halt_for("RECONCILIATION FAILED", str(problem) or "the venue does not answer")
            self._was_there = self._was_there or not problem
            await self.desk.roll_day()

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

    def _will_come_back(self, problem: Exception) -> bool:
        """Whether it is a connection that was there before, and is gone."""
        is_gone = not self.desk.broker.is_connected and not isinstance(problem, ConfigurationError)
        return self._tries > 1 and self._was_there and is_gone

    async def reconcile(self) -> list[Drift]:
        """Compare books and venue between two moments of the market, when nothing is on its way.

        Raises `BrokerError` if the venue cannot be asked.
        """
        try:
            return await self._compare()
        except TimeoutError as error:
            raise Unavailable(f"{self.desk.account}: the venue does not answer") from error

    async def reconcile_if_connected(self) -> None:
        """The same, every now and then."""
        if self.desk.broker.is_connected:
            await self.reconcile()

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
        while True:
            try:
                await self.desk.listen()
            except Unavailable as down:
                log.warning("the broker is gone", account=self.desk.account, reason=str(down))
            await asyncio.sleep(_RECONNECT_SECONDS)
            await self.recover()

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
        """Assess risk now, and look after stops and targets."""
        await self.desk.sweep()
        await self._pipeline.keep()
