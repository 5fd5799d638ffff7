from brokers.order import Side
from tests.risk.builders import MSFT, account, assert_denied, assert_passes, buy, held, sell, wide, working

CODE = "MAX_OPEN_ORDERS"


def open_orders(count):
    return tuple(working(Side.BUY, 1, MSFT, uncertain=number % 2 == 0) for number in range(count))


def test_the_last_allowed_order_passes_and_uncertain_ones_count():
    limits = wide(max_open_orders=4)
    assert_passes(CODE, buy(1), account(working=open_orders(3)), limits)
    denied = assert_denied(CODE, buy(1), account(working=open_orders(4)), limits, largest=0)
    assert (denied.limit, denied.value) == ("4 orders", "5 orders")


def test_entries_do_not_block_the_exit():
    view = account(held(5), working=open_orders(9))
    assert_passes(CODE, sell(5), view, wide(max_open_orders=4))
    assert_denied(CODE, sell(6), view, wide(max_open_orders=4), largest=5)
