"""How many orders may be open at once: a loop that enters never gets far."""

from __future__ import annotations

from risk.boundary import reducing_part
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView

CODE = "MAX_OPEN_ORDERS"


@rule(CODE, "Open orders", order=130)
def open_orders(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """Orders that may still fill, the uncertain ones included, and this one stay within the limit."""
    count = len(view.working) + 1
    if count <= limits.max_open_orders or only_reduces(intent, view):
        return None
    reason = f"{len(view.working)} orders are open already"
    limit, value = f"{limits.max_open_orders} orders", f"{count} orders"
    return Denied(CODE, reason, limit, value, reducing_part(intent, view))
