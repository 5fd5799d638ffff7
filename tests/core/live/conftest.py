"""Pauses of milliseconds, measured by the loop that the venue runs in, too."""

from __future__ import annotations

from tests.unhurried import unhurried

__all__ = ["unhurried"]
