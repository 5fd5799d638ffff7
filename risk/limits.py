"""The limits of one account. Percentages are plain numbers: 2 means 2 %.

A limit may be reached, never exceeded. There is no default of "unlimited": whoever wants more says so. The
defaults suit a small account that is traded slowly; most come from the control table of RTS 6 article 15 and
the FIA guides (`docs/`), the figures themselves are ours.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Percent = Annotated[Decimal, Field(gt=0, le=1000, allow_inf_nan=False)]
Money = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]

_ASCENDING = (
    ("daily_loss_alert_percent", "daily_loss_reduce_percent"),
    ("daily_loss_reduce_percent", "daily_loss_halt_percent"),
    ("drawdown_reduce_percent", "drawdown_halt_percent"),
    ("max_orders_per_second_strategy", "max_orders_per_second_account"),
)


class RiskLimits(BaseModel):
    """What one account may do. Raises pydantic's `ValidationError`, which names the field and its bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # One order
    max_order_value_percent: Percent = Field(
        default=Decimal(2), description="Largest value of one order, in % of equity."
    )
    max_order_value: Money = Field(
        default=Decimal(10_000), description="Largest value of one order, in the account's currency."
    )
    max_order_quantity: Money | None = Field(
        default=None, description="Largest quantity of one order, in units; none: the value limits suffice."
    )
    max_volume_percent: Percent | None = Field(
        default=Decimal(1),
        description="Largest quantity of one order, in % of 24-hour volume; none: not checked.",
    )
    price_collar_percent: Percent = Field(
        default=Decimal(5), description="How far limit and stop prices may lie from the market, in %."
    )
    price_drift_percent: Percent = Field(
        default=Decimal(10), description="How far our own prices in an instrument may move within a period, in %."
    )
    price_drift_seconds: Annotated[Decimal, Field(gt=0, le=86_400, allow_inf_nan=False)] = Field(
        default=Decimal(60), description="The period for that, in seconds."
    )
    stale_quote_seconds: Annotated[Decimal, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=Decimal(10),
        description="Oldest quote that still counts as the market, in seconds; none: any age.",
    )

    # The account after the order, if every open order fills against us
    max_position_percent: Percent = Field(
        default=Decimal(10), description="Largest position in one instrument, in % of equity."
    )
    max_gross_exposure_percent: Percent = Field(
        default=Decimal(100), description="Largest sum of longs and shorts, in % of equity."
    )
    max_net_exposure_percent: Percent = Field(
        default=Decimal(100), description="Largest difference of longs and shorts, in % of equity."
    )
    min_free_balance_percent: Annotated[Decimal, Field(ge=0, le=100, allow_inf_nan=False)] | None = Field(
        default=Decimal(5),
        description="Cash that stays uncommitted, in % of equity; none: left to the venue's margin.",
    )
    max_open_orders: Count = Field(default=50, description="Most orders open at once, uncertain ones included.")

    # Orders over time
    max_orders_per_second_strategy: Count = Field(default=5, description="Most orders of a strategy in a second.")
    max_orders_per_second_account: Count = Field(default=20, description="Most orders of the account in a second.")
    duplicate_orders: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=3, description="The order that is denied, counting identical ones: 3 lets two pass."
    )
    duplicate_window_seconds: Annotated[Decimal, Field(gt=0, le=86_400, allow_inf_nan=False)] = Field(
        default=Decimal(10),
        description="How long an order counts as a predecessor of an identical one, in seconds.",
    )

    max_entries: Count = Field(
        default=20, description="Most orders of a strategy in an instrument that open something, within a period."
    )
    entries_seconds: Annotated[Decimal, Field(gt=0, le=86_400, allow_inf_nan=False)] = Field(
        default=Decimal(300), description="The period for that, in seconds; then a strategy is paused."
    )

    # What the monitor watches
    daily_loss_alert_percent: Percent = Field(
        default=Decimal(2), description="Loss since the start of the day that raises an alert, in %."
    )
    daily_loss_reduce_percent: Percent = Field(
        default=Decimal(3), description="Loss since the start of the day after which only exits trade, in %."
    )
    daily_loss_halt_percent: Percent = Field(
        default=Decimal(5), description="Loss since the start of the day that halts trading, in %."
    )
    drawdown_reduce_percent: Percent = Field(
        default=Decimal(8), description="Fall from the highest equity after which only exits trade, in %."
    )
    drawdown_halt_percent: Percent = Field(
        default=Decimal(10), description="Fall from the highest equity that halts trading, in %."
    )
    exposure_reduce_percent: Annotated[Decimal, Field(ge=0, le=1000, allow_inf_nan=False)] = Field(
        default=Decimal(10),
        description="How far over its limit the market may carry exposure before only exits trade, in %.",
    )

    @model_validator(mode="after")
    def _graver_limits_come_later(self) -> Self:
        for milder, graver in _ASCENDING:
            if getattr(self, milder) > getattr(self, graver):
                raise ValueError(
                    f"{milder} ({getattr(self, milder)}) must not be above {graver} ({getattr(self, graver)})"
                )
        return self


_LARGER_IS_TIGHTER = frozenset(
    {"min_free_balance_percent", "duplicate_window_seconds", "price_drift_seconds", "entries_seconds"}
)


def loosened(old: RiskLimits, new: RiskLimits) -> tuple[str, ...]:
    """The names of the limits that `new` makes looser than `old`, in field order.

    Tightening a limit is the cheap direction; loosening one deserves a second look (RTS 6 article 15).
    An absent limit is the loosest.
    """
    return tuple(name for name in RiskLimits.model_fields if _is_looser(name, getattr(old, name), getattr(new, name)))


def _is_looser(name: str, old: Decimal | None, new: Decimal | None) -> bool:
    if old is None or new is None:
        return old is not None
    return new < old if name in _LARGER_IS_TIGHTER else new > old
