"""How an unanswered CRITICAL alert goes on: when it is repeated, and whom that reaches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.alerts.routing import Listener, Place, everywhere


@dataclass(frozen=True, slots=True)
class Ladder:
    """Figures, in seconds since the alert: the first repeat, the next person; then a pause between repeats.

    `order` names people (by id) in the order in which they are called; those whom it does not name follow.
    """

    repeat_seconds: float = 60
    next_person_seconds: float = 180
    every_seconds: float = 300
    order: tuple[str, ...] = ()

    def pause_after(self, step: int) -> timedelta:
        """How long an open alert may be silent after its step 0, 1, 2 …"""
        pauses = (self.repeat_seconds, self.next_person_seconds - self.repeat_seconds)
        return timedelta(seconds=pauses[step] if step < len(pauses) else self.every_seconds)

    def next_at(self, step: int, now: datetime) -> datetime:
        """When the step after this one is due, if this one is taken now."""
        return now + self.pause_after(step)

    def called(self, step: int, listeners: Sequence[Listener], account: str, *also: str) -> list[Listener]:
        """Who is called at a step: those who may answer, one more of them with each step, and the house.

        Who cannot be reached in any way takes nobody's turn.
        `also` are called in any case, if they may answer. If nobody may, everybody is called who sees the account.
        """
        able = sorted((each for each in listeners if each.may_answer(account)), key=self._rank)
        turn = _reaching(able, max(step, 1))
        chosen = able[:turn] + [each for each in able[turn:] if each.id in also]
        if not chosen:
            return [each for each in listeners if each.sees(account) and not each.of_topics] or list(listeners)
        return [*chosen, *(each for each in listeners if each.is_house)]

    def places(self, step: int, listeners: Sequence[Listener], account: str, *also: str) -> list[Place]:
        """Where a repeat goes: to everyone who is called, in every way they can be reached."""
        called = self.called(step, listeners, account, *also)
        found = {(each.channel, each.recipient): each for one in called for each in everywhere(one)}
        return list(found.values())

    def _rank(self, listener: Listener) -> int:
        """Those of the order first, in order; then the others as they are listed."""
        return self.order.index(listener.id) if listener.id in self.order else len(self.order)


def _reaching(able: Sequence[Listener], wanted: int) -> int:
    """How many of them must be called so that `wanted` can be reached; all, if there are not so many."""
    found = 0
    for number, each in enumerate(able, 1):
        found += bool(each.ways)
        if found == wanted:
            return number
    return len(able)


def detour(tried: Sequence[Place], listeners: Sequence[Listener], account: str, order: Ladder) -> list[Place]:
    """Another way for a CRITICAL alert that does not get through: the next channel of this person, else of the next.

    `tried` are all places that it was sent to, the one that fails last. Empty if there is no other way.
    """
    used = {(each.channel, each.recipient) for each in tried}
    failing = tried[-1].person
    same = [each for each in listeners if each.id == failing]
    others = [each for each in order.called(len(listeners), listeners, account) if each.id != failing]
    lost = {way for each in listeners for way in each.lost}
    left = [way for one in [*same, *others] for way in everywhere(one) if (way.channel, way.recipient) not in used]
    return sorted(left, key=lambda way: (way.channel, way.recipient) in lost)[:1]
