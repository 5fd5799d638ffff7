"""What is left of a holding and cannot be sold: less than a lot, or less than the venue takes. Pure.

A fee that is paid out of a holding leaves such remainders. They stay in the books and count as what they are worth,
but nobody tries to close them. An order that only closes a future is taken whatever it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO


def tradable(instrument: Instrument, parts: Mapping[str, Decimal], price: Decimal | None) -> dict[str, Decimal]:
    """What of `parts`, which close something, one order can trade: whole lots, or nothing if that is too little.

    Parts on both sides are traded within the house, however little is left of them for the venue.
    """
    whole = {name: instrument.floor_quantity(part) for name, part in parts.items()}
    wanted = {name: part for name, part in whole.items() if part}
    both_sides = len({part > 0 for part in wanted.values()}) > 1
    net = sum(wanted.values(), ZERO)
    return wanted if both_sides or not too_little(instrument, net, price) else {}


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


def stays(instrument: Instrument, quantity: Decimal) -> str:
    """What is told of it: `0.00000073 BTC stays: less than can be sold`."""
    done = "sold" if quantity > 0 else "bought back"
    return f"{abs(quantity).normalize():,f} {instrument.base or instrument.symbol} stays: less than can be {done}"
