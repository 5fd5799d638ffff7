"""The kills of one account: what was halted is swept until the venue says that nothing is open, and told until then.

A sweep is owed from the moment of the halt; that is stored in the halt's own commit, so a restart goes on with it.
Who halts calls `owe`, stores `write` along with the state, then calls `sweep`. `tend` does the rest, by the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store.kills import drop_kill, kills_of, put_kill
from core.trading.order_manager import OrderManager
from core.trading.sweep import Errand, Sweeper, SweepReport
from core.trading.switch import GLOBAL, TradingSwitch
from risk.intent import Origin
from risk.view import TradingState

log = structlog.get_logger(__name__)

# How long an incomplete kill waits before it sweeps again.
_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 4, 8, 15))
# How often people are told of it, once for all that is incomplete in the account.
_REPEAT = timedelta(seconds=30)
# What is empty is looked at again while the halt stands: a venue may accept an order late. The first looks take
# everything; later ones only what is ours, for people may work in the venue's own app meanwhile.
_LOOKS = (timedelta(seconds=3), timedelta(seconds=5), timedelta(seconds=30))
_TEND_SECONDS = 1.0
_DISK_SECONDS = 1.0
_MOST_LINES = 10
_STILL = (
    "Trading stays halted; it is tried again until the venue says that nothing is open. Look at the venue's own page."
)


@dataclass(slots=True, eq=False)
class Owed:
    """A kill that the venue has not confirmed yet."""

    errand: Errand
    since: datetime
    tries: int = 0
    next_try: datetime | None = None
    report: SweepReport | None = None


@dataclass(slots=True)
class _Look:
    """When a verified kill is looked at again."""

    at: datetime
    count: int = 0

    @property
    def ours_only(self) -> bool:
        """Whether what somebody else has at the venue is left alone."""
        return self.count >= len(_LOOKS)


class Killing:
    """Sweeps, and sweeps again. An empty name of a strategy means the whole account."""

    def __init__(
        self, sweeper: Sweeper, orders: OrderManager, *, switch: TradingSwitch, alerts: Alerts, clock: Clock
    ) -> None:
        self.account = orders.account
        self._sweeper = sweeper
        self._orders = orders
        self._switch = switch
        self._alerts = alerts
        self._clock = clock
        self._owed: dict[str, Owed] = {}
        self._looks: dict[str, _Look] = {}
        self._sweeping: dict[str, asyncio.Task[SweepReport]] = {}
        self._judging: set[asyncio.Task[None]] = set()
        self._told_at: datetime | None = None

    # --- what is owed ------------------------------------------------------------------------------

    @property
    def owed(self) -> dict[str, Owed]:
        """What the venue has not confirmed yet, by strategy."""
        return dict(self._owed)

    @property
    def incomplete(self) -> tuple[SweepReport, ...]:
        """The last reports of the kills that have been tried and are not complete."""
        return tuple(each.report for each in self._owed.values() if each.report is not None)

    def owe(self, strategy: str, reason: str, *, exits: bool) -> None:
        """Somebody halts at this moment. `exits`: a person's exits that are open go, too; later ones stay."""
        owed = self._owed.setdefault(strategy, Owed(self._errand(strategy, reason), self._clock.now()))
        owed.errand.reason, owed.errand.once_more, owed.errand.ours_only = reason, True, False
        if exits:
            owed.errand.doomed.update(order.id for order in self._orders.open_orders if order.origin == Origin.FLATTEN)

    def _errand(self, strategy: str, reason: str) -> Errand:
        return Errand(reason, strategy, wanted=lambda: self._stands(strategy))

    async def write(self, strategy: str) -> None:
        """Store that it is owed, inside the commit of the halt."""
        if (owed := self._owed.get(strategy)) is not None:
            await put_kill(self.account, strategy, owed.errand.reason, owed.since)

    async def forget(self, strategy: str) -> None:
        """Trading is resumed there: nothing is owed any more."""
        was_owed = self._owed.pop(strategy, None) is not None
        self._looks.pop(strategy, None)
        await drop_kill(self.account, strategy)
        if was_owed and not self.incomplete:
            await self._close("trading was resumed: what was not cancelled works on")

    async def settle(self) -> None:
        """Forget what was resumed."""
        for strategy in [each for each in (*self._owed, *self._looks) if not self._stands(each)]:
            await self.forget(strategy)

    async def load(self) -> None:
        """Go on with what was not confirmed when the program stopped."""
        for row in await kills_of(self.account):
            owed = self._owed[row.strategy] = Owed(self._errand(row.strategy, row.reason), row.at)
            flattens = (order for order in self._orders.open_orders if order.origin == Origin.FLATTEN)
            owed.errand.doomed.update(order.id for order in flattens if order.recorded_at <= row.at)

    def _stands(self, strategy: str) -> bool:
        """Whether it is halted. An account that only waits for its confirmation is not: what rests there stays."""
        scopes = (GLOBAL, f"account:{self.account}", *([f"strategy:{strategy}"] if strategy else []))
        return any(self._switch.state(each) is TradingState.HALTED for each in scopes)

    # --- sweeping ----------------------------------------------------------------------------------

    async def sweep(self, strategy: str = "") -> SweepReport:
        """Sweep what is owed now; a sweep that is under way takes one more look. Never raises."""
        while True:
            task = self._sweeping.get(strategy)
            if task is None or task.done():
                task = self._sweeping[strategy] = asyncio.create_task(self._sweep(strategy))
            report = await asyncio.shield(task)  # whoever waits for it may be cancelled: it goes on
            owed = self._owed.get(strategy)
            if owed is None or not owed.errand.once_more:  # or somebody has halted again since it looked last
                return report

    async def _sweep(self, strategy: str) -> SweepReport:
        owed = self._owed.get(strategy) or self._looking(strategy)
        owed.errand.once_more = False
        report = await self._one(owed.errand)
        judging = asyncio.create_task(self._quietly(self._judge(strategy, owed, report)))
        self._judging.add(judging)
        judging.add_done_callback(self._judging.discard)
        await asyncio.wait({judging}, timeout=_DISK_SECONDS)  # whoever halts does not wait for a disk that hangs
        return report

    def _looking(self, strategy: str) -> Owed:
        """Nothing is owed: a look whether it is still empty."""
        errand, look = self._errand(strategy, "trading is halted"), self._looks.get(strategy)
        errand.ours_only = look is not None and look.ours_only
        return Owed(errand, self._clock.now())

    async def _one(self, errand: Errand) -> SweepReport:
        (report,) = await asyncio.gather(self._sweeper.sweep(errand), return_exceptions=True)
        if isinstance(report, BaseException):
            log.error("a sweep has failed", account=self.account, error=repr(report))
            return SweepReport(self.account, trouble=f"{type(report).__name__}: {report}", is_empty=False)
        return report

    async def _judge(self, strategy: str, owed: Owed, report: SweepReport) -> None:
        owed.tries, owed.report = owed.tries + 1, report
        owed.next_try = self._clock.now() + _PAUSES[min(owed.tries, len(_PAUSES)) - 1]
        if not self._stands(strategy):
            await self.forget(strategy)
        elif self._owed.get(strategy, owed) is not owed:
            return  # somebody has halted during a mere look: that sweep comes next, and is judged by itself
        elif report.is_empty and not owed.errand.once_more:
            await self._complete(strategy)
        elif strategy in self._owed or report.problems:  # a look at what was empty that fails is no news
            self._owed.setdefault(strategy, owed)
            await self._tell_incomplete()

    async def _complete(self, strategy: str) -> None:
        """The venue has said so. It is looked at again soon: what it accepts late is news."""
        if (owed := self._owed.pop(strategy, None)) is not None:
            self._looks[strategy] = _Look(self._clock.now() + _LOOKS[0])
            try:
                await self._tell_complete()
            except BaseException:
                self._owed.setdefault(strategy, owed)  # told with the next sweep, or nobody would ever hear of it
                raise
        await drop_kill(self.account, strategy)

    async def _tell_complete(self) -> None:
        if not self.incomplete and await self._close("no orders are open any more"):
            title = f"KILL COMPLETE: {self.account}"
            await self._alerts.add(Alert("halt", Severity.WARNING, title, "No orders are open any more."))

    async def _close(self, why: str) -> bool:
        """Nobody need be told of it any more; whether people had heard of it, in this life of the program or before."""
        closed = await self._alerts.close(f"kill:{self.account}", why)
        was_told, self._told_at = self._told_at is not None, None
        return bool(closed) or was_told

    async def _tell_incomplete(self) -> None:
        """At once, then every 30 seconds: one alert for all that is incomplete here, however many reasons there are."""
        now, before = self._clock.now(), self._told_at
        if before is not None and timedelta(0) <= now - before < _REPEAT:
            return
        self._told_at = now
        try:
            await self._alerts.add(self._alert())
        except BaseException:
            self._told_at = before
            raise

    def _alert(self) -> Alert:
        found = (line for report in self.incomplete for line in (*report.problems, report.trouble) if line)
        lines = list(dict.fromkeys(found))
        more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        since = min(each.since for each in self._owed.values())
        body = "\n".join([*lines[:_MOST_LINES], *more, f"Since {since:%H:%M:%S} UTC. {_STILL}"])
        return Alert("halt", Severity.CRITICAL, f"KILL INCOMPLETE: {self.account}", body, key=f"kill:{self.account}")

    # --- by the clock ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tend for ever."""
        try:
            while True:
                await self.tend()
                await asyncio.sleep(_TEND_SECONDS)
        finally:
            await self.close()

    async def tend(self) -> None:
        """Sweep what is due, and look at what was empty: called every second or so."""
        await self._quietly(self.settle())
        await asyncio.gather(*(self.sweep(each) for each in self._due()))

    def _due(self) -> list[str]:
        now = self._clock.now()
        due = {strategy for strategy, owed in self._owed.items() if _is_due(owed.next_try, now, _PAUSES[-1])}
        due = {strategy for strategy in due if self._stands(strategy)}
        names = (name for order in self._orders.open_orders for name in order.parts)
        for strategy in ("",) if self._stands("") else dict.fromkeys([*self._looks, *names]):
            if strategy not in self._owed and self._stands(strategy) and self._needs_a_look(strategy, now):
                due.add(strategy)
        return sorted(due)

    def _needs_a_look(self, strategy: str, now: datetime) -> bool:
        """Whether something is open there again, or it is time to ask the venue whether there is."""
        look = self._looks.setdefault(strategy, _Look(now, len(_LOOKS)))
        if _is_due(look.at, now, _LOOKS[-1]):
            look.count += 1
            look.at = now + _LOOKS[min(look.count, len(_LOOKS) - 1)]
            return True
        errand = self._errand(strategy, "")
        return any(errand.covers(order) for order in self._orders.open_orders)

    async def close(self) -> None:
        """End the sweeps that are under way; what they owe is stored."""
        tasks = [each for each in (*self._sweeping.values(), *self._judging) if not each.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        """What cannot be told or stored now is tried again with the next sweep."""
        failures = await asyncio.gather(work, return_exceptions=True)
        if isinstance(failures[0], BaseException):
            log.error("a kill cannot be told or stored", account=self.account, error=repr(failures[0]))


def _is_due(at: datetime | None, now: datetime, most: timedelta) -> bool:
    """Whether a moment has come; one that is further off than it can be means that the clock was set back."""
    return at is None or now >= at or at - now > most
