"""What a report tells about fills that the books do not know yet: new ones, fees, corrections, busts. Pure.

A correction replaces a fill, it does not add to it. It comes under a new id that names the old one (IB counts
`.01`, `.02` up), or as the same id with another price or quantity. Words may come twice, late and in any order.

A chain is broken when a correction names a fill that we never heard of: what that one had replaced may be in the
books. Such a correction is no new fill. It is held back until the venue has been asked for the whole list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import Enum, auto
from itertools import takewhile

from brokers.money import ZERO
from brokers.order import Fill, OrderReport
from core.store.models import FillRow
from core.trading.ledger import EXACT

BOOKED, REPLACED, BUSTED = "booked", "replaced", "busted"

# Under what we keep a fill whose id came again with other figures: `ID~2`, `ID~3` …
_AGAIN = "~"


class Trust(Enum):
    """How far a report is believed where the chain of a correction is broken.

    WHOLE: it lists every fill that counts. CAREFUL: whatever may be another version of a booked fill is held back.
    ALONE: only corrections are, for nobody can be asked.
    """

    WHOLE = auto()
    CAREFUL = auto()
    ALONE = auto()


@dataclass(frozen=True, slots=True)
class KnownFill:
    """A fill in the books under the id that the venue uses; `stored_as` is its id in our rows."""

    stored_as: str
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    counts: bool = True
    corrects: str = ""

    @classmethod
    def of(cls, fill: Fill, stored_as: str) -> KnownFill:
        """What we remember of a fill once it is committed."""
        return cls(stored_as, fill.quantity, fill.price, fill.fee, corrects=fill.corrects)


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
    """News of one order's fills. `void` are the ids that will never count, known or not.

    `held` are fills that may be other versions of booked ones. `is_broken`: the venue must be asked for the whole list.
    `absent` are those of `busted` of which the venue has said nothing: they are not in its list any more.
    """

    fresh: tuple[Fill, ...] = ()
    paid: tuple[Fill, ...] = ()
    corrected: tuple[Correction, ...] = ()
    busted: tuple[str, ...] = ()
    void: frozenset[str] = frozenset()
    held: tuple[Fill, ...] = ()
    absent: frozenset[str] = frozenset()
    is_broken: bool = False
    is_whole: bool = False

    def __bool__(self) -> bool:
        return bool(self.fresh or self.paid or self.corrected or self.busted)


def known_fills(rows: Iterable[FillRow]) -> tuple[dict[str, KnownFill], set[str]]:
    """The fills of an order as they are stored, by the venue's id, and the ids that never count."""
    known: dict[str, KnownFill] = {}
    void: set[str] = set()
    for row in rows:  # in the order in which they were written: a later one of the same id is the newer
        name = row.corrects if row.fill_id.startswith(f"{row.corrects}{_AGAIN}") and row.corrects else row.fill_id
        known[name] = KnownFill(row.fill_id, row.quantity, row.price, row.fee, row.status == BOOKED, row.corrects)
        if row.corrects and name == row.fill_id:
            void.add(row.corrects)
    void |= {name for name, fill in known.items() if not fill.counts}
    return known, void


def news_of(
    known: Mapping[str, KnownFill],
    void: Collection[str],
    report: OrderReport,
    *,
    fresh_figures: bool = True,
    trust: Trust = Trust.CAREFUL,
) -> FillNews:
    """What `report` tells that is not `known`.

    Other figures under the same id are believed only from an answer to a question (`fresh_figures`): a report of the
    stream may be older than what we know. `trust` is what becomes of a correction whose chain is broken.
    """
    told = {fill.fill_id: fill for fill in report.fills}  # a venue may tell the same fill twice in one breath
    dead = {*void, *dead_in(report)}
    fresh: list[Fill] = []
    paid: list[Fill] = []
    corrected: dict[str, Correction] = {}
    for fill in told.values():
        mine = known.get(fill.fill_id)
        if fill.fill_id in dead or (mine is not None and not mine.counts):
            continue
        if mine is None:
            old = _root(told, fill)
            if old in known and known[old].counts and old not in corrected:
                corrected[old] = Correction(old, fill, fill.fill_id)
            else:
                fresh.append(fill)
        elif (mine.quantity, mine.price) != (fill.quantity, fill.price):
            if not fresh_figures:
                continue
            corrected[fill.fill_id] = Correction(fill.fill_id, fill, _next_name(mine, fill.fill_id))
        elif mine.fee is None and fill.fee is not None:
            paid.append(fill)
    busted = _busted(known, dead, told.values(), corrected)
    news = FillNews(tuple(fresh), tuple(paid), tuple(corrected.values()), busted, frozenset(dead))
    silent = {name for name, fill in known.items() if fill.counts} - {*told, *dead, *corrected, *busted}
    if trust is Trust.WHOLE:
        return _without(news, silent)
    if not silent:
        return news
    return _held(news, known, void, report, trust, asked=fresh_figures)


