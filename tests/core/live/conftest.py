"""Pauses of milliseconds, measured by the loop that the venue runs in, too."""

from __future__ import annotations

from tests.unhurried import unhurried, unhurried_loop

__all__ = ["unhurried", "unhurried_loop"]
