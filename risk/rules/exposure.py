"""Gross and net exposure of the account, as large as open and uncertain orders may yet make it."""

from __future__ import annotations

from collections.abc import Callable
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
from risk.worst_case import gross_elsewhere, largest_after, net_elsewhere, order_unit_value, position_after

GROSS = "GROSS_EXPOSURE"
NET = "NET_EXPOSURE"

Exposed = Callable[[Decimal], Decimal]


@rule(GROSS, "Gross exposure", order=100)
def gross_exposure(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """Longs plus shorts, each instrument at its largest, stay within a share of equity."""
    if only_reduces(intent, view):
        return None
    each, elsewhere = order_unit_value(intent, view), gross_elsewhere(intent, view)

    def exposed(quantity: Decimal) -> Decimal:
        return elsewhere + largest_after(intent, view, quantity) * each

    return _judge(GROSS, "Gross", exposed, limits.max_gross_exposure_percent, intent=intent, view=view)


@rule(NET, "Net exposure", order=110)
def net_exposure(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """Longs minus shorts, in the order's direction, stay within a share of equity."""
    if only_reduces(intent, view):
        return None
    each, elsewhere = order_unit_value(intent, view), net_elsewhere(intent, view)

    def exposed(quantity: Decimal) -> Decimal:
        return elsewhere + position_after(intent, view, quantity) * each

    return _judge(NET, "Net", exposed, limits.max_net_exposure_percent, intent=intent, view=view)


def _judge(
    code: str, name: str, exposed: Exposed, most_percent: Decimal, *, intent: OrderIntent, view: PortfolioView
) -> Denied | None:
    most = share_of_equity(view, most_percent)
    if exposed(intent.quantity) <= most:
        return None
    largest = largest_passing(intent, view, lambda quantity: exposed(quantity) <= most)
    value = f"{percent(of_equity_percent(view, exposed(intent.quantity)))} of equity"
    limit = f"{plain(most_percent)} % of equity"
    return Denied(code, f"{name} exposure could reach {value}", limit, value, largest)
