"""A picture for a phone: its colours, its letters, and the axes that panels are drawn into."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from core.analytics.returns import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Span = tuple[float, float]

# 1080 pixels wide: a phone shows them in 360, so that 14 points here are read as 10 pixels there.
INCHES, _DPI = 7.2, 150
SMALL, TEXT, LARGE = 13, 15, 30
LEFT, RIGHT = 0.05, 0.85
_FONT = "DejaVu Sans"

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

        self.theme = theme
        self.inches = inches
        self._figure = Figure(figsize=(INCHES, inches), dpi=_DPI, facecolor=theme.background)
        self._canvas = FigureCanvasAgg(self._figure)

    def png(self) -> bytes:
        """The picture as a file."""
        stream = io.BytesIO()
        self._canvas.print_png(stream, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return stream.getvalue()

    def write(
        self,
        text: str,
        inch: float,
        *,
        right: float | None = None,
        size: float = TEXT,
        color: str = "",
        **more: Any,
    ) -> None:
        """Text left-aligned (or right-aligned) with its middle `inch` inches below the top."""
        self._figure.text(
            LEFT if right is None else 1 - right, 1 - inch / self.inches, drawable(text), fontsize=size,
            color=color or self.theme.text, ha="left" if right is None else "right", va="center",
            family=_FONT, parse_math=False, **more,
        )  # fmt: skip

    def blank(self, top: float, bottom: float) -> Axes:
        """Axes from 0 to 1 without lines or labels, over the whole width."""
        axes = self._figure.add_axes((0, 1 - bottom / self.inches, 1, (bottom - top) / self.inches))
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return axes

    def axes_at(self, top: float, bottom: float) -> Axes:
        """Axes with room for labels to the right."""
        theme = self.theme
        place = (LEFT, 1 - bottom / self.inches, RIGHT - LEFT, (bottom - top) / self.inches)
        axes = self._figure.add_axes(place, facecolor=theme.background)
        axes.spines[:].set_visible(False)
        axes.grid(axis="y", color=theme.grid, lw=1.2)
        axes.set_axisbelow(True)
        axes.yaxis.tick_right()
        axes.tick_params(length=0, pad=8, labelsize=SMALL, labelcolor=theme.muted, labelfontfamily=_FONT)
        return axes

    def scale(self, axes: Axes, span: Span, *, last: float | None = None, unit: str = "") -> None:
        """Few round labels to the right; the last value, if any, in a box."""
        from matplotlib.ticker import MaxNLocator

        low, high = span
        ticks = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
        step = float(ticks[1] - ticks[0])
        near = 0.09 * (high - low)  # leave room for the label of the last value
        ticks = [float(one) for one in ticks if low <= one <= high and (last is None or abs(one - last) > near)]
        axes.set_yticks(ticks, [compact(one, step) + unit for one in ticks])
        axes.set_ylim(low, high)
        if last is not None:
            self.label(axes, last, compact(last, min((high - low) / 10, abs(last) / 100)), self.theme.line)

    def label(self, axes: Axes, value: float, text: str, color: str) -> None:
        """A value in a box, to the right of where it is."""
        box = {"boxstyle": "round,pad=0.25", "fc": color, "ec": "none"}
        axes.annotate(
            text, (1, value), (12, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=SMALL, weight="bold", family=_FONT, color=self.theme.background,
            bbox=box,
        )  # fmt: skip

    @staticmethod
    def time_scale(axes: Axes, times: Floats) -> None:
        """Few dates below."""
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        start, end = float(times[0]), float(times[-1])
        axes.set_xlim(start, end if end > start else start + 1)
        locator = AutoDateLocator(minticks=3, maxticks=5)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(
            ConciseDateFormatter(locator, formats=_DATES, zero_formats=_FIRST_DATES, show_offset=False)  # type: ignore[no-untyped-call]
        )


def padded(low: float, high: float) -> Span:
    """A little room above and below."""
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room


def compact(value: float, step: float) -> str:
    """`value` with k, M, B or T, and as many decimals as tell it from `value` + `step`."""
    value = value or 0.0  # no minus before a zero
    _, unit, letter = next((one for one in _UNITS if abs(value) >= one[0]), (0.0, 1.0, ""))
    decimals = max(0, min(6, math.ceil(-math.log10(abs(step) / unit)))) if step else 0
    return f"{value / unit:,.{decimals}f}{letter}"


def day_of(at: datetime) -> str:
    """`3 Mar 2000`."""
    return f"{at.day} {at:%b %Y}"


def shorten(text: str, length: int) -> str:
    """At most `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def drawable(text: str) -> str:
    """`text` on one line, with ? for every character that the font cannot draw."""
    known = _characters()
    return "".join(letter if ord(letter) in known else "?" for letter in " ".join(text.split()))


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())
