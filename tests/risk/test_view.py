import pytest

from brokers.order import Side
from risk.view import TradingState
from tests.risk.builders import MSFT, D, account, held, working

ACTIVE, REDUCING, HALTED = TradingState


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, ACTIVE),
        ({"global": REDUCING, "account:paper": ACTIVE}, REDUCING),
        ({"global": REDUCING, "account:paper": HALTED}, HALTED),
        ({"strategy:a": HALTED, "global": ACTIVE}, HALTED),
        ({"strategy:b": HALTED, "account:other": HALTED}, ACTIVE),
    ],
)
def test_the_gravest_state_of_all_scopes_holds(states, expected):
    assert account(states=states).state_for(("a",)) is expected


def test_the_worst_position_takes_one_side_only():
    orders = (working(Side.BUY, 5), working(Side.SELL, 7), working(Side.BUY, 100, MSFT))
    view = account(held(10), working=orders)
    assert (view.worst_quantity("AAPL", Side.BUY), view.worst_quantity("AAPL", Side.SELL)) == (15, 3)


def test_what_is_not_held_is_flat_and_its_price_is_the_quote_or_the_mark():
    view = account(held(1, mark="90"), quotes={})
    assert (view.quantity("MSFT"), view.price("MSFT"), view.price("AAPL")) == (0, None, 90)
    assert account().price("AAPL") == 100


def test_an_unknown_currency_has_no_rate():
    view = account(fx_rates={"EUR": D("1.1")})
    assert (view.rate("USD"), view.rate("EUR"), view.rate("GBP")) == (1, D("1.1"), None)


def test_what_the_venue_keeps_reduce_only_never_carries_the_worst_case_past_flat():
    """A stop and an entry the other way: the stop closes what is there, the entry alone opens."""
    stop = working(Side.SELL, 10, reduce_only=True)
    assert account(held(10), working=(stop,)).worst_quantity("AAPL", Side.SELL) == 0
    assert account(held(4), working=(stop,)).worst_quantity("AAPL", Side.SELL) == 0
    assert account(held(10), working=(stop, working(Side.SELL, 7))).worst_quantity("AAPL", Side.SELL) == 0
    assert account(held(10), working=(stop, working(Side.SELL, 17))).worst_quantity("AAPL", Side.SELL) == -7
    assert account(working=(stop,)).worst_quantity("AAPL", Side.SELL) == 0


def test_orders_of_one_oco_group_count_once_at_the_largest():
    pair = (working(Side.SELL, 10, oco_group="g"), working(Side.SELL, 7, oco_group="g"))
    view = account(working=(*pair, working(Side.SELL, 1)))
    assert view.working_quantity("AAPL", Side.SELL) == 11
