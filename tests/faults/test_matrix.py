"""Killed at named points, with each outcome at the venue; two restarts, and then everything must agree.

`make test` runs one cell of each part of the table, `make soak` all.
"""

import os
from pathlib import Path

import pytest

from tests.faults.crash_points import POINTS
from tests.faults.lives import Template
from tests.faults.matrix import CELLS, OUTCOMES, SIGNALS, run_cell
from tests.faults.points_table import table

SOAK = os.environ.get("QUARTERDECK_SOAK") == "1"
# One of each kind: an order's life, a fill, an alert, a halt, a cancel, a start, a restart, the disk.
SHARE = [
    ("intent-after-commit", "never-received", "SIGKILL"),
    ("send-half", "accepted", "SIGKILL"),
    ("send-no-answer", "accepted-partial", "SIGKILL"),
    ("answer-before-store", "accepted-filled", "SIGTERM"),
    ("ledger-mid-posting", "accepted", "SIGKILL"),
    ("outbox-before-mark", "accepted-filled", "SIGKILL"),
    ("halt-mid-cancel", "accepted", "SIGKILL"),
    ("restart-mid-correct", "accepted-partial", "SIGKILL"),
]


@pytest.mark.parametrize("cell", CELLS if SOAK else SHARE, ids="-".join)
async def test_killed_there(tmp_path: Path, template: Template, born: Path, cell: tuple[str, str, str]):
    """Nothing doubled, nothing lost, nothing unknown; and the goal is reached in the end, once."""
    assert await run_cell(tmp_path, template, *cell, born=born) == []


def test_the_table_is_whole():
    """About as many points as the plan wants, each crossed with every outcome and signal."""
    assert len(POINTS) >= 30
    assert len(CELLS) == len({cell[0] for cell in CELLS}) * len(OUTCOMES) * len(SIGNALS)
    assert set(SHARE) <= set(CELLS)


def test_the_docs_list_every_point():
    """`docs/reliability.md` has the table as it is."""
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    listed = page.split("<!-- points: checked by tests/faults -->\n")[1].split("\n<!-- /points -->")[0]
    assert listed == table(), "python -m tests.faults.points_table"
