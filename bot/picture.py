"""The parts of a chart: header, equity and drawdown panels, bars."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.curve import Curve, days_since_1970
from core.analytics.returns import floats
from core.views import EquityPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Events = Sequence[tuple[datetime, str]]
_Span = tuple[float, float]

# 1080 pixels wide: a phone shows them in 360, so that 14 points here are read as 10 pixels there.
INCHES, _DPI = 7.2, 150
_SMALL, _TEXT, _LARGE = 13, 15, 30
_LEFT, _RIGHT = 0.05, 0.85
_FONT = "DejaVu Sans"

_MOST_BARS = 6
_TICKS = 4
_UNITS = ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, divided by, letter

# Labels of ticks at a year, month, day, hour, minute, second; and of the first in each.
_DATES = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S"]
_FIRST_DATES = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture."""

    background: str
    text: str
    muted: str
    grid: str
    line: str
    gain: str
    loss: str
    warning: str


DARK = Theme(
    background="#12161f",
    text="#f2f4f8",
    muted="#98a2b6",
    grid="#262d3b",
    line="#5aa9ff",
    gain="#37c98b",
    loss="#ff6b6b",
    warning="#ffb547",
)
LIGHT = Theme(
    background="#ffffff",
    text="#161b26",
    muted="#667085",
    grid="#e6e9ef",
    line="#1f6feb",
    gain="#138a5b",
    loss="#d6303b",
    warning="#b25e00",
)


