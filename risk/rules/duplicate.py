"""The same order again and again is a fault, not a wish (Knight 2012; catalyst #317; SEC 15c3-5 c.1)."""

from __future__ import annotations

from datetime import timedelta

from brokers.money import ZERO
from risk.case import Case
from risk.intent import OrderIntent, Origin
from risk.rule import rule
from risk.verdict import Denied
from risk.view import Submission
from risk.wording import plain, units

CODE = "DUPLICATE_ORDER"


@rule(CODE, "Identical orders", order=150)
def duplicate(case: Case) -> Denied | None:
    """Orders of one symbol, side, quantity and price within the window, this one included, stay few.

    The price is the limit, else the stop. What closes is exempt: the position bounds it, and the protective engine
    backs off by itself. So is an exit that must go in slices.
    """
    intent, limits = case.intent, case.limits
    if intent.origin in (Origin.FLATTEN, Origin.PROTECTION) or case.is_slice:
        return None
    since = case.view.at - timedelta(seconds=float(limits.duplicate_window_seconds))
    count = 1 + sum(_is_same(intent, sent) for sent in case.view.sent_since(since))
    if count < limits.duplicate_orders:
        return None
    window = f"{plain(limits.duplicate_window_seconds)} s"
    wish = f"{intent.side} {units(intent.quantity, case.symbol)}"
    limit, value = f"{limits.duplicate_orders - 1} in {window}", f"{count} in {window}"
    return Denied(CODE, f"The same order again: {wish}", limit, value, ZERO)


def _is_same(intent: OrderIntent, sent: Submission) -> bool:
    ours = (intent.instrument.symbol, intent.side, intent.quantity, intent.price)
    return ours == (sent.symbol, sent.side, sent.quantity, sent.price)
