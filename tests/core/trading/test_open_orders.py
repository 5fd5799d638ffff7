"""What was sent is found again by the rules that count it, whatever the clock does."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.instrument import Instrument
from core.trading.open_orders import OpenOrders
from core.trading.portfolio import Portfolio
from tests.risk.builders import NOW, account, sent

ACME = Instrument("ACME", "USD")
seconds = st.integers(-300, 300)


def after(ages):
    """The orders that were sent in this order, at these times."""
    orders = OpenOrders(Portfolio("paper", "USD", {"ACME": ACME}))
    for number, age in enumerate(ages):
        orders.begin(SimpleNamespace(id=str(number)), sent(age=age, quantity=str(number + 1)))
        assert len(orders.submissions) == min(number + 1, 500)  # each counts from the moment that it is begun
    return orders


@settings(max_examples=200, deadline=None)
@given(ages=st.lists(seconds, max_size=12), since=seconds)
def test_nothing_that_was_sent_since_is_missed_when_the_clock_goes_back_and_forth(ages, since):
    """The short way through the submissions finds what looking at all of them finds."""
    at = NOW - timedelta(seconds=since)
    view = replace(account(), submissions=after(ages).submissions)
    found = [each.quantity for each in view.sent_since(at)]
    assert sorted(found) == [Decimal(place + 1) for place, age in enumerate(ages) if -age > -since]


def test_the_oldest_is_forgotten_first():
    """By time, not by the order in which they were sent."""
    orders = after([*range(600, 100, -1), 1000])
    assert len(orders.submissions) == 500
    assert max(NOW - each.at for each in orders.submissions) == timedelta(seconds=600)
