"""What is told of an adjustment: which figures were booked, as what, by whom and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.adjustment import KIND, Found, Plan, Treatment
from core.trading.ledger import EXACT
from core.trading.reconcile import Drift

# So many are named; the postings have all.
_MOST = 12


def alert_of_adjustment(plan: Plan, found: Found, by: str, reason: str) -> Alert:
    """For everyone who sees the account."""
    drifts = found.drifts
    title = f"Adjustment booked: {difference(drifts[0]) if len(drifts) == 1 else f'{len(drifts)} differences'}"
    body = "\n".join([*_lines(drifts), *_moves(plan), _treated(plan.treatment), f"By {by}: {reason}"])
    return Alert(KIND, Severity.WARNING, title, body, account=plan.account)


def audit_detail(plan: Plan, found: Found, reason: str) -> str:
    """For the trail: what, how and why, and what the ledger knows it by."""
    told = "; ".join([*_lines(found.drifts), *_moves(plan)])
    return f"{plan.account}, as {plan.treatment} ({reason}): {told} [{plan.ref}]"


def difference(drift: Drift) -> str:
    """`-100 USDT`."""
    units = EXACT.subtract(drift.theirs, drift.ours)
    return f"{_plain(units, sign=True)} {drift.what}"


def _lines(drifts: Sequence[Drift]) -> list[str]:
    lines = [f"{each.what}: {_plain(each.ours)} → {_plain(each.theirs)}" for each in drifts[:_MOST]]
    return [*lines, f"and {len(drifts) - _MOST} more"] if len(drifts) > _MOST else lines


def _moves(plan: Plan) -> list[str]:
    return [
        f"{name} {_plain(units, sign=True)} {move.instrument.symbol} at {_plain(move.price)}"
        for move in plan.moves[:_MOST]
        for name, units in sorted(move.parts.items())
    ]


def _treated(treatment: Treatment) -> str:
    if treatment is Treatment.CAPITAL:
        return "As capital: it is no profit and no loss."
    return "As a result of external: it counts in reports and limits."


def _plain(number: Decimal, *, sign: bool = False) -> str:
    return f"{number.normalize():{'+' if sign else ''},f}"
