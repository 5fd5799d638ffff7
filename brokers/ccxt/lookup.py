"""Looks orders and executions up at a venue. Every method raises `Unavailable` rather than answer with less."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from brokers.ccxt.calls import Call, Inquiry, Raw, Sighting, pages
from brokers.ccxt.client import Client
from brokers.ccxt.parsing import Reader, decimal, milliseconds, readable
from brokers.errors import Rejected, Unavailable
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderReport

T = TypeVar("T")

# An order that ended after a time may have been placed long before it.
_BEFORE = timedelta(hours=24)
# So many strange orders in a list of executions are looked up one by one; more of them in a list.
_ONE_BY_ONE = 3
_MOST_PAGES_OF_ONE = 50


class Lookup:
    """Questions about orders of one account."""

    def __init__(self, client: Client, reader: Reader, inquiry: Inquiry, learn: Callable[[], Awaitable[None]]) -> None:
        self._dialect = client.dialect
        self._reader = reader
        self._known = inquiry.known
        self._inquiry = inquiry
        self._learn = learn
        self._has_listed = False

    @property
    def inquiry(self) -> Inquiry:
        """What dialects ask through."""
        return self._inquiry

    # --- one order ---------------------------------------------------------------------------------

    async def find(self, order: ClientOrderId) -> OrderReport | None:
        """The order with all its fills; None only if the venue definitely has none of this id."""
        with readable():
            return await self._find(order)

    async def _find(self, order: ClientOrderId) -> OrderReport | None:
        if self._known.get(order) is None and not self._has_listed:
            await self.open_orders()  # after a restart: one question that tells where most of our orders are
        known = self._known.get(order)
        for symbol in (known.symbol,) if known is not None else self._inquiry.symbols:
            seen = await self._of(symbol, partial(self._dialect.find, self._inquiry, order, symbol), None)
            if seen is not None:
                return await self._whole(seen, order)
        return None

    async def _whole(self, seen: Sighting, order: ClientOrderId) -> OrderReport:
        for raw in seen.parts:
            self._known.own(str(raw.get("symbol") or ""), str(raw.get("id") or ""), order)
        report = self._reader.sighting(seen, order=order)
        report = replace(report, fills=await self._fills_of(seen.parts))
        self._note(report, seen)
        return report

    def _note(self, report: OrderReport, seen: Sighting) -> None:
        revision = self._dialect.revision(self._dialect.wire_of(seen.now))
        known = self._known.get(report.client_order_id) if report.client_order_id else None
        if known is not None and revision < known.revision:
            return  # an answer from before it was replaced
        self._known.note(report)
        if report.client_order_id:
            triggered = seen.now is not seen.terms
            self._known.change(report.client_order_id, report.symbol, revision=revision, triggered=triggered)

    async def _fills_of(self, parts: Iterable[Raw]) -> tuple[Fill, ...]:
        fills: dict[str, Fill] = {}
        for raw in parts:
            if not decimal(raw.get("filled")):
                continue
            own = self._reader.own_fills(raw) or await self._asked_fills(raw)
            fills.update({fill.fill_id: fill for fill in own})
        return _in_order(fills.values())

    async def _asked_fills(self, raw: Raw) -> Sequence[Fill]:
        """All executions of one order; a long list is asked for further while some of them are missing."""
        call, found = self._dialect.fills_of_order_call(raw), dict[str, Fill]()
        for _ in range(_MOST_PAGES_OF_ONE):
            page = await self._list(call)
            found.update(self._fills_in(page, raw))
            is_whole = sum((fill.quantity for fill in found.values()), ZERO) >= (decimal(raw.get("filled")) or ZERO)
            if is_whole:
                return list(found.values())
            if len(page) < self._dialect.page or (further := self._dialect.next_page(call, page)) is None:
                break
            call = further
        if len(found) >= self._dialect.page and raw.get("timestamp"):  # the list of all goes on where that of one ends
            found.update(self._fills_in(await self._trades(str(raw["symbol"]), int(raw["timestamp"])), raw))
        return list(found.values())

    def _fills_in(self, page: Iterable[Raw], raw: Raw) -> dict[str, Fill]:
        """Those of a list that are executions of one order."""
        mine = (self._reader.fill(trade) for trade in page if str(trade.get("order")) == str(raw.get("id")))
        return {fill.fill_id: fill for fill in mine}

    # --- lists -------------------------------------------------------------------------------------

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Every order that may still fill, conditional ones included, with the fills of those that have some."""
        raws: list[Raw] = []
        for call in self._dialect.open_calls_for(self._inquiry.symbols):
            raws += await self._all_open(call)
        with readable():
            reports = [await self._listed(seen) for seen in await self._dialect.join(self._inquiry, raws)]
        self._has_listed = True
        return tuple(sorted((each for each in reports if each.state.is_open), key=_when))

    async def _all_open(self, call: Call) -> list[Raw]:
        """The pages of one list of open orders. What cannot be listed is no answer: an order may be among it."""
        found: dict[Any, Raw] = {}
        most, asked = self._dialect.open_page, call
        while True:
            page = await self._list(asked)
            new = {_key(raw): raw for raw in page if _key(raw) not in found}
            found.update(new)
            ends = self._dialect.is_last(page)
            if (most is None or len(page) < most) if ends is None else ends:
                return list(found.values())
            further = self._dialect.more_open(asked, page)
            if further is None or not new:
                raise Unavailable(f"{self._dialect.venue} has more open orders than it lists")
            asked = further

    async def _listed(self, seen: Sighting) -> OrderReport:
        report = self._reader.sighting(seen)
        for raw in seen.parts:
            self._known.own(report.symbol, str(raw.get("id") or ""), report.client_order_id)
        if report.filled:
            report = replace(report, fills=self._remembered(report) or await self._fills_of(seen.parts))
        self._note(report, seen)
        return report

    def _remembered(self, report: OrderReport) -> tuple[Fill, ...] | None:
        """The fills that we know already, if they are all of them."""
        known = self._known.get(report.client_order_id) if report.client_order_id else None
        fills = known.report.fills if known is not None and known.report is not None else ()
        return fills if sum((fill.quantity for fill in fills), ZERO) == report.filled else None

    async def closed_orders(self, since: datetime) -> tuple[OrderReport, ...]:
        """Every order of our instruments that ended at or after `since`, with its fills, oldest first."""
        found: list[OrderReport] = []
        with readable():
            for symbol in self._inquiry.symbols:
                found += await self._of(symbol, partial(self._closed, symbol, since), [])
        return tuple(sorted(found, key=_when))

    async def _closed(self, symbol: str, since: datetime) -> list[OrderReport]:
        found: list[OrderReport] = []
        seen = await self._sightings(symbol, since)
        fills = await self._by_order(symbol, seen)
        for each in seen:
            report = self._reader.sighting(each)
            if not report.state.is_open and report.at >= since:
                found.append(await self._with_fills(report, each, fills))
        return found

    async def _sightings(self, symbol: str, since: datetime) -> Sequence[Sighting]:
        """The orders of a symbol since then, each put together, and whose they are remembered."""
        raws: list[Raw] = []
        for number in range(len(self._dialect.closed_calls(symbol, 0))):
            raws += await self._pages(
                lambda at, number=number: self._dialect.closed_calls(symbol, at)[number],  # type: ignore[misc]
                milliseconds(since - _BEFORE),
            )
        raws = [raw for raw in raws if raw.get("symbol") == symbol]  # not every venue asks for one alone
        seen = await self._dialect.join(self._inquiry, raws)
        for each in seen:
            order = self._reader.order_of(each.terms)
            for raw in each.parts:
                self._known.own(symbol, str(raw.get("id") or ""), order)
        return seen

    async def _by_order(self, symbol: str, seen: Iterable[Sighting]) -> dict[str, list[Fill]]:
        """All executions since the oldest of these orders that has some, by the venue's id of the order."""
        parts = [raw for each in seen for raw in each.parts if decimal(raw.get("filled"))]
        began = [raw["timestamp"] for raw in parts if raw.get("timestamp")]
        found: dict[str, list[Fill]] = {}
        for raw in await self._trades(symbol, min(began)) if began else ():
            fill = self._reader.fill(raw)
            found.setdefault(fill.venue_order_id, []).append(fill)
        return found

    async def _with_fills(self, report: OrderReport, seen: Sighting, known: dict[str, list[Fill]]) -> OrderReport:
        fills = _in_order(fill for raw in seen.parts for fill in known.get(str(raw.get("id")), ()))
        if sum((fill.quantity for fill in fills), ZERO) != report.filled:
            fills = await self._fills_of(seen.parts)
        return replace(report, fills=fills)

    # --- executions --------------------------------------------------------------------------------

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every execution in our instruments at or after `since`, oldest first, each with our id of its order."""
        found: list[Fill] = []
        for symbol in self._inquiry.symbols:
            found += await self._of(symbol, partial(self._executed, symbol, since), [])
        return _in_order(fill for fill in found if fill.at >= since)

    async def _executed(self, symbol: str, since: datetime) -> list[Fill]:
        raws = await self._trades(symbol, milliseconds(since))
        with readable():
            await self._name_orders(symbol, raws, since)
            return [self._reader.fill(raw) for raw in raws]

    async def _name_orders(self, symbol: str, raws: Iterable[Raw], since: datetime) -> None:
        """Learn whose the orders are that these executions name."""
        strange = {str(raw["order"]) for raw in raws if raw.get("order") and not self._dialect.wire_of(raw)}
        strange = {each for each in strange if self._known.owner(symbol, each) is None}
        if len(strange) > _ONE_BY_ONE:
            await self._sightings(symbol, since)
        for each in sorted(strange):
            if self._known.owner(symbol, each) is None:
                order = await self._dialect.name_fill(self._inquiry, symbol, each)
                if order is not None:
                    self._known.own(symbol, each, order)

    async def _trades(self, symbol: str, since: int) -> list[Raw]:
        raws: list[Raw] = []
        for number in range(len(self._dialect.fill_calls(symbol, 0))):
            raws += await self._pages(
                lambda at, number=number: self._dialect.fill_calls(symbol, at)[number],  # type: ignore[misc]
                since,
            )
        return [raw for raw in raws if raw.get("symbol") == symbol]

    # --- asking ------------------------------------------------------------------------------------

    async def by_newest_rules(self, work: Callable[[], Awaitable[T]]) -> T:
        """`work`, and once more by the newest rules if the venue does not know a symbol in it."""
        try:
            return await work()
        except Rejected as refused:
            _check_strange(refused)
        await self._learn()
        try:
            return await work()
        except Rejected as refused:
            _check_strange(refused)
            raise Unavailable(str(refused)) from None

    async def _of(self, symbol: str, work: Callable[[], Awaitable[T]], nothing: T) -> T:
        """What the venue has of one symbol. One that it does not know, and lists no more, has nothing, and takes the
        others' answers away from nobody; if it still lists it, the question has failed.
        """
        try:
            return await work()
        except Rejected as refused:
            _check_strange(refused)
        if not self._inquiry.is_gone(symbol):
            await self._learn()
        if not self._inquiry.is_gone(symbol):
            raise Unavailable(f"{self._dialect.venue} lists {symbol}, and says that it does not know it")
        return nothing

    async def _pages(self, call: Callable[[int], Call], since: int) -> list[Raw]:
        return await pages(
            self._inquiry.ask,
            call,
            since,
            size=self._dialect.page,
            until=milliseconds(self._inquiry.now()),
            window=self._dialect.window,
            key=_key,
            older=self._dialect.next_page,
            is_last=self._dialect.is_last,
        )

    async def _list(self, call: Call) -> list[Raw]:
        found = await self._inquiry.ask(call)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise Unavailable(f"{self._dialect.venue} answers {call.method} with something else than a list")
        return found


def _check_strange(refused: Rejected) -> None:
    """Raise it on, unless it says that there is no such symbol."""
    if refused.code != "UNKNOWN_SYMBOL":
        raise refused


def _key(raw: Raw) -> Any:
    return raw.get("id"), raw.get("order")


def _when(report: OrderReport) -> tuple[datetime, str]:
    return report.at, report.venue_order_id


def _in_order(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    return tuple(sorted(fills, key=lambda fill: (fill.at, len(fill.fill_id), fill.fill_id)))
