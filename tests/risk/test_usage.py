from brokers.order import Side
from risk.limits import RiskLimits
from risk.usage import Usage, limit_usage
from tests.risk.builders import D, account, held, working


def by_code(view):
    return {usage.code: usage for usage in limit_usage(view, RiskLimits())}


def test_the_risk_screen_shows_each_limit_with_its_unit_and_share():
    view = account(held(50), equity=D(98_000), working=(working(Side.BUY, 48),))
    used = by_code(view)
    assert used["DAILY_LOSS"] == Usage("DAILY_LOSS", "Daily loss", "2 %", "5 %", 0.4)
    assert used["DRAWDOWN"].fraction == 0.2
    assert used["GROSS_EXPOSURE"].value == "5.11 %"
    assert used["POSITION"].fraction == 1.0
    assert used["OPEN_ORDERS"] == Usage("OPEN_ORDERS", "Open orders", "1", "50", 0.02)


def test_the_most_used_comes_first_and_the_unknown_before_all():
    view = account(held(99))
    assert limit_usage(view, RiskLimits())[0].code == "POSITION"
    blind = account(held(99, mark=None), quotes={}, working=(working(Side.BUY, 1),))
    first = limit_usage(blind, RiskLimits())[0]
    assert (first.value, first.fraction) == ("unknown", None)


def test_without_equity_nothing_is_shown_as_unused():
    used = by_code(account(equity=None))
    assert all(usage.fraction is None for code, usage in used.items() if code != "OPEN_ORDERS")


def test_an_empty_account_uses_nothing():
    assert {usage.fraction for usage in limit_usage(account(), RiskLimits())} == {0.0}
