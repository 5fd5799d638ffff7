"""An order that promises only to reduce never raises or flips a position (jesse #510, freqtrade PR #2799)."""

from __future__ import annotations

from risk.case import Case
from risk.intent import Origin
from risk.reducing import reducible
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import units

CODE = "REDUCE_ONLY"


@rule(CODE, "Reduce-only holds", order=40)
def reduce_only(case: Case) -> Denied | None:
    """Reduce-only orders, every flatten and every resting stop or target stay within what is left to close.

    A stop or target is never larger than the position without its open exits; orders of its OCO group are one exit.
    """
    intent, symbol = case.intent, case.symbol
    promised = intent.reduce_only or intent.origin is Origin.FLATTEN or intent.is_resting_exit
    if not promised or case.only_reduces:
        return None
    left = units(reducible(case.view, symbol, intent.side, intent), symbol)
    reason = f"The order would do more than reduce: {left} left to close"
    return Denied(CODE, reason, left, units(intent.quantity, symbol), case.reducing_part)
