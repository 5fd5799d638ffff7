"""The quantity of one order: no more than the venue takes at once (its LOT_SIZE and MARKET_LOT_SIZE)."""

from __future__ import annotations

from risk.case import Case
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import units

CODE = "VENUE_MAXIMUM"


@rule(CODE, "What the venue takes at once", order=35)
def venue_maximum(case: Case) -> Denied | None:
    """At most the venue's largest order; what sleeps and wakes as a market order is judged as one.

    What closes is no exception: the venue makes none. The pipeline sends it in slices.
    """
    most = case.most_at_once
    if most is None or case.intent.quantity <= most:
        return None
    limit, value = units(most, case.symbol), units(case.intent.quantity, case.symbol)
    return Denied(CODE, f"The venue takes no order above {limit}", limit, value, most)
