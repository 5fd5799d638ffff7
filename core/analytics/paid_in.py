"""An equity curve without what was paid in and out: neither is a gain or a loss.

Source: the Global Investment Performance Standards (2020): time-weighted returns, linked over every external flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from brokers.money import ZERO


def without_flows(
    times: Sequence[datetime], values: Sequence[Decimal], flows: Sequence[tuple[datetime, Decimal]]
) -> list[Decimal]:
    """`values` at `times` (never going back), those before each of `flows` scaled so that it makes no step.

    The newest value stays as it is. A flow outside of the curve, or next to an equity of nothing, changes nothing.
    """
    factor, found, left = Decimal(1), list[Decimal](), sorted(flows)
    for at, value in zip(reversed(times), reversed(values), strict=True):
        paid = ZERO
        while found and left and at < left[-1][0]:  # between this value and the one after it
            paid += left.pop()[1]
        while not found and left and at < left[-1][0]:  # after the newest value
            left.pop()
        if value > 0 and value + paid > 0:
            factor = factor * (value + paid) / value
        found.append(value * factor)
    return found[::-1]
