"""What an order would do to the limits, asked before anybody sends it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.money import ZERO
from risk.gate import RiskGate
from risk.intent import OrderIntent
from risk.metrics import exposure, leverage, price_of, unit_value
from risk.usage import Usage, limit_usage
from risk.verdict import Denied
from risk.view import Holding, PortfolioView


@dataclass(frozen=True, slots=True)
class Stake:
    """What an account has at stake, in its own currency; None where a price, a rate or the equity is unknown."""

    gross: Decimal | None
    net: Decimal | None
    leverage: Decimal | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The gate's objection (None: it would pass), and how much of each limit is used before and after a fill.

    `after` and `stake_after` are None when the outcome cannot be known, for want of a price or an exchange rate.
    """

    denied: Denied | None
    before: tuple[Usage, ...]
    after: tuple[Usage, ...] | None
    stake_before: Stake
    stake_after: Stake | None


def what_if(intent: OrderIntent, view: PortfolioView, gate: RiskGate) -> WhatIf:
    """Judge `intent` without a permit: the answer is for a person to read, nothing can be sent by it."""
    verdict = gate.review(intent, view)
    denied = verdict if isinstance(verdict, Denied) else None
    later = _later(intent, view)
    return WhatIf(
        denied,
        limit_usage(view, gate.limits),
        None if later is None else limit_usage(later, gate.limits),
        stake_of(view),
        None if later is None else stake_of(later),
    )


def _later(intent: OrderIntent, view: PortfolioView) -> PortfolioView | None:
    try:
        return after_fill(intent, view)
    except (ArithmeticError, TypeError):
        return None


def stake_of(view: PortfolioView) -> Stake:
    """What the account holds now, as far as it is known."""
    try:
        held = exposure(view)
    except (ArithmeticError, TypeError):
        return Stake(None, None, None)
    try:
        return Stake(held.gross, held.net, leverage(view))
    except (ArithmeticError, TypeError):
        return Stake(held.gross, held.net, None)


def after_fill(intent: OrderIntent, view: PortfolioView) -> PortfolioView:
    """The account once `intent` is filled at the price that it names, else at the market; no fees.

    Equity stays as it is: a trade at the market changes what is held, not what it is worth. Raises
    `risk.metrics.Unknown` without a price or an exchange rate.
    """
    thing = intent.instrument
    price = intent.price or price_of(view, thing.symbol)
    held = view.holdings.get(thing.symbol) or Holding(thing, ZERO, price)
    filled = replace(held, quantity=held.quantity + intent.signed_quantity)
    spent = intent.signed_quantity * unit_value(view, thing, price)
    return replace(view, cash=view.cash - spent, holdings={**view.holdings, thing.symbol: filled})
