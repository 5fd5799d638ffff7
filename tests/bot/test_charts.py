"""Charts are PNGs of the stated size for any input, and never need pyplot."""

from __future__ import annotations

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.charts import DARK, LIGHT, candle_chart, equity_chart, exposure_chart, report_chart
from bot.curve import Curve
from bot.panels import _largest
from bot.picture import compact, drawable
from brokers.market import Bar
from brokers.order import Side
from core.views import CandlesView, EquityPoint, ExposureView, FillRow

START = datetime(2000, 3, 1, 21, tzinfo=UTC)


def points(*values: object, step: timedelta = timedelta(days=1)) -> list[EquityPoint]:
    return [EquityPoint(START + n * step, Decimal(str(value))) for n, value in enumerate(values)]


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


CURVE = points(*[100_000 + 300 * (n * 37 % 101) - 20 * n for n in range(300)])
EVENTS = [
    (CURVE[100].at, "daily loss limit"),
    (CURVE[200].at, "drawdown " * 20),
    (START - timedelta(days=9), "old"),
]


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_equity_chart(theme: object) -> None:
    """A square picture, the same bytes for the same input."""

    def draw() -> bytes:
        return equity_chart(CURVE, title="Account", currency="USD", simulated=True, events=EVENTS, theme=theme)

    assert size(draw()) == (1080, 1080)
    assert draw() == draw()


def test_report_chart() -> None:
    """The report is taller; without strategies it is the equity chart."""
    amounts = {f"strategy-{n}": Decimal(n * n - 20) for n in range(12)}
    assert size(report_chart(CURVE, amounts, title="Report", currency="USD", events=EVENTS)) == (1080, 1350)
    assert size(report_chart(CURVE, {}, title="Report", currency="USD")) == (1080, 1080)


@pytest.mark.parametrize(
    "series",
    [
        [],
        points(5),
        points(5, 5, 5),
        points(0, 0),
        points(0, -3, 4),
        points(-5, -6),
        points("1e15", "3e15"),
        points("0.00000001", "0.00000002"),
        points(1, 2, step=timedelta(0)),
        points(1, 2, 3, step=timedelta(seconds=1)),
        points(1, 2, 1, step=timedelta(days=4000)),
    ],
    ids=lambda series: f"{len(series)} points",
)
def test_any_series_gives_a_picture(series: list[EquityPoint]) -> None:
    """Nothing, one point, flat, negative, huge, tiny, in one moment, over decades: no warning, no error."""
    assert size(equity_chart(series, title="x", currency="USD", events=[(START, "now")]))
    assert size(report_chart(series, {"a": Decimal(0), "b": Decimal(0)}, title="x", currency="USD"))


@settings(max_examples=6, deadline=None)
@given(st.text(max_size=60), st.lists(st.decimals(-(10**9), 10**9, places=2), max_size=8))
def test_any_text_and_amounts(text: str, amounts: list[Decimal]) -> None:
    """Titles, names and reasons that people type are drawn as text, never as formulas, and without warnings."""
    names = {f"{text}{n}": amount for n, amount in enumerate(amounts)}
    series = points(1, *amounts)
    assert size(report_chart(series, names, title=text, currency="$", events=[(START, text)], simulated=True))


def test_text_that_the_font_lacks() -> None:
    """A formula stays text, and what the font cannot draw is a question mark."""
    assert drawable("a $x^2$\n🚀") == "a $x^2$ ?"
    assert size(equity_chart(CURVE, title=r"$\nonsense$", currency="$", events=[(CURVE[9].at, r"$\frac$")]))


def test_long_series_are_thinned_without_losing_extremes() -> None:
    """A hundred thousand points are drawn as a few, among them the first, last, lowest and highest."""
    values = [1000 + (n * 7919 % 1009) for n in range(100_000)]
    values[54_321], values[76_543] = 1, 5000
    curve = Curve.of(points(*values, step=timedelta(minutes=1)))
    assert len(curve.values) < 2000
    assert {1, 5000, values[0], values[-1]} <= set(curve.values.tolist())
    assert curve.below.min() == pytest.approx(100 * (1 / max(values[:54_322]) - 1))
    assert (curve.times[1:] > curve.times[:-1]).all()


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0, 1, "0"),
        (-0.0, 1, "0"),
        (950, 100, "950"),
        (9500, 500, "9,500"),
        (37_709.9, 377, "37.7k"),
        (100_500, 500, "100.5k"),
        (1_340_850, 13_408, "1.34M"),
        (-2e9, 1e9, "-2B"),
        (0.0025, 0.0005, "0.0025"),
        (5, 0, "5"),
    ],
)
def test_compact_numbers(value: float, step: float, text: str) -> None:
    """Axis labels are short, and no two neighbours read the same."""
    assert compact(value, step) == text