class Picture:
    """One figure; places are in inches from the top, so that a taller picture only adds below."""

    def __init__(self, theme: Theme, inches: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._theme = theme
        self._inches = inches
        self._figure = Figure(figsize=(INCHES, inches), dpi=_DPI, facecolor=theme.background)
        self._canvas = FigureCanvasAgg(self._figure)

    def png(self) -> bytes:
        """The picture as a file."""
        stream = io.BytesIO()
        self._canvas.print_png(stream, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return stream.getvalue()

    def header(self, title: str, currency: str, series: Sequence[EquityPoint], *, simulated: bool) -> None:
        """Title and label, the last value, and how it came about."""
        theme = self._theme
        self._write(_shorten(title, 26 if simulated else 40), 0.42, color=theme.muted)
        if simulated:
            frame = {"boxstyle": "round,pad=0.4", "fc": "none", "ec": theme.warning, "lw": 1.5}
            self._write("SIMULATED", 0.42, right=_LEFT + 0.012, color=theme.warning, weight="bold", bbox=frame)
        if series:
            self._write(f"{series[-1].value:,.2f} {currency}", 0.95, size=_LARGE, weight="bold")
        if len(series) > 1:
            first, last = series[0], series[-1]
            change = last.value - first.value
            percent = f" ({change / first.value:+,.2%})" if first.value > 0 else ""
            color = theme.gain if change > 0 else theme.loss if change < 0 else theme.muted
            self._write(f"{change:+,.2f}{percent}", 1.38, color=color)
            self._write(f"{_date(first.at)} - {_date(last.at)}", 1.38, right=_LEFT, color=theme.muted)

    def curve(self, series: Sequence[EquityPoint], events: Events, *, equity: _Span, drawdown: _Span) -> None:
        """The two panels; or, where there is no curve yet, a word of why."""
        if len(series) < 2:
            self._waiting(len(series), sum(equity) / 2)
            return
        curve = Curve.of(series)
        self._equity(self._axes(*equity), curve, events)
        self._drawdown(self._axes(*drawdown), curve, heading=drawdown[0] - 0.2)

    def _waiting(self, points: int, inch: float) -> None:
        """A level line where the curve will be, and when it will."""
        theme = self._theme
        axes = self._blank(inch - 0.5, inch + 0.5)
        axes.plot([_LEFT, 1 - _LEFT], [0.5, 0.5], color=theme.grid, lw=2.6, ls=(0, (4, 4)))
        axes.plot([_LEFT], [0.5], "o", color=theme.line if points else theme.grid, ms=12)
        text = "The curve begins with the second value." if points else "There are no values yet."
        self._write(text, inch + 0.3, color=theme.muted)

    def _equity(self, axes: Axes, curve: Curve, events: Events) -> None:
        theme, last = self._theme, float(curve.values[-1])
        low, high = _padded(float(curve.values.min()), float(curve.values.max()))
        axes.fill_between(curve.times, curve.values, low, color=theme.line, alpha=0.16, lw=0)
        axes.plot(curve.times, curve.values, color=theme.line, lw=2.6, solid_joinstyle="round")
        axes.axhline(float(curve.values[0]), color=theme.muted, lw=1.2, ls=(0, (4, 4)))
        axes.plot(curve.times[-1:], [last], "o", color=theme.line, ms=9, clip_on=False, zorder=5)
        self._scales(axes, curve, (low, high), last=last)
        axes.tick_params(labelbottom=False)
        self._mark(axes, curve, events)

    def _mark(self, axes: Axes, curve: Curve, events: Events) -> None:
        inside = [event for event in events if curve.times[0] <= days_since_1970(event[0]) <= curve.times[-1]]
        if not inside:
            return
        days = floats(days_since_1970(at) for at, _ in inside)
        heights = curve.values[np.searchsorted(curve.times, days)]
        for day in days.tolist():
            axes.axvline(day, color=self._theme.loss, lw=1.2, alpha=0.6)
        axes.plot(days, heights, "o", color=self._theme.loss, ms=10, mec=self._theme.background, zorder=6)
        more = f" (and {len(inside) - 1} more)" if len(inside) > 1 else ""
        text = f"● {_date(inside[-1][0])}: {_shorten(inside[-1][1], 40 - len(more))}{more}"
        above = self._inches * (1 - axes.get_position().y1) - 0.12
        self._write(text, above, size=_SMALL, color=self._theme.loss)

    def _drawdown(self, axes: Axes, curve: Curve, heading: float) -> None:
        worst, color = float(curve.below.min()), self._theme.loss
        axes.fill_between(curve.times, curve.below, 0, color=color, alpha=0.35, lw=0)
        axes.plot(curve.times, curve.below, color=color, lw=1.8)
        self._scales(axes, curve, (1.12 * worst if worst < 0 else -1.0, 0.0), unit=curve.unit)
        depth = f"{worst:.1f} %" if curve.unit else _compact(worst, worst / 100)
        self._write(f"Drawdown, worst {depth}" if worst < 0 else "No drawdown", heading, color=self._theme.muted)

    def bars(self, amounts: Mapping[str, Decimal], *, top: float, bottom: float) -> None:
        """A row for each strategy: name, bar from zero, amount."""
        theme, rows, axes = self._theme, _largest(amounts), self._blank(top, bottom)
        self._write("Profit and loss by strategy", top - 0.25, color=theme.muted)
        low, high = min(0.0, rows[-1][1]), max(0.0, rows[0][1])
        scale = 0.36 / ((high - low) or 1.0)
        zero = 0.4 - low * scale
        for row, (name, amount) in enumerate(rows):
            height = 1 - (row + 0.5) / _MOST_BARS
            color = theme.gain if amount >= 0 else theme.loss
            axes.barh(height, amount * scale, 0.62 / _MOST_BARS, left=zero, color=color)
            inch = top + (1 - height) * (bottom - top)
            self._write(_shorten(name, 22), inch, size=_SMALL)
            self._write(_signed(amount), inch, right=_LEFT, size=_SMALL, color=color)

    def _write(
        self,
        text: str,
        inch: float,
        *,
        right: float | None = None,
        size: float = _TEXT,
        color: str = "",
        **more: Any,
    ) -> None:
        """Text left-aligned (or right-aligned) with its middle `inch` inches below the top."""
        self._figure.text(
            _LEFT if right is None else 1 - right, 1 - inch / self._inches, _drawable(text), fontsize=size,
            color=color or self._theme.text, ha="left" if right is None else "right", va="center",
            family=_FONT, parse_math=False, **more,
        )  # fmt: skip

    def _blank(self, top: float, bottom: float) -> Axes:
        axes = self._figure.add_axes((0, 1 - bottom / self._inches, 1, (bottom - top) / self._inches))
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return axes

    def _axes(self, top: float, bottom: float) -> Axes:
        theme = self._theme
        place = (_LEFT, 1 - bottom / self._inches, _RIGHT - _LEFT, (bottom - top) / self._inches)
        axes = self._figure.add_axes(place, facecolor=theme.background)
        axes.spines[:].set_visible(False)
        axes.grid(axis="y", color=theme.grid, lw=1.2)
        axes.set_axisbelow(True)
        axes.yaxis.tick_right()
        axes.tick_params(length=0, pad=8, labelsize=_SMALL, labelcolor=theme.muted, labelfontfamily=_FONT)
        return axes

    def _scales(self, axes: Axes, curve: Curve, span: _Span, *, last: float | None = None, unit: str = "") -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.ticker import MaxNLocator

        low, high = span
        ticks = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
        step = float(ticks[1] - ticks[0])
        near = 0.09 * (high - low)  # leave room for the label of the last value
        ticks = [float(one) for one in ticks if low <= one <= high and (last is None or abs(one - last) > near)]
        axes.set_yticks(ticks, [_compact(one, step) + unit for one in ticks])
        axes.set_ylim(low, high)
        if last is not None:
            box = {"boxstyle": "round,pad=0.25", "fc": self._theme.line, "ec": "none"}
            text = _compact(last, min((high - low) / 10, abs(last) / 100))
            axes.annotate(
                text, (1, last), (12, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                va="center", fontsize=_SMALL, weight="bold", family=_FONT, color=self._theme.background,
                bbox=box,
            )  # fmt: skip
        start, end = float(curve.times[0]), float(curve.times[-1])
        axes.set_xlim(start, end if end > start else start + 1)
        locator = AutoDateLocator(minticks=3, maxticks=5)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(
            ConciseDateFormatter(locator, formats=_DATES, zero_formats=_FIRST_DATES, show_offset=False)  # type: ignore[no-untyped-call]
        )


def _padded(low: float, high: float) -> _Span:
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room


def _compact(value: float, step: float) -> str:
    """`value` with k, M, B or T, and as many decimals as tell it from `value` + `step`."""
    value = value or 0.0  # no minus before a zero
    _, unit, letter = next((one for one in _UNITS if abs(value) >= one[0]), (0.0, 1.0, ""))
    decimals = max(0, min(6, math.ceil(-math.log10(abs(step) / unit)))) if step else 0
    return f"{value / unit:,.{decimals}f}{letter}"


def _signed(amount: float) -> str:
    return f"{amount:+,.2f}" if abs(amount) < 1e6 else f"{amount / 1e6:+,.2f}M"


def _largest(amounts: Mapping[str, Decimal]) -> list[tuple[str, float]]:
    """The largest amounts by size, the rest as one; from the greatest profit to the greatest loss."""
    rows = sorted(((name, float(amount)) for name, amount in amounts.items()), key=lambda row: -abs(row[1]))
    if len(rows) > _MOST_BARS:
        rest = rows[_MOST_BARS - 1 :]
        rows = [*rows[: _MOST_BARS - 1], (f"{len(rest)} others", sum(amount for _, amount in rest))]
    return sorted(rows, key=lambda row: -row[1])


def _date(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _drawable(text: str) -> str:
    """`text` on one line, with ? for every character that the font cannot draw."""
    known = _characters()
    return "".join(letter if ord(letter) in known else "?" for letter in " ".join(text.split()))


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())
