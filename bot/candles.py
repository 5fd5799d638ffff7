"""The panels of a price chart: candles, volume, our executions, and the levels that matter. One step a bar."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from bot.figures import price
from bot.picture import LEFT, SMALL, Picture, Span, padded
from brokers.market import Bar
from brokers.order import Side
from core.analytics.returns import Floats, floats
from core.views import CandlesView, FillRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BODY = 0.66  # of the room that a bar has
_DATES = 4


def candles(picture: Picture, view: CandlesView, *, prices: Span, volume: Span, legend: float) -> None:
    """Candles above their volume; executions are triangles, up for a purchase; levels are lines, told below."""
    shown, theme = view.bars, picture.theme
    axes = picture.axes_at(*prices)
    _bodies(picture, axes, shown)
    _executions(picture, axes, shown, view.fills)
    levels = {"stop": (view.stops, theme.loss), "target": (view.targets, theme.gain)}
    if view.average_price is not None and view.quantity:
        levels["cost"] = ((view.average_price,), theme.warning)
    span = _span(shown, [float(each) for found, _ in levels.values() for each in found])
    for found, color in levels.values():
        for level in found:
            axes.axhline(float(level), color=color, lw=1.6, ls=(0, (5, 4)))
    picture.scale(axes, span, last=float(shown[-1].close))
    _dates(axes, shown)
    axes.tick_params(labelbottom=False)
    _volume(picture, picture.axes_at(*volume), shown)
    _legend(picture, {name: found for name, (found, _) in levels.items()}, legend, marks=bool(view.fills))


def _span(shown: Sequence[Bar], levels: Iterable[float]) -> Span:
    """Room for all bars, and for the levels that are not far away."""
    low, high = padded(float(min(bar.low for bar in shown)), float(max(bar.high for bar in shown)))
    near = [level for level in levels if 2 * low - high <= level <= 2 * high - low]
    return min([low, *near]), max([high, *near])


def _bodies(picture: Picture, axes: Axes, shown: Sequence[Bar]) -> None:
    for rising, color in ((True, picture.theme.gain), (False, picture.theme.loss)):
        chosen = [(place, bar) for place, bar in enumerate(shown) if (bar.close >= bar.open) is rising]
        if not chosen:
            continue
        at = np.array([place for place, _ in chosen], dtype=float)
        first, last = floats(bar.open for _, bar in chosen), floats(bar.close for _, bar in chosen)
        axes.vlines(
            at, floats(bar.low for _, bar in chosen), floats(bar.high for _, bar in chosen), color=color, lw=1.4
        )
        axes.bar(at, np.abs(last - first), _BODY, bottom=np.minimum(first, last), color=color, edgecolor=color, lw=0.8)


def _executions(picture: Picture, axes: Axes, shown: Sequence[Bar], fills: Sequence[FillRow]) -> None:
    """Each at the bar that it happened in: a bar's time is its end."""
    theme, ends = picture.theme, [bar.at for bar in shown]
    begin = ends[0] - (ends[1] - ends[0] if len(ends) > 1 else timedelta(0))
    inside = [fill for fill in fills if begin < fill.at <= ends[-1]]
    for side, marker, color in ((Side.BUY, "^", theme.line), (Side.SELL, "v", theme.warning)):
        chosen = [fill for fill in inside if fill.side is side]
        if chosen:
            at = np.array([bisect_left(ends, fill.at) for fill in chosen], dtype=float)
            prices = floats(fill.price for fill in chosen)
            axes.plot(at, prices, marker, color=color, ms=13, mec=theme.background, mew=1.5, zorder=6)


def _volume(picture: Picture, axes: Axes, shown: Sequence[Bar]) -> None:
    amounts: Floats = floats(bar.volume for bar in shown)
    axes.bar(np.arange(len(shown)), amounts, _BODY, color=picture.theme.muted, alpha=0.6, lw=0)
    picture.scale(axes, (0.0, 1.1 * float(amounts.max()) or 1.0))
    _dates(axes, shown)


def _dates(axes: Axes, shown: Sequence[Bar]) -> None:
    """The dates of a few bars, evenly apart."""
    length = shown[-1].at - shown[0].at
    form = "%H:%M" if length < timedelta(days=2) else "%-d %b" if length < timedelta(days=400) else "%b %Y"
    places = sorted({int(place) for place in np.linspace(0, len(shown) - 1, _DATES + 2)[1:-1]})
    axes.set_xticks(places, [f"{shown[place].at:{form}}" for place in places])
    axes.set_xlim(-1, max(len(shown), 2))


def _legend(picture: Picture, levels: dict[str, Sequence[Decimal]], inch: float, *, marks: bool) -> None:
    said = [f"{name} {', '.join(map(price, found[:2]))}" for name, found in levels.items() if found]
    picture.write(" · ".join(said), inch, size=SMALL, color=picture.theme.text)
    if marks:
        picture.write("▲ bought · ▼ sold", inch, right=LEFT, size=SMALL, color=picture.theme.muted)
