"""Cash for everything that is open and for this order, with a reserve for fees and slippage."""

from __future__ import annotations

from decimal import Decimal

from brokers.money import ZERO
from risk.boundary import largest_passing
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import share_of_equity
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import money
from risk.worst_case import committed_elsewhere, dearest_unit, opening_units, order_unit_value, short_value

CODE = "FREE_BALANCE"


@rule(CODE, "Free balance", order=120)
def free_balance(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """Cash covers all open orders and this one at their worst, and leaves the reserve.

    Proceeds of a short sale are owed, and as much again is held for it: both are taken off the cash.
    """
    if limits.min_free_balance_percent is None or only_reduces(intent, view):
        return None
    reserve = share_of_equity(view, limits.min_free_balance_percent)
    free = view.cash - 2 * short_value(view) - committed_elsewhere(intent, view) - reserve
    each = max(order_unit_value(intent, view), dearest_unit(view, intent.instrument, intent.side))

    def cost(quantity: Decimal) -> Decimal:
        return opening_units(view, intent.instrument.symbol, intent.side, quantity) * each

    if cost(intent.quantity) <= free:
        return None
    largest = largest_passing(intent, view, lambda quantity: cost(quantity) <= free)
    value, limit = money(cost(intent.quantity), view.currency), money(max(free, ZERO), view.currency)
    return Denied(CODE, f"The order may take {value}, but {limit} is free", limit, value, largest)
