"""What a simulated venue charges."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from brokers.money import ZERO
from brokers.order import Liquidity

FEE_STEP = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Fees:
    """Rates as fractions of the notional (a negative one is a rebate), and a minimum per order in money."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    minimum: Decimal = ZERO

    @property
    def highest(self) -> Decimal:
        """The rate to reserve for an order whose liquidity is not known yet."""
        return max(self.maker, self.taker, ZERO)

    def due(self, notional: Decimal, liquidity: Liquidity) -> Decimal:
        """The fee for `notional` by the rate alone, unrounded."""
        return notional * (self.maker if liquidity is Liquidity.MAKER else self.taker)

    def charge(self, due: Decimal, charged: Decimal) -> Decimal:
        """What to charge now when an order's fills are `due` in all and `charged` was taken before.

        The minimum holds for the order as a whole, so that an order filled in parts costs what it costs in
        one; the total is rounded up to 8 decimals.
        """
        total = max(due, self.minimum) if self.minimum > 0 else due
        return total.quantize(FEE_STEP, rounding=ROUND_CEILING) - charged
