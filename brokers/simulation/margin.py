"""How much equity positions need.

Initial margin opens a position, maintenance margin keeps it. Without a rule of its own an instrument needs
1/leverage to open and half of that to keep (FINRA rule 4210 with leverage 2: 50 % and 25 %). Brackets make the
maintenance rate grow with the notional; each rate counts for the part of the notional within its bracket, which
is what exchanges write as `notional x rate - maintenance amount`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from brokers.money import ZERO


@dataclass(frozen=True, slots=True)
class Bracket:
    """The maintenance rate (a fraction) of the notional from `notional` upwards, to the next bracket."""

    notional: Decimal
    maintenance: Decimal


@dataclass(frozen=True, slots=True)
class MarginRule:
    """Fractions of the notional; None is what the leverage gives. Brackets, from zero up, win over `maintenance`."""

    initial: Decimal | None = None
    maintenance: Decimal | None = None
    brackets: tuple[Bracket, ...] = ()


@dataclass(frozen=True, slots=True)
class Margin:
    """The rules of an account: `base`, and others by symbol.

    `call` is the multiple of the maintenance margin at which the venue warns; `liquidation_fee` a fraction of the
    value that it closes itself.
    """

    base: MarginRule = MarginRule()
    by_symbol: Mapping[str, MarginRule] = field(default_factory=dict)
    call: Decimal = Decimal("1.25")
    liquidation_fee: Decimal = ZERO

    def weight(self, symbol: str, leverage: Decimal) -> Decimal:
        """How many times its notional a position counts in an exposure bounded by `leverage` x equity."""
        initial = self._rule(symbol).initial
        return Decimal(1) if initial is None else initial * leverage

    def maintenance(self, symbol: str, notional: Decimal, leverage: Decimal) -> Decimal:
        """The equity that keeps a position worth `notional`."""
        rule = self._rule(symbol)
        if rule.brackets:
            return _by_brackets(rule.brackets, notional)
        if rule.maintenance is not None:
            return notional * rule.maintenance
        return notional * self.weight(symbol, leverage) / (2 * leverage)

    def _rule(self, symbol: str) -> MarginRule:
        return self.by_symbol.get(symbol, self.base)


def _by_brackets(brackets: tuple[Bracket, ...], notional: Decimal) -> Decimal:
    needed = ZERO
    for bracket, above in pairwise((*brackets, None)):
        assert bracket is not None
        top = notional if above is None else min(notional, above.notional)
        needed += max(top - bracket.notional, ZERO) * bracket.maintenance
    return needed
