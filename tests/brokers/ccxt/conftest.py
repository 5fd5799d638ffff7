"""Pauses of milliseconds, measured by the loop that the venue runs in, too."""

from __future__ import annotations

from tests.brokers.pongs import pongs_by_the_loop
from tests.unhurried import unhurried, unhurried_loop

__all__ = ["pongs_by_the_loop", "unhurried", "unhurried_loop"]
