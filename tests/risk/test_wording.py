import pytest

from risk import wording
from tests.risk.builders import D


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("5", "5"),
        ("5.00", "5"),
        ("1250.50", "1,250.5"),
        ("1E+3", "1,000"),
        ("0.001", "0.001"),
        ("-7.10", "-7.1"),
    ],
)
def test_plain_keeps_the_digits_that_matter(number, text):
    assert wording.plain(D(number)) == text


def test_a_value_over_its_limit_never_reads_like_the_limit():
    assert wording.percent(D("5.0000001")) == "5.01 %"
    assert wording.money(D("2000.001"), "USD") == "2,000.01 USD"


def test_a_baseline_is_rounded_to_the_nearest_cent():
    assert wording.baseline(D("100412.204")) == "100,412.20"
