from __future__ import annotations

import pytest

from tests.brokers.rig import Rig


@pytest.fixture
def rig() -> Rig:
    """A venue without fees and slippage; ACME stands at 99.99 / 100.01."""
    rig = Rig()
    rig.tick("99.99", "100.01", 100)
    return rig
