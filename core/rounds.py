"""What a moment of the market sets in motion, whether it is replayed or live.

Quotes reach the venues that live on them, the books follow, then stops and targets, then risk; bars reach the
strategies, and their wishes the pipelines of the accounts; what everything is worth is noted. When a moment comes, and
who waits for whom, is the business of `core.replay_rounds` and `core.live_rounds`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.simulation.source import TickSource
from core.attendance import Attendance, Failed
from core.events import Events
from core.store.control import add_equity, equity_of
from core.store.rates import put_rates
from core.strategy.manager import StrategyManager
from core.trading.desk import Desk
from core.trading.floor import Floor
from core.trading.market import Market
from core.trading.profit import Profit, profit_of
from risk.view import TradingState

Start = Callable[[str, Callable[[], Awaitable[None]]], None]


@dataclass(frozen=True, slots=True)
class Around:
    """What moments work with. `failed(desk, error)` is told of an account that could not work through one."""

    source: TickSource
    market: Market
    floor: Floor
    strategies: StrategyManager
    events: Events
    history_bars: int
    failed: Failed


class Rounds(ABC):
    """The market and everything that it sets in motion, in all accounts."""

    def __init__(self, around: Around) -> None:
        self._source = around.source
        self._market = around.market
        self._floor = around.floor
        self._strategies = around.strategies
        self._events = around.events
        self._history_bars = around.history_bars
        self._failed = around.failed
        self._attendance = Attendance(around.floor)

    # --- what a driver is --------------------------------------------------------------------------

    @abstractmethod
    async def open(self) -> None:
        """Take up what is stored, before the accounts are loaded."""

    async def ready(self, start: Start) -> None:  # noqa: B027 (history is there at once)
        """Before the accounts are connected: what must run for them is started by `start(name, part)`."""

    @abstractmethod
    async def run(self) -> None:
        """Work through the moments of the market as they come."""

    def parts(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What runs once the accounts are recovered, by name."""
        return {"market": self.run}

    async def close(self) -> None:  # noqa: B027 (history needs none)
        """Let go of what is held. Everything that was started has ended."""

    @property
    @abstractmethod
    def status(self) -> str:
        """A sentence on where prices come from and how far we are."""

    @property
    def is_well(self) -> bool:
        """Whether there are prices."""
        return True

    @property
    def has_prices(self) -> bool:
        """Whether there has been a price at all, of anything."""
        return bool(self._market.quotes)

    @property
    def is_described(self) -> bool:
        """Whether it is known by which rules everything is traded, so that simulated venues can open."""
        return True

    @abstractmethod
    def between(self) -> AbstractAsyncContextManager[None]:
        """Inside, no moment is being worked through in any account."""

    @abstractmethod
    def apart(self, account: str) -> AbstractAsyncContextManager[None]:
        """Inside, no moment is being worked through in this account: its books and venue can be compared."""

    @asynccontextmanager
    async def without(self, account: str) -> AsyncIterator[None]:
        """Inside, an account takes part in no moment, however long its broker takes; the others go on."""
        with ExitStack() as away:
            async with self.apart(account):
                away.enter_context(self._attendance.away(account))
            yield

    @abstractmethod
    async def note_equity(self) -> None:
        """Write down what we are worth now, between two moments."""

    # --- what a moment is --------------------------------------------------------------------------

    def _mark(self, marks: Mapping[str, Decimal]) -> None:
        for desk in self._floor:
            desk.mark(marks)

    async def _follow(self, desk: Desk) -> None:
        """The books follow the venue, then stops and targets, then risk."""
        await desk.broker.settled()
        await self._floor.pipelines[desk.account].keep()
        await desk.sweep()

    def _awake(self, desk: Desk) -> list[str]:
        """The strategies of an account that are not halted themselves."""
        names = self._floor.strategies_of(desk.account)
        return [name for name in names if desk.state_for((name,)) is not TradingState.HALTED]

    async def _note(self, at: datetime, desk: Desk) -> None:
        """What an account is worth, and by which rates of exchange."""
        if values := self._values(desk):
            await add_equity(values, at)
            await put_rates(desk.portfolio.rates_used(), at)

    def _values(self, desk: Desk) -> dict[str, Decimal]:
        """Equity of an account and net profit by strategy; nothing while a price or a rate is unknown."""
        equity = desk.portfolio.equity
        if equity is None:
            return {}
        nets = {name: self._net(desk, name) for name in self._floor.strategies_of(desk.account)}
        return {equity_of(desk.account): equity, **{name: net for name, net in nets.items() if net is not None}}

    def _net(self, desk: Desk, strategy: str) -> Decimal | None:
        """What a strategy has brought; in accounts that it has left, too, if they are in the same currency."""
        where = [each.portfolio for each in self._floor if each is desk or each.currency == desk.currency]
        found = (profit_of(each, strategy) for each in where if each is desk.portfolio or any(each.results(strategy)))
        return sum(found, Profit()).net
