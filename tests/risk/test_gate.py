"""What holds for the gate and for every rule, whatever the account and the order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.order import OrderType
from risk.gate import GARBAGE, RiskGate
from risk.intent import Origin
from risk.limits import RiskLimits
from risk.reducing import only_reduces
from risk.rule import Rule, all_rules
from risk.verdict import Approved, Denied
from risk.view import TradingState
from tests.risk.accounts import accounts, limits, orders
from tests.risk.builders import BTC, MSFT, WIDE, D, account, ask, buy, held, quote, sell, sent, wide, working

RULES = all_rules()
BY_SIZE = [
    each
    for each in RULES
    if each.code not in ("NOT_WELL_FORMED", "DUPLICATE_ORDER")  # a minimum, and an exact match
]
NOT_NUMBERS = [D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), float("nan"), float("inf"), 100.0, "100"]


def test_a_modest_order_is_approved_by_the_defaults():
    intent = buy(10)
    verdict = RiskGate(RiskLimits()).review(intent, account())
    assert isinstance(verdict, Approved)
    assert verdict.intent == intent
    assert verdict.at == account().at


@pytest.mark.parametrize("each", BY_SIZE, ids=lambda each: each.code)
@settings(max_examples=40, deadline=None)
@given(intent=orders(), view=accounts(), bounds=limits(), more=st.integers(1, 50))
def test_what_a_rule_offers_passes_and_one_lot_more_does_not(each, intent, view, bounds, more):
    denied = ask(each.code, intent, view, bounds)
    if denied is None:
        return
    lot, largest = intent.instrument.lot, denied.largest_passing
    assert largest >= 0
    assert largest < intent.quantity
    if largest > 0:
        assert largest % lot == 0
        assert ask(each.code, intent.resized(largest), view, bounds) is None
    assert ask(each.code, intent.resized(largest + lot), view, bounds) is not None
    assert ask(each.code, intent.resized(intent.quantity + more * lot), view, bounds) is not None


@settings(max_examples=60, deadline=None)
@given(intent=orders(), view=accounts(), bounds=limits())
def test_what_the_gate_offers_passes_the_gate(intent, view, bounds):
    gate = RiskGate(bounds)
    verdict = gate.review(intent, view)
    if isinstance(verdict, Denied) and verdict.largest_passing > 0:
        assert isinstance(gate.review(intent.resized(verdict.largest_passing), view), Approved)


@settings(max_examples=60, deadline=None)
@given(intent=orders(), view=accounts(), bounds=limits(), order=st.randoms(use_true_random=False))
def test_the_order_of_open_orders_does_not_matter(intent, view, bounds, order):
    shuffled = list(view.working)
    order.shuffle(shuffled)
    ours = RiskGate(bounds).review(intent, view)
    theirs = RiskGate(bounds).review(intent, replace(view, working=tuple(shuffled)))
    if isinstance(ours, Denied):
        assert ours == theirs
    else:
        assert isinstance(theirs, Approved)


@settings(max_examples=40, deadline=None)
@given(intent=orders(), view=accounts(), bounds=limits())
def test_an_uncertain_order_counts_like_any_other(intent, view, bounds):
    doubtful = tuple(replace(each, uncertain=True) for each in view.working)
    ours = RiskGate(bounds).review(intent, view)
    theirs = RiskGate(bounds).review(intent, replace(view, working=doubtful))
    assert type(ours) is type(theirs)


@settings(max_examples=40, deadline=None)
@given(view=accounts(), bounds=limits())
def test_a_persons_flatten_passes_whatever_the_limits_the_state_and_the_equity(view, bounds):
    broke = replace(view, equity=None, cash=D("NaN"), quotes={}, states={"global": TradingState.HALTED})
    for holding in broke.holdings.values():
        intent = (sell if holding.quantity > 0 else buy)(1, MSFT, origin=Origin.FLATTEN)
        intent = replace(intent, instrument=holding.instrument, quantity=abs(holding.quantity), allocations={})
        if holding.quantity != 0 and only_reduces(intent, broke) and holding.instrument is not BTC:
            assert isinstance(RiskGate(bounds).review(intent, broke), Approved)


def garbled():
    """Each number of an account and of an order, one at a time, replaced by something that is no number."""
    view = account(held(5), held(5, MSFT), working=(working("buy", 1, MSFT, price=100),), submissions=(sent(),))
    for name in ("cash", "equity", "day_start_equity", "peak_equity"):
        yield name, lambda bad, name=name: (buy(1), replace(view, **{name: bad}))
    for symbol in ("AAPL", "MSFT"):
        good = view.holdings[symbol]
        yield (
            f"{symbol} quantity",
            lambda bad, good=good, symbol=symbol: (
                buy(1),
                replace(view, holdings=dict(view.holdings) | {symbol: replace(good, quantity=bad)}),
            ),
        )
        yield (
            f"{symbol} quote",
            lambda bad, symbol=symbol: (
                buy(1),
                replace(
                    view,
                    quotes={"AAPL": quote(), symbol: quote(symbol, bid=bad, ask=bad, last=bad)},
                    holdings={},
                ),
            ),
        )
    for name in ("remaining", "price"):
        yield (
            name,
            lambda bad, name=name: (
                buy(1),
                replace(view, working=(replace(view.working[0], **{name: bad}),)),
            ),
        )
    yield "daily volume", lambda bad: (buy(1), replace(view, daily_volume={"AAPL": bad}))
    yield "rate", lambda bad: (buy(1, replace(MSFT, currency="EUR")), replace(view, fx_rates={"EUR": bad}))
    yield "order quantity", lambda bad: (replace(buy(1), quantity=bad), view)
    yield "allocation", lambda bad: (buy(1, allocations={"a": bad}), view)
    for kind, field in ((OrderType.LIMIT, "limit_price"), (OrderType.STOP, "stop_price")):
        yield field, lambda bad, kind=kind, field=field: (buy(1, type=kind, **{field: bad}), view)


@pytest.mark.parametrize("bad", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize("garble", [pytest.param(each, id=name) for name, each in garbled()])
def test_incident_46_what_is_no_number_is_never_approved_and_never_raises(garble, bad):
    intent, view = garble(bad)
    verdict = RiskGate(wide(max_volume_percent=100)).review(intent, view)
    assert isinstance(verdict, Denied)
    assert verdict.largest_passing == 0


@pytest.mark.parametrize("fault", GARBAGE)
def test_a_rule_that_raises_denies(fault):
    def broken(*_):
        raise fault("nan")

    verdict = RiskGate(WIDE, (Rule("BROKEN", "broken", 0, broken),)).review(buy(1), account())
    assert verdict.code == "BROKEN"
    assert verdict.largest_passing == 0


def test_a_fault_of_ours_is_not_swallowed():
    def broken(*_):
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        RiskGate(WIDE, (Rule("BROKEN", "broken", 0, broken),)).review(buy(1), account())


def test_the_first_objection_names_the_code_and_the_smallest_offer_counts():
    limits = wide(max_order_value=5000, max_position_percent=3)
    verdict = RiskGate(limits).review(buy(100), account())
    assert (verdict.code, verdict.largest_passing) == ("MAX_ORDER_VALUE", 30)


def test_an_offer_below_the_venues_minimum_is_none():
    verdict = RiskGate(wide(max_order_value=49)).review(buy("1.000", BTC), account())
    assert (verdict.code, verdict.largest_passing) == ("MAX_ORDER_VALUE", 0)


def test_one_direction_at_a_time_an_order_that_flips_is_offered_its_exit():
    view = account(held(10), states={"global": TradingState.REDUCING})
    verdict = RiskGate(RiskLimits()).review(sell(25), view)
    assert (verdict.code, verdict.largest_passing) == ("TRADING_STATE", 10)
