"""The exchange behind a bad line: for each call one fault, planned by a test or drawn from a seed.

::

    place   ok refused down never lost garbage partial filled then_filled partial_lost filled_lost hidden slow
    cancel  ok refused down never lost garbage lie filled slow
    modify  ok refused down never lost garbage
    queries ok down garbage stale slow
    report  ok lose twice later break

`down`: no connection, so surely nothing was sent. `never`: lost on the way there. `lost`: done, the answer is
lost. `garbage`: done, and then a page of HTML. `hidden`: done, answer lost, and not to be found for ten seconds.
`lie`: "cancelled", but it is not. `stale`: as it was ten seconds ago.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from brokers.errors import Rejected
from brokers.order import OrderReport, OrderRequest, VenueOrderState
from tests.faults.exchange import Exchange, Order

LAG = timedelta(seconds=10)
QUERIES = ("find", "open", "closed", "fills", "flows", "account")
Draw = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to change of a working order."""

    order: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class NotSent(Exception):
    """Surely nothing has left."""


class Lost(Exception):
    """The line broke, the answer is garbage, or it never came."""


class Script:
    """Which fault a call meets: the planned ones first, then what `draw(method)` says, "ok" by default."""

    def __init__(self, draw: Draw | None = None) -> None:
        self._plans: dict[str, deque[str]] = defaultdict(deque)
        self.draw = draw
        self.met: list[tuple[str, str]] = []

    def plan(self, method: str, *faults: str) -> None:
        self._plans[method].extend(faults)

    def next(self, method: str) -> str:
        if self._plans[method]:
            fault = self._plans[method].popleft()
        else:
            fault = self.draw(method) if self.draw is not None else "ok"
        if fault != "ok":
            self.met.append((method, fault))
        return fault

    def heal(self) -> None:
        """From now on everything works."""
        self._plans.clear()
        self.draw = None


class FaultyVenue:
    """Serves calls. `serve` returns the answer, or raises `Rejected`, `NotSent` or `Lost`."""

    def __init__(
        self, exchange: Exchange, script: Script | None = None, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    ) -> None:
        self.exchange = exchange
        self.script = script or Script()
        self.slowness = 1.0
        self._sleep = sleep
        self._readers: list[asyncio.Queue[OrderReport | None]] = []
        self._held: list[OrderReport] = []
        self._tasks: set[asyncio.Task[None]] = set()
        exchange.tell = self._tell

    async def serve(self, method: str, argument: Any) -> Any:
        fault = self.script.next(method)
        if fault == "down":
            raise NotSent("connection refused")
        if fault == "never":
            raise Lost("the line broke on the way there")
        if method in QUERIES:
            return await self._query(method, argument, fault)
        self.exchange.journal.add(self.exchange.now(), "received", method=method, id=_id_of(argument))
        return await getattr(self, f"_{method}")(argument, fault)

    async def _query(self, method: str, argument: Any, fault: str) -> Any:
        if fault == "slow":
            await self._sleep(self.slowness)
        if fault in ("garbage", "lost"):
            raise Lost("<html>502 Bad Gateway</html>")
        exchange = self.exchange
        at = exchange.now() - LAG if fault == "stale" else exchange.now()
        asked = {
            "find": lambda: exchange.find(argument, at),
            "open": lambda: exchange.open_orders(at),
            "closed": lambda: exchange.closed_orders(argument, at),
            "fills": lambda: exchange.fills(argument, at),
            "flows": lambda: exchange.cash_flows(argument, at),
            "account": lambda: exchange.account(at),
        }
        return asked[method]()

    async def _place(self, request: OrderRequest, fault: str) -> OrderReport:
        exchange = self.exchange
        if fault == "refused":
            exchange.refuse(request)
        order = exchange.place(request)
        if fault == "hidden":
            order.hidden_until = exchange.now() + LAG
        if fault.startswith("partial"):
            exchange.execute(order, _half(order))
        if fault.startswith("filled"):
            exchange.execute(order)
        answer = exchange.report(order)
        if fault == "then_filled":
            self._later(order)
        await self._break(fault)
        return answer

    async def _cancel(self, client_id: str, fault: str) -> OrderReport:
        exchange = self.exchange
        order = exchange.orders.get(client_id)
        if fault == "refused":
            raise Rejected("TOO_LATE", "the venue does not cancel this one now")
        if fault == "filled" and order is not None and order.is_open:
            exchange.execute(order)
        if fault == "lie" and order is not None and order.is_open:
            return replace(exchange.report(order), state=VenueOrderState.CANCELLED)
        answer = exchange.report(exchange.cancel(client_id))
        await self._break(fault)
        return answer

    async def _modify(self, change: Change, fault: str) -> OrderReport:
        if fault == "refused":
            raise Rejected("TOO_LATE", "the venue does not change this one now")
        order = self.exchange.modify(
            change.order, quantity=change.quantity, limit_price=change.limit_price, stop_price=change.stop_price
        )
        answer = self.exchange.report(order)
        await self._break(fault)
        return answer

    async def _break(self, fault: str) -> None:
        """Lose the answer, if that is the fault."""
        if fault == "slow":
            await self._sleep(self.slowness)
        if fault == "garbage":
            raise Lost("<html>502 Bad Gateway</html>")
        if fault.endswith("lost") or fault == "hidden":
            raise Lost("the answer did not arrive")

    def _later(self, order: Order) -> None:
        async def fill() -> None:
            await self._sleep(0.01)
            if order.is_open:
                self.exchange.execute(order)

        task = asyncio.get_running_loop().create_task(fill())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the stream --------------------------------------------------------------------------------

    def subscribe(self) -> asyncio.Queue[OrderReport | None]:
        """Reports from now on; None is the end of the line."""
        queue: asyncio.Queue[OrderReport | None] = asyncio.Queue()
        self._readers.append(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[OrderReport | None]) -> None:
        if queue in self._readers:
            self._readers.remove(queue)

    def break_line(self) -> None:
        """Every stream ends now."""
        readers, self._readers = self._readers, []
        for queue in readers:
            queue.put_nowait(None)

    def _tell(self, report: OrderReport) -> None:
        fault = self.script.next("report")
        if fault == "lose":
            return
        if fault == "break":
            self.break_line()
            return
        if fault == "later":
            self._held.append(report)
            return
        due, self._held = [report, *self._held], []
        for each in due * 2 if fault == "twice" else due:
            for queue in self._readers:
                queue.put_nowait(each)

    # --- the market --------------------------------------------------------------------------------

    def trade(self, symbol: str, price: Any, *, share: Any = None) -> int:
        """The market is at `price`: orders that meet it fill, in part if a share is given; how many did."""
        self.exchange.prices[symbol] = price
        met = [o for o in self.exchange.live_orders() if o.symbol == symbol and self.exchange.meet(o, price)]
        for order in met:
            units = order.left if share is None else max(Decimal(int(order.left * share)), Decimal(1))
            self.exchange.execute(order, min(units, order.left), price=price)
        return len(met)


def _half(order: Order) -> Any:
    return order.request.instrument.floor_quantity(order.quantity / 2) or order.quantity


def _id_of(argument: Any) -> str:
    if isinstance(argument, OrderRequest):
        return argument.client_order_id
    return argument.order if isinstance(argument, Change) else str(argument)
