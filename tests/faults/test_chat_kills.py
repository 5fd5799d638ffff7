"""A share of `chat_kills`: the process dies between two steps of intake, dispatch and outbox. `make soak` does them all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.chat_kills import run_cases
from tests.faults.chat_points import ALERT, CASES, CHAT_POINTS, HALT, PRESS, TYPED

# Each chapter of the way, with what can be told apart there.
SHARE = (
    ("inbox-before-commit", TYPED),
    ("stored-before-poll", HALT),
    ("begin-before", PRESS),
    ("ticket-after", PRESS),
    ("action-mid", TYPED),
    ("halt-after-commit", HALT),
    ("finish-before", TYPED),
    ("deliver-after", ALERT),
)


def test_every_point_has_a_case() -> None:
    """And the share names cases that exist."""
    assert {point for point, _ in CASES} == set(CHAT_POINTS)
    assert set(SHARE) <= set(CASES)


@pytest.mark.timeout(280)
async def test_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    """Eight of the crashes, one after another on the same data."""
    tally = await run_cases(tmp_path, random.Random(3).sample(SHARE, len(SHARE)))
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.crashes == len(SHARE)
