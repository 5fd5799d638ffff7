"""A strategy that enters again and again is stuck in a loop (RTS 6, 15.3; Knight 2012): a person must look."""

from __future__ import annotations

from datetime import timedelta

from risk.boundary import reducing_part
from risk.intent import OrderIntent, Origin
from risk.limits import RiskLimits
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import plain

CODE = "REPEATED_ENTRIES"


@rule(CODE, "Repeated entries", order=145)
def repeated(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """A strategy enters the same instrument only so often within the period. The pipeline pauses it then."""
    if intent.origin is not Origin.STRATEGY or only_reduces(intent, view):
        return None
    since = view.at - timedelta(seconds=float(limits.entries_seconds))
    symbol = intent.instrument.symbol
    entries = [
        sent.strategy for sent in view.submissions if sent.at > since and sent.symbol == symbol and not sent.reduces
    ]
    for name in intent.strategies:
        count = 1 + len([whose for whose in entries if whose == name or name in whose.split(",")])
        if count > limits.max_entries:
            period = f"{plain(limits.entries_seconds)} s"
            limit, value = f"{limits.max_entries} in {period}", f"{count} in {period}"
            return Denied(CODE, f"{name} enters again and again", limit, value, reducing_part(intent, view))
    return None
