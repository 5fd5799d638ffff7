"""SIGKILL at random moments of a busy program, again and again on the same data."""

import os
import time
from pathlib import Path

import pytest

from tests.faults.lives import Template
from tests.faults.random_kills import kill_at_random

SOAK = os.environ.get("QUARTERDECK_SOAK") == "1"


@pytest.mark.timeout(3600 if SOAK else 280)
async def test_kills_at_random_moments(tmp_path: Path, template: Template):
    """Safe after each, agreed at the end; the seed is printed, though a machine's timing is not repeated by it."""
    seed = int(os.environ.get("QUARTERDECK_SEED", time.time_ns() % 100_000))
    print(f"QUARTERDECK_SEED={seed}")
    tally = await kill_at_random(tmp_path, template, kills=1000 if SOAK else 8, seed=seed)
    assert tally.wrong == []
    assert tally.settlements
