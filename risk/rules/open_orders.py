"""How many orders may be open at once: a loop that enters never gets far."""

from __future__ import annotations

from risk.case import Case
from risk.rule import rule
from risk.verdict import Denied

CODE = "MAX_OPEN_ORDERS"


@rule(CODE, "Open orders", order=130)
def open_orders(case: Case) -> Denied | None:
    """Orders that may still fill, the uncertain ones included, and this one stay within the limit."""
    count, most = len(case.view.working) + 1, case.limits.max_open_orders
    if count <= most or case.only_reduces:
        return None
    reason = f"{count - 1} orders are open already"
    return Denied(CODE, reason, f"{most} orders", f"{count} orders", case.reducing_part)
