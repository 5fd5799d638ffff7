"""The quantity of one order: no more than the market can take (RTS 6, 15.1c; FIX QuantityCheck)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from risk.boundary import largest_passing
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import Unknown, is_known
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import plain, units

CODE = "MAX_ORDER_VOLUME"


@rule(CODE, "Quantity of one order", order=80)
def max_volume(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Denied | None:
    """At most a number of units, and at most a share of what the market trades in a day."""
    if only_reduces(intent, view):
        return None
    tightest = min(_limits(intent, view, limits), default=None)
    if tightest is None or intent.quantity <= tightest[0]:
        return None
    most, limit = tightest
    largest = largest_passing(intent, view, lambda quantity: quantity <= most)
    value = units(intent.quantity, intent.instrument.symbol)
    return Denied(CODE, f"{value} is more than one order may be", limit, value, largest)


def _limits(intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> Iterator[tuple[Decimal, str]]:
    """The limits that apply, in units and in words."""
    symbol = intent.instrument.symbol
    if limits.max_order_quantity is not None:
        yield limits.max_order_quantity, units(limits.max_order_quantity, symbol)
    if limits.max_volume_percent is not None:
        most = _daily_volume(view, symbol) * limits.max_volume_percent / 100
        share = f"{plain(limits.max_volume_percent)} % of 24-hour volume"
        yield most, f"{share}, {units(most, symbol)}"


def _daily_volume(view: PortfolioView, symbol: str) -> Decimal:
    volume = view.daily_volume.get(symbol)
    if volume is None or not is_known(volume):
        raise Unknown(f"the 24-hour volume of {symbol} is unknown")
    return volume
