"""Cash for everything that is open and for this order, with a reserve for fees and slippage."""

from __future__ import annotations

from decimal import Decimal

from brokers.money import ZERO
from risk.case import Case
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import money
from risk.worst_case import committed_elsewhere, dearest_unit, opening_units, short_value

CODE = "FREE_BALANCE"


@rule(CODE, "Free balance", order=120)
def free_balance(case: Case) -> Denied | None:
    """Cash covers all open orders and this one at their worst, and leaves the reserve.

    Proceeds of a short sale are owed, and as much again is held for it: both are taken off the cash.
    """
    intent, view, least = case.intent, case.view, case.limits.min_free_balance_percent
    if least is None or case.only_reduces:
        return None
    reserve = case.share_of_equity(least)
    free = view.cash - 2 * short_value(view) - committed_elsewhere(case) - reserve
    each = max(case.unit_value, dearest_unit(view, intent.instrument, intent.side)) if view.working else case.unit_value

    def cost(quantity: Decimal) -> Decimal:
        return opening_units(view, case.symbol, intent.side, quantity) * each

    if cost(intent.quantity) <= free:
        return None
    largest = case.largest_passing(lambda quantity: cost(quantity) <= free)
    value, limit = money(cost(intent.quantity), view.currency), money(max(free, ZERO), view.currency)
    return Denied(CODE, f"The order may take {value}, but {limit} is free", limit, value, largest)
