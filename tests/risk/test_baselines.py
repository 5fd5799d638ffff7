from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.baselines import Baselines, first_baselines, roll_baselines, shift, trading_day
from tests.risk.builders import D

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
TOMORROW = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
START = first_baselines(D(1000), MORNING)


def test_an_account_starts_where_it_is_first_seen():
    assert Baselines(date(2026, 3, 2), D(1000), D(1000), D(1000)) == START


def test_incident_45_a_restart_in_the_day_does_not_forgive_the_loss():
    after = roll_baselines(START, D(900), NIGHT)
    again = roll_baselines(after, D(900), NIGHT)
    assert again.day_start_equity == 1000
    assert again.peak_equity == 1000


def test_the_peak_follows_and_stays():
    risen = roll_baselines(START, D(1200), NIGHT)
    assert roll_baselines(risen, D(900), TOMORROW).peak_equity == 1200


def test_a_new_day_starts_from_the_last_known_equity_so_the_gap_of_the_night_counts():
    evening = roll_baselines(START, D(950), NIGHT)
    assert roll_baselines(evening, D(800), TOMORROW) == Baselines(date(2026, 3, 3), D(950), D(1000), D(800))


@pytest.mark.parametrize("unknown", [None, D("NaN"), D(0), 950.0])
def test_an_unknown_equity_changes_no_equity(unknown):
    evening = roll_baselines(START, D(950), NIGHT)
    rolled = roll_baselines(evening, unknown, TOMORROW)
    assert rolled == Baselines(date(2026, 3, 3), D(950), D(1000), D(950))


def test_baselines_from_before_the_last_equity_was_kept():
    old = Baselines(date(2026, 3, 2), D(1000), D(1100))
    assert roll_baselines(old, D(900), TOMORROW).day_start_equity == 900
    assert roll_baselines(old, None, TOMORROW).day_start_equity == 1000


def test_a_clock_that_goes_back_brings_no_day_back():
    today = roll_baselines(START, D(950), TOMORROW)
    assert roll_baselines(today, D(900), MORNING).day == date(2026, 3, 3)


def test_the_day_is_the_traders():
    new_york = timezone(timedelta(hours=-5))
    assert trading_day(TOMORROW, new_york) == date(2026, 3, 2)
    assert roll_baselines(START, D(900), TOMORROW, new_york).day_start_equity == 1000
    with pytest.raises(ValueError, match="time zone"):
        trading_day(datetime(2026, 3, 2))


@pytest.mark.parametrize("amount", [D(500), D(-500)])
def test_paying_in_is_no_profit_and_paying_out_no_loss(amount):
    assert shift(START, amount, D(1000)) == Baselines(START.day, 1000 + amount, 1000 + amount, 1000 + amount)
    assert shift(Baselines(START.day, D(1000), D(1000)), amount, D(1000)).last_equity is None


@given(st.decimals(1, 10**7, places=2), st.decimals(1, 10**7, places=2), st.decimals(-(10**7), 10**9, places=8))
def test_a_loss_stays_the_same_share_whatever_is_paid_in_or_out(peak, equity, amount):
    """5 % down is 5 % down after nine tenths have been withdrawn (it was 50 % once), and after ten times as much came."""
    before = Baselines(START.day, peak, peak, equity)
    after = shift(before, amount, equity)
    if equity + amount > 0:
        assert abs(after.peak_equity / (equity + amount) - peak / equity) <= peak / equity * D("1e-15")
        assert after.peak_equity == after.day_start_equity
    assert after.last_equity == equity + amount


@pytest.mark.parametrize("equity", [None, D("NaN"), D(0), D(900)])
def test_where_there_are_no_shares_the_loss_in_money_stays(equity):
    """Nothing is known of the equity, or all of it is paid out."""
    assert shift(START, D(-900), equity).peak_equity == 100


def test_a_deposit_is_exact():
    with pytest.raises(TypeError):
        shift(START, 0.1, D(1000))


@pytest.mark.parametrize("equity", [D(0), D("NaN"), 5.0, None])
def test_an_account_does_not_start_with_nothing(equity):
    with pytest.raises(ValueError, match="above zero"):
        first_baselines(equity, MORNING)
