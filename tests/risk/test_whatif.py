import pytest

from brokers.order import OrderType
from risk.gate import RiskGate
from risk.limits import RiskLimits
from risk.whatif import after_fill, what_if
from tests.risk.builders import D, account, buy, held, sell

GATE = RiskGate(RiskLimits())


def position(usages):
    return next(usage.value for usage in usages if usage.code == "POSITION")


def test_a_person_sees_the_limits_before_and_after():
    seen = what_if(buy(20), account(held(30)), GATE)
    assert seen.denied is None
    assert (position(seen.before), position(seen.after)) == ("3 %", "5 %")


def test_an_objection_is_part_of_the_answer():
    seen = what_if(buy(50), account(), GATE)
    assert (seen.denied.code, seen.denied.largest_passing) == ("MAX_ORDER_VALUE", 20)
    assert position(seen.after) == "5 %"


@pytest.mark.parametrize("changes", [{"quotes": {}}, {"cash": None}])
def test_what_cannot_be_known_is_not_shown(changes):
    seen = what_if(buy(1), account(**changes), GATE)
    assert seen.denied is not None
    assert seen.after is None


@pytest.mark.parametrize(
    ("before", "intent"),
    [
        (0, buy(10, type=OrderType.LIMIT, limit_price=D(90))),
        (10, buy(10, type=OrderType.LIMIT, limit_price=D(90))),
        (10, sell(4, type=OrderType.LIMIT, limit_price=D(90))),
        (10, sell(30, type=OrderType.LIMIT, limit_price=D(90))),
        (-10, buy(4)),
    ],
)
def test_a_fill_moves_cash_and_position(before, intent):
    view = account(held(before))
    after = after_fill(intent, view)
    assert after.quantity("AAPL") == before + intent.signed_quantity
    assert view.cash - after.cash == intent.signed_quantity * (intent.limit_price or 100)
    assert after.equity == view.equity
