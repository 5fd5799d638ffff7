"""A difference between books and venue that nothing explains, booked by hand: what it does, and to whom. Pure.

Positions become the venue's by trades at the price of the moment, which change nobody's profit. What cash lacks then is
capital that was paid in or out; or, if a person says so, a result of EXTERNAL's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from core.trading.fills import inside_facts
from core.trading.ledger import (
    COST_STEP,
    EXACT,
    EXTERNAL,
    ROUNDING,
    Entry,
    FillFacts,
    Posting,
    carried,
    fill_posting,
    solid,
    sums_by_unit,
)
from core.trading.live_order import MANUAL
from core.trading.portfolio import Portfolio
from core.trading.reconcile import Drift

KIND = "adjustment"


class Treatment(StrEnum):
    """What a difference is: money that an owner moved, or a gain or loss."""

    CAPITAL = "capital"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Worth:
    """The price of one symbol now, and what the venue says that its whole position was entered at."""

    mark: Decimal
    entry: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What differs at one moment, what it is worth, and when the newest adjustment before was booked."""

    drifts: tuple[Drift, ...]
    worths: Mapping[str, Worth]
    before: datetime | None = None

    @property
    def cash(self) -> dict[str, Decimal]:
        """How much more the venue has, by currency."""
        return {each.what: EXACT.subtract(each.theirs, each.ours) for each in self.drifts if each.is_cash}

    @property
    def positions(self) -> Sequence[Drift]:
        """The symbols of which it holds something else."""
        return [each for each in self.drifts if not each.is_cash]


