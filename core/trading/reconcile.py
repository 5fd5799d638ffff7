"""Reconciliation: what we believe against what the venue says. Pure; acting on it is the desk's work.

A failed query never gets here: the port raises instead of answering with nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.account import AccountInfo
from brokers.money import ZERO
from brokers.order import OrderReport
from core.trading.states import OrderState


@dataclass(frozen=True, slots=True)
class OurOrder:
    """An order that we believe open."""

    client_order_id: str
    state: OrderState


@dataclass(frozen=True, slots=True)
class Ours:
    """What we believe: net positions by symbol and cash by currency.

    While a fill's fee has not been told (`fees_pending`) our cash cannot be right yet and is not compared.
    """

    positions: Mapping[str, Decimal]
    cash: Mapping[str, Decimal]
    fees_pending: bool = False


@dataclass(frozen=True, slots=True)
class Apply:
    """The venue knows this order: take over its word and its fills."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class NeverPlaced:
    """The venue definitely does not know this order of ours."""

    client_order_id: str
    was: OrderState


@dataclass(frozen=True, slots=True)
class Zombie:
    """The venue's list has an order open that we believe over: it can fill, so it counts again."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class External:
    """An open order at the venue that is not ours: somebody's, left alone and told."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Drift:
    """A holding or a balance that differs, and that no order explains."""

    what: str
    ours: Decimal
    theirs: Decimal

    def __str__(self) -> str:
        return f"{self.what}: we have {self.ours.normalize():f}, the venue has {self.theirs.normalize():f}"


OrderCorrection = Apply | NeverPlaced | Zombie | External


def reconcile_orders(
    ours: Sequence[OurOrder],
    found: Mapping[str, OrderReport | None],
    theirs: Sequence[OrderReport],
    known: frozenset[str],
) -> list[OrderCorrection]:
    """What to do about orders. `found` holds the venue's answer for each of ours, `theirs` its open orders, and
    `known` the ids of every order that is ours, closed ones included.
    """
    corrections: list[OrderCorrection] = []
    for order in ours:
        report = found[order.client_order_id]
        corrections.append(Apply(report) if report else NeverPlaced(order.client_order_id, order.state))
    for report in theirs:
        if report.client_order_id not in known:
            corrections.append(External(report))
        elif report.client_order_id not in found:
            corrections.append(Zombie(report))
    return corrections


def find_drift(ours: Ours, theirs: AccountInfo) -> list[Drift]:
    """Differences of positions and cash, after the orders are settled. None is too small: money is exact."""
    drifts = []
    for symbol in sorted({*ours.positions, *theirs.positions}):
        held = ours.positions.get(symbol, ZERO)
        position = theirs.positions.get(symbol)
        venue = position.quantity if position else ZERO
        if held != venue:
            drifts.append(Drift(symbol, held, venue))
    for currency in sorted({*ours.cash, *theirs.balances}) if not ours.fees_pending else ():
        have = ours.cash.get(currency, ZERO)
        balance = theirs.balances.get(currency)
        total = balance.total if balance else ZERO
        if have != total:
            drifts.append(Drift(currency, have, total))
    return drifts
