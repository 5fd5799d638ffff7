"""What a benchmark returns: figures, each with its goal and what stands beside it."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

QUICK = "BENCH_QUICK"


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    `typical` is the median, `worst` the percentile (or the worst) that `worst_is` names. A goal is an upper bound
    on `worst`. `reference` says what was measured beside it in the same process, `note` how.
    """

    name: str
    unit: str
    typical: float
    worst: float | None = None
    worst_is: str = "p99"
    goal: float | None = None
    samples: int = 1
    reference: str = ""
    note: str = ""

    @property
    def met(self) -> str:
        if self.goal is None:
            return ""
        return "yes" if (self.typical if self.worst is None else self.worst) < self.goal else "NO"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not below `percent` % of them: nearest rank, nothing invented between samples."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def figure(name: str, unit: str, values: Sequence[float], *, percent: float = 99, **more: Any) -> Figure:
    """A figure from samples; `percent=100` is the worst one."""
    label = "worst" if percent == 100 else f"p{percent:g}"
    return Figure(name, unit, percentile(values, 50), percentile(values, percent), label, samples=len(values), **more)


def many(count: int, quick: int) -> int:
    """`count` samples, or `quick` of them with `--quick`."""
    return quick if os.environ.get(QUICK) else count


def told(values: Sequence[float], unit: str = "ms") -> str:
    """Samples in a few words, for a reference."""
    return f"{percentile(values, 50):.3g} / {percentile(values, 99):.3g} {unit}"
