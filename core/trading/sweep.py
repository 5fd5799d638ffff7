"""One sweep of one account: cancel by the venue's own list and by ours, and look again until both are empty.

The venue's list is what proves it; it is asked for once more after every cancel. A sweep ends when the list and our
books are empty, or when its time is up. Nothing that fails ends it, and nothing that hangs delays the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import structlog

from brokers.errors import BrokerError
from brokers.order import ClientOrderId, OrderReport, Side
from brokers.port import AbstractBroker
from brokers.urgency import urgently
from core.trading.live_order import LiveOrder
from core.trading.order_manager import OrderManager
from core.trading.states import OrderState
from risk.intent import Origin

log = structlog.get_logger(__name__)

# How long one sweep goes on looking, and how long it waits for one answer. What hangs longer is left behind.
_SECONDS = 5.0
_CALL_SECONDS = 2.0
# A venue may take a moment to do what it has confirmed.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_NOT_OURS = "not ours, and without an id to cancel it by: cancel it there"

T = TypeVar("T")


class Fate(StrEnum):
    """What became of an order that was to be cancelled."""

    CANCELLED = "cancelled"
    FILLED = "filled meanwhile"
    UNKNOWN = "may still be open"


@dataclass(frozen=True, slots=True)
class Swept:
    """One order, as people know it, and its fate; `why` it is not known to be over."""

    what: str
    fate: Fate
    why: str = ""

    def __str__(self) -> str:
        sign = "🔴 " if self.fate is Fate.UNKNOWN else ""
        return f"{sign}{self.what}: {self.why or self.fate}"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What came of it: every order, why the venue's list could not be had, and whether nothing is open any more."""

    account: str
    orders: tuple[Swept, ...] = ()
    trouble: str = ""
    is_empty: bool = True

    def count(self, fate: Fate) -> int:
        """How many orders had this fate."""
        return sum(each.fate is fate for each in self.orders)

    @property
    def summary(self) -> str:
        """A line for the account: `main: no open orders (3 cancelled, 1 filled meanwhile)`."""
        counts = ", ".join(f"{self.count(fate)} {fate}" for fate in Fate if self.count(fate))
        if self.is_empty:
            return f"{self.account}: no open orders{f' ({counts})' if counts else ''}"
        return f"🔴 {self.account}: KILL INCOMPLETE ({'; '.join(part for part in (counts, self.trouble) if part)})"

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for everything that may still be open."""
        return tuple(str(each) for each in self.orders if each.fate is Fate.UNKNOWN)

    @property
    def over(self) -> tuple[str, ...]:
        """A line for everything that surely is over."""
        return tuple(str(each) for each in self.orders if each.fate is not Fate.UNKNOWN)

    @property
    def lines(self) -> tuple[str, ...]:
        """The account's line, what is not over, then the rest."""
        return (self.summary, *self.problems, *self.over)


@dataclass(slots=True, eq=False)
class Errand:
    """What a sweep is to cancel, and why. It may change while the sweep is under way.

    `strategy` empty: everything; with `ours_only` not what somebody else has there. A person's exits (flattens) are
    spared unless they are `doomed`: they were there when somebody halted. `once_more`: it was asked for again, so one
    more look is needed. `wanted` says whether the halt
    still stands.
    """

    reason: str
    strategy: str = ""
    doomed: set[str] = field(default_factory=set)
    once_more: bool = False
    ours_only: bool = False
    wanted: Callable[[], bool] = lambda: True

    def covers(self, order: LiveOrder) -> bool:
        """Whether it is to be cancelled."""
        if order.origin == Origin.FLATTEN and order.id not in self.doomed:
            return False
        return not self.strategy or self.strategy in order.parts


class Sweeper:
    """Sweeps one account."""

    def __init__(
        self, broker: AbstractBroker, orders: OrderManager, *, seconds: float = _SECONDS, call: float = _CALL_SECONDS
    ) -> None:
        self._broker = broker
        self._orders = orders
        self.seconds = seconds
        self.call = call
        self._hanging: dict[str, asyncio.Task[OrderState]] = {}

    async def sweep(self, errand: Errand) -> SweepReport:
        """Cancel until nothing is open, the halt is over, or the time is up."""
        with urgently():
            return await _Sweep(self._broker, self._orders, errand, self.call, self._hanging).run(self.seconds)


