"""What protects a position, as people and strategies say it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Source(StrEnum):
    """Who has said how a position is protected; a person's word stands until it is flat."""

    SETTINGS = "settings"
    SIGNAL = "signal"
    PERSON = "person"
    NOBODY = "nobody"  # for what nobody wished to hold: an excess


class _Frozen(BaseModel):
    """Immutable, nothing unknown, every number exact and finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Distance(_Frozen):
    """How far from a price, or the price itself; exactly one of the four."""

    amount: Positive | None = Field(None, description="In price units.")
    price: Positive | None = Field(None, description="The price itself, wherever the position was opened.")
    percent: Annotated[Decimal, Field(gt=0, lt=100, allow_inf_nan=False)] | None = Field(
        None, description="In % of the price."
    )
    atr: Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)] | None = Field(
        None, description="In average true ranges of 14 bars, as they were when the position was opened."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.amount, self.price, self.percent, self.atr)) != 1:
            raise ValueError("give exactly one of amount, price, percent and atr")
        return self

    def level(self, base: Decimal, direction: int, atr: Decimal | None) -> Decimal | None:
        """The price so far above (1) or below (-1) `base`; None while the average true range is not known."""
        if self.price is not None:
            return self.price
        away = self.of(base, atr)
        return None if away is None else base + direction * away

    def of(self, price: Decimal, atr: Decimal | None) -> Decimal | None:
        """The distance in price units; None while the average true range is not known."""
        if self.price is not None:
            return abs(price - self.price)
        if self.amount is not None:
            return self.amount
        if self.percent is not None:
            return price * self.percent / 100
        assert self.atr is not None
        return None if atr is None else atr * self.atr

    def __str__(self) -> str:
        if self.percent is not None:
            return f"{self.percent.normalize():f} %"
        if self.price is not None:
            return f"at {self.price.normalize():,f}"
        return f"{self.atr.normalize():f} ATR" if self.atr is not None else f"{self.amount or 0:f}"


class ExitSpec(_Frozen):
    """The exits of one position; at least one of them."""

    stop_loss: Distance | None = Field(None, description="Close at a loss of so much from the entry price.")
    take_profit: Distance | None = Field(None, description="Close at a gain of so much from the entry price.")
    trailing: Distance | None = Field(None, description="Close so far below the best price since the entry.")
    max_bars: int | None = Field(None, ge=1, le=100_000, description="Close after so many bars.")
    max_hours: Annotated[Decimal, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | None = Field(
        None, description="Close after so many hours."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("name at least one of stop_loss, take_profit, trailing, max_bars and max_hours")
        if self.trailing is not None and self.trailing.price is not None:
            raise ValueError("a trailing stop is a distance, not a price")
        return self

    @property
    def needs_atr(self) -> bool:
        """Whether a distance is in average true ranges."""
        return any(each is not None and each.atr is not None for each in self.distances)

    @property
    def distances(self) -> tuple[Distance | None, ...]:
        """Those exits that are prices."""
        return self.stop_loss, self.take_profit, self.trailing

    def stored(self) -> dict[str, object]:
        """As JSON."""
        return self.model_dump(mode="json", exclude_none=True)

    def __str__(self) -> str:
        named = (("stop", self.stop_loss), ("target", self.take_profit), ("trailing", self.trailing))
        parts = [f"{name} {distance}" for name, distance in named if distance is not None]
        parts += [f"{self.max_bars} bars"] if self.max_bars is not None else []
        parts += [f"{self.max_hours.normalize():f} hours"] if self.max_hours is not None else []
        return ", ".join(parts)
