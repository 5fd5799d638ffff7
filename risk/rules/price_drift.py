"""Own prices do not walk away: a loop that pays a little more with every order gets nowhere (RTS 6, 15.1a)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from risk.boundary import reducing_part
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import is_price
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import percent, plain

CODE = "PRICE_DRIFT"


@rule(CODE, "Prices over a period", order=65)
def price_drift(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """The price that the order names lies near those of the orders of its symbol within the period."""
    price = intent.price
    if price is None or not is_price(price) or only_reduces(intent, view):
        return None
    drift = max((_distance(price, each) for each in _prices(intent, view, limits)), default=Decimal(0))
    if drift <= limits.price_drift_percent:
        return None
    period = f"{plain(limits.price_drift_seconds)} s"
    reason = f"Our own prices have moved {percent(drift)} in {period}"
    limit, value = f"{plain(limits.price_drift_percent)} % in {period}", percent(drift)
    return Denied(CODE, reason, limit, value, reducing_part(intent, view))


def _prices(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> list[Decimal]:
    since = view.at - timedelta(seconds=float(limits.price_drift_seconds))
    symbol = intent.instrument.symbol
    sent = (each for each in view.submissions if each.at > since and each.symbol == symbol and not each.reduces)
    return [each.price for each in sent if each.price is not None and is_price(each.price)]


def _distance(price: Decimal, other: Decimal) -> Decimal:
    return abs(price - other) / other * 100
