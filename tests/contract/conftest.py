from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.harness import Account, Harness, harnesses
from tests.unhurried import unhurried, unhurried_loop

__all__ = ["account", "harness", "unhurried", "unhurried_loop"]


@pytest.fixture(params=harnesses(), ids=lambda harness: f"{harness.adapter}-{harness.__name__}")
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    harness = request.param(tmp_path)
    yield harness
    await harness.close()


@pytest.fixture
async def account(harness: Harness) -> Account:
    """A connected account in a market that has just traded."""
    broker = await harness.build()
    await broker.connect()
    await harness.move(harness.price)
    return Account(harness, broker)