@dataclass(frozen=True, slots=True)
class Wish:
    """How to book it, and from whom missing units are taken first (empty: in the usual order)."""

    treatment: Treatment = Treatment.CAPITAL
    first: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """Units that somebody gets (or gives, below zero) at a price.

    `gain` is what they are worth above it: an open profit that came with them. `is_taken`: holders lose them.
    """

    instrument: Instrument
    parts: Mapping[str, Decimal]
    price: Decimal
    gain: Decimal = ZERO
    is_taken: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one adjustment books."""

    ref: str
    account: str
    treatment: Treatment
    moves: tuple[Move, ...]
    trades: tuple[FillFacts, ...]
    cash: Mapping[str, Decimal]  # how much more the venue has

    @property
    def gains(self) -> dict[str, Decimal]:
        """The open profits that came along, by currency."""
        return sums_by_unit((each.instrument.currency, each.gain) for each in self.moves if each.gain)

    def left(self, entries: Iterable[Entry]) -> dict[str, Decimal]:
        """What cash still lacks once the trades have written `entries`."""
        path = f"cash/{self.account}"
        moved = [(each.unit, -each.amount) for each in entries if each.account == path]
        return {unit: amount for unit, amount in sums_by_unit([*self.cash.items(), *moved]).items() if amount}

    def settling(self, left: Mapping[str, Decimal]) -> Posting:
        """The posting of what cash lacks. It is there even if that is nothing: it says that the plan is booked."""
        entries: list[Entry] = []
        other = f"other/{self.account}/{EXTERNAL}/{KIND}"
        deposits = f"deposits/{self.account}"
        is_capital = self.treatment is Treatment.CAPITAL
        for unit, amount in left.items():
            entries.append(Entry(f"cash/{self.account}", unit, amount))
            entries.append(Entry(deposits if is_capital else other, unit, -amount))
        for unit, gain in self.gains.items() if is_capital else ():
            entries.append(Entry(deposits, unit, -gain))
            entries.append(Entry(other, unit, gain))
        return Posting(self.ref, KIND, solid(entries))

    def change(self, left: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """By how much equity changes, by currency."""
        return {unit: each for unit, each in sums_by_unit([*left.items(), *self.gains.items()]).items() if each}


def plan_of(portfolio: Portfolio, found: Found, wish: Wish, token: str) -> Plan:
    """What `found` makes of the books as they are now."""
    moves = tuple(
        move for drift in found.positions for move in _moves(portfolio, drift, found.worths[drift.what], wish)
    )
    ref = ref_of(portfolio.account, token)
    trades = tuple(
        inside_facts(portfolio.account, move.instrument, move.parts, move.price, f"{ref}:{number}")
        for number, move in enumerate(moves)
    )
    return Plan(ref, portfolio.account, wish.treatment, moves, trades, found.cash)


def left_of(plan: Plan, portfolio: Portfolio) -> dict[str, Decimal]:
    """What cash would still lack after the trades, if they were made now."""
    balances, entries = dict(portfolio.balances), list[Entry]()
    for facts in plan.trades:
        made = fill_posting(facts, balances).entries
        balances.update(carried(balances, made))
        entries += made
    return plan.left(entries)


def token_of(portfolio: Portfolio, found: Found, wish: Wish) -> str:
    """The same for the same difference, booked in the same way from the same people; prices may move.

    What differs again in the same way after an adjustment is another difference.
    """
    plan = plan_of(portfolio, found, wish, "")
    parts = [
        f"{move.instrument.symbol}>{name}:{units.normalize():f}"
        for move in plan.moves
        for name, units in sorted(move.parts.items())
    ]
    ids = (each.id for each in found.drifts)
    text = "|".join([portfolio.account, wish.treatment, str(found.before), *ids, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def ref_of(account: str, token: str) -> str:
    """What the ledger knows an adjustment by."""
    return f"{KIND}:{account}:{token}"


# --- whose -----------------------------------------------------------------------------------------


def taken(drift: Drift, held: Mapping[str, Decimal], first: str = "") -> tuple[dict[str, Decimal], Decimal]:
    """Who gives the units that the venue lacks (signed, as a trade of theirs), and what EXTERNAL gets besides.

    EXTERNAL gives first, then MANUAL, then whoever holds most; before all of them whoever is named.
    """
    change = EXACT.subtract(drift.theirs, drift.ours)
    sign = 1 if drift.ours > 0 else -1
    missing = min(abs(change), abs(drift.ours)) if change * drift.ours < 0 else ZERO
    given: dict[str, Decimal] = {}
    for name in _in_order(held, sign, first):
        if part := min(missing, abs(held[name])):
            given[name] = -sign * part
            missing = EXACT.subtract(missing, part)
    with localcontext(EXACT):
        return given, change - sum(given.values(), ZERO)


def _in_order(held: Mapping[str, Decimal], sign: int, first: str) -> list[str]:
    """Those who hold something on one side, in the order in which they give."""
    usual = {first: 0, EXTERNAL: 1, MANUAL: 2} if first else {EXTERNAL: 1, MANUAL: 2}
    return sorted(
        (name for name, units in held.items() if units * sign > 0),
        key=lambda name: (usual.get(name, 3), -abs(held[name]), name),
    )


def _moves(portfolio: Portfolio, drift: Drift, worth: Worth, wish: Wish) -> Iterable[Move]:
    """What was there and is missing goes at the mark; what is there besides comes to EXTERNAL."""
    held = {name: lot.quantity for name, lot in portfolio.lots(drift.what) if lot.quantity}
    given, besides = taken(drift, held, wish.first)
    instrument = portfolio.instrument(drift.what)
    if given:
        yield Move(instrument, given, worth.mark, is_taken=True)
    if besides:
        price = _entry(portfolio, drift, besides, worth)
        with localcontext(EXACT):
            gain = besides * (worth.mark - price) * instrument.multiplier
        yield Move(instrument, {EXTERNAL: besides}, price, gain)


def _entry(portfolio: Portfolio, drift: Drift, besides: Decimal, worth: Worth) -> Decimal:
    """At which price units come: the mark; where trades move no cash, so that the whole cost is the venue's.

    There the venue's cash moves by its own entry price when the position is closed.
    """
    instrument = portfolio.instrument(drift.what)
    if instrument.settlement is not Settlement.MARGINED or worth.entry is None or worth.entry <= 0:
        return worth.mark
    cost = ZERO
    if besides != drift.theirs:  # it adds to what is there
        cost = -portfolio.balances.get((f"margin/{portfolio.account}/{drift.what}", instrument.currency), ZERO)
    with localcontext(ROUNDING):
        price = (drift.theirs * worth.entry * instrument.multiplier - cost) / (besides * instrument.multiplier)
        price = worth.entry if not cost else price.quantize(COST_STEP, rounding=ROUND_HALF_EVEN)
    return price if price > 0 else worth.mark
