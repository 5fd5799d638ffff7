"""The largest order that a rule lets pass, found by asking the rule itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from risk.intent import OrderIntent
from risk.reducing import reducible
from risk.view import PortfolioView

Fits = Callable[[Decimal], bool]


def largest_passing(intent: OrderIntent, view: PortfolioView, fits: Fits) -> Decimal:
    """The most units, in whole lots and at most the intent's, that only reduce or that `fits`; zero if none.

    `fits` must be monotonic: what does not fit, does not fit when larger. Bisection asks it some thirty times
    and is exact where algebra would round.
    """
    free = reducible(view, intent.instrument.symbol, intent.side, intent)
    lot = intent.instrument.lot
    passing, failing = 0, int((intent.quantity / lot).to_integral_value(rounding=ROUND_DOWN)) + 1
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if middle * lot <= free or fits(middle * lot):
            passing = middle
        else:
            failing = middle
    return passing * lot


def reducing_part(intent: OrderIntent, view: PortfolioView) -> Decimal:
    """The most units of `intent`, in whole lots, that only reduce: what passes a rule that bars new risk."""
    return largest_passing(intent, view, lambda _quantity: False)
