from hypothesis import given
from hypothesis import strategies as st

from risk.intent import OrderIntent
from tests.risk.accounts import orders
from tests.risk.builders import BTC, D, buy


def test_shares_shrink_with_the_order():
    small = buy(10, allocations={"a": D(14), "b": D(-4)}).resized(D(5))
    assert small.quantity == 5
    assert small.allocations == {"a": D(7), "b": D(-2)}


@given(intent=orders(), count=st.integers(1, 5000))
def test_resized_shares_are_whole_lots_near_their_share_and_add_up(intent: OrderIntent, count):
    lot = intent.instrument.lot
    small = intent.resized(count * lot)
    assert sum(small.allocations.values()) == small.signed_quantity
    for name, part in small.allocations.items():
        assert part % lot == 0
        assert abs(part - intent.allocations[name] * small.quantity / intent.quantity) <= lot


def test_an_order_without_shares_has_none_after():
    assert buy(1, BTC, allocations={}).resized(D("0.5")).allocations == {}
