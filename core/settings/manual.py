"""How trading by hand is looked after."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from core.settings.section import Section


class ManualSettings(Section):
    """Orders by hand."""

    price_tolerance_percent: Annotated[Decimal, Field(ge=0, le=50, allow_inf_nan=False)] = Field(
        Decimal("0.5"), description="How far the price may move between preview and confirmation, in %."
    )
    book_levels: int = Field(50, ge=1, le=1000, description="How many levels of the order book a preview asks for.")
    book_seconds: float = Field(2.0, gt=0, le=10, description="How long a preview waits for the order book.")
    follow_seconds: int = Field(
        120, ge=0, le=3600, description="How long the message of an order keeps itself current; 0: it does not."
    )
