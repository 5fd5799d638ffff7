"""What the fault tests share: one template process, and a data directory that was started once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lives import Template
from tests.faults.soak import give_birth

SOAK = os.environ.get("QUARTERDECK_SOAK") == "1"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """Every life of these tests is a fork of this process."""
    made = Template(tmp_path_factory.mktemp("template") / "log")
    yield made
    made.close()


@pytest.fixture(scope="session")
def born(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with empty books; the migrations of each life would take most of its time."""
    return asyncio.run(give_birth(tmp_path_factory.mktemp("born"), template))
