"""An order that promises only to reduce never raises or flips a position (jesse #510, freqtrade PR #2799)."""

from __future__ import annotations

from risk.boundary import reducing_part
from risk.intent import OrderIntent, Origin
from risk.limits import RiskLimits
from risk.reducing import only_reduces, reducible
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import units

CODE = "REDUCE_ONLY"


@rule(CODE, "Reduce-only holds", order=40)
def reduce_only(intent: OrderIntent, view: PortfolioView, _limits: RiskLimits) -> Denied | None:
    """Reduce-only orders, every flatten and every resting stop or target stay within what is left to close.

    A stop or target is never larger than the position without its open exits; orders of its OCO group are one exit.
    """
    promised = intent.reduce_only or intent.origin is Origin.FLATTEN or intent.is_resting_exit
    if not promised or only_reduces(intent, view):
        return None
    symbol = intent.instrument.symbol
    left = units(reducible(view, symbol, intent.side, intent), symbol)
    reason = f"The order would do more than reduce: {left} left to close"
    return Denied(CODE, reason, left, units(intent.quantity, symbol), reducing_part(intent, view))
