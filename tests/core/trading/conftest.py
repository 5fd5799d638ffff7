"""A stage that is always closed: an open database would keep the process from ending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core.trading.stage import Stage, Strategies

Open = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Stage] = []

    async def make(**options: Any) -> Stage:
        stage = await Stage.open(tmp_path, **options)
        opened.append(stage)
        return stage

    yield make
    for stage in opened:
        await stage.close()


@pytest.fixture
async def stage(build: Open) -> Stage:
    """A running desk with ACME at 100 and strategies alpha and beta."""
    stage = await build(strategies=Strategies("alpha", "beta"))
    await stage.start()
    await stage.tick(100)
    return stage
