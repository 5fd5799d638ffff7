"""Own prices do not walk away: a loop that pays a little more with every order gets nowhere (RTS 6, 15.1a)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from risk.case import Case
from risk.metrics import is_price
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import percent, plain

CODE = "PRICE_DRIFT"


@rule(CODE, "Prices over a period", order=65)
def price_drift(case: Case) -> Denied | None:
    """The price that the order names lies near those of the orders of its symbol within the period."""
    price, limits = case.intent.price, case.limits
    if price is None or not is_price(price) or case.only_reduces:
        return None
    drift = max((_distance(price, each) for each in _prices(case)), default=Decimal(0))
    if drift <= limits.price_drift_percent:
        return None
    period = f"{plain(limits.price_drift_seconds)} s"
    reason = f"Our own prices have moved {percent(drift)} in {period}"
    limit, value = f"{plain(limits.price_drift_percent)} % in {period}", percent(drift)
    return Denied(CODE, reason, limit, value, case.reducing_part)


def _prices(case: Case) -> list[Decimal]:
    since = case.view.at - timedelta(seconds=float(case.limits.price_drift_seconds))
    sent = (each for each in case.view.sent_since(since) if each.symbol == case.symbol and not each.reduces)
    return [each.price for each in sent if each.price is not None and is_price(each.price)]


def _distance(price: Decimal, other: Decimal) -> Decimal:
    return abs(price - other) / other * 100
