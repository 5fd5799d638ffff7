"""Calls to a venue as data, and what is known of the orders they are about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from brokers.ccxt.replaced import Replaced
from brokers.errors import Unavailable
from brokers.order import ClientOrderId, OrderReport, OrderRequest

Raw = Mapping[str, Any]
"""One of ccxt's unified structures; its numbers are strings."""

_REMEMBERED = 5000
_MOST_PAGES = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `await exchange.<method>(*args)`; a method of ccxt's unified interface, or of its implicit one."""

    method: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One order of ours as the venue has it.

    Venues put a new order in the place of one that was changed, or whose trigger was reached. `terms` is the one that
    has type, quantity and prices, `now` the one that works or has ended, `earlier` those in whose place it came.
    """

    terms: Raw
    now: Raw
    earlier: tuple[Raw, ...] = ()

    @classmethod
    def of(cls, raw: Raw) -> Sighting:
        """An order that is still what it was."""
        return cls(raw, raw)

    @property
    def parts(self) -> tuple[Raw, ...]:
        """The orders at the venue whose fills are its fills, oldest first."""
        return (*self.earlier, self.now)


@dataclass(frozen=True, slots=True)
class Known:
    """An order that this process has sent or seen. `revision` counts the orders that replaced it, `attempts` also those
    that were only to replace it. `triggered`: its trigger was reached, and `venue_order_id` names what it has become.
    `ends`: we have been told for certain that nothing replaces what it is now. `cancelled`: the cancel that the venue
    has taken. `missed`: since when (by `ticks`) it was nowhere to be seen.
    """

    order: ClientOrderId
    symbol: str
    venue_order_id: str = ""
    request: OrderRequest | None = None
    report: OrderReport | None = None
    revision: int = 0
    attempts: int = 0
    conditional: bool = False
    triggered: bool = False
    changing: bool = False
    ends: bool = False
    cancelled: Call | None = None
    missed: float | None = None


class KnownOrders:
    """What this process has sent and seen, the newest few thousand; nothing relies on it being complete."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Known] = OrderedDict()
        self._by_venue: OrderedDict[tuple[str, str], ClientOrderId] = OrderedDict()

    def get(self, order: ClientOrderId) -> Known | None:
        """What is known of `order`."""
        return self._by_id.get(order)

    def owner(self, symbol: str, venue_order_id: str) -> ClientOrderId | None:
        """Whose order the venue's own id names: our id, empty for somebody else's, None if we have not seen it."""
        return self._by_venue.get((symbol, venue_order_id))

    def begin(self, request: OrderRequest) -> None:
        """An order is about to be sent."""
        self.put(
            Known(
                request.client_order_id,
                request.instrument.symbol,
                request=request,
                conditional=request.type.is_conditional,
            )
        )

    def forget(self, order: ClientOrderId) -> None:
        """It was never sent, or definitely refused."""
        self._by_id.pop(order, None)

    def put(self, known: Known) -> None:
        """Remember this."""
        self._by_id[known.order] = known
        self._by_id.move_to_end(known.order)
        while len(self._by_id) > _REMEMBERED:
            self._by_id.popitem(last=False)

    def change(self, order: ClientOrderId, symbol: str, **facts: Any) -> Known:
        """Remember more of an order."""
        known = replace(self._by_id.get(order) or Known(order, symbol), **facts)
        self.put(known)
        return known

    def own(self, symbol: str, venue_order_id: str, order: ClientOrderId) -> None:
        """Remember whose order the venue's own id names; an empty `order` is somebody else's."""
        if venue_order_id:
            self._by_venue[symbol, venue_order_id] = order
            while len(self._by_venue) > _REMEMBERED:
                self._by_venue.popitem(last=False)

    def note(self, report: OrderReport) -> None:
        """Remember what the venue has told."""
        self.own(report.symbol, report.venue_order_id, report.client_order_id)
        if report.client_order_id:
            conditional = {"conditional": True} if report.type.is_conditional else {}
            self.change(
                report.client_order_id,
                report.symbol,
                venue_order_id=report.venue_order_id,
                report=report,
                missed=None,
                **conditional,
            )


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a dialect may use to look something up. `ask` is `Client.query`: it raises what the port raises.

    `is_gone`: whether one of the `symbols` is not listed there any more, by the rules as they were told last.
    """

    ask: Callable[[Call], Awaitable[Any]]
    symbols: tuple[str, ...]
    known: KnownOrders
    now: Callable[[], datetime]
    replaced: Replaced = field(default_factory=lambda: Replaced(None))
    is_gone: Callable[[str], bool] = lambda _: False


async def pages(
    ask: Callable[[Call], Awaitable[Any]],
    call: Callable[[int], Call],
    since: int,
    *,
    size: int,
    until: int,
    window: timedelta | None = None,
    key: Callable[[Raw], Any],
    older: Callable[[Call, Sequence[Raw]], Call | None] | None = None,
    is_last: Callable[[Sequence[Raw]], bool | None] = lambda _: None,
) -> list[Raw]:
    """A list that comes in pages of `size`, each from a time on (ms), and where the venue wants it window by window.

    A full page is followed by what began with its last item, or by what `older` asks for where a list begins with the
    newest. `is_last`: what the venue says of that itself. Raises `Unavailable` for what is no list, or has no end.
    """
    found: dict[Any, Raw] = {}
    edge, asked = since, call(since)
    for _ in range(_MOST_PAGES):
        page = await ask(asked)
        if not isinstance(page, list) or not all(isinstance(each, Mapping) for each in page):
            raise Unavailable("something else than a list")
        new = {key(raw): raw for raw in page if key(raw) not in found}
        found.update(new)
        ends = is_last(page)
        is_full = len(page) >= size
        if ends is None and is_full and not new:
            raise Unavailable("more of one moment than can be listed")
        if is_full if ends is None else not ends:
            further = None if older is None else older(asked, page)
            if further is None:
                since = max(int(raw.get("timestamp") or since) for raw in page)
            asked = further or call(since)
        elif window is None or (edge := edge + int(window.total_seconds() * 1000)) >= until:
            return list(found.values())
        else:
            since = max(since, edge)
            asked = call(since)
    raise Unavailable("more than can be asked for; ask since a later time")
