"""What a simulated venue charges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from brokers.money import ZERO
from brokers.order import Liquidity

FEE_STEP = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class FeeTier:
    """The rates once the value traded in the last 30 days has reached `volume`."""

    volume: Decimal
    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True)
class PayIn:
    """Fees paid in a currency of the venue's own, at a discount (a fraction), while there is a balance of it.

    `symbol` is the instrument whose last price says what one unit of it is worth.
    """

    currency: str
    symbol: str
    discount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Fees:
    """Rates as fractions of the notional (a negative one is a rebate), and bounds per order.

    `per_unit` is money for each unit (per share, per contract) on top of the rates, `minimum` money per order,
    `maximum` a fraction of the order's value that the whole fee does not exceed, the minimum included.
    """

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    minimum: Decimal = ZERO
    per_unit: Decimal = ZERO
    maximum: Decimal | None = None
    tiers: tuple[FeeTier, ...] = ()
    pay_in: PayIn | None = None

    @property
    def highest(self) -> Decimal:
        """The rate to reserve for an order whose liquidity and tier are not known yet."""
        return max(self.maker, self.taker, ZERO, *(max(tier.maker, tier.taker) for tier in self.tiers))

    def at(self, turnover: Decimal) -> Fees:
        """The schedule of an account that traded `turnover` in the last 30 days."""
        reached = [tier for tier in self.tiers if tier.volume <= turnover]
        if not reached:
            return self
        best = max(reached, key=lambda tier: tier.volume)
        return replace(self, maker=best.maker, taker=best.taker)

    def due(self, notional: Decimal, quantity: Decimal, liquidity: Liquidity) -> Decimal:
        """The fee for `quantity` units worth `notional`, unrounded and without the bounds."""
        rate = self.maker if liquidity is Liquidity.MAKER else self.taker
        return notional * rate + quantity * self.per_unit

    def charge(self, due: Decimal, charged: Decimal, value: Decimal) -> Decimal:
        """What to charge now when an order's fills, worth `value`, are `due` in all and `charged` was taken before.

        The bounds hold for the order as a whole, so that an order filled in parts costs what it costs in one;
        the total is rounded up to 8 decimals.
        """
        total = max(due, self.minimum) if self.minimum > 0 else due
        if self.maximum is not None:
            total = min(total, self.maximum * value)
        return total.quantize(FEE_STEP, rounding=ROUND_CEILING) - charged
