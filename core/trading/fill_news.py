"""What a report tells about fills that the books do not know yet: new ones, fees, corrections, busts. Pure.

A correction replaces a fill, it does not add to it. It comes under a new id that names the old one (IB counts
`.01`, `.02` up), or as the same id with another price or quantity. Words may come twice, late and in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.order import Fill, OrderReport
from core.store.models import FillRow

BOOKED, REPLACED, BUSTED = "booked", "replaced", "busted"

# Under what we keep a fill whose id came again with other figures: `ID~2`, `ID~3` …
_AGAIN = "~"


@dataclass(frozen=True, slots=True)
class KnownFill:
    """A fill in the books under the id that the venue uses; `stored_as` is its id in our rows."""

    stored_as: str
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    counts: bool = True

    @classmethod
    def of(cls, fill: Fill, stored_as: str) -> KnownFill:
        """What we remember of a fill once it is committed."""
        return cls(stored_as, fill.quantity, fill.price, fill.fee)


@dataclass(frozen=True, slots=True)
class Correction:
    """`fill` takes the place of the fill that is known as `old`, and is stored as `stored_as`."""

    old: str
    fill: Fill
    stored_as: str

    @property
    def is_silent(self) -> bool:
        """Whether the venue changed the figures of a fill without saying so."""
        return self.old == self.fill.fill_id


@dataclass(frozen=True, slots=True)
class FillNews:
    """News of one order's fills. `void` are the ids that will never count, known or not."""

    fresh: tuple[Fill, ...] = ()
    paid: tuple[Fill, ...] = ()
    corrected: tuple[Correction, ...] = ()
    busted: tuple[str, ...] = ()
    void: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.fresh or self.paid or self.corrected or self.busted)


def known_fills(rows: Iterable[FillRow]) -> tuple[dict[str, KnownFill], set[str]]:
    """The fills of an order as they are stored, by the venue's id, and the ids that never count."""
    known: dict[str, KnownFill] = {}
    void: set[str] = set()
    for row in rows:  # in the order in which they were written: a later one of the same id is the newer
        name = row.corrects if row.fill_id.startswith(f"{row.corrects}{_AGAIN}") and row.corrects else row.fill_id
        known[name] = KnownFill(row.fill_id, row.quantity, row.price, row.fee, row.status == BOOKED)
        if row.corrects and name == row.fill_id:
            void.add(row.corrects)
    void |= {name for name, fill in known.items() if not fill.counts}
    return known, void


def news_of(
    known: Mapping[str, KnownFill], void: Iterable[str], report: OrderReport, *, fresh_figures: bool = True
) -> FillNews:
    """What `report` tells that is not `known`.

    Other figures under the same id are believed only from an answer to a question (`fresh_figures`): a report of the
    stream may be older than what we know.
    """
    told = {fill.fill_id: fill for fill in report.fills}  # a venue may tell the same fill twice in one breath
    dead = {*void, *report.busted, *(fill.corrects for fill in told.values() if fill.corrects)}
    fresh: list[Fill] = []
    paid: list[Fill] = []
    corrected: dict[str, Correction] = {}
    for fill in told.values():
        mine = known.get(fill.fill_id)
        if fill.fill_id in dead or (mine is not None and not mine.counts):
            continue
        if mine is None:
            old = _target(known, fill.corrects)
            if old and old not in corrected:
                corrected[old] = Correction(old, fill, fill.fill_id)
            else:
                fresh.append(fill)
        elif (mine.quantity, mine.price) != (fill.quantity, fill.price):
            if not fresh_figures:
                continue
            corrected[fill.fill_id] = Correction(fill.fill_id, fill, _next_name(mine, fill.fill_id))
        elif mine.fee is None and fill.fee is not None:
            paid.append(fill)
    return FillNews(
        tuple(fresh),
        tuple(paid),
        tuple(corrected.values()),
        _busted(known, dead, told.values(), corrected),
        frozenset(dead),
    )


def _target(known: Mapping[str, KnownFill], corrects: str) -> str:
    """The fill in the books that a correction replaces, or nothing."""
    fill = known.get(corrects)
    return corrects if fill is not None and fill.counts else ""


def _busted(
    known: Mapping[str, KnownFill], dead: set[str], told: Iterable[Fill], corrected: Mapping[str, Correction]
) -> tuple[str, ...]:
    """Fills in the books that no longer count and that nothing takes the place of.

    A correction that was itself corrected before it came (`.03` before `.02`) leaves what it corrects void.
    """
    chain = {fill.corrects for fill in told if fill.fill_id in dead and fill.corrects}
    gone = [each for each in sorted({*dead, *chain}) if each not in corrected]
    return tuple(each for each in gone if each in known and known[each].counts)


def _next_name(mine: KnownFill, fill_id: str) -> str:
    _, _, number = mine.stored_as.removeprefix(fill_id).rpartition(_AGAIN)
    return f"{fill_id}{_AGAIN}{int(number or 1) + 1}"
