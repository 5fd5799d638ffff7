"""The vocabulary refuses what is not exact or contradicts itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.account import Balance
from brokers.instrument import Instrument
from brokers.money import exact, floor_to, is_multiple, round_to
from brokers.order import (
    Fill,
    Liquidity,
    OrderReport,
    OrderType,
    Side,
    VenueOrderState,
    check_prices,
    client_order_id,
)
from tests.brokers.rig import START, STOCK, request

steps = st.sampled_from([Decimal(s) for s in ("0.00000001", "0.01", "0.05", "0.25", "1", "100")])
numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=8, allow_nan=False)


@pytest.mark.parametrize("value", [1.0, 0.1, True, None, [1]])
def test_what_is_not_exact_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="price must be a Decimal"):
        exact(value, "price")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["nan", "Infinity", "-inf", "sNaN", "ten", ""])
def test_text_that_is_no_finite_number_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="price must be"):
        exact(value, "price")


@given(numbers, steps)
def test_rounding_lands_on_a_step_and_is_near(value: Decimal, step: Decimal) -> None:
    assert is_multiple(floor_to(value, step), step)
    assert is_multiple(round_to(value, step), step)
    assert abs(floor_to(value, step)) <= abs(value) < abs(floor_to(value, step)) + step
    assert abs(round_to(value, step) - value) <= step / 2


@pytest.mark.parametrize("text", ["a", "A-Z_09", "x" * 32])
def test_a_good_client_order_id_passes(text: str) -> None:
    assert client_order_id(text) == text


@pytest.mark.parametrize("text", ["", "x" * 33, "a b", "a\n", "é", "a.b", "٣"])
def test_a_client_order_id_that_some_venue_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="client order id"):
        client_order_id(text)


@pytest.mark.parametrize(("kind", "limit", "stop"), [*product(OrderType, (None, Decimal(1)), (None, Decimal(1)))])
def test_prices_are_there_exactly_when_the_type_needs_them(
    kind: OrderType, limit: Decimal | None, stop: Decimal | None
) -> None:
    if kind.has_limit == (limit is not None) and kind.has_stop == (stop is not None):
        check_prices(kind, limit, stop)
    else:
        with pytest.raises(ValueError, match=f"a {kind} order"):
            check_prices(kind, limit, stop)


@pytest.mark.parametrize("quantity", [Decimal(0), Decimal(-1)])
def test_an_order_of_nothing_is_refused(quantity: Decimal) -> None:
    with pytest.raises(ValueError, match="quantity must be above zero"):
        replace(request(1), quantity=quantity)


def test_an_order_with_a_float_is_refused() -> None:
    with pytest.raises(TypeError, match="quantity"):
        replace(request(1), quantity=1.5)
    with pytest.raises(TypeError, match="limit price"):
        replace(request(1, limit=2), limit_price=2.5)


@pytest.mark.parametrize("price", ["0", "-1"])
def test_a_price_that_is_not_above_zero_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="limit price must be above zero"):
        request(1, limit=price)


def test_sides_have_signs() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert Side.of(Decimal(-3)) is Side.SELL is Side.BUY.opposite
    assert Side.SELL.opposite is Side.BUY
    with pytest.raises(ValueError, match="no side"):
        Side.of(Decimal(0))


@pytest.mark.parametrize("name", ["tick", "lot", "multiplier"])
def test_an_instrument_needs_steps_above_zero(name: str) -> None:
    with pytest.raises(ValueError, match="must be above zero"):
        Instrument("X", "USD", **{name: Decimal(0)})
    with pytest.raises(TypeError, match=name):
        Instrument("X", "USD", **{name: 0.01})  # type: ignore[arg-type]


def test_an_instrument_counts_its_multiplier() -> None:
    future = Instrument("ES", "USD", multiplier=Decimal(50), tick=Decimal("0.25"))
    assert future.notional(Decimal(-2), Decimal(4000)) == 400_000
    assert future.round_price(Decimal("4000.2")) == Decimal("4000.25")
    assert future.floor_quantity(Decimal("2.9")) == 2


def test_a_fill_needs_a_quantity_and_a_price() -> None:
    fill = Fill("f", client_order_id("o"), "X", Side.SELL, Decimal(2), Decimal(3), None, "USD", Liquidity.TAKER, START)
    assert fill.signed_quantity == -2
    for change in ({"quantity": Decimal(0)}, {"price": Decimal(-1)}):
        with pytest.raises(ValueError, match="above zero"):
            replace(fill, **change)  # type: ignore[arg-type]


def test_only_an_open_order_has_a_remainder() -> None:
    report = OrderReport(
        client_order_id("o"),
        "1",
        "X",
        Side.BUY,
        Decimal(5),
        VenueOrderState.WORKING,
        START,
        filled=Decimal(2),
    )
    assert report.remaining == 3
    assert replace(report, state=VenueOrderState.CANCELLED).remaining == 0
    assert replace(report, filled=Decimal(6)).remaining == 0  # an overfill


def test_a_balance_is_free_and_locked() -> None:
    assert Balance("USD", Decimal(10), Decimal(4)).free == 6
    assert STOCK.is_on_tick(Decimal("1.01"))
