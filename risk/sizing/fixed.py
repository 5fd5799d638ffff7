"""The same size whatever the account and the market do."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from risk.limits import Money
from risk.sizer import SizingInputs, SizingMethod, sizer


@sizer("fixed")
class Fixed(SizingMethod):
    """A fixed number of units, or a fixed value."""

    units: Money | None = Field(default=None, description="Units at exposure 1; give this or value.")
    value: Money | None = Field(default=None, description="Value at exposure 1, in the account's currency.")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.units is None) == (self.value is None):
            raise ValueError("give either units or value")
        return self

    def full_size(self, inputs: SizingInputs) -> Decimal:
        """The units, or as many as `value` buys."""
        if self.units is not None:
            return self.units
        assert self.value is not None
        return self.value / inputs.unit_value
