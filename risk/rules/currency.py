"""Money in a currency whose rate is unknown is not zero and not one: it is unknown."""

from __future__ import annotations

from risk.case import Case
from risk.metrics import is_price
from risk.rule import rule
from risk.verdict import Denied

CODE = "FX_RATE_MISSING"


@rule(CODE, "The exchange rate is known", order=20)
def currency(case: Case) -> Denied | None:
    """The instrument trades in the account's currency, or the rate between the two is known."""
    theirs, ours = case.intent.instrument.currency, case.view.currency
    if is_price(case.view.rate(theirs)) or case.only_reduces:
        return None
    reason = f"No rate to turn {theirs} into {ours}"
    return Denied(CODE, reason, f"a rate of {theirs} in {ours}", "unknown", case.reducing_part)
