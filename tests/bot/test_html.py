"""Markup is only made by escaping; Telegram's parser is the judge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import figures, html
from tests.bot.parser import utf16, visible

TEXT = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("<>&\"';/ab🙂\u202e")), max_size=60)


@given(TEXT, TEXT)
def test_any_text_survives(one: str, two: str) -> None:
    """Nothing that a person can be called breaks or forges markup."""
    made = html.lines(html.bold(one, html.italic(two)), html.code(two), html.pre([one, two]), html.fold(one), "end")
    assert visible(made.markup).strip() == made.plain.strip()


@given(TEXT, TEXT, st.integers(min_value=1, max_value=200))
def test_cutting_never_breaks_a_tag(one: str, two: str, limit: int) -> None:
    """Whatever the limit, the rest parses and is short enough."""
    made = html.lines(html.bold(one, html.italic(two)), html.pre([one]), html.fold(two, html.code(one)), "end")
    short = html.cut(made, limit)
    assert utf16(visible(short.markup + "x").strip()) <= limit + 1
    assert html.length(short) <= max(limit, 1)


@given(st.lists(TEXT, max_size=6), TEXT, st.integers(min_value=2, max_value=200))
def test_splitting_never_breaks_a_tag_and_loses_nothing(rows: list[str], two: str, limit: int) -> None:
    """Each part parses and is short enough; together they say all of it."""
    made = html.lines(html.bold(*rows, html.italic(two)), html.pre(rows), html.fold(two, html.code(two)), "end")
    parts = html.split(made, limit)
    for part in parts:
        assert visible(part.markup + "x").strip()
        assert html.length(part) <= limit
    assert "".join("".join(part.plain for part in parts).split()) == "".join(made.plain.split())


def test_parts_end_with_lines_and_keep_their_tags() -> None:
    """A quotation that goes over two messages is a quotation in both."""
    made = html.fold("\n".join(f"line {number} of the body" for number in range(8)))
    parts = [part.markup for part in html.split(made, 90)]
    assert parts[0].startswith("<blockquote expandable>line 0")
    assert all(part.startswith("<blockquote expandable>") and part.endswith("</blockquote>") for part in parts)
    assert "line 4 of the body" in parts[1]
    assert len(parts) == 2


@pytest.mark.parametrize(
    ("amount", "shown", "signed"),
    [
        ("1234.5", "$1,234.50", "+$1,234.50"),
        ("-3", "-$3.00", "-$3.00"),
        ("0", "$0.00", "$0.00"),
        ("-0.001", "$0.00", "$0.00"),
    ],
)
def test_money(amount: str, shown: str, signed: str) -> None:
    """Two places, sign first, and never a negative zero."""
    assert figures.money(Decimal(amount)) == shown
    assert figures.signed_money(Decimal(amount)) == signed


def test_other_figures() -> None:
    """Each as a person writes it."""
    assert figures.money(None) == "n/a"
    assert figures.money(Decimal(5), "CHF") == "5.00 CHF"
    assert figures.percent(0.0512) == "5.1%"
    assert figures.signed_percent(-0.00001) == "0.00%"
    assert figures.signed_percent(0.0512) == "+5.12%"
    assert figures.quantity(Decimal("1250.500")) == "1,250.5"
    assert figures.quantity(Decimal("1E+3")) == "1,000"
    assert figures.price(Decimal("25.1")) == "25.10"
    assert figures.price(Decimal("0.00001234")) == "0.00001234"
    assert [figures.number_of(n, "order") for n in (0, 1, 1200)] == ["no orders", "1 order", "1,200 orders"]


@pytest.mark.parametrize(
    ("amount", "currency", "rough", "beside"),
    [
        ("51426.02", "USDT", "51,426 USDT", "51,426.02"),
        ("-51426.02", "USDT", "-51,426 USDT", "-51,426.02"),
        ("51426.02", "USD", "$51,426.02", "$51,426.02"),
        ("999.99", "USDT", "999.99 USDT", "999.99"),
        ("179851.33760000", "USDT", "179,851 USDT", "179,851.34"),
        ("0.00123000", "BTC", "0.00 BTC", "0.00123"),
        ("9.999850", "BNB", "10.00 BNB", "9.99985"),
        ("12", "CHF", "12.00 CHF", "12.00"),
        ("1E-18", "ETH", "0.00 ETH", "0"),
    ],
)
def test_money_of_crypto_venues(amount: str, currency: str, rough: str, beside: str) -> None:
    """Large sums of tokens need no cents; a little of a coin keeps its places, and never in powers of ten."""
    assert figures.rough_money(Decimal(amount), currency) == rough
    assert figures.balance(Decimal(amount), currency) == beside


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(12, "12 s ago"), (300, "5 min ago"), (-60, "in 60 s"), (10_000, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages(seconds: int, shown: str) -> None:
    """One unit is enough."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert figures.age(now - timedelta(seconds=seconds), now) == shown


@given(st.lists(st.tuples(TEXT, TEXT.map(lambda text: text[:8])), min_size=1, max_size=5))
def test_tables_are_aligned(rows: list[tuple[str, str]]) -> None:
    """Columns end where they should, wide characters included, and parse."""
    visible(figures.table(rows).markup + "x")