def test_small_strategies_are_one_bar() -> None:
    """The largest five stay, the rest are summed, and profit stands above loss."""
    rows = _largest({"a": Decimal(5), "b": Decimal(-50), "c": Decimal(40)} | {f"s{n}": Decimal(1) for n in range(9)})
    assert [name for name, _ in rows] == ["c", "7 others", "a", "s0", "s1", "b"]
    assert sum(amount for _, amount in rows) == 4


def test_threads_draw_the_same() -> None:
    """Pictures drawn at once in several threads are those drawn one by one."""

    def draw(number: int) -> bytes:
        return equity_chart(CURVE[: 50 + number], title=f"T{number}", currency="USD")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, range(8))) == [draw(number) for number in range(8)]


def test_matplotlib_is_paid_for_only_by_the_first_chart() -> None:
    """Importing the module loads no matplotlib, and drawing never loads pyplot."""
    code = (
        "import sys, bot.charts\n"
        "assert 'matplotlib' not in sys.modules\n"
        "bot.charts.equity_chart([], title='x', currency='USD')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def candles_of(*closes: object, fills: int = 0, step: timedelta = timedelta(days=1), **more: object) -> CandlesView:
    prices = [Decimal(str(close)) for close in closes]
    bars = [
        Bar(
            "X",
            START + n * step,
            prices[max(0, n - 1)],
            max(prices[max(0, n - 1)], close),
            close / 2,
            close,
            Decimal(n),
        )
        for n, close in enumerate(prices)
    ]
    done = [
        FillRow("X", Side.BUY if n % 2 else Side.SELL, Decimal(1), bars[n].close, None, "USD", ("a",), bars[n].at)
        for n in range(min(fills, len(bars)))
    ]
    return CandlesView(
        "X", "USD", True, tuple(bars), tuple(done), **({"quantity": Decimal(0), "average_price": None} | more)
    )


@pytest.mark.parametrize(
    "view",
    [
        candles_of(5),
        candles_of(5, 5, 5, fills=3),
        candles_of("1e12", "3e12", fills=1),
        candles_of("0.00000001", "0.00000002", fills=2),
        candles_of(
            *range(1, 400),
            fills=200,
            quantity=Decimal(-3),
            average_price=Decimal(100),
            stops=(Decimal(120),),
            targets=(Decimal(90), Decimal(80)),
        ),
        candles_of(1, 2, 3, step=timedelta(minutes=1), quantity=Decimal(1), average_price=Decimal("1e9")),
        candles_of(*range(1, 90), step=timedelta(days=30)),
    ],
    ids=lambda view: f"{len(view.bars)} bars",
)
def test_any_bars_give_a_candle_chart(view: CandlesView) -> None:
    """One bar, flat, huge, tiny, minutes, years, levels far away: no warning, no error, the same bytes again."""
    assert size(candle_chart(view)) == (1080, 1350)
    assert candle_chart(view, theme=LIGHT) == candle_chart(view, theme=LIGHT)


def test_an_execution_and_a_level_are_seen() -> None:
    """They change the picture, and so does the side."""
    plain, traded = candles_of(*range(10, 30)), candles_of(*range(10, 30), fills=1)
    held = candles_of(*range(10, 30), quantity=Decimal(1), average_price=Decimal(20))
    assert len({candle_chart(plain), candle_chart(traded), candle_chart(held)}) == 3


@pytest.mark.parametrize(
    ("symbols", "strategies"),
    [
        ({}, {}),
        ({"A": 100}, {"a": 100}),
        ({"A": -5, "B": 5}, {}),
        ({f"S{n}": n - 20 for n in range(50)}, {"n" * 60: 0}),
    ],
)
def test_any_exposure_gives_a_picture(symbols: dict[str, int], strategies: dict[str, int]) -> None:
    """Nothing invested, short, many, long names."""
    amounts = {name: Decimal(value) for name, value in symbols.items()}
    by_strategy = {name: Decimal(value) for name, value in strategies.items()}
    gross, net = sum(map(abs, amounts.values()), Decimal(0)), sum(amounts.values(), Decimal(0))
    assert size(exposure_chart(ExposureView("USD", True, Decimal(1000), gross, net, amounts, by_strategy))) == (
        1080,
        1080,
    )
