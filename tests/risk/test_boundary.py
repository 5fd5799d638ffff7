from hypothesis import given
from hypothesis import strategies as st

from risk.boundary import largest_passing, reducing_part
from tests.risk.builders import BTC, D, account, buy, held, sell


@given(most=st.decimals(0, 100, places=4), wish=st.decimals(D("0.001"), 100, places=4))
def test_bisection_finds_the_last_lot_that_fits(most, wish):
    largest = largest_passing(buy(wish, BTC), account(), lambda quantity: quantity <= most)
    assert largest % BTC.lot == 0
    assert largest <= min(most, wish)
    assert largest + BTC.lot > min(most, wish)


def test_a_fraction_of_a_lot_is_cut_off_when_the_rest_fits():
    assert largest_passing(buy("10.5"), account(), lambda _quantity: True) == 10


def test_it_asks_only_as_often_as_bisection_must():
    asked = []
    largest_passing(buy(10**9), account(), lambda quantity: asked.append(quantity) or quantity <= 3)
    assert len(asked) <= 30


def test_dust_is_not_reducible_by_whole_lots():
    assert reducing_part(sell(1, BTC), account(held("0.0129", BTC))) == D("0.012")
