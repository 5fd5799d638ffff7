"""How patient the streams are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Attempts:
    """How often in a row something has failed; it outlives what failed."""

    failures: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """`silence`: a stream that says nothing for so many seconds is opened anew. `poll`: how often is asked instead.

    `opening`: how long an opening may take. `grace`: how much later than an answer to a question the stream may tell
    the same. `first_pause` doubles up to `longest_pause` between attempts; after `tries` failures in a row it is
    polled. `late`: how long after its end a bar is waited for before it is asked for.
    """

    silence: float = 60.0
    poll: float = 2.0
    opening: float = 15.0
    grace: float = 3.0
    first_pause: float = 0.5
    longest_pause: float = 60.0
    tries: int = 3
    late: float = 2.0

    def pause(self, failures: int) -> float:
        """How long to wait after that many failures in a row."""
        seconds: float = self.first_pause * 2.0 ** min(max(failures - 1, 0), 16)
        return min(seconds, self.longest_pause)

    @property
    def step(self) -> float:
        """How often is looked whether a stream has fallen silent."""
        return min(self.silence / 8, 1.0)
