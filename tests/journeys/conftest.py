"""Sandboxes that several journeys share; each is a real process and is gone at the end."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.nursery import PATIENCE
from tests.journeys.sandbox import Sandbox

HERE = Path(__file__).parent
# A tour looks at hundreds of screens a minute, which people must not.
PATIENT = {"security": {"orders_per_10_seconds": 100, "looks_per_minute": 600, "commands_per_minute": 600}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chat waits longer before it says that something is being worked on: a press has one toast, and it is read."""
    for module, name, seconds in PATIENCE:
        monkeypatch.setattr(f"{module}.{name}", seconds)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a sandbox that traded for five months of the year 2000 and was stopped."""
    folder = tmp_path_factory.mktemp("lived") / "data"
    with Sandbox(folder, relaxed=True) as sandbox:
        sandbox.start(speed=100)
        sandbox.run_until("2000-08-01")
        sandbox.stop()
    return folder


@pytest.fixture(scope="module")
def calm(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with some months of trading behind it, and a market that stands still."""
    yield from _calm(lived, tmp_path_factory.mktemp("calm") / "data")


@pytest.fixture
def own_calm(lived: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """The same for one test alone."""
    yield from _calm(lived, tmp_path / "data")


def _calm(lived: Path, folder: Path) -> Iterator[Sandbox]:
    shutil.copytree(lived, folder)
    with Sandbox(folder, relaxed=True, over=PATIENT) as sandbox:
        sandbox.start(speed=0.001)
        sandbox.wait_until_quiet()
        yield sandbox
        if sandbox.process is not None:
            sandbox.stop()
            sandbox.books().check()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox of the test's own, not started yet, exactly as people start it."""
    with Sandbox(tmp_path / "data") as own:
        yield own
