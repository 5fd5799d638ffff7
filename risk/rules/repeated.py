"""A strategy that enters again and again is stuck in a loop (RTS 6, 15.3; Knight 2012): a person must look."""

from __future__ import annotations

from datetime import timedelta

from risk.case import Case
from risk.intent import Origin
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import plain

CODE = "REPEATED_ENTRIES"


@rule(CODE, "Repeated entries", order=145)
def repeated(case: Case) -> Denied | None:
    """A strategy enters the same instrument only so often within the period. The pipeline pauses it then."""
    if case.intent.origin is not Origin.STRATEGY or case.only_reduces:
        return None
    view, limits, symbol = case.view, case.limits, case.symbol
    since = view.at - timedelta(seconds=float(limits.entries_seconds))
    entries = [sent.strategy for sent in view.sent_since(since) if sent.symbol == symbol and not sent.reduces]
    for name in case.intent.strategies:
        count = 1 + len([whose for whose in entries if whose == name or name in whose.split(",")])
        if count > limits.max_entries:
            period = f"{plain(limits.entries_seconds)} s"
            limit, value = f"{limits.max_entries} in {period}", f"{count} in {period}"
            return Denied(CODE, f"{name} enters again and again", limit, value, case.reducing_part)
    return None
