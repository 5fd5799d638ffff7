from dataclasses import replace

from brokers.order import Side
from risk.intent import Origin
from tests.risk.builders import account, assert_denied, assert_passes, buy, held, sell, sent, wide

CODE = "REPEATED_ENTRIES"
TWICE = wide(max_entries=2)


def test_the_entry_beyond_the_limit_is_denied():
    assert_passes(CODE, buy(10), account(submissions=(sent(),)), TWICE)
    denied = assert_denied(CODE, buy(10), account(submissions=(sent(), sent(age=299))), TWICE, largest=0)
    assert (denied.limit, denied.value) == ("2 in 300 s", "3 in 300 s")


def test_entries_of_long_ago_of_others_and_exits_do_not_count():
    old, other, elsewhere = sent(age=300), sent("else"), sent(symbol="MSFT")
    exits = replace(sent(side=Side.SELL), reduces=True)
    assert_passes(CODE, buy(10), account(submissions=(sent(), old, other, elsewhere, exits)), TWICE)


def test_an_order_for_several_counts_for_each():
    view = account(submissions=(sent("else,trend"), sent("trend,zeta")))
    assert_denied(CODE, buy(10), view, TWICE, largest=0)


def test_exits_and_people_are_never_kept_from_it():
    view = account(held(20), submissions=(sent(), sent(), sent()))
    assert_passes(CODE, sell(20), view, TWICE)
    assert_passes(CODE, buy(1, origin=Origin.MANUAL, allocations={}), view, TWICE)
    assert_denied(CODE, sell(25), view, TWICE, largest=20)
