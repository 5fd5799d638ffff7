"""How many of the newest calls went well."""

from __future__ import annotations

from collections import deque


class Success:
    """The newest `keep` outcomes, and how many of them failed."""

    def __init__(self, keep: int = 1000) -> None:
        self._newest: deque[bool] = deque(maxlen=keep)
        self.failed = 0

    def __len__(self) -> int:
        return len(self._newest)

    def add(self, ok: bool) -> None:
        """Count one more; the oldest falls out when there are too many."""
        if len(self._newest) == self._newest.maxlen:
            self.failed -= not self._newest[0]
        self._newest.append(ok)
        self.failed += not ok
