"""Money in a currency whose rate is unknown is not zero and not one: it is unknown."""

from __future__ import annotations

from risk.boundary import reducing_part
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import is_price
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView

CODE = "FX_RATE_MISSING"


@rule(CODE, "The exchange rate is known", order=20)
def currency(intent: OrderIntent, view: PortfolioView, _limits: RiskLimits) -> Denied | None:
    """The instrument trades in the account's currency, or the rate between the two is known."""
    theirs, ours = intent.instrument.currency, view.currency
    if is_price(view.rate(theirs)) or only_reduces(intent, view):
        return None
    reason = f"No rate to turn {theirs} into {ours}"
    return Denied(CODE, reason, f"a rate of {theirs} in {ours}", "unknown", reducing_part(intent, view))
