"""How one fill is divided among the strategies of its order: in whole lots, exactly, and never backwards."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal, localcontext

from brokers.money import ZERO
from core.trading.ledger import COST_STEP, EXACT, ROUNDING


def shares(parts: Mapping[str, Decimal], filled: Decimal, lot: Decimal) -> dict[str, Decimal]:
    """The signed units that each strategy has once `filled` units of an order have filled.

    `parts` are the strategies' signed parts of the whole order. Strategies on the other side of it trade with
    those on its side, in step with the fills. Every share is in whole lots, grows with `filled` and never
    shrinks; together they are the signed filled quantity; at the end each is exactly its part. What a venue
    fills beyond the order goes to the largest part.
    """
    net = sum(parts.values(), ZERO)
    sign = 1 if net > 0 else -1
    along = {name: abs(part) for name, part in parts.items() if part * sign > 0}
    against = {name: abs(part) for name, part in parts.items() if part * sign < 0}
    if filled >= abs(net):
        return _with_excess(parts, along, sign * (filled - abs(net)))
    crossed = _portion(sum(against.values(), ZERO), filled, abs(net), lot)
    taken, given = _divided(filled + crossed, along, lot), _divided(crossed, against, lot)
    return {name: sign * (taken.get(name, ZERO) - given.get(name, ZERO)) for name in parts}


def _divided(total: Decimal, parts: Mapping[str, Decimal], lot: Decimal) -> dict[str, Decimal]:
    """`total` in proportion to `parts`, one after the other: each takes its portion of what is left."""
    found: dict[str, Decimal] = {}
    left, weight = total, sum(parts.values(), ZERO)
    for name in sorted(parts):
        found[name] = left if parts[name] == weight else _portion(parts[name], left, weight, lot)
        left -= found[name]
        weight -= parts[name]
    return found


def _portion(part: Decimal, of: Decimal, whole: Decimal, lot: Decimal) -> Decimal:
    """`part` x `of` / `whole`, rounded down to whole lots."""
    with localcontext(ROUNDING):
        return (part * of / (whole * lot)).to_integral_value(rounding=ROUND_FLOOR) * lot


def _with_excess(parts: Mapping[str, Decimal], along: Mapping[str, Decimal], excess: Decimal) -> dict[str, Decimal]:
    found = dict(parts)
    if excess:
        found[max(sorted(along), key=lambda name: along[name])] += excess
    return found


def fee_shares(fee: Decimal, parts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """`fee` divided in proportion to the size of each part, exactly: the last in name order takes the rest."""
    total = sum((abs(part) for part in parts.values()), ZERO)
    found: dict[str, Decimal] = {}
    left = fee
    *names, last = sorted(parts)
    for name in names:
        with localcontext(ROUNDING):
            found[name] = (fee * abs(parts[name]) / total).quantize(COST_STEP)
        with localcontext(EXACT):
            left -= found[name]
    found[last] = left
    return found
