"""How far, and how long, equity was below its highest point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from core.analytics.returns import Floats


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The worst fall and the longest wait for a new high.

    `deepest` and `current` are fractions of the peak before, 0 or more (0.2 is 20 % below it): above 1 where
    equity is negative. The deepest fell from `peak_at` to `trough_at` (None: equity never fell). The longest
    stretch from a peak until it was reached again, or until now, took `longest_periods` and `longest_days`.
    """

    deepest: float
    current: float
    peak_at: datetime | None
    trough_at: datetime | None
    longest_periods: int
    longest_days: float


def underwater(equity: Floats) -> Floats | None:
    """E[t] / max(E[0..t]) - 1 for each point: 0 at a peak, below 0 under it.

    None where there is no point or a peak is not above zero. Source: M. Magdon-Ismail and A. Atiya, "Maximum
    drawdown", Risk 17:10 (2004).
    """
    if not len(equity) or equity[0] <= 0:
        return None
    with np.errstate(all="ignore"):
        below: Floats = equity / np.maximum.accumulate(equity) - 1
    return below if np.isfinite(below).all() else None


def drawdown(times: Sequence[datetime], equity: Floats) -> Drawdown | None:
    """The drawdown of `equity` at `times` (as many, in order); None where `underwater` is."""
    below = underwater(equity)
    if below is None:
        return None
    trough = int(below.argmin())
    fell = bool(below[trough] < 0)
    peak = int(equity[: trough + 1].argmax())
    start, end = _longest(equity)
    return Drawdown(
        deepest=float(-below[trough]) if fell else 0.0,
        current=max(0.0, float(-below[-1])),
        peak_at=times[peak] if fell else None,
        trough_at=times[trough] if fell else None,
        longest_periods=end - start,
        longest_days=(times[end] - times[start]).total_seconds() / 86_400,
    )


def _longest(equity: Floats) -> tuple[int, int]:
    """First and last index of the longest stretch from a peak to the point that regains it, or the last."""
    peaks = np.maximum.accumulate(equity)
    longest, start = (0, 0), 0
    for index, at_peak in enumerate((equity >= peaks).tolist()):
        fell = not at_peak or index > start + 1
        if fell and index - start > longest[1] - longest[0]:
            longest = (start, index)
        if at_peak:
            start = index
    return longest
