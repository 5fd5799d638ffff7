"""The ledger and the division of fills: exact for all prices, sizes, signs and partitions."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, Inexact, localcontext
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.instrument import Instrument
from core.trading.allocation import fee_shares, shares
from core.trading.ledger import (
    COST_STEP,
    EXACT,
    Allocation,
    Entry,
    FillFacts,
    Posting,
    Unbalanced,
    adoption,
    deposit,
    fill_posting,
)
from core.trading.portfolio import Portfolio

PAIR = Instrument("BTC/USD", "USD", lot=Decimal("0.00000001"))
D = Decimal
NO_FEE = D(0)
quantities = st.decimals("-1000000", "1000000", places=8).filter(bool)
prices = st.decimals("0.00000001", "1000000", places=8)
fees = st.decimals("-10", "1000", places=8)
trades = st.lists(st.tuples(st.sampled_from(["alpha", "beta"]), quantities, prices, fees), min_size=1, max_size=12)


def facts(n: object, name: str, quantity: Decimal, price: Decimal, fee: Decimal = NO_FEE) -> FillFacts:
    return FillFacts(f"f{n}", "main", "BTC/USD", price, D(1), "USD", "USD", (Allocation(name, quantity, fee),))


def portfolio(*fills: FillFacts) -> Portfolio:
    book = Portfolio("main", "USD", {"BTC/USD": PAIR})
    book.apply(deposit("main", "USD", D(1000), "opening").entries)
    for fill in fills:
        book.apply(fill_posting(fill, book.balances).entries)
    return book


def booked(*signed: tuple[object, object]) -> Portfolio:
    return portfolio(*(facts(n, "alpha", D(str(q)), D(str(p))) for n, (q, p) in enumerate(signed)))


def test_a_posting_that_does_not_balance_is_refused() -> None:
    with pytest.raises(Unbalanced):
        Posting("x", "fill", (Entry("cash/main", "USD", D(1)),))


def test_a_posting_that_would_need_rounding_is_refused() -> None:
    with pytest.raises(Inexact):
        fill_posting(facts(1, "alpha", D(f"1.{'1' * 40}"), D(f"1.{'1' * 40}")), {})


@given(trades)
def test_all_units_sum_to_zero_and_positions_are_the_sum_of_fills(made: list) -> None:
    book = portfolio(*(facts(n, *trade) for n, trade in enumerate(made)))
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (_, unit), amount in book.balances.items():
        sums[unit] = EXACT.add(sums[unit], amount)
    assert not any(sums.values())
    for name in ("alpha", "beta"):
        assert book.lot(name, "BTC/USD").quantity == sum((q for who, q, *_ in made if who == name), D(0))
    with localcontext(EXACT):
        assert book.cash == 1000 - sum((q * p + fee for _, q, p, fee in made), D(0))


@given(trades, prices)
def test_profit_is_equity_less_deposits_exactly(made: list, mark: Decimal) -> None:
    book = portfolio(*(facts(n, *trade) for n, trade in enumerate(made)))
    book.marks["BTC/USD"] = mark
    with localcontext(EXACT):
        gained = sum((lot.realised + lot.unrealised(mark) - lot.fees for _, lot in book.lots()), D(0))
        assert gained == book.equity - 1000


@given(trades, quantities, prices, st.integers(2, 6))
def test_splitting_a_fill_changes_nothing(made: list, quantity: Decimal, price: Decimal, parts: int) -> None:
    before = [facts(n, *trade) for n, trade in enumerate(made)]
    piece = (quantity / parts).quantize(D("1e-8"))
    pieces = [piece] * (parts - 1) + [quantity - piece * (parts - 1)]
    whole = portfolio(*before, facts("w", "alpha", quantity, price))
    split = portfolio(*before, *(facts(f"s{n}", "alpha", each, price) for n, each in enumerate(pieces) if each))
    one, other = whole.lot("alpha", "BTC/USD"), split.lot("alpha", "BTC/USD")
    assert (whole.cash, one.quantity) == (split.cash, other.quantity)
    assert abs(one.realised - other.realised) <= COST_STEP * (parts + 1)
    with localcontext(EXACT):
        assert one.realised - one.cost == other.realised - other.cost


@pytest.mark.parametrize("sign", [1, -1])
def test_a_flip_is_a_close_and_an_open_incident_33(sign: int) -> None:
    flip = booked((10 * sign, 100), (-15 * sign, 110)).lot("alpha", "BTC/USD")
    twice = booked((10 * sign, 100), (-10 * sign, 110), (-5 * sign, 110)).lot("alpha", "BTC/USD")
    assert flip == twice
    assert (flip.realised, flip.average_price) == (100 * sign, 110)


def test_partial_close_realises_the_average_and_flat_leaves_no_cost() -> None:
    lot = booked((1, 100), (2, 101), (-1, 110)).lot("alpha", "BTC/USD")
    assert lot.realised == D("9.3333333333")
    flat = booked((1, 100), (2, 101), (-1, 110), (-2, 110)).lot("alpha", "BTC/USD")
    assert (flat.quantity, flat.cost, flat.realised) == (0, 0, 28)


def test_independent_fills_commute() -> None:
    made = [facts(1, "alpha", D(3), D(7), D(1)), facts(2, "beta", D(-4), D(9)), facts(3, "gamma", D(1), D(2))]
    outcomes = [portfolio(*order).balances for order in permutations(made)]
    assert all(each == outcomes[0] for each in outcomes)


def test_an_adopted_position_is_paid_in_at_cost() -> None:
    book = portfolio()
    book.apply(adoption("main", "manual", PAIR, D(-2), D(50)).entries)
    book.marks["BTC/USD"] = D(60)
    assert book.equity == 1000 - 120
    assert book.lot("manual", "BTC/USD").unrealised(D(60)) == -20


def test_other_accounts_and_dropped_symbols_disturb_nothing() -> None:
    book = portfolio()
    book.load({("position/other/alpha/X/Y", "X/Y"): D(5), ("position/main/alpha/OLD", "OLD"): D(0)})
    assert [lot.quantity for _, lot in book.lots()] == [0]
    assert (book.held(), book.unknown, book.equity) == ({}, {}, 0)


# --- division among strategies ---------------------------------------------------------------------


@st.composite
def divisions(draw: st.DrawFn) -> tuple[dict[str, Decimal], Decimal]:
    lot = draw(st.sampled_from([D(1), D("0.001"), D(100)]))
    lots = st.integers(-50, 50).filter(bool)
    parts = {name: n * lot for name, n in draw(st.dictionaries(st.sampled_from("abcde"), lots, min_size=1)).items()}
    if not sum(parts.values()):
        parts["a"] = parts.get("a", D(0)) + 60 * lot
    return parts, lot


@given(divisions(), st.integers(0, 5))
def test_shares_are_whole_never_shrink_and_end_exactly(given_: tuple, excess: int) -> None:
    parts, lot = given_
    net = sum(parts.values())
    sign = 1 if net > 0 else -1
    steps = [shares(parts, n * lot, lot) for n in range(int(abs(net) / lot) + 1)]
    assert steps[-1] == parts
    for n, step in enumerate(steps):
        assert sum(step.values()) == sign * n * lot
        assert all(units % lot == 0 and abs(units) <= abs(parts[name]) for name, units in step.items())
    for earlier, later in pairwise(steps):
        assert all((later[name] - earlier[name]) * parts[name] >= 0 for name in parts)
    assert sum(shares(parts, abs(net) + excess * lot, lot).values()) == net + sign * excess * lot


@given(fees, st.dictionaries(st.sampled_from("abcde"), quantities, min_size=1))
def test_fee_shares_sum_to_the_fee(fee: Decimal, parts: dict[str, Decimal]) -> None:
    with localcontext(EXACT):
        assert sum(fee_shares(fee, parts).values()) == fee
