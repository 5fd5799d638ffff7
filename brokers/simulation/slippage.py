"""How much worse than the touch a taker gets."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Side


class SlippageModel(StrEnum):
    """The unit of a slippage value."""

    NONE = "none"
    FIXED = "fixed"
    TICKS = "ticks"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Slippage:
    """`value` is price units (`fixed`), ticks (`ticks`) or basis points, 1/10000 of the price (`percent`)."""

    model: SlippageModel = SlippageModel.NONE
    value: Decimal = ZERO

    def amount(self, price: Decimal, instrument: Instrument) -> Decimal:
        """The slippage at `price`, in price units, >= 0."""
        match self.model:
            case SlippageModel.NONE:
                return ZERO
            case SlippageModel.FIXED:
                return self.value
            case SlippageModel.TICKS:
                return self.value * instrument.tick
            case SlippageModel.PERCENT:
                return price * self.value / 10_000

    def taken(self, touch: Decimal, side: Side, instrument: Instrument, limit: Decimal | None = None) -> Decimal:
        """The price a taker pays or gets at `touch`: worse by the slippage and rounded to a tick against the
        taker, but never beyond `limit`, and never below one tick.
        """
        step = instrument.tick
        rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
        worse = touch + side.sign * self.amount(touch, instrument)
        price = max((worse / step).to_integral_value(rounding=rounding) * step, step)
        if limit is None:
            return price
        return min(price, limit) if side is Side.BUY else max(price, limit)
