"""REDUCING lets exits through, HALTED nothing but a person's flatten: stops and targets wait for the resume, too.

Real money that nobody has confirmed lets nothing through at all.
"""

from __future__ import annotations

from brokers.money import ZERO
from risk.case import Case
from risk.intent import Origin
from risk.rule import rule
from risk.verdict import Denied
from risk.view import TradingState, live_scope

CODE = "TRADING_STATE"


@rule(CODE, "Trading is allowed", order=30)
def trading_state(case: Case) -> Denied | None:
    """The gravest state of the whole house, the account, the order's strategies and its instrument decides."""
    intent, view = case.intent, case.view
    state = view.state_for(intent.strategies, case.symbol)
    if state == TradingState.ACTIVE:
        return None
    if view.states.get(live_scope(view.account), TradingState.ACTIVE) == TradingState.HALTED:
        return Denied(CODE, "Real money waits for a person's confirmation", "/golive", intent.origin.value, ZERO)
    if state != TradingState.REDUCING and intent.origin is not Origin.FLATTEN:
        return Denied(CODE, "Trading is halted", "a person's flatten only", intent.origin.value, ZERO)
    if case.only_reduces:
        return None
    reason = "Trading is halted, even a flatten only reduces"
    if state == TradingState.REDUCING:
        reason = "Only orders that reduce a position trade now"
    return Denied(CODE, reason, "reducing orders", "new risk", case.reducing_part)
