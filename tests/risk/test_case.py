"""What several rules look at is the same whoever asks for it."""

import pytest
from hypothesis import given, settings

from risk.boundary import reducing_part
from risk.case import Case
from risk.limits import RiskLimits
from risk.metrics import Unknown, equity_of, price_of, share_of_equity
from risk.reducing import only_reduces
from tests.risk.accounts import accounts, limits, orders
from tests.risk.builders import D, account, buy


@settings(max_examples=100, deadline=None)
@given(intent=orders(), view=accounts(), bounds=limits())
def test_a_case_says_what_its_parts_say(intent, view, bounds):
    case, symbol, sign = Case(intent, view, bounds), intent.instrument.symbol, intent.side.sign
    for _ in range(2):
        assert case.only_reduces is only_reduces(intent, view)
        assert case.ahead == view.worst_quantity(symbol, intent.side) * sign
        assert case.share_of_equity(D(7)) == share_of_equity(view, D(7))
        assert case.reducing_part == reducing_part(intent, view)
        assert symbol not in case.elsewhere
        assert case.elsewhere | {symbol} >= {each.symbol for each in view.working}
        assert case.unit_value >= price_of(view, symbol) * intent.instrument.multiplier


@pytest.mark.parametrize("figure", ["equity", "market", "unit_value"])
def test_what_is_not_known_raises_each_time(figure):
    """Nothing unknown is remembered as something."""
    case = Case(buy(1), account(equity=None, quotes={}), RiskLimits())
    for _ in range(2):
        with pytest.raises(Unknown):
            getattr(case, figure)


def test_equity_is_that_of_the_account():
    assert Case(buy(1), account(), RiskLimits()).equity == equity_of(account())
