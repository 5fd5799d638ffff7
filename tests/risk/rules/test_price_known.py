import pytest

from brokers.order import OrderType
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, quote, sell, wide

CODE = "PRICE_UNKNOWN"


def test_incident_25_without_a_quote_nothing_new_trades():
    assert_denied(CODE, buy(1), account(quotes={}), largest=0)
    assert_passes(CODE, buy(1), account())


@pytest.mark.parametrize("age", [10, -10])
def test_a_quote_may_be_as_old_as_the_limit(age):
    assert_passes(CODE, buy(1), account(quotes={"AAPL": quote(age=age)}))


@pytest.mark.parametrize(
    ("age", "said"), [(10.001, "10.1 s old"), (-10.001, "10.1 s ahead of our clock"), (86_400, "86,400 s old")]
)
def test_an_older_quote_or_one_from_the_future_does_not_count(age, said):
    denied = assert_denied(CODE, buy(1), account(quotes={"AAPL": quote(age=age)}), largest=0)
    assert denied.reason == f"The price of AAPL is {said}"


def test_replayed_data_has_its_own_time():
    limits = wide(stale_quote_seconds=None)
    assert_passes(CODE, buy(1), account(quotes={"AAPL": quote(age=10**9)}), limits)


def test_the_last_price_stands_in_for_an_empty_book():
    assert_passes(CODE, buy(1), account(quotes={"AAPL": quote(bid=D(0), ask=D(0))}))
    empty = quote(bid=D(0), ask=D(0), last=D(0))
    assert_denied(CODE, buy(1), account(quotes={"AAPL": empty}), largest=0)


def test_a_mark_does_not_replace_a_quote():
    assert_denied(CODE, buy(1), account(held(5), quotes={}), largest=0)


def test_an_exit_at_market_needs_no_price_but_a_limit_does():
    view = account(held(5), quotes={})
    assert_passes(CODE, sell(5), view)
    assert_passes(CODE, sell(5, type=OrderType.STOP, stop_price=D(50)), view)
    assert_denied(CODE, sell(5, type=OrderType.LIMIT, limit_price=D(100)), view, largest=0)
    assert_denied(CODE, sell(6), view, largest=5)
