"""A venue written from nothing, with a memory of what is true, and no manners: it does what venues have done.

It shares no code with the paper broker. Its answers can be lost, late or refused; its reports are kept in a pool, so
that a test delivers any of them at any time and as often as it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.account import AccountInfo, Balance, Position
from brokers.errors import OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.order import Fill, Liquidity, OrderReport, OrderRequest, OrderType, TimeInForce, VenueOrderState
from brokers.port import Capabilities

V = VenueOrderState
CASH = Decimal(1_000_000)


@dataclass
class Truth:
    """One order as it really is."""

    request: OrderRequest
    number: int
    at: datetime
    state: VenueOrderState = V.WORKING
    fills: dict[str, Fill] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)
    busted: set[str] = field(default_factory=set)

    @property
    def filled(self) -> Decimal:
        return sum((each.quantity for name, each in self.fills.items() if name not in self.void), Decimal(0))

    def report(self) -> OrderReport:
        live = tuple(each for name, each in self.fills.items() if name not in self.void)
        request = self.request
        return OrderReport(
            request.client_order_id,
            f"v{self.number}",
            request.instrument.symbol,
            request.side,
            request.quantity,
            self.state,
            self.at,
            self.filled,
            live,
            request.type,
            request.limit_price,
            busted=tuple(sorted(self.busted)),
        )


class TruthVenue:
    """The broker's side of it, and rules for what happens at the venue by itself."""

    name = "truth"

    def __init__(self, now: Any) -> None:
        self._now = now
        self.capabilities = Capabilities(frozenset(OrderType), frozenset(TimeInForce), modify=True, shorting=True)
        self.orders: dict[str, Truth] = {}
        self.late: list[OrderRequest] = []
        self.pool: list[OrderReport] = []
        self.sent: list[str] = []
        self.fault = "ok"
        self.is_down = False
        self.names_chains = True  # whether a bust names what the busted fill had corrected, as the port asks for
        self._fills = 0
        self.read = asyncio.Event()

    is_connected = True
    is_live = False

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def settled(self) -> None: ...

    # --- what we ask of it -------------------------------------------------------------------------

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.sent.append(order.client_order_id)
        fault = self._fault()
        if fault == "late":
            self.late.append(order)
        if fault in ("late", "never"):
            raise Uncertain("no answer")
        self._arrive(order)
        return self._answer(order.client_order_id, fault)

    async def cancel_order(self, order: str) -> OrderReport:
        fault = self._fault()
        if fault in ("never", "late"):
            raise Uncertain("no answer")
        self._open(order).state = V.CANCELLED
        return self._answer(order, fault)

    async def modify_order(self, order: str, **terms: Decimal | None) -> OrderReport:
        fault = self._fault()
        if fault in ("never", "late"):
            raise Uncertain("no answer")
        truth = self._open(order)
        if terms.get("quantity") is not None and terms["quantity"] <= truth.filled:
            raise Rejected("TOO_SMALL", "it has filled")
        truth.request = replace(truth.request, **{name: value for name, value in terms.items() if value is not None})
        return self._answer(order, fault)

    async def find_order(self, order: str) -> OrderReport | None:
        self._query()
        return self.orders[order].report() if order in self.orders else None

    async def get_open_orders(self) -> list[OrderReport]:
        self._query()
        return [each.report() for each in self.orders.values() if each.state.is_open]

    async def get_closed_orders(self, since: datetime) -> list[OrderReport]:
        self._query()
        return [each.report() for each in self.orders.values() if not each.state.is_open]

    async def get_fills(self, since: datetime) -> list[Fill]:
        self._query()
        return [fill for each in self.orders.values() for fill in each.report().fills if fill.at >= since]

    async def get_cash_flows(self, since: datetime) -> list[Any]:
        return []

    async def get_account_info(self) -> AccountInfo:
        self._query()
        held = self.position
        positions = {"ACME": Position("ACME", held, Decimal(100))} if held else {}
        return AccountInfo("main", self._now(), {"USD": Balance("USD", self.cash)}, positions)

    def reports(self) -> Any:
        return _Silence(self.read)

    # --- what is true ------------------------------------------------------------------------------

    @property
    def _live(self) -> list[Fill]:
        return [fill for each in self.orders.values() for fill in each.report().fills]

    @property
    def position(self) -> Decimal:
        return sum((fill.signed_quantity for fill in self._live), Decimal(0))

    @property
    def cash(self) -> Decimal:
        return CASH - sum((fill.signed_quantity * fill.price for fill in self._live), Decimal(0))

    # --- what happens there ------------------------------------------------------------------------

    def arrive(self) -> None:
        """Orders that were on their way all the time."""
        for each in self.late:
            self._arrive(each)
        self.late.clear()

    def fill(self, order: str, units: int) -> None:
        """Some units fill, wanted or not."""
        truth = self.orders[order]
        self._fills += 1
        self._book(truth, f"x{self._fills}.01", Decimal(units), Decimal(100 + self._fills % 3), "")
        if truth.filled >= truth.request.quantity:
            truth.state = V.FILLED
        elif truth.state is V.WORKING:
            truth.state = V.PARTIALLY_FILLED
        self.say(truth)

    def correct(self, order: str, units: int, *, silent: bool) -> None:
        """The newest fill was other than it was told."""
        truth = self.orders[order]
        live = [name for name in truth.fills if name not in truth.void]
        if not live:
            return
        old = live[-1]
        if silent:
            truth.fills[old] = replace(truth.fills[old], price=truth.fills[old].price + units)
        else:
            stem, _, number = old.rpartition(".")
            truth.void.add(old)
            self._book(truth, f"{stem}.{int(number) + 1:02}", Decimal(units), Decimal(99), old)
        self.say(truth)

    def bust(self, order: str) -> None:
        """The newest fill never was."""
        truth = self.orders[order]
        gone = next((name for name in reversed(truth.fills) if name not in truth.void), "")
        truth.void |= {gone} - {""}
        while gone:
            truth.busted.add(gone)
            gone = truth.fills[gone].corrects if self.names_chains else ""
        self.say(truth)

    def end(self, order: str, state: VenueOrderState) -> None:
        """The venue ends an order."""
        truth = self.orders[order]
        if truth.state.is_open:
            truth.state = state
            self.say(truth)

    def newest(self, order: str) -> OrderReport:
        """The stream's word of the newest fill, and of no other."""
        report = self.orders[order].report()
        return replace(report, fills=report.fills[-1:])

    def say(self, truth: Truth) -> None:
        """On the stream, once with everything and once with what is new only: venues do either."""
        report = truth.report()
        self.pool.append(report)
        if len(report.fills) > 1:
            self.pool.append(self.newest(truth.request.client_order_id))

    def _book(self, truth: Truth, name: str, units: Decimal, price: Decimal, corrects: str) -> None:
        request = truth.request
        one = (name, request.client_order_id, "ACME", request.side, units, price, Decimal(0), "USD")
        truth.fills[name] = Fill(*one, Liquidity.TAKER, self._now(), corrects, f"v{truth.number}")

    def _arrive(self, order: OrderRequest) -> None:
        assert order.client_order_id not in self.orders, "the same order came twice"
        truth = Truth(order, len(self.orders), self._now())
        self.orders[order.client_order_id] = truth
        self.say(truth)

    def _answer(self, order: str, fault: str) -> OrderReport:
        self.say(self.orders[order])
        if fault == "lost":
            raise Uncertain("no answer")
        return self.orders[order].report()

    def _open(self, order: str) -> Truth:
        if order not in self.orders:
            raise OrderNotFound(order)
        if not self.orders[order].state.is_open:
            raise Rejected("ORDER_CLOSED", "it is over")
        return self.orders[order]

    def _fault(self) -> str:
        fault, self.fault = self.fault, "ok"
        if self.is_down or fault == "down":
            raise Unavailable("the line is down")
        if fault == "no":
            raise Rejected("NO", "the venue says no")
        return fault

    def _query(self) -> None:
        if self.is_down:
            raise Unavailable("the line is down")


class _Silence:
    """A stream on which nothing comes: the test delivers by hand."""

    def __init__(self, read: asyncio.Event) -> None:
        self._read = read

    def __aiter__(self) -> AsyncIterator[OrderReport]:
        return self  # type: ignore[return-value]

    async def __anext__(self) -> OrderReport:
        self._read.set()
        await asyncio.Event().wait()
        raise StopAsyncIteration

    async def aclose(self) -> None: ...
