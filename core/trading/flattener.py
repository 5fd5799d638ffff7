"""Closes positions at a person's word: each by itself, tried again a few times, never twice while in doubt.

What was confirmed is stored before the first order. A restart goes on with it for a few minutes; after that it is told
as unfinished, for nobody knows whether it is still wanted. A halt ends it: nothing is sent past somebody who stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from brokers.money import ZERO
from brokers.urgency import urgently
from core.access.audit import Audit
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store.database import transaction
from core.store.flattens import add_flatten, end_flatten, last_words, running_flattens
from core.trading.dust import stays
from core.trading.flatten_plan import End, Position, of_row
from core.trading.floor import Floor
from core.trading.live_order import LiveOrder
from core.trading.switch import GLOBAL, Setting, TradingSwitch
from risk.intent import Origin
from risk.verdict import Denied
from risk.view import TradingState

log = structlog.get_logger(__name__)

_TRIES = 5
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_LOOK_SECONDS = 0.1
# How long an order may take to fill, or a doubt to be resolved, before the summary is told without it.
_PATIENCE_SECONDS = 120.0
# How old a flatten may be for a restart to go on with it.
_FRESH = timedelta(minutes=5)


class Flattener:
    """All flattens that are under way."""

    def __init__(self, floor: Floor, switch: TradingSwitch, alerts: Alerts, audit: Audit, clock: Clock) -> None:
        self.patience = _PATIENCE_SECONDS
        self.pauses = _PAUSES
        self._floor = floor
        self._switch = switch
        self._alerts = alerts
        self._audit = audit
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Go on with what was under way when the program stopped, or tell that it is not finished."""
        for row in await running_flattens():
            positions = [of_row(each) for each in row.positions]
            if self._clock.now() - row.at <= _FRESH:
                self._start(row.id, row.scope, row.by, row.at, positions)
                continue
            for each in positions:
                each.why = "the program was down for too long to go on by itself"
                each.end = End.REFUSED if self._left(each) else End.CLOSED
            await self._finish(row.id, row.scope, row.by, positions)

    async def begin(self, scope: str, positions: Sequence[Position], by: str) -> asyncio.Task[None]:
        """Store what was confirmed, then close it; the task ends when every position has."""
        now = self._clock.now()
        number = await add_flatten(scope, by, now, [each.row() for each in positions])
        return self._start(number, scope, by, now, positions)

    async def close(self) -> None:
        """Stop; what is not over goes on at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(
        self, number: int, scope: str, by: str, since: datetime, positions: Sequence[Position]
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(number, scope, by, since, positions))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, number: int, scope: str, by: str, since: datetime, positions: Sequence[Position]) -> None:
        halts = dict(self._switch.settings)
        work = (self._close(each, f"flatten by {by}", since, halts) for each in positions)
        found = await asyncio.gather(*work, return_exceptions=True)
        for position, failure in zip(positions, found, strict=True):
            if isinstance(failure, BaseException):  # one failure never stops the rest
                log.error("a position cannot be closed", symbol=position.symbol, error=repr(failure))
                position.end, position.why = End.REFUSED, f"{type(failure).__name__}: {failure}"
        await self._finish(number, scope, by, positions)

    # --- one position ------------------------------------------------------------------------------

    async def _close(self, position: Position, reason: str, since: datetime, halts: dict[str, Setting]) -> None:
        """Order, wait, look; again a few times with growing pauses. What the venue takes in slices follows at once."""
        whole, turn = abs(position.units), 0
        while turn < _TRIES:
            if self._is_halted_since(position, halts):
                position.end = End.HALTED
                return
            sent = await self._order(position, reason)
            if await self._is_over(position):
                return
            if sent is not None and self._units(position) <= sent:
                continue
            if not position.why:
                position.why = await last_words(position.account, position.symbol, since)
            turn += 1
            if turn < _TRIES:
                await asyncio.sleep(self.pauses[min(turn, len(self.pauses)) - 1])
        closed = whole - self._units(position)
        position.end = End.PARTLY if closed > 0 else End.REFUSED

    async def _order(self, position: Position, reason: str) -> Decimal | None:
        """Order what is left, or a slice of it; how much is to be left then, None if nothing was sent."""
        if not (left := self._left(position)):
            return None
        with urgently():
            verdict = await self._floor.pipeline(position.account).flatten(position.symbol, left, reason)
        position.why = verdict.reason if isinstance(verdict, Denied) and verdict.code != "CROSSED" else ""
        return None if isinstance(verdict, Denied) else abs(sum(left.values(), ZERO)) - verdict.intent.quantity

    def _units(self, position: Position) -> Decimal:
        """How much is still to be ordered."""
        return abs(sum(self._left(position).values(), ZERO))

    async def _is_over(self, position: Position) -> bool:
        """Wait for the orders that are out; whether the position needs no more of them, or no more may be sent."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience
        while orders := self._out(position):
            position.end = End.OPEN
            if loop.time() >= end:
                rest = self._units(position)
                sent = End.PARTLY if rest else End.OPEN
                position.end = End.DOUBT if any(each.state.is_in_doubt for each in orders) else sent
                if rest:
                    position.why = f"{rest.normalize():,f} of it was not sent: an order before it is not over"
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        if self._left(position):
            return False
        position.end, position.why = End.CLOSED, self._dust(position)
        return True

    def _left(self, position: Position) -> dict[str, Decimal]:
        """What is still to be ordered, never more than was confirmed. What is out counts as done, doubtful or not.

        What is less than can be traded is done, too.
        """
        desk = self._floor.desk(position.account)
        left = position.left({name: -desk.closable(name, position.symbol) for name in position.parts})
        return desk.tradable(position.symbol, left)

    def _dust(self, position: Position) -> str:
        """What of a closed position stays because it cannot be traded; empty if nothing does."""
        desk = self._floor.desk(position.account)
        open_units = {name: -desk.closable(name, position.symbol) for name in position.parts}
        if gone := desk.exits.uncovered(position.symbol, open_units):
            return gone
        units = sum((desk.closable(name, position.symbol) for name in position.parts), ZERO)
        is_left = desk.is_dust(position.symbol, units)
        return stays(desk.portfolio.instrument(position.symbol), units) if is_left else ""

    def _out(self, position: Position) -> list[LiveOrder]:
        """The orders that are closing it now."""
        orders = self._floor.desk(position.account).orders.open_orders
        mine = (each for each in orders if each.symbol == position.symbol and each.origin == Origin.FLATTEN)
        return [each for each in mine if not each.parts.keys().isdisjoint(position.parts)]

    def _is_halted_since(self, position: Position, before: dict[str, Setting]) -> bool:
        """Whether somebody has halted since it began: that has cancelled what was out, and nothing is sent past it."""
        scopes = (GLOBAL, f"account:{position.account}", *(f"strategy:{name}" for name in position.parts))
        now = self._switch.settings
        fresh = (now[scope] for scope in scopes if scope in now and now[scope] is not before.get(scope))
        return any(each.state is TradingState.HALTED for each in fresh)

    # --- the end -----------------------------------------------------------------------------------

    async def _finish(self, number: int, scope: str, by: str, positions: Sequence[Position]) -> None:
        """Every position with its end, in one commit: the row, the audit line, the alert."""
        named = not self._floor.is_single
        lines = [each.told(named=named) for each in positions]
        bad = [each for each in positions if each.end not in (End.CLOSED, End.OPEN)]
        severity = Severity.CRITICAL if bad else Severity.INFO
        title = f"Flatten {scope}: NOT finished" if bad else f"Flatten {scope}: done"
        accounts = {each.account for each in positions}
        account = accounts.pop() if len(accounts) == 1 else ""
        async with transaction():
            await end_flatten(number, [each.row() for each in positions], self._clock.now())
            await self._audit.record(by, "flatten", f"{scope}: {'; '.join(lines)}", "partly" if bad else "ok")
            await self._alerts.add(
                Alert("flatten", severity, title, "\n".join(lines), account=account, key=f"flatten:{number}")
            )
