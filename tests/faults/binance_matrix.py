"""The cells of the matrix with Binance in the loop: the same crash points and the same oracle, another venue."""

from __future__ import annotations

from pathlib import Path

from tests.faults.binance_truth import SPOT, USDM
from tests.faults.binance_world import at_binance
from tests.faults.crash_points import POINTS
from tests.faults.lives import Template
from tests.faults.matrix import SIGNALS, is_built, live_through

# What becomes of a market order there; `ok` fills it at once.
OUTCOMES = {
    "filled": "ok",
    "refused": "refused",
    "never-received": "never",
    "in-part": "partial",
    "answer-lost": "lost",
}
MARKETS = (SPOT, USDM)
Cell = tuple[str, str, str, str]
CELLS: list[Cell] = [
    (market, point.name, outcome, name)
    for market in MARKETS
    for point in POINTS.values()
    for outcome in OUTCOMES
    for name in SIGNALS
    if is_built(point)
]


async def run_cell(folder: Path, template: Template, cell: Cell, born: Path | None) -> list[str]:
    """What is wrong after all; nothing if all is well."""
    market, point, outcome, number = cell
    at = POINTS[point]
    begun = None if at.phase == "first" else born
    async with at_binance(folder, template, market=market, exits=at.action == "protect", born=begun) as here:
        here.plan(OUTCOMES[outcome])
        return await live_through(here, at, SIGNALS[number])
