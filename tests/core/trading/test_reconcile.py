"""Reconciliation as pure functions."""

from __future__ import annotations

from decimal import Decimal

from brokers.account import AccountInfo, Balance, Position
from brokers.order import ClientOrderId, OrderReport, Side, VenueOrderState
from core.trading.reconcile import Apply, External, Missing, OurOrder, Ours, Zombie, find_drift, reconcile_orders
from core.trading.states import OrderState
from tests.core.trading.stage import START


def report(oid: str) -> OrderReport:
    return OrderReport(ClientOrderId(oid), f"v{oid}", "ACME", Side.BUY, Decimal(1), VenueOrderState.WORKING, START)


def info(cash: object, **positions: int) -> AccountInfo:
    held = {name: Position(name, Decimal(units), Decimal(1)) for name, units in positions.items()}
    return AccountInfo("main", START, {"USD": Balance("USD", Decimal(str(cash)))}, held)


def test_each_kind_of_difference_has_its_correction() -> None:
    ours = [OurOrder("known", OrderState.WORKING), OurOrder("gone", OrderState.UNCERTAIN)]
    found = {"known": report("known"), "gone": None}
    theirs = [report("known"), report("closed"), report("stranger")]
    assert reconcile_orders(ours, found, theirs, frozenset({"known", "gone", "closed"})) == [
        Apply(report("known")),
        Missing("gone", OrderState.UNCERTAIN),
        Zombie(report("closed")),
        External(report("stranger")),
    ]


def test_agreement_needs_nothing() -> None:
    assert reconcile_orders([], {}, [], frozenset()) == []
    assert find_drift(Ours({"ACME": Decimal(5)}, {"USD": Decimal(100)}), info("100.00", ACME=5)) == []


def test_every_difference_is_named_and_none_is_too_small() -> None:
    ours = Ours({"ACME": Decimal(5), "OLD": Decimal(1)}, {"USD": Decimal(100), "EUR": Decimal(1)})
    drifts = find_drift(ours, info("100.0000000001", ACME=6, NEW=2))
    assert [each.what for each in drifts] == ["ACME", "NEW", "OLD", "EUR", "USD"]
    assert str(drifts[0]) == "ACME: we have 5, the venue has 6"


def test_cash_is_not_compared_while_a_fee_is_pending() -> None:
    ours = Ours({"ACME": Decimal(5)}, {"USD": Decimal(100)}, fees_pending=True)
    assert [each.what for each in find_drift(ours, info(99, ACME=6))] == ["ACME"]
