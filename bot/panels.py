"""The panels of a chart: header, equity and drawdown, bars by strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from bot.curve import Curve, days_since_1970
from bot.picture import LARGE, LEFT, SMALL, Picture, Span, compact, day_of, padded, shorten
from core.analytics.returns import floats
from core.views import EquityPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Events = Sequence[tuple[datetime, str]]
_MOST_BARS = 6


def header(picture: Picture, title: str, currency: str, series: Sequence[EquityPoint], *, simulated: bool) -> None:
    """Title and label, the last value, and how it came about."""
    heading(picture, title, simulated=simulated)
    if series:
        picture.write(f"{series[-1].value:,.2f} {currency}", 0.95, size=LARGE, weight="bold")
    if len(series) > 1:
        first, last = series[0], series[-1]
        span(picture, (first.at, last.at), first.value, last.value)


def heading(picture: Picture, title: str, *, simulated: bool) -> None:
    """The first line: what it is, and whether it is real."""
    theme = picture.theme
    picture.write(shorten(title, 26 if simulated else 40), 0.42, color=theme.muted)
    if simulated:
        frame = {"boxstyle": "round,pad=0.4", "fc": "none", "ec": theme.warning, "lw": 1.5}
        picture.write("SIMULATED", 0.42, right=LEFT + 0.012, color=theme.warning, weight="bold", bbox=frame)


def span(picture: Picture, times: tuple[datetime, datetime], first: Decimal, last: Decimal) -> None:
    """The third line: by how much it changed, and from when to when."""
    theme, change = picture.theme, last - first
    percent = f" ({change / first:+,.2%})" if first > 0 else ""
    color = theme.gain if change > 0 else theme.loss if change < 0 else theme.muted
    picture.write(f"{change:+,.2f}{percent}", 1.38, color=color)
    picture.write(f"{day_of(times[0])} - {day_of(times[1])}", 1.38, right=LEFT, color=theme.muted)


def curve(picture: Picture, series: Sequence[EquityPoint], events: Events, *, equity: Span, drawdown: Span) -> None:
    """The two panels; or, where there is no curve yet, a word of why."""
    if len(series) < 2:
        _waiting(picture, len(series), sum(equity) / 2)
        return
    curve = Curve.of(series)
    _equity(picture, picture.axes_at(*equity), curve, events)
    _drawdown(picture, picture.axes_at(*drawdown), curve, heading=drawdown[0] - 0.2)


def _waiting(picture: Picture, points: int, inch: float) -> None:
    """A level line where the curve will be, and when it will."""
    theme = picture.theme
    axes = picture.blank(inch - 0.5, inch + 0.5)
    axes.plot([LEFT, 1 - LEFT], [0.5, 0.5], color=theme.grid, lw=2.6, ls=(0, (4, 4)))
    axes.plot([LEFT], [0.5], "o", color=theme.line if points else theme.grid, ms=12)
    text = "The curve begins with the second value." if points else "There are no values yet."
    picture.write(text, inch + 0.3, color=theme.muted)


def _equity(picture: Picture, axes: Axes, curve: Curve, events: Events) -> None:
    theme, last = picture.theme, float(curve.values[-1])
    low, high = padded(float(curve.values.min()), float(curve.values.max()))
    axes.fill_between(curve.times, curve.values, low, color=theme.line, alpha=0.16, lw=0)
    axes.plot(curve.times, curve.values, color=theme.line, lw=2.6, solid_joinstyle="round")
    axes.axhline(float(curve.values[0]), color=theme.muted, lw=1.2, ls=(0, (4, 4)))
    axes.plot(curve.times[-1:], [last], "o", color=theme.line, ms=9, clip_on=False, zorder=5)
    picture.scale(axes, (low, high), last=last)
    picture.time_scale(axes, curve.times)
    axes.tick_params(labelbottom=False)
    _mark(picture, axes, curve, events)


def _mark(picture: Picture, axes: Axes, curve: Curve, events: Events) -> None:
    inside = [event for event in events if curve.times[0] <= days_since_1970(event[0]) <= curve.times[-1]]
    if not inside:
        return
    days = floats(days_since_1970(at) for at, _ in inside)
    heights = curve.values[np.searchsorted(curve.times, days)]
    for day in days.tolist():
        axes.axvline(day, color=picture.theme.loss, lw=1.2, alpha=0.6)
    axes.plot(days, heights, "o", color=picture.theme.loss, ms=10, mec=picture.theme.background, zorder=6)
    more = f" (and {len(inside) - 1} more)" if len(inside) > 1 else ""
    text = f"● {day_of(inside[-1][0])}: {shorten(inside[-1][1], 40 - len(more))}{more}"
    above = picture.inches * (1 - axes.get_position().y1) - 0.12
    picture.write(text, above, size=SMALL, color=picture.theme.loss)


def _drawdown(picture: Picture, axes: Axes, curve: Curve, heading: float) -> None:
    worst, color = float(curve.below.min()), picture.theme.loss
    axes.fill_between(curve.times, curve.below, 0, color=color, alpha=0.35, lw=0)
    axes.plot(curve.times, curve.below, color=color, lw=1.8)
    picture.scale(axes, (1.12 * worst if worst < 0 else -1.0, 0.0), unit=curve.unit)
    picture.time_scale(axes, curve.times)
    depth = f"{worst:.1f} %" if curve.unit else compact(worst, worst / 100)
    picture.write(f"Drawdown, worst {depth}" if worst < 0 else "No drawdown", heading, color=picture.theme.muted)


def bars(
    picture: Picture,
    amounts: Mapping[str, Decimal],
    *,
    top: float,
    bottom: float,
    heading: str = "Profit and loss by strategy",
    told: Callable[[float], str] | None = None,
) -> None:
    """A row for each name: bar from zero, and its amount as `told` (with its sign)."""
    if not amounts:
        return
    theme, rows, axes = picture.theme, _largest(amounts), picture.blank(top, bottom)
    picture.write(heading, top - 0.25, color=theme.muted)
    low, high = min(0.0, rows[-1][1]), max(0.0, rows[0][1])
    scale = 0.36 / ((high - low) or 1.0)
    zero = 0.4 - low * scale
    for row, (name, amount) in enumerate(rows):
        height = 1 - (row + 0.5) / _MOST_BARS
        color = theme.gain if amount >= 0 else theme.loss
        axes.barh(height, amount * scale, 0.62 / _MOST_BARS, left=zero, color=color)
        inch = top + (1 - height) * (bottom - top)
        picture.write(shorten(name, 22), inch, size=SMALL)
        picture.write((told or signed)(amount), inch, right=LEFT, size=SMALL, color=color)


def signed(amount: float) -> str:
    """`+1,234.50`, large ones in millions."""
    return f"{amount:+,.2f}" if abs(amount) < 1e6 else f"{amount / 1e6:+,.2f}M"


def _largest(amounts: Mapping[str, Decimal]) -> list[tuple[str, float]]:
    """The largest amounts by size, the rest as one; from the greatest profit to the greatest loss."""
    rows = sorted(((name, float(amount)) for name, amount in amounts.items()), key=lambda row: -abs(row[1]))
    if len(rows) > _MOST_BARS:
        rest = rows[_MOST_BARS - 1 :]
        rows = [*rows[: _MOST_BARS - 1], (f"{len(rest)} others", sum(amount for _, amount in rest))]
    return sorted(rows, key=lambda row: -row[1])