def dead_in(report: OrderReport) -> set[str]:
    """The fills that do not count any more by the words of `report` itself."""
    return {*report.busted, *(fill.corrects for fill in report.fills if fill.corrects)}


def is_complete(report: OrderReport) -> bool:
    """Whether the fills of `report` add up to what it says has filled: then they are all that count."""
    dead = dead_in(report)
    live = {fill.fill_id: fill.quantity for fill in report.fills if fill.fill_id not in dead}
    with localcontext(EXACT):
        return bool(live or dead) and sum(live.values(), ZERO) == report.filled


def is_whole(known: Mapping[str, KnownFill], void: Collection[str], report: OrderReport, news: FillNews) -> bool:
    """Whether what `report` does not list is gone, not only newer than it.

    It must add up, and know of the break in the chain that `news` found: by a loose end of its own, or by speaking of
    every correction whose chain is broken.
    """
    told = {fill.fill_id: fill for fill in report.fills}
    if not is_complete(report):
        return False
    if _loose(known, dead_in(report), told):
        return True
    loose = _loose(known, {*void, *news.void}, {})
    breaks = {name for name, fill in known.items() if fill.counts and fill.corrects in loose}
    return breaks | {fill.fill_id for fill in news.held if fill.corrects} <= {*told, *dead_in(report)}


def _root(told: Mapping[str, Fill], fill: Fill) -> str:
    """What a fill corrects in the end, as far as this report goes back: `.03` comes with `.02`, we have `.01`."""
    name, passed = fill.corrects, {fill.fill_id}
    while name in told and name not in passed and told[name].corrects:
        passed.add(name)
        name = told[name].corrects
    return name


def _loose(known: Mapping[str, KnownFill], dead: Iterable[str], told: Mapping[str, Fill]) -> set[str]:
    """Fills that are gone and that we never knew: what they had replaced may be in the books."""
    return {name for name in dead if name not in known and name not in told}


def _without(news: FillNews, silent: set[str]) -> FillNews:
    """The report lists all that count: what it leaves out is void, or a correction whose chain is broken replaced it.

    Which correction took the place of which fill is told by their names, and matters only for whose parts it keeps.
    """
    orphans = {fill.fill_id: fill for fill in news.fresh if fill.corrects}
    pairs = sorted((-_alike(heir, old), old, heir) for old in silent for heir in orphans)
    replaced: dict[str, Correction] = {}
    for _, old, heir in pairs:
        if old not in replaced and heir in orphans:
            replaced[old] = Correction(old, orphans.pop(heir), heir)
    heirs = {each.stored_as for each in replaced.values()}
    gone = sorted(silent - replaced.keys())
    return replace(
        news,
        fresh=tuple(fill for fill in news.fresh if fill.fill_id not in heirs),
        corrected=(*news.corrected, *replaced.values()),
        busted=(*news.busted, *gone),
        absent=frozenset(gone),
        is_whole=True,
    )


def _alike(one: str, other: str) -> int:
    """How many characters two ids begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _held(
    news: FillNews,
    known: Mapping[str, KnownFill],
    void: Collection[str],
    report: OrderReport,
    trust: Trust,
    *,
    asked: bool,
) -> FillNews:
    """Keep back what may be another version of a fill in the books that this report does not speak of."""
    told = {fill.fill_id: fill for fill in report.fills}
    before = _loose(known, void, told)
    plain_too = bool(before) and trust is Trust.CAREFUL
    held = tuple(fill for fill in news.fresh if plain_too or fill.corrects)
    absent = asked and is_complete(report) and bool(_loose(known, news.void, told))
    return replace(
        news,
        fresh=tuple(fill for fill in news.fresh if fill not in held),
        void=frozenset({*void, *dead_in(replace(report, fills=tuple(set(told.values()) - {*held})))}),
        held=held,
        is_broken=bool(held or absent),
    )


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
