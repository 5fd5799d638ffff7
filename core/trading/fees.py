"""Fees as venues tell them. What stands for "not known yet" is no fee: it is pending until the venue says more."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.order import Fill, OrderReport

# Interactive Brokers says -1, or the largest double, while it does not know.
_NOT_KNOWN = frozenset({Decimal(-1)})
_LARGEST = Decimal("1e15")


def known_fee(told: Decimal | None) -> Decimal | None:
    """The fee, or None while it is not known. Nobody pays 1e15 of anything."""
    if told is None or not told.is_finite() or told in _NOT_KNOWN or abs(told) >= _LARGEST:
        return None
    return told


def with_known_fees(report: OrderReport) -> OrderReport:
    """The report with fees that are not known as None."""
    fills = tuple(with_known_fee(fill) for fill in report.fills)
    return report if fills == report.fills else replace(report, fills=fills)


def with_known_fee(fill: Fill) -> Fill:
    """The fill, with a fee that is not known as None."""
    fee = known_fee(fill.fee)
    return fill if fee is fill.fee else replace(fill, fee=fee)
