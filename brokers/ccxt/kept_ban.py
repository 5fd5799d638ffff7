"""A long ban is kept on disk: a program that is started anew meanwhile must not ask, or the venue bans for longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_LONG = timedelta(seconds=30)
_LONGEST = timedelta(days=3)


class KeptBan:
    """One file with one moment. What cannot be written or read is no reason not to trade: the venue says it again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, until: datetime, now: datetime) -> None:
        """Write it down, if it is long enough to outlive a restart."""
        if until - now < _LONG:
            return
        try:
            self._path.write_text(until.isoformat())
        except OSError as error:
            log.warning("a ban cannot be written down", error=str(error))

    def seconds_left(self, now: datetime) -> float:
        """How long it still lasts; zero is not at all. One that is further off than any ban is is not believed."""
        try:
            left = datetime.fromisoformat(self._path.read_text()) - now
        except (OSError, ValueError, TypeError):
            return 0.0
        return left.total_seconds() if timedelta(0) < left <= _LONGEST else 0.0
