"""The position in one instrument, as large as open and uncertain orders may yet make it."""

from __future__ import annotations

from decimal import Decimal

from risk.case import Case
from risk.metrics import of_equity_percent
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import percent, plain

CODE = "MAX_POSITION"


@rule(CODE, "Position in one instrument", order=90)
def position(case: Case) -> Denied | None:
    """The position in the order's direction stays within a share of equity if all on its side fills."""
    if case.only_reduces:
        return None
    each, percentage = case.unit_value, case.limits.max_position_percent
    most = case.share_of_equity(percentage)

    def value(quantity: Decimal) -> Decimal:
        return (case.ahead + quantity) * each

    if value(case.intent.quantity) <= most:
        return None
    largest = case.largest_passing(lambda quantity: value(quantity) <= most)
    reached = percent(of_equity_percent(case.view, value(case.intent.quantity)))
    reason = f"{case.symbol} could reach {reached} of equity"
    limit = f"{plain(percentage)} % of equity"
    return Denied(CODE, reason, limit, f"{reached} of equity", largest)
