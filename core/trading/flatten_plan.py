"""What a flatten is to close, position by position, and how each has ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from brokers.money import ZERO, exact


class End(StrEnum):
    """How far one position is."""

    WAITING = "being closed"
    CLOSED = "closed"
    PARTLY = "partly closed"
    REFUSED = "NOT closed"
    DOUBT = "in doubt, not sent again"
    OPEN = "sent, not filled yet"
    HALTED = "cancelled by a halt: flatten again, it works while halted"


@dataclass(slots=True, eq=False)
class Position:
    """One position: the signed units that each strategy is to trade, its end, and why.

    `whole` is what would have made it flat when it began; empty: `parts` does.
    """

    account: str
    symbol: str
    parts: dict[str, Decimal]
    end: End = End.WAITING
    why: str = ""
    whole: dict[str, Decimal] = field(default_factory=dict)

    @property
    def units(self) -> Decimal:
        """The net order."""
        return sum(self.parts.values(), ZERO)

    def told(self, *, named: bool) -> str:
        """A line: `🔴 Sell 10 ACME: NOT closed (no price)`."""
        sign = "" if self.end in (End.CLOSED, End.WAITING, End.OPEN) else "🔴 "
        side = "Buy" if self.units > 0 else "Sell"
        where = f" ({self.account})" if named else ""
        why = f" ({self.why[:160]})" if self.why else ""
        return f"{sign}{side} {abs(self.units).normalize():,f} {self.symbol}{where}: {self.end}{why}"

    def row(self) -> dict[str, object]:
        """As it is stored."""
        parts, whole = _texts(self.parts), _texts(self.whole)
        names = {"account": self.account, "symbol": self.symbol, "end": self.end.value, "why": self.why}
        return {**names, "parts": parts, "whole": whole}

    def left(self, now: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """What is still to be traded, if `now` would make it flat: no more than that, nor than is left of `parts`."""
        left = {}
        for name, part in self.parts.items():
            there = now.get(name, ZERO)
            done = self.whole.get(name, part) - there
            if wanted := least(there, least(part, part - done)):
                left[name] = wanted
        return left


def of_row(row: Mapping[str, object]) -> Position:
    """As it was stored."""
    parts, whole = _units(row["parts"]), _units(row["whole"])
    return Position(str(row["account"]), str(row["symbol"]), parts, End(str(row["end"])), str(row["why"]), whole)


def _texts(units: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: str(each) for name, each in units.items()}


def _units(stored: object) -> dict[str, Decimal]:
    assert isinstance(stored, Mapping)
    return {str(name): exact(str(each)) for name, each in stored.items()}


def plan_text(positions: Sequence[Position]) -> str:
    """What a yes is bound to."""
    rows = [[each.account, each.symbol, {name: str(part) for name, part in each.parts.items()}] for each in positions]
    return json.dumps(rows, separators=(",", ":"))


def bounded(now: Sequence[Position], shown: str) -> tuple[list[Position], list[str]]:
    """Of what is held now as much as was shown, and what was not. Raises `ValueError` for text that is no plan."""
    plan = {(account, symbol): parts for account, symbol, parts in json.loads(shown)}
    kept, more = [], []
    for each in now:
        asked = plan.get((each.account, each.symbol), {})
        parts = {name: least(part, exact(asked.get(name, "0"))) for name, part in each.parts.items()}
        if any(parts.values()):
            wanted = {name: part for name, part in parts.items() if part}
            kept.append(Position(each.account, each.symbol, wanted, whole=dict(each.whole or each.parts)))
        if parts != each.parts:
            more.append(f"{each.symbol}: it has grown since you were asked; only what was shown is closed")
    return kept, more


def least(one: Decimal, other: Decimal) -> Decimal:
    """The smaller of two orders; nothing if their sides differ."""
    return ZERO if one * other <= 0 else min(one, other, key=abs)
