"""Whose position somebody else's execution has closed, where positions may be short. Pure.

An account has one position in an instrument there, whoever sees it: a person who sells in the venue's own app, or the
venue that liquidates, makes it smaller. What strategies held of that is gone. Were it kept as theirs, against a short
of nobody's, their next exit would open just that short at the venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext

from brokers.instrument import Instrument
from brokers.money import ZERO
from core.trading.ledger import EXACT, EXTERNAL


def taken_by(
    units: Decimal, held: Mapping[str, Decimal], closable: Mapping[str, Decimal], instrument: Instrument
) -> dict[str, Decimal]:
    """The parts, against what holders have, of an execution of signed `units` that nobody here ordered.

    `held` is what everybody has before it. `closable` is what of that no open order closes already: that much bears it,
    by shares. What goes beyond the account's position, or only ends what `EXTERNAL` has, is its own.
    """
    sign = 1 if units > 0 else -1
    bearing = {name: each for name, each in closable.items() if name != EXTERNAL and each * sign < 0}
    with localcontext(EXACT):
        net, total = sum(held.values(), ZERO), sum(bearing.values(), ZERO)
        opened = (held.get(EXTERNAL, ZERO) + units) * sign  # what it has on that side afterwards
        most = min(abs(units), opened, -net * sign, abs(total))
    if most <= 0:
        return {}
    return {name: sign * part for name, part in _shares(bearing, most, instrument).items() if part}


def _shares(bearing: Mapping[str, Decimal], units: Decimal, instrument: Instrument) -> dict[str, Decimal]:
    """`units` of what is held: by shares in whole lots, the rest by whoever has most left, nobody more than it has."""
    total = abs(sum(bearing.values(), ZERO))
    found = {name: instrument.floor_quantity(abs(each) * units / total) for name, each in bearing.items()}
    with localcontext(EXACT):
        left = {name: abs(each) - found[name] for name, each in bearing.items()}
        rest = units - sum(found.values(), ZERO)
        for name in sorted(left, key=lambda each: (-left[each], each)):
            more = min(rest, left[name])
            found[name], rest = found[name] + more, rest - more
    return found
