import pytest
from pydantic import ValidationError

from risk.limits import RiskLimits, loosened

LIMITS = RiskLimits()


def test_every_limit_says_what_it_means():
    assert all(field.description.endswith(".") for field in RiskLimits.model_fields.values())


def test_the_defaults_are_those_of_the_control_table():
    assert (LIMITS.max_order_value_percent, LIMITS.price_collar_percent) == (2, 5)
    assert (
        LIMITS.daily_loss_alert_percent,
        LIMITS.daily_loss_reduce_percent,
        LIMITS.daily_loss_halt_percent,
    ) == (2, 3, 5)
    assert (LIMITS.duplicate_orders, LIMITS.duplicate_window_seconds, LIMITS.max_open_orders) == (3, 10, 50)


@pytest.mark.parametrize("name", [name for name in RiskLimits.model_fields if not name.startswith("exposure")])
@pytest.mark.parametrize("bad", ["NaN", "Infinity", -1, "much"])
def test_a_limit_is_a_number_above_zero(name, bad):
    with pytest.raises(ValidationError, match=name):
        RiskLimits(**{name: bad})


@pytest.mark.parametrize(
    ("milder", "graver"),
    [
        ("daily_loss_alert_percent", "daily_loss_reduce_percent"),
        ("daily_loss_reduce_percent", "daily_loss_halt_percent"),
        ("drawdown_reduce_percent", "drawdown_halt_percent"),
        ("max_orders_per_second_strategy", "max_orders_per_second_account"),
    ],
)
def test_the_graver_limit_comes_later(milder, graver):
    low = getattr(LIMITS, graver)
    RiskLimits(**{milder: low})
    with pytest.raises(ValidationError, match=f"{milder}.*must not be above {graver}"):
        RiskLimits(**{milder: low + 1})


def test_a_limit_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="max_order_valu\n"):
        RiskLimits(max_order_valu=5)


def test_limits_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        LIMITS.max_order_value = 1


@pytest.mark.parametrize(
    ("change", "looser"),
    [
        ({}, ()),
        ({"max_order_value": 1}, ()),
        ({"max_order_value": 10**6}, ("max_order_value",)),
        ({"max_volume_percent": None}, ("max_volume_percent",)),
        ({"max_order_quantity": 5}, ()),
        ({"min_free_balance_percent": 1}, ("min_free_balance_percent",)),
        ({"min_free_balance_percent": 9}, ()),
        (
            {"duplicate_window_seconds": 1, "duplicate_orders": 9},
            ("duplicate_orders", "duplicate_window_seconds"),
        ),
    ],
)
def test_loosened_names_what_became_looser(change, looser):
    assert loosened(LIMITS, RiskLimits(**change)) == looser
