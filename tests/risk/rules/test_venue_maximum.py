"""No order is larger than the venue takes at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brokers.order import OrderType
from tests.risk.builders import AAPL, D, account, assert_denied, assert_passes, buy, held, sell, sent, wide

CODE = "VENUE_MAXIMUM"
BOUNDED = replace(AAPL, max_quantity=D(50), max_market_quantity=D("20.5"))


@pytest.mark.parametrize(
    ("terms", "most"),
    [
        ({}, 20),
        ({"type": OrderType.LIMIT, "limit_price": D(100)}, 50),
        ({"type": OrderType.STOP, "stop_price": D(101)}, 20),
        ({"type": OrderType.STOP_LIMIT, "stop_price": D(101), "limit_price": D(101)}, 50),
    ],
)
def test_the_maximum_of_its_type_in_whole_lots(terms, most):
    """What wakes as a market order is judged as one."""
    assert_passes(CODE, buy(most, BOUNDED, **terms), account())
    assert_denied(CODE, buy(most + 1, BOUNDED, **terms), account(), largest=most)


def test_an_exit_is_no_exception_and_a_venue_without_a_maximum_takes_any():
    """The venue itself makes none."""
    view = account(held(500, BOUNDED))
    assert_denied(CODE, sell(21, BOUNDED), view, largest=20)
    assert_passes(CODE, buy(10_000), account())


def test_slices_of_an_exit_are_neither_duplicates_nor_too_many():
    """But what is smaller, and what opens something, counts as ever."""
    limits = wide(max_orders_per_second_strategy=1, max_orders_per_second_account=1, duplicate_orders=2)
    before = [sent(quantity="20", side=sell(20).side) for _ in range(3)]
    view = account(held(500, BOUNDED), submissions=tuple(before))
    for code in ("MESSAGE_RATE", "DUPLICATE_ORDER"):
        assert_passes(code, sell(20, BOUNDED), view, limits)
    assert_denied("MESSAGE_RATE", sell(19, BOUNDED), view, limits, largest=0)
    assert_denied("MESSAGE_RATE", buy(20, BOUNDED), view, limits, largest=0)