class _Sweep:
    """One sweep under way."""

    def __init__(
        self,
        broker: AbstractBroker,
        orders: OrderManager,
        errand: Errand,
        call: float,
        hanging: dict[str, asyncio.Task[OrderState]],
    ) -> None:
        self._broker = broker
        self._orders = orders
        self._errand = errand
        self._call = call
        self._hanging = hanging
        self._met: dict[str, LiveOrder] = {}
        self._names: dict[str, str] = {}
        self._answers: dict[str, _Answer] = {}
        self._left: set[str] = set()
        self._foreign: tuple[str, ...] = ()
        self._trouble = ""

    async def run(self, seconds: float) -> SweepReport:
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + seconds, 0.0  # the first look after the cancels is at once
        while self._errand.wanted():  # trading may be resumed at any time
            self._errand.once_more = False
            is_empty = await self._turn()
            if is_empty and not self._errand.once_more:
                break
            if not self._broker.is_connected or loop.time() + pause >= end:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE) or _FIRST_PAUSE
        return self._report()

    async def _turn(self) -> bool:
        """Cancel what we know while the venue is asked for what it knows, then that; whether nothing was left."""
        ours = {order.id: order for order in self._orders.open_orders if self._errand.covers(order)}
        for order in ours.values():
            self._meet(order)
        listed, _ = await asyncio.gather(self._listed(), self._cancel(sorted(ours)))
        await self._cancel(sorted(listed - ours.keys()))
        self._left = listed | ours.keys()
        return not self._left and not self._trouble and not self._foreign

    # --- the venue's list --------------------------------------------------------------------------

    async def _listed(self) -> set[str]:
        """The ids of the venue's own open orders that are to go; what keeps us from seeing them is the trouble."""
        found = await _within(self._call, self._broker.get_open_orders())
        if isinstance(found, BaseException):
            self._trouble = f"open orders cannot be listed: {_told(found)}"
            return set()
        self._trouble, foreign, ids = "", [], set()
        for report in found:
            order = await self._known(report)
            if not self._is_meant(order):
                continue
            if order is not None:
                self._meet(order)
                ids.add(str(order.id))
            elif report.client_order_id:
                self._names[report.client_order_id] = f"{_described(report)} (not ours)"
                ids.add(str(report.client_order_id))
            else:
                foreign.append(f"{_described(report)} ({report.venue_order_id} there)")
        self._foreign = tuple(foreign)
        return ids

    def _is_meant(self, order: LiveOrder | None) -> bool:
        if order is not None:
            return self._errand.covers(order)
        return not self._errand.strategy and not self._errand.ours_only

    async def _known(self, report: OrderReport) -> LiveOrder | None:
        """The order of ours that a line of the list is, open or believed over. A venue may tell its own id only."""
        if report.client_order_id:
            found = await _within(self._call, self._orders.known(report.client_order_id))
            return None if isinstance(found, BaseException) else found
        named = (order for order in self._orders.open_orders if order.venue_order_id)
        return next((order for order in named if order.venue_order_id == report.venue_order_id), None)

    # --- cancelling --------------------------------------------------------------------------------

    def _meet(self, order: LiveOrder) -> None:
        if order.id not in self._met:
            self._met[order.id] = order
            self._names[order.id] = _what(order)

    async def _cancel(self, ids: Sequence[str]) -> None:
        """Ask for all at once. What has no answer in time goes on by itself, and is not asked for again meanwhile."""
        tasks = {order_id: self._asked(order_id) for order_id in ids}
        if not tasks:
            return
        await asyncio.wait(tasks.values(), timeout=self._call)
        for order_id, task in tasks.items():
            self._answers[order_id] = _answer_of(task)

    def _asked(self, order_id: str) -> asyncio.Task[OrderState]:
        task = self._hanging.get(order_id)
        if task is None:
            work = self._orders.cancel_at_once(ClientOrderId(order_id), self._errand.reason)
            task = self._hanging[order_id] = asyncio.create_task(work)
            task.add_done_callback(lambda _: self._hanging.pop(order_id, None))
        return task

    # --- the report --------------------------------------------------------------------------------

    def _report(self) -> SweepReport:
        named = [Swept(self._names[each], *self._fate(each)) for each in sorted(self._names)]
        foreign = [Swept(each, Fate.UNKNOWN, _NOT_OURS) for each in self._foreign]
        is_empty = not self._left and not self._trouble and not foreign
        return SweepReport(self._orders.account, (*named, *foreign), self._trouble, is_empty)

    def _fate(self, order_id: str) -> tuple[Fate, str]:
        order, answer = self._met.get(order_id), self._answers.get(order_id, _Answer())
        if order_id in self._left:
            why = answer.problem or "open when we looked last"
            return Fate.UNKNOWN, "" if self._trouble.endswith(why) else why  # the same for all is told once
        if (order.state if order is not None else answer.state) is OrderState.FILLED:
            return Fate.FILLED, ""
        filled = order.filled.normalize() if order is not None else 0
        return Fate.CANCELLED, f"cancelled, {filled:,f} had filled" if filled else ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the venue said to a cancel: the state that is known then, or what went wrong."""

    state: OrderState | None = None
    problem: str = ""


def _answer_of(task: asyncio.Task[OrderState]) -> _Answer:
    if not task.done():
        return _Answer(problem="the venue has not answered yet")
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    return _Answer(problem=_told(error)) if error is not None else _Answer(task.result())


async def _within(seconds: float, work: Awaitable[T]) -> T | BaseException:
    """The answer, or what went wrong; no answer in time is one of the things that go wrong."""
    (found,) = await asyncio.gather(asyncio.wait_for(work, seconds), return_exceptions=True)
    return found


def _told(error: BaseException) -> str:
    """What a failure says in a line. One that no venue raises is our fault, and is logged in full."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, BrokerError):
        return str(error)
    log.error("a kill meets a fault", error=repr(error))
    return f"{type(error).__name__}: {error}"


def _what(order: LiveOrder) -> str:
    """An order as a person knows it: `Buy 10 ACME at 90`."""
    price = order.request.limit_price or order.request.stop_price
    at = f" at {price.normalize():,f}" if price is not None else ""
    return f"{_side(order.request.side)} {order.remaining.normalize():,f} {order.symbol}{at}"


def _described(report: OrderReport) -> str:
    return f"{_side(report.side)} {report.remaining.normalize():,f} {report.symbol}"


def _side(side: Side) -> str:
    return "Buy" if side is Side.BUY else "Sell"
