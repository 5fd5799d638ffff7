"""Which of several sources of prices counts: the first that is well, without going to and fro. Pure.

A source is well while something of it was heard within `patience` seconds. When the one that counts falls silent the
first that is well takes over at once; an earlier one counts again only when it has been well for `trust` seconds.
"""

from __future__ import annotations


class Choice:
    """The source that counts, by its place in the order of preference.

    Times are seconds of any clock that only grows.
    """

    def __init__(self, count: int, *, patience: float, trust: float, now: float) -> None:
        if count < 1:
            raise ValueError("there is nothing to choose from")
        self.current = 0
        self._patience = patience
        self._trust = trust
        self._began = now
        self._heard: list[float | None] = [None] * count
        self._well_since: list[float] = [now] * count

    def heard(self, place: int, now: float) -> None:
        """Something came from a source."""
        if not self.is_well(place, now):
            self._well_since[place] = now
        self._heard[place] = now

    def is_well(self, place: int, now: float) -> bool:
        """Whether something of it was heard lately."""
        heard = self._heard[place]
        return heard is not None and now - heard <= self._patience

    def well_for(self, now: float) -> float:
        """For how long the source that counts has been well without a break; 0 if it is not."""
        return now - self._well_since[self.current] if self.is_well(self.current, now) else 0.0

    def silence(self, place: int, now: float) -> float:
        """For how long nothing has been heard of it; since the beginning if nothing ever was."""
        heard = self._heard[place]
        return now - (self._began if heard is None else heard)

    def is_silent(self, now: float) -> bool:
        """Whether there are no prices at all; at the beginning patience comes first."""
        begun = now - self._began > self._patience
        return begun and not any(self.is_well(place, now) for place in range(len(self._heard)))

    def look(self, now: float) -> bool:
        """Choose anew; True if another one counts from now on."""
        chosen = self._chosen(now)
        changed, self.current = chosen != self.current, chosen
        return changed

    def _chosen(self, now: float) -> int:
        well = [place for place in range(len(self._heard)) if self.is_well(place, now)]
        if self.silence(self.current, now) <= self._patience:  # it is well, or has just begun
            trusted = (place for place in well if place < self.current and self._is_trusted(place, now))
            return next(trusted, self.current)
        return next(iter(well), self.current)

    def _is_trusted(self, place: int, now: float) -> bool:
        return now - self._well_since[place] >= self._trust
