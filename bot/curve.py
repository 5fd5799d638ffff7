"""What a picture shows of an equity series."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from core.analytics.drawdown import underwater
from core.analytics.returns import Floats, floats
from core.views import EquityPoint

# A line of more points than pixels looks the same and takes longer.
_MOST_POINTS = 1500


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn of a series: as few points as a screen shows, and how far each is below its peak."""

    times: Floats
    values: Floats
    below: Floats
    unit: str

    @classmethod
    def of(cls, series: Sequence[EquityPoint]) -> Curve:
        """The curve of `series`, which has two points or more."""
        values = floats(point.value for point in series)
        fraction = underwater(values)  # None for the P&L of a strategy, which begins at zero
        below = values - np.maximum.accumulate(values) if fraction is None else 100 * fraction
        keep = _worth_drawing(values)
        times = floats(days_since_1970(series[index].at) for index in keep)
        return cls(times, values[keep], below[keep], "" if fraction is None else " %")


def _worth_drawing(values: Floats) -> list[int]:
    """Indices of the first and the last point, and of the lowest and highest of many equal stretches."""
    if len(values) <= _MOST_POINTS:
        return list(range(len(values)))
    keep = {0, len(values) - 1}
    edges = np.linspace(0, len(values), _MOST_POINTS // 2 + 1).astype(int).tolist()
    for start, end in itertools.pairwise(edges):
        stretch = values[start:end]
        keep.update((start + int(stretch.argmin()), start + int(stretch.argmax())))
    return sorted(keep)


def days_since_1970(at: datetime) -> float:
    """Days since 1970 in UTC, matplotlib's measure of time."""
    return at.timestamp() / 86_400
