"""The words of an order: read strictly, written back exactly, and never guessed at."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brokers.order import OrderType, TimeInForce
from core.errors import UserError
from core.trading.by_hand.grammar import Missing, read_exits, read_slip, slip_words
from core.trading.by_hand.numbers import number, plain
from core.trading.by_hand.slip import ALL, HALF, Size, Slip, Unit, Verb
from core.trading.protection.spec import ExitSpec

D = Decimal


def read(text: str, verb: Verb = Verb.BUY) -> Slip:
    return read_slip(verb, text.split())


def exits(**fields: object) -> ExitSpec:
    return ExitSpec.model_validate(fields)


# --- every form ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("AAPL 10", Slip(Verb.BUY, "AAPL", Size(D(10)))),
        ("10 aapl", Slip(Verb.BUY, "AAPL", Size(D(10)))),
        ("AAPL $5000", Slip(Verb.BUY, "AAPL", Size(D(5000), Unit.MONEY))),
        ("AAPL $ 1,250.50", Slip(Verb.BUY, "AAPL", Size(D("1250.50"), Unit.MONEY))),
        ("AAPL 2%", Slip(Verb.BUY, "AAPL", Size(D(2), Unit.EQUITY))),
        ("AAPL half", Slip(Verb.BUY, "AAPL", HALF)),
        ("BTC/USD 0.015 market", Slip(Verb.BUY, "BTC/USD", Size(D("0.015")))),
        ("AAPL 10 @ 98.5", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.LIMIT, D("98.5"))),
        ("AAPL 10 @98.5 gtc", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.LIMIT, D("98.5"), time_in_force=TimeInForce.GTC)),
        ("AAPL 10 limit 98.5 post in fund", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.LIMIT, D("98.5"), post_only=True, account="fund")),
        ("AAPL 10 stop 105", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.STOP, stop_price=D(105))),
        ("AAPL 10 stop 105 limit 106", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.STOP_LIMIT, D(106), D(105))),
        ("AAPL 10 limit 106 stop 105", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.STOP_LIMIT, D(106), D(105))),
        ("AAPL 10 take-profit 90", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.TAKE_PROFIT, stop_price=D(90))),
        ("AAPL 10 take 90 limit 91", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.TAKE_PROFIT_LIMIT, D(91), D(90))),
        ("AAPL 10 trailing 2%", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.TRAILING_STOP, trail_percent=D(2))),
        ("AAPL 10 trail 1.5 reduce", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.TRAILING_STOP, trail=D("1.5"), reduce_only=True)),
        ("AAPL 10 gtd 2026-12-31", Slip(Verb.BUY, "AAPL", Size(D(10)), time_in_force=TimeInForce.GTD, expires_at=datetime(2027, 1, 1, tzinfo=UTC))),
        ("AAPL 10 gtd 2026-12-31T15:00", Slip(Verb.BUY, "AAPL", Size(D(10)), time_in_force=TimeInForce.GTD, expires_at=datetime(2026, 12, 31, 15, tzinfo=UTC))),
        ("AAPL 10 stop 95 target 110", Slip(Verb.BUY, "AAPL", Size(D(10)), exits=exits(stop_loss={"price": 95}, take_profit={"price": 110}))),
        ("AAPL 10 @ 98 with stop 95", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.LIMIT, D(98), exits=exits(stop_loss={"price": 95}))),
        ("AAPL 10 ioc with stop 3% trail 2.5 bars 20 hours 48", Slip(Verb.BUY, "AAPL", Size(D(10)), time_in_force=TimeInForce.IOC, exits=exits(stop_loss={"percent": 3}, trailing={"amount": "2.5"}, max_bars=20, max_hours=48))),
        ("AAPL 10 stop 105 with stop 95 target 120 gtc", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.STOP, stop_price=D(105), time_in_force=TimeInForce.GTC, exits=exits(stop_loss={"price": 95}, take_profit={"price": 120}))),
        ("AAPL 10 stop 105 with target 120", Slip(Verb.BUY, "AAPL", Size(D(10)), OrderType.STOP, stop_price=D(105), exits=exits(take_profit={"price": 120}))),
        ("AAPL 10 sl 95", Slip(Verb.BUY, "AAPL", Size(D(10)), exits=exits(stop_loss={"price": 95}))),
    ],
)  # fmt: skip
def test_every_form(text: str, slip: Slip) -> None:
    """As it stands in the guide."""
    assert read(text) == slip
    assert read_slip(slip.verb, slip_words(slip)) == slip


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("AAPL", Slip(Verb.CLOSE, "AAPL", ALL)),
        ("AAPL half", Slip(Verb.CLOSE, "AAPL", HALF)),
        ("AAPL 25%", Slip(Verb.CLOSE, "AAPL", Size(D(25), Unit.POSITION))),
        ("AAPL trend-aapl", Slip(Verb.CLOSE, "AAPL", ALL, strategy="trend-aapl")),
        ("AAPL trend-aapl half", Slip(Verb.CLOSE, "AAPL", HALF, strategy="trend-aapl")),
        ("AAPL manual 5 @ 110 in fund", Slip(Verb.CLOSE, "AAPL", Size(D(5)), OrderType.LIMIT, D(110), strategy="manual", account="fund")),
    ],
)  # fmt: skip
def test_every_form_of_a_close(text: str, slip: Slip) -> None:
    """All of it, a part, and whose."""
    assert read(text, Verb.CLOSE) == slip
    assert read_slip(slip.verb, slip_words(slip)) == slip


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("AAPL -10", "without a sign"),
        ("AAPL \u0661\u0660", "digits 0 to 9"),
        ("AAPL １０", "digits 0 to 9"),
        ("AAPL 1,5", "1,250.50"),
        ("AAPL 1.000,50", "1,250.50"),
        ("AAPL 5k", "write it out"),
        ("AAPL .5", "write 0.5"),
        ("AAPL 0", "above zero"),
        ("AAPL 1e5", "is no size: write a number"),
        ("AAPL ten limit 5", "is no size: write a number"),
        ("BTC/USDT 500 USDT", r"\$500 is what they are worth"),
        ("BTC/USDT 0.01 btc limit 5", "0.01 are units"),
        ("BTC/USDT:USDT 500 usdt", r"\$500 is what they are worth"),
        ("AAPL nan", "size"),
        ("AAPL 9999999999999999999", "at most 15 digits"),
        ("AAPL 150%", "at most 100%"),
        ("AAPL 10 limit inf", "98.5"),
        ("AAPL 10 limit", "missing"),
        ("AAPL 10 limit 98 limit 99", "twice"),
        ("AAPL 10 market limit 98", "takes no price"),
        ("AAPL 10 stop 105 take 90", "not both"),
        ("AAPL 10 trail 2% limit 90", "no limit price"),
        ("AAPL 10 gtd tomorrow", "2026-12-31"),
        ("AAPL 10 gtd 2026-13-45", "2026-12-31"),
        ("AAPL 10 gtd 9999-12-31", "2026-12-31"),
        ("AAPL 10 with", "exits"),
        ("AAPL 10 with gtc", "exits"),
        ("AAPL 10 soon", "I do not know"),
        ("AAPL 10 gtc ioc", "twice"),
        ("<b>AAPL</b> 10", "no symbol"),
        ("AAPL 10 with trail 100%", "100%"),
        ("AAPL 10 with bars 1.5", "bars"),
        ("AAPL 10 with stop 95 stop 96", "twice"),
    ],
)  # fmt: skip
def test_errors_say_what_to_write(text: str, hint: str) -> None:
    """Politely, and with an example."""
    with pytest.raises(UserError, match=hint.replace("%", "%").replace(".", r"\.")):
        read(text)


@pytest.mark.parametrize(("text", "what"), [("", "symbol"), ("AAPL", "size"), ("AAPL limit 98", "size")])
def test_what_is_missing_is_asked_for(text: str, what: str) -> None:
    """The guided menu asks for just that."""
    with pytest.raises(Missing) as missing:
        read(text)
    assert missing.value.what == what


def test_exits_by_themselves() -> None:
    """For a position that is open; none takes them away."""
    assert read_exits(["none"]) is None
    assert read_exits(["stop", "95", "target", "5%"]) == exits(stop_loss={"price": 95}, take_profit={"percent": 5})
    with pytest.raises(UserError, match="among exits"):
        read_exits(["stop", "95", "limit", "90"])
    with pytest.raises(UserError, match="After"):
        read_exits([])


# --- properties ------------------------------------------------------------------------------------

numbers = st.decimals(min_value=D("0.000000000001"), max_value=D("999999999999999"), places=12, allow_nan=False)
percents = st.decimals(min_value=D("0.01"), max_value=D("99.99"), places=2)
distances = st.one_of(numbers.map(lambda n: {"price": n}), percents.map(lambda n: {"percent": n}))
names = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True).filter(lambda word: word not in ("all", "half"))


@st.composite
def slips(draw: st.DrawFn) -> Slip:
    verb = draw(st.sampled_from(Verb))
    unit = draw(st.sampled_from([Unit.UNITS, Unit.MONEY, Unit.POSITION] + [Unit.EQUITY] * (verb is not Verb.CLOSE)))
    amount = draw(numbers if unit in (Unit.UNITS, Unit.MONEY) else percents)
    kind = draw(st.sampled_from(OrderType))
    trailing = kind.is_trailing
    in_percent = trailing and draw(st.booleans())
    time = draw(st.sampled_from(TimeInForce))
    until = draw(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))).replace(
        second=0, microsecond=0, tzinfo=UTC
    )
    fields = draw(st.fixed_dictionaries({}, optional={
        "stop_loss": distances, "take_profit": distances, "trailing": percents.map(lambda n: {"percent": n}) | numbers.map(lambda n: {"amount": n}),
        "max_bars": st.integers(1, 99_999), "max_hours": st.decimals(min_value=D("0.5"), max_value=D(1000), places=1),
    }))  # fmt: skip
    return Slip(
        verb, draw(st.from_regex(r"[A-Z][A-Z0-9./]{0,8}", fullmatch=True)), Size(amount, unit), kind,
        draw(numbers) if kind.has_limit else None, draw(numbers) if kind.has_stop else None,
        draw(numbers) if trailing and not in_percent else None, draw(percents) if in_percent else None,
        time, until if time is TimeInForce.GTD else None, draw(st.booleans()), draw(st.booleans()),
        ExitSpec.model_validate(fields) if fields else None,
        draw(st.sampled_from(["", "trend-aapl", "manual"])) if verb is Verb.CLOSE else "", draw(st.sampled_from(["", "fund"])),
    )  # fmt: skip


@given(slips())
def test_what_is_written_is_read_as_the_same(slip: Slip) -> None:
    """What a button carries is what was shown: to the last digit."""
    words = slip_words(slip)
    assert all(word and not any(letter.isspace() for letter in word) for word in words)
    assert read_slip(slip.verb, words) == slip


@given(
    st.sampled_from(Verb),
    st.lists(
        st.text(min_size=1, max_size=12)
        | st.sampled_from(
            [
                "AAPL",
                "10",
                "$5",
                "2%",
                "limit",
                "stop",
                "with",
                "target",
                "gtc",
                "gtd",
                "in",
                "@",
                "trail",
                "1e999",
                "NaN",
                "Infinity",
                "٣",
                "-5",
                "0x10",
            ]
        ),
        max_size=8,
    ),
)
@example(Verb.BUY, ["AAPL", "1" * 5000])
@example(Verb.BUY, ["AAPL", "10", "limit", "9" * 5000])
def test_junk_is_refused_and_never_fails(verb: Verb, words: list[str]) -> None:
    """Either an order with finite numbers above zero, or a sentence of modest length."""
    try:
        slip = read_slip(verb, words)
    except UserError as error:
        said = str(error)
    else:
        said = "understood"
        assert read_slip(verb, slip_words(slip)) == slip
        for value in (slip.size.amount, slip.limit_price, slip.stop_price, slip.trail, slip.trail_percent):
            assert value is None or (value.is_finite() and value > 0)
    assert 0 < len(said) < 400


@given(st.text(max_size=20))
def test_only_plain_ascii_numbers_are_numbers(word: str) -> None:
    """No sign, no exponent, no other digits, no NaN."""
    try:
        value = number(word, "price")
    except UserError:
        return
    assert word.isascii()
    assert set(word) <= set("0123456789.,")
    assert value.is_finite()
    assert value > 0
    assert number(plain(value), "price") == value
