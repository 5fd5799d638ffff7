"""What is left of a holding and cannot be sold: less than a lot, less than the venue takes, or not there. Pure.

A fee that is paid out of a holding leaves such remainders. They stay in the books and count as what they are worth,
but nobody tries to close them. An order that only closes a future is taken whatever it is worth.

Where nothing can be sold short, strategies may hold more between them than the account does: when a person has sold a
part at the venue. What is there is shared by those who sell; the rest is nobody's to sell.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from risk.intent import scaled


def tradable(
    instrument: Instrument, parts: Mapping[str, Decimal], price: Decimal | None, cover: Decimal | None = None
) -> dict[str, Decimal]:
    """What of `parts`, which close something, one order can trade: whole lots, or nothing if that is too little.

    `cover` is the most that can be sold, None where it may be sold short. Parts on both sides are traded within the
    house, however little is left of them for the venue.
    """
    whole = {name: instrument.floor_quantity(part) for name, part in parts.items()}
    wanted = {name: part for name, part in whole.items() if part}
    if cover is not None and sum(wanted.values(), ZERO) < -cover:
        wanted = cut(instrument, wanted, cover)
    both_sides = len({part > 0 for part in wanted.values()}) > 1
    net = sum(wanted.values(), ZERO)
    return wanted if both_sides or not too_little(instrument, net, price) else {}


def cut(instrument: Instrument, parts: Mapping[str, Decimal], most: Decimal) -> dict[str, Decimal]:
    """`parts` (whole lots), so many fewer on the side of their sum that this is at most `most`: each has its share."""
    net = sum(parts.values(), ZERO)
    if abs(net) <= most:
        return dict(parts)
    sign = 1 if net > 0 else -1
    less = {name: part for name, part in parts.items() if part * sign > 0}
    others = {name: part for name, part in parts.items() if part * sign < 0}
    total = sum(less.values(), ZERO)
    kept = scaled(less, total, sign * instrument.floor_quantity(most) - sum(others.values(), ZERO), instrument)
    return {name: part for name, part in {**kept, **others}.items() if part}


def too_little(instrument: Instrument, quantity: Decimal, price: Decimal | None) -> bool:
    """Whether the venue takes no order for `quantity` (whole lots) that closes something; the price may be unknown."""
    if not quantity or abs(quantity) < instrument.min_quantity:
        return True
    if instrument.settlement is Settlement.MARGINED:
        return False
    known = price is not None and price.is_finite() and price > 0
    return known and instrument.notional(quantity, price or ZERO) < instrument.min_notional


def is_dust(instrument: Instrument, quantity: Decimal, price: Decimal | None) -> bool:
    """Whether nothing of a holding can be sold, and there is something."""
    return bool(quantity) and too_little(instrument, instrument.floor_quantity(quantity), price)


def not_there(instrument: Instrument, wanted: Decimal, cover: Decimal) -> str:
    """What is told of what cannot be sold because somebody else has: `0.05 of 0.1 BTC is not in the account: …`."""
    thing = instrument.base or instrument.symbol
    missing, whole = (f"{each.normalize():,f}" for each in (wanted - cover, wanted))
    return f"{missing} of {whole} {thing} is not in the account: somebody else has sold it, so it cannot be closed"


def stays(instrument: Instrument, quantity: Decimal) -> str:
    """What is told of it: `0.00000073 BTC stays: less than can be sold`."""
    done = "sold" if quantity > 0 else "bought back"
    return f"{abs(quantity).normalize():,f} {instrument.base or instrument.symbol} stays: less than can be {done}"
