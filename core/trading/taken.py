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
from risk.intent import scaled


def taken_by(
    units: Decimal, held: Mapping[str, Decimal], closable: Mapping[str, Decimal], instrument: Instrument
) -> dict[str, Decimal]:
    """The parts, against what holders have, of an execution of signed `units` that nobody here ordered.

    `held` is what everybody has before it. `closable` is what of that no open order closes already: that much bears it,
    by shares. What goes beyond the account's position, or only ends what `EXTERNAL` has, is its own.
    """
    with localcontext(EXACT):
        net, sign = sum(held.values(), ZERO), 1 if units > 0 else -1
        opened = (held.get(EXTERNAL, ZERO) + units) * sign  # what it has on that side afterwards
        bearing = {name: each for name, each in closable.items() if name != EXTERNAL and each * sign < 0}
        total = sum(bearing.values(), ZERO)
        most = min(abs(units), opened, -net * sign, abs(total))
        if most <= 0:
            return {}
        parts = scaled(bearing, total, -sign * most, instrument) if most < abs(total) else bearing
        return {name: -part for name, part in parts.items() if part}
