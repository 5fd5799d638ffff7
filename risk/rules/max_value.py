"""The value of one order: fat fingers and runaway sizes (RTS 6, 15.1b; FIX NotionalValueCheck)."""

from __future__ import annotations

from decimal import Decimal

from risk.case import Case
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import money, plain

CODE = "MAX_ORDER_VALUE"


@rule(CODE, "Value of one order", order=70)
def max_value(case: Case) -> Denied | None:
    """At most a share of equity, and at most an absolute amount."""
    if case.only_reduces:
        return None
    each, absolute = case.unit_value, case.limits.max_order_value
    share = case.share_of_equity(case.limits.max_order_value_percent)
    most = min(absolute, share)
    if case.intent.quantity * each <= most:
        return None
    largest = case.largest_passing(lambda quantity: quantity * each <= most)
    limit, value = _limit(case, share), money(case.intent.quantity * each, case.view.currency)
    return Denied(CODE, f"The order is worth {value}, more than one order may be", limit, value, largest)


def _limit(case: Case, share: Decimal) -> str:
    """The tighter of the two limits."""
    limits, currency = case.limits, case.view.currency
    if limits.max_order_value <= share:
        return money(limits.max_order_value, currency)
    return f"{plain(limits.max_order_value_percent)} % of equity, {money(share, currency)}"
