"""The same share of the strategy's equity, whatever it has grown or shrunk to."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from risk.limits import Percent
from risk.sizer import SizingInputs, SizingMethod, sizer


@sizer("fixed_fractional")
class FixedFractional(SizingMethod):
    """A fixed percentage of the strategy's equity."""

    percent: Percent = Field(default=Decimal(10), description="Value at exposure 1, in % of allocated equity.")

    def full_size(self, inputs: SizingInputs) -> Decimal:
        """As many units as the percentage of equity buys."""
        return inputs.equity * self.percent / 100 / inputs.unit_value
