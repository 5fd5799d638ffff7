import pytest

from brokers.order import Side
from risk.intent import Origin
from risk.view import TradingState
from tests.risk.builders import account, assert_denied, assert_passes, buy, held, sell, working

CODE = "TRADING_STATE"
SCOPES = ["global", "account:paper", "strategy:trend", "instrument:paper/AAPL"]


@pytest.mark.parametrize("scope", SCOPES)
def test_the_gravest_scope_decides(scope):
    assert_denied(CODE, buy(10), account(states={scope: TradingState.HALTED}), largest=0)


def test_another_strategys_halt_is_not_ours():
    assert_passes(CODE, buy(10), account(states={"strategy:other": TradingState.HALTED}))


@pytest.mark.parametrize("scope", SCOPES)
def test_reducing_lets_exits_pass_up_to_the_position(scope):
    view = account(held(10), states={scope: TradingState.REDUCING})
    assert_passes(CODE, sell(10), view)
    assert_denied(CODE, sell(11), view, largest=10)
    assert_denied(CODE, buy(1), view, largest=0)


def test_incident_9_reducing_counts_open_and_uncertain_exits():
    exits = (working(Side.SELL, 3), working(Side.SELL, 2, uncertain=True))
    view = account(held(10), working=exits, states={"global": TradingState.REDUCING})
    assert_passes(CODE, sell(5), view)
    assert_denied(CODE, sell(6), view, largest=5)


def test_reducing_a_short_is_buying():
    view = account(held(-10), states={"global": TradingState.REDUCING})
    assert_passes(CODE, buy(10), view)
    assert_denied(CODE, sell(1), view, largest=0)


def test_halted_lets_nothing_pass_but_a_persons_flatten():
    view = account(held(10), states={"global": TradingState.HALTED})
    assert_denied(CODE, sell(10), view, largest=0)
    assert_denied(CODE, sell(10, origin=Origin.MANUAL), view, largest=0)
    assert_passes(CODE, sell(10, origin=Origin.FLATTEN), view)
    assert_denied(CODE, sell(11, origin=Origin.FLATTEN), view, largest=10)


def test_another_instruments_state_is_not_ours():
    states = {"instrument:paper/MSFT": TradingState.HALTED, "instrument:other/AAPL": TradingState.HALTED}
    assert_passes(CODE, buy(10), account(states=states))


def test_protective_exits_trade_while_reducing_and_not_while_halted():
    exits = {"origin": Origin.PROTECTION}
    assert_passes(CODE, sell(10, **exits), account(held(10), states={"global": TradingState.REDUCING}))
    assert_denied(CODE, sell(10, **exits), account(held(10), states={"global": TradingState.HALTED}), largest=0)
