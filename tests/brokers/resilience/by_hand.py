"""A clock for these tests, moved by hand."""

from __future__ import annotations


class HandClock:
    """Seconds; starts somewhere that is not zero."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
