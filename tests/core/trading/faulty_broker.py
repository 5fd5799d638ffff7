"""The paper broker behind a bad line: each call may be given one fault, and reports may be bent on the way."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from brokers.account import AccountInfo
from brokers.adapters.paper import PaperTradingBroker
from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.order import OrderReport, VenueOrderState

Bend = Callable[[OrderReport], list[OrderReport]]


class Faulty:
    """Wraps a broker. `plan(method, *faults)`: one fault for each of the next calls of that method.

    Faults: "ok", "lost" (done, but Uncertain is raised), "never" (not done, Uncertain), "down" (Unavailable),
    "no" (Rejected), "hang" (waits for `gate` before it acts), "late" (acts, then waits for `gate`), "lie" (says that
    it has cancelled and has not), or an exception to raise before acting. `hide` set to a list: the venue knows no
    order by its id, and no closed one; with `hide_fills`, no execution either.
    """

    def __init__(self, broker: PaperTradingBroker, *, simulated: bool = True) -> None:
        self._broker = broker
        self._plans: dict[str, deque[Any]] = defaultdict(deque)
        self.pause = 0.0  # how long a report is on its way
        self.gate = asyncio.Event()
        self.read = asyncio.Event()  # set once somebody reads the reports
        self.calls: list[tuple[str, Any]] = []
        self.bend: Bend = lambda report: [report]
        self.hide: list[Any] | None = None
        self.hide_fills = True
        self._forgets = False
        self.bend_open: Callable[[Any], Any] = lambda reports: reports
        self.bend_account: Callable[[AccountInfo], AccountInfo] = lambda info: info
        self.capabilities = replace(broker.capabilities, simulated=simulated)
        self.name = broker.name

    def plan(self, method: str, *faults: Any) -> None:
        self._plans[method].extend(faults)

    def forgive(self) -> None:
        """The line is good again: no fault that was planned comes."""
        self._plans.clear()

    def forget_ids(self) -> None:
        """The venue keeps its own ids only."""
        self._forgets = True
        self.capabilities = replace(self.capabilities, find_by_client_id=False)
        self.bend = lambda _: []

    def _named(self, reports: Any) -> Any:
        return tuple(replace(each, client_order_id="") for each in reports) if self._forgets else reports

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def _call(self, name: str, act: Callable[[], Awaitable[Any]], argument: Any = None) -> Any:
        self.calls.append((name, argument))
        fault = self._plans[name].popleft() if self._plans[name] else "ok"
        if isinstance(fault, BaseException):
            raise fault
        if fault == "down":
            raise Unavailable("the line is down")
        if fault == "no":
            raise Rejected("NO", "the venue says no")
        if fault == "never":
            raise Uncertain("the line broke before")
        if fault == "hang":
            await self.gate.wait()
        if fault == "lie":
            return replace(await self._broker.find_order(argument), state=VenueOrderState.CANCELLED)
        done = await act()
        if fault == "late":
            await self.gate.wait()
        if fault == "lost":
            raise Uncertain("the line broke after")
        return done

    async def place_order(self, order: Any) -> Any:
        return await self._call("place", lambda: self._broker.place_order(order), order)

    async def cancel_order(self, order: Any) -> Any:
        return await self._call("cancel", lambda: self._broker.cancel_order(order), order)

    async def find_order(self, order: Any) -> Any:
        found = await self._call("find", lambda: self._broker.find_order(order), order)
        return None if self.hide is not None else found

    async def get_open_orders(self) -> Any:
        return self._named(self.bend_open(await self._call("open", self._broker.get_open_orders)))

    async def modify_order(self, order: Any, **change: Any) -> Any:
        return await self._call("modify", lambda: self._broker.modify_order(order, **change), (order, change))

    async def get_closed_orders(self, since: Any) -> Any:
        found = await self._call("closed", lambda: self._broker.get_closed_orders(since), since)
        return self._named(found if self.hide is None else self.hide)

    async def get_fills(self, since: Any) -> Any:
        found = await self._call("fills", lambda: self._broker.get_fills(since), since)
        return self._named(found if self.hide is None or not self.hide_fills else ())

    async def get_cash_flows(self, since: Any) -> Any:
        return await self._call("flows", lambda: self._broker.get_cash_flows(since), since)

    async def get_account_info(self) -> Any:
        return self.bend_account(await self._call("account", self._broker.get_account_info))

    def reports(self) -> Any:
        return _Bent(self._broker.reports(), self)


class _Bent:
    """A stream of reports whose items pass through `bend`: dropped, repeated, out of order."""

    def __init__(self, stream: Any, owner: Faulty) -> None:
        self._stream = stream
        self._owner = owner
        self._waiting: deque[OrderReport] = deque()

    def __aiter__(self) -> _Bent:
        return self

    async def __anext__(self) -> OrderReport:
        self._owner.read.set()
        while not self._waiting:
            report = await anext(self._stream)
            await asyncio.sleep(self._owner.pause)
            self._waiting.extend(self._owner.bend(report))
        return self._waiting.popleft()

    async def aclose(self) -> None:
        await self._stream.aclose()
