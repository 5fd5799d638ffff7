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
    """Reduce-only orders and every flatten stay within what the position and its open exits leave."""
    promised = intent.reduce_only or intent.origin is Origin.FLATTEN
    if not promised or only_reduces(intent, view):
        return None
    symbol = intent.instrument.symbol
    left = units(reducible(view, symbol, intent.side), symbol)
    reason = f"The order would do more than reduce: {left} left to close"
    return Denied(CODE, reason, left, units(intent.quantity, symbol), reducing_part(intent, view))
