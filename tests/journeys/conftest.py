"""Sandboxes that several journeys share; each is a real process and is gone at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.sandbox import Sandbox

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with some months of trading behind it and a market that stands still."""
    with Sandbox(tmp_path_factory.mktemp("calm") / "data", relaxed=True) as sandbox:
        sandbox.start(speed=100)
        sandbox.run_until("2000-08-01")
        sandbox.stop()
        sandbox.start(speed=0.001)
        sandbox.wait_until_quiet()
        yield sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox of the test's own, not started yet, exactly as people start it."""
    with Sandbox(tmp_path / "data") as own:
        yield own
