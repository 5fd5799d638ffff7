"""How much worse than the displayed price a taker gets."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Side

BPS = Decimal(10_000)


class SlippageModel(StrEnum):
    """The unit of a slippage value, or the way to find the slippage."""

    NONE = "none"
    FIXED = "fixed"
    TICKS = "ticks"
    PERCENT = "percent"
    SQUARE_ROOT = "square_root"
    BOOK = "book"


@dataclass(frozen=True, slots=True)
class Impact:
    """What the square root needs to know of a market: the volatility of a day (a fraction) and a day's volume.

    ::

        slippage / price = coefficient x volatility x sqrt(quantity / volume of a day)

    The square-root law of market impact: Tóth et al., "Anomalous price impact and the critical nature of
    liquidity in financial markets", Physical Review X 1, 021006 (2011); coefficient of order one. A
    quantity counts all that the order has filled so far.
    """

    volatility: Decimal
    volume: Decimal | None = None

    def of(self, coefficient: Decimal, quantity: Decimal, volume: Decimal | None) -> Decimal:
        """The fraction of the price that `quantity` moves it; `volume` is the measured one, if none is set."""
        daily = self.volume or volume
        return coefficient * self.volatility * (quantity / daily).sqrt() if daily else ZERO


@dataclass(frozen=True, slots=True)
class Slippage:
    """`value` is price units (`fixed`), ticks (`ticks`), basis points (`percent`) or a coefficient (`square_root`).

    `none` and `book` add nothing: with `book` the whole slippage comes from the levels that an order walks.
    """

    model: SlippageModel = SlippageModel.NONE
    value: Decimal = ZERO
    impact: Impact = Impact(Decimal("0.02"))

    @property
    def measures_volume(self) -> bool:
        """Whether the volume of a day is taken from the market."""
        return self.model is SlippageModel.SQUARE_ROOT and self.impact.volume is None

    def amount(
        self, price: Decimal, instrument: Instrument, quantity: Decimal = ZERO, volume: Decimal | None = None
    ) -> Decimal:
        """The slippage at `price`, in price units, >= 0."""
        match self.model:
            case SlippageModel.NONE | SlippageModel.BOOK:
                return ZERO
            case SlippageModel.FIXED:
                return self.value
            case SlippageModel.TICKS:
                return self.value * instrument.tick
            case SlippageModel.PERCENT:
                return price * self.value / BPS
            case SlippageModel.SQUARE_ROOT:
                return price * self.impact.of(self.value, quantity, volume)

    def taken(
        self,
        displayed: Decimal,
        side: Side,
        instrument: Instrument,
        limit: Decimal | None = None,
        *,
        quantity: Decimal = ZERO,
        volume: Decimal | None = None,
    ) -> Decimal:
        """The price a taker of `quantity` pays or gets at the price `displayed`: worse by the slippage and rounded to
        a tick against the taker, but never beyond `limit`, and never below one tick.
        """
        step = instrument.tick
        rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
        worse = displayed + side.sign * self.amount(displayed, instrument, quantity, volume)
        price = max((worse / step).to_integral_value(rounding=rounding) * step, step)
        if limit is None:
            return price
        return min(price, limit) if side is Side.BUY else max(price, limit)
