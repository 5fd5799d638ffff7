"""Reconciliation: what we believe against what the venue says. Pure; acting on it is the desk's work.

A failed query never gets here: the port raises instead of answering with nothing. Nothing is invented either: a
fill that the venue has not told is asked for, not inferred, so it cannot count twice when it comes. What is
found has an id made of its content: the same difference is the same after every restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from brokers.account import AccountInfo
from brokers.money import ZERO
from brokers.order import Fill, OrderReport
from core.trading.live_order import LiveOrder
from core.trading.states import OrderState
from core.trading.terms import terms_of

# How far a venue's clock may be behind ours.
_SKEW = timedelta(minutes=5)


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
class Missing:
    """The venue does not know this order of ours, for now."""

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
    """A holding (`symbol`) or a balance (`currency`) that differs, and that no order explains."""

    what: str
    ours: Decimal
    theirs: Decimal
    is_cash: bool = False

    def __str__(self) -> str:
        return f"{self.what}: we have {self.ours.normalize():f}, the venue has {self.theirs.normalize():f}"

    @property
    def key(self) -> str:
        """What differs, whatever the figures."""
        return f"{'cash' if self.is_cash else 'position'}:{self.what}"

    @property
    def id(self) -> str:
        """The same for the same difference, on every machine and after every restart."""
        return sha256(f"{self.key}|{self.ours.normalize():f}|{self.theirs.normalize():f}".encode()).hexdigest()[:16]


OrderCorrection = Apply | Missing | Zombie | External


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
        corrections.append(Apply(report) if report else Missing(order.client_order_id, order.state))
    for report in theirs:
        if report.client_order_id not in known:
            corrections.append(External(report))
        elif report.client_order_id not in found:
            corrections.append(Zombie(report))
    return corrections


def candidates(order: LiveOrder, theirs: Iterable[OrderReport], taken: Collection[str]) -> list[OrderReport]:
    """Orders in a venue's lists that may be `order`, where the venue does not keep our ids.

    They have no id of ours, are not another order of ours (`taken`: the venue's ids of those), came after ours was
    stored, and are the same in everything that we asked for.
    """
    request = order.request

    def fits(report: OrderReport) -> bool:
        return (
            not report.client_order_id
            and report.venue_order_id not in taken
            and (report.symbol, report.side, report.type) == (order.symbol, request.side, request.type)
            and terms_of(report) == order.terms
            and report.at >= order.at - _SKEW
        )

    return list({report.venue_order_id: report for report in theirs if fits(report)}.values())


def fills_of_order(order: LiveOrder, fills: Iterable[Fill]) -> list[Fill]:
    """The executions that belong to `order`: by our id, or by the venue's id of it."""

    def fits(fill: Fill) -> bool:
        if fill.client_order_id:
            return fill.client_order_id == order.id
        same_thing = (fill.symbol, fill.side) == (order.symbol, order.request.side)
        return bool(order.venue_order_id) and fill.venue_order_id == order.venue_order_id and same_thing

    return [fill for fill in fills if fits(fill)]


def since(order: LiveOrder) -> datetime:
    """From when on the venue may have heard of `order`."""
    return order.at - _SKEW


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
            drifts.append(Drift(currency, have, total, is_cash=True))
    return drifts
