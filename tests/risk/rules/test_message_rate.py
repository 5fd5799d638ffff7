from risk.intent import Origin
from tests.risk.builders import D, account, assert_denied, assert_passes, buy, held, sell, sent, wide

CODE = "MESSAGE_RATE"
LIMITS = wide(max_orders_per_second_strategy=2, max_orders_per_second_account=4)


def test_a_strategy_may_reach_its_rate():
    assert_passes(CODE, buy(1), account(submissions=(sent(),)), LIMITS)
    denied = assert_denied(CODE, buy(1), account(submissions=(sent(), sent())), LIMITS, largest=0)
    assert denied.reason.startswith("trend ")


def test_each_strategy_of_a_netted_order_is_counted():
    both = buy(2, allocations={"calm": D(1), "trend": D(1)})
    assert_denied(CODE, both, account(submissions=(sent(), sent())), LIMITS, largest=0)


def test_the_account_has_a_rate_of_its_own():
    others = tuple(sent(strategy=f"s{number}") for number in range(4))
    assert_passes(CODE, buy(1), account(submissions=others[:3]), LIMITS)
    assert_denied(CODE, buy(1), account(submissions=others), LIMITS, largest=0)
    manual = buy(1, allocations={}, origin=Origin.MANUAL)
    assert_denied(CODE, manual, account(submissions=others), LIMITS, largest=0)


def test_a_second_ago_is_forgotten():
    old = (sent(age=1), sent(age=1), sent(age=1.5))
    assert_passes(CODE, buy(1), account(submissions=old), LIMITS)
    assert_denied(CODE, buy(1), account(submissions=(sent(age=0.999), sent(age=0.5))), LIMITS, largest=0)


def test_exits_of_a_strategy_count_but_a_flatten_is_never_slowed():
    view = account(held(9), submissions=(sent(),) * 9)
    assert_denied(CODE, sell(1), view, LIMITS, largest=0)
    assert_passes(CODE, sell(1, origin=Origin.FLATTEN), view, LIMITS)
