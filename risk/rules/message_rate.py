"""Orders a second, of each strategy and of the account (RTS 6, 15.1d). Cancels never pass here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from brokers.money import ZERO
from risk.case import Case
from risk.intent import Origin
from risk.rule import rule
from risk.verdict import Denied

CODE = "MESSAGE_RATE"

_SECOND = timedelta(seconds=1)


@rule(CODE, "Orders a second", order=140)
def message_rate(case: Case) -> Denied | None:
    """Orders sent within the last second and this one stay within the limits. What closes is never slowed."""
    if case.intent.origin in (Origin.FLATTEN, Origin.PROTECTION) or case.is_slice:
        return None
    for who, count, most in _counts(case):
        if count > most:
            return Denied(CODE, f"{who} sends orders too fast", f"{most} orders/s", f"{count} orders/s", ZERO)
    return None


def _counts(case: Case) -> Iterator[tuple[str, int, int]]:
    """Who, how many orders in this second with the new one, and how many are allowed."""
    view, limits = case.view, case.limits
    recent = [sent.strategy for sent in view.sent_since(view.at - _SECOND)]
    for strategy in case.intent.strategies:
        yield strategy, recent.count(strategy) + 1, limits.max_orders_per_second_strategy
    yield view.account, len(recent) + 1, limits.max_orders_per_second_account
