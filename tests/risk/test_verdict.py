"""`Approved` cannot be forged."""

import copy
import dataclasses
import pickle

import pytest

from risk.gate import RiskGate
from risk.verdict import Approved
from tests.risk.builders import NOW, WIDE, account, buy, sell


@pytest.fixture
def approved():
    return RiskGate(WIDE).review(buy(10), account())


@pytest.mark.parametrize("seal", [None, object(), True])
def test_only_the_gate_holds_the_seal(seal):
    with pytest.raises(TypeError, match=r"only risk\.gate"):
        Approved(buy(10), NOW, seal=seal)


@pytest.mark.parametrize("forge", [copy.copy, copy.deepcopy, pickle.dumps, dataclasses.replace])
def test_an_approval_is_not_copied(approved, forge):
    with pytest.raises(TypeError):
        forge(approved)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_approval_does_not_leave_the_process(approved, protocol):
    with pytest.raises(TypeError, match="ask the gate again"):
        pickle.dumps(approved, protocol)


def test_an_approval_does_not_change(approved):
    for name in ("_intent", "intent", "_at", "at"):
        with pytest.raises((TypeError, AttributeError)):
            setattr(approved, name, sell(999))
    with pytest.raises(TypeError):
        del approved._intent
    with pytest.raises(TypeError, match=r"only risk\.gate"):
        approved.__init__(sell(999), NOW, seal=None)
    assert approved.intent == buy(10)


def test_an_approval_has_no_subclasses():
    with pytest.raises(TypeError, match="no subclasses"):
        type("Forged", (Approved,), {})


def test_an_empty_shell_approves_nothing():
    with pytest.raises(AttributeError):
        _ = object.__new__(Approved).intent


def test_a_kept_reference_does_not_reach_into_the_approval():
    shares = {"trend": buy(10).quantity}
    approved = RiskGate(WIDE).review(buy(10, allocations=shares), account())
    shares["trend"] = 10**6
    assert approved.intent.allocations == {"trend": 10}
    with pytest.raises(TypeError):
        approved.intent.allocations["trend"] = 10**6
