"""Gross and net exposure of the account, as large as open and uncertain orders may yet make it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from risk.case import Case
from risk.metrics import of_equity_percent
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import percent, plain
from risk.worst_case import gross_elsewhere, net_elsewhere, position_behind

GROSS = "GROSS_EXPOSURE"
NET = "NET_EXPOSURE"

Exposed = Callable[[Decimal], Decimal]


@rule(GROSS, "Gross exposure", order=100)
def gross_exposure(case: Case) -> Denied | None:
    """Longs plus shorts, each instrument at its largest, stay within a share of equity."""
    if case.only_reduces:
        return None
    each, elsewhere, behind = case.unit_value, gross_elsewhere(case), abs(position_behind(case))

    def exposed(quantity: Decimal) -> Decimal:
        return elsewhere + max(abs(case.ahead + quantity), behind) * each

    return _judge(case, GROSS, "Gross", exposed, case.limits.max_gross_exposure_percent)


@rule(NET, "Net exposure", order=110)
def net_exposure(case: Case) -> Denied | None:
    """Longs minus shorts, in the order's direction, stay within a share of equity."""
    if case.only_reduces:
        return None
    each, elsewhere = case.unit_value, net_elsewhere(case)

    def exposed(quantity: Decimal) -> Decimal:
        return elsewhere + (case.ahead + quantity) * each

    return _judge(case, NET, "Net", exposed, case.limits.max_net_exposure_percent)


def _judge(case: Case, code: str, name: str, exposed: Exposed, most_percent: Decimal) -> Denied | None:
    most, reached = case.share_of_equity(most_percent), exposed(case.intent.quantity)
    if reached <= most:
        return None
    largest = case.largest_passing(lambda quantity: exposed(quantity) <= most)
    value = f"{percent(of_equity_percent(case.view, reached))} of equity"
    limit = f"{plain(most_percent)} % of equity"
    return Denied(code, f"{name} exposure could reach {value}", limit, value, largest)
