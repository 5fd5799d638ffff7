"""The value of one order: fat fingers and runaway sizes (RTS 6, 15.1b; FIX NotionalValueCheck)."""

from __future__ import annotations

from decimal import Decimal

from risk.boundary import largest_passing
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import share_of_equity
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import money, plain
from risk.worst_case import order_unit_value

CODE = "MAX_ORDER_VALUE"


@rule(CODE, "Value of one order", order=70)
def max_value(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """At most a share of equity, and at most an absolute amount."""
    if only_reduces(intent, view):
        return None
    each = order_unit_value(intent, view)
    most, limit = _tighter(view, limits)
    if intent.quantity * each <= most:
        return None
    largest = largest_passing(intent, view, lambda quantity: quantity * each <= most)
    value = money(intent.quantity * each, view.currency)
    return Denied(CODE, f"The order is worth {value}, more than one order may be", limit, value, largest)


def _tighter(view: PortfolioView, limits: RiskLimits) -> tuple[Decimal, str]:
    """The smaller of the two limits, in money and in words."""
    share = share_of_equity(view, limits.max_order_value_percent)
    if limits.max_order_value <= share:
        return limits.max_order_value, money(limits.max_order_value, view.currency)
    return share, f"{plain(limits.max_order_value_percent)} % of equity, {money(share, view.currency)}"
