"""The position in one instrument, as large as open and uncertain orders may yet make it."""

from __future__ import annotations

from decimal import Decimal

from risk.boundary import largest_passing
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import of_equity_percent, share_of_equity
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import percent, plain
from risk.worst_case import order_unit_value, position_after

CODE = "MAX_POSITION"


@rule(CODE, "Position in one instrument", order=90)
def position(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """The position in the order's direction stays within a share of equity if all on its side fills."""
    if only_reduces(intent, view):
        return None
    each = order_unit_value(intent, view)
    most = share_of_equity(view, limits.max_position_percent)

    def value(quantity: Decimal) -> Decimal:
        return position_after(intent, view, quantity) * each

    if value(intent.quantity) <= most:
        return None
    largest = largest_passing(intent, view, lambda quantity: value(quantity) <= most)
    reached = percent(of_equity_percent(view, value(intent.quantity)))
    reason = f"{intent.instrument.symbol} could reach {reached} of equity"
    limit = f"{plain(limits.max_position_percent)} % of equity"
    return Denied(CODE, reason, limit, f"{reached} of equity", largest)
