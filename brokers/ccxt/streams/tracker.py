"""Makes one story of each order out of what is told twice, late, in any order, and from two sides.

A state never goes back, a fill is told once, and what has been told already is not told again. What the stream leaves
open is asked for: never guessed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, OrderReport, VenueOrderState

_REMEMBERED = 2000  # orders that are over

Key = tuple[str, str]
"""Names an order: ("", our id), or (symbol, the venue's id) for somebody else's."""


@dataclass(slots=True)
class Track:
    """One order as it was told. `before` is what was filled before we first heard of it, by an answer."""

    report: OrderReport
    fills: dict[str, Fill] = field(default_factory=dict)
    before: Decimal = ZERO

    @property
    def is_complete(self) -> bool:
        """Whether all that is filled was told fill by fill."""
        return self.before + sum((fill.quantity for fill in self.fills.values()), ZERO) >= self.report.filled


class Tracker:
    """Every order that was heard of; of those that are over, the newest."""

    def __init__(self) -> None:
        self._tracks: OrderedDict[Key, Track] = OrderedDict()
        self._names: dict[Key, Key] = {}

    def of(self, symbol: str, venue_order_id: str) -> Track | None:
        """The order with the venue's own id."""
        key = self._names.get((symbol, venue_order_id))
        return self._tracks.get(key) if key else None

    def find(self, key: Key) -> Track | None:
        """The order of this name."""
        return self._tracks.get(key)

    def is_complete(self, key: Key) -> bool:
        """Whether all that is filled of an order was told fill by fill."""
        track = self._tracks.get(key)
        return track is None or track.is_complete

    def is_settled(self, key: Key) -> bool:
        """As `is_complete`, with what each fill has cost."""
        track = self._tracks.get(key)
        return track is None or (track.is_complete and all(fill.fee is not None for fill in track.fills.values()))

    def open(self) -> dict[Key, OrderReport]:
        """The orders that may still fill, as they were told."""
        return {key: track.report for key, track in self._tracks.items() if track.report.state.is_open}

    def mentioned(self, words: Iterable[str]) -> list[Key]:
        """The orders that any of these words name, by our id or the venue's."""
        wanted = set(words)
        named = {key for (_, ident), key in self._names.items() if ident in wanted}
        return [key for key in self._tracks if key in named or key[1] in wanted]

    def take(self, report: OrderReport, *, asked: bool = False) -> OrderReport | None:
        """What is new in `report`, whole; None if nothing is.

        `asked`: it answers a question, so it knows of the order that another one has taken the place of.
        """
        key = key_of(report)
        self._names[report.symbol, report.venue_order_id] = key
        track = self._tracks.get(key)
        if track is None:
            return self._begin(key, report, asked=asked)
        fresh = _fresh(track, report.fills)
        is_another = asked and report.venue_order_id != track.report.venue_order_id
        told = report if is_another else _later(track.report, report)
        track.fills.update({fill.fill_id: fill for fill in fresh})
        bare = replace(told, fills=(), busted=())
        is_news = fresh or report.busted or replace(bare, at=track.report.at) != track.report
        track.report = bare
        self._tidy(key)
        return replace(told, fills=fresh, busted=report.busted) if is_news else None

    def take_fill(self, fill: Fill, key: Key) -> OrderReport | None:
        """A fill that came without a word on its order: None if it is known; the order must be."""
        track = self._tracks[key]
        fills = (replace(fill, client_order_id=track.report.client_order_id),)
        if not _fresh(track, fills):
            return None
        told = sum((each.quantity for each in track.fills.values()), fill.quantity)  # too little rather than too much
        return self.take(_advanced(track.report, max(told, track.report.filled), fills))

    def _begin(self, key: Key, report: OrderReport, *, asked: bool) -> OrderReport:
        """The first word on an order. What a push lacks of its fills is about to come, or must be asked for."""
        fills = {fill.fill_id: fill for fill in report.fills}
        before = max(report.filled - sum((fill.quantity for fill in fills.values()), ZERO), ZERO) if asked else ZERO
        self._tracks[key] = Track(replace(report, fills=(), busted=()), fills, before)
        self._tidy(key)
        return replace(report, fills=tuple(fills.values()))

    def _tidy(self, key: Key) -> None:
        """Forget the oldest orders that are over."""
        self._tracks.move_to_end(key)
        if len(self._tracks) <= 2 * _REMEMBERED:
            return
        over = [each for each, track in self._tracks.items() if not track.report.state.is_open]
        for each in over[:-_REMEMBERED]:
            del self._tracks[each]
        self._names = {name: each for name, each in self._names.items() if each in self._tracks}


def key_of(report: OrderReport) -> Key:
    """What names the order of a report."""
    return ("", report.client_order_id) if report.client_order_id else (report.symbol, report.venue_order_id)


def our_id(key: Key) -> ClientOrderId | None:
    """Our id of an order; None for somebody else's."""
    return ClientOrderId(key[1]) if not key[0] else None


def _fresh(track: Track, fills: Sequence[Fill]) -> tuple[Fill, ...]:
    """The fills that were not told yet, or not with their fee."""
    unique = {fill.fill_id: fill for fill in fills}
    return tuple(fill for fill in unique.values() if _is_news(track.fills.get(fill.fill_id), fill))


def _is_news(known: Fill | None, fill: Fill) -> bool:
    return known is None or (known.fee is None and fill.fee is not None)


def _rank(state: VenueOrderState) -> int:
    if state is VenueOrderState.WORKING:
        return 0
    return 1 if state.is_open else 2


def _later(known: OrderReport, told: OrderReport) -> OrderReport:
    """The order after both reports, whichever came first."""
    ahead = (_rank(told.state), told.filled) >= (_rank(known.state), known.filled)
    is_newer = ahead and told.at >= known.at and known.state.is_open
    base = told if is_newer else known
    state = told.state if _rank(told.state) > _rank(known.state) else known.state
    return replace(base, state=state, filled=max(known.filled, told.filled), at=max(known.at, told.at))


def _advanced(known: OrderReport, filled: Decimal, fills: tuple[Fill, ...]) -> OrderReport:
    """The order with a fill more: it is filled when all of it is."""
    state = known.state
    if state.is_open:
        state = VenueOrderState.FILLED if filled >= known.quantity else VenueOrderState.PARTIALLY_FILLED
    return replace(known, filled=filled, fills=fills, state=state, at=max(known.at, fills[0].at))
