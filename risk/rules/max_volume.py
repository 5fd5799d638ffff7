"""The quantity of one order: no more than the market can take (RTS 6, 15.1c; FIX QuantityCheck)."""

from __future__ import annotations

from decimal import Decimal

from risk.case import Case
from risk.metrics import Unknown, is_known
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView
from risk.wording import plain, units

CODE = "MAX_ORDER_VOLUME"


@rule(CODE, "Quantity of one order", order=80)
def max_volume(case: Case) -> Denied | None:
    """At most a number of units, and at most a share of what the market trades in a day."""
    if case.only_reduces:
        return None
    absolute, share = case.limits.max_order_quantity, _share(case)
    most = min((each for each in (absolute, share) if each is not None), default=None)
    if most is None or case.intent.quantity <= most:
        return None
    largest = case.largest_passing(lambda quantity: quantity <= most)
    value, limit = units(case.intent.quantity, case.symbol), units(most, case.symbol)
    if most != absolute and case.limits.max_volume_percent is not None:
        limit = f"{plain(case.limits.max_volume_percent)} % of 24-hour volume, {limit}"
    return Denied(CODE, f"{value} is more than one order may be", limit, value, largest)


def _share(case: Case) -> Decimal | None:
    """As many units as the limit on the share of volume comes to."""
    percent = case.limits.max_volume_percent
    return None if percent is None else _daily_volume(case.view, case.symbol) * percent / 100


def _daily_volume(view: PortfolioView, symbol: str) -> Decimal:
    volume = view.daily_volume.get(symbol)
    if volume is None or not is_known(volume):
        raise Unknown(f"the 24-hour volume of {symbol} is unknown")
    return volume
