"""REDUCING lets exits through, HALTED nothing but a person's flatten: stops and targets wait for the resume, too.

Real money that nobody has confirmed lets nothing through at all.
"""

from __future__ import annotations

from brokers.money import ZERO
from risk.boundary import reducing_part
from risk.intent import OrderIntent, Origin
from risk.limits import RiskLimits
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView, TradingState, live_scope

CODE = "TRADING_STATE"


@rule(CODE, "Trading is allowed", order=30)
def trading_state(intent: OrderIntent, view: PortfolioView, _limits: RiskLimits) -> Denied | None:
    """The gravest state of the whole house, the account, the order's strategies and its instrument decides."""
    state = view.state_for(intent.strategies, intent.instrument.symbol)
    if state == TradingState.ACTIVE:
        return None
    if view.states.get(live_scope(view.account), TradingState.ACTIVE) == TradingState.HALTED:
        return Denied(CODE, "Real money waits for a person's confirmation", "/golive", intent.origin.value, ZERO)
    if state != TradingState.REDUCING and intent.origin is not Origin.FLATTEN:
        return Denied(CODE, "Trading is halted", "a person's flatten only", intent.origin.value, ZERO)
    if only_reduces(intent, view):
        return None
    reason = "Trading is halted, even a flatten only reduces"
    if state == TradingState.REDUCING:
        reason = "Only orders that reduce a position trade now"
    return Denied(CODE, reason, "reducing orders", "new risk", reducing_part(intent, view))
