"""One recipient's way through a channel: what waits for them, the gravest first. No lane ever waits for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from core.alerts.channel import Channel, ChannelDown, ChannelRefused, Message, Revisable, Severity
from core.alerts.grouping import (
    GROUPED,
    LARGEST_GROUP,
    GroupKey,
    digest_of,
    grouped,
    key_of,
    may_group,
    message_of,
    plain_message_of,
)
from core.clock import Clock
from core.redaction import redact
from core.store.alerts import Pending, digest_for, is_revised, mark, pending_for, put_back, stale_for

log = structlog.get_logger(__name__)

# INFO that has waited for so long is told all in one.
OLD_NEWS = timedelta(hours=1)
# After a message about one thing, the next about the same comes so many seconds later, with a count.
SAME_SECONDS = 10.0
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
# A message that the channel fails on, not with: so often it is tried as it is, then as plain text, then only its
# title, then it is given up.
_TRIES_IN_FULL = 2
_TRIES = 4


class Lane:
    """Delivers to one recipient. `serve` whenever something is new, and again after the seconds it returns.

    `timer` counts seconds and is never set back.
    """

    def __init__(
        self, recipient: str, channel: Channel, clock: Clock, *, group_seconds: float, timer: Callable[[], float]
    ) -> None:
        self._recipient = recipient
        self._channel = channel
        self._clock = clock
        self._group_seconds = group_seconds
        self._timer = timer
        self._closed_until = 0.0
        self._wait = _FIRST_WAIT
        self._faults: dict[int, int] = {}
        self._held_until: dict[int, float] = {}
        self._told: dict[GroupKey, float] = {}

    async def serve(self) -> float | None:
        """Deliver what is due. Seconds until there is more to do, None if nothing waits.

        What waits is asked for again before each message: a CRITICAL alert waits for one message at most.
        """
        while (closed := self._closed_until - self._timer()) <= 0:
            wait = await self._step()
            if wait is None or wait > 0:
                return wait
        return closed

    async def _step(self) -> float | None:
        """One message or one change of a copy: 0 if it was made, else the seconds until there is more to do."""
        now = self._clock.now()
        waiting = await pending_for(self._channel.name, self._recipient, now - OLD_NEWS)
        group, wait = self._next(waiting)
        if group and group[0].severity is Severity.CRITICAL:
            await self._deliver(group)
        elif await self._revise():
            pass
        elif group and group[0].severity is Severity.WARNING:
            await self._deliver(group)
        elif held := self._digest(await digest_for(self._channel.name, self._recipient, now, now - OLD_NEWS)):
            await self._deliver(held)
        elif group:
            await self._deliver(group)
        else:
            return wait if waiting else None
        return 0.0

    def _next(self, waiting: Sequence[Pending]) -> tuple[list[Pending], float]:
        """The group that is due, or none and the seconds until one is."""
        waits = [_LONGEST_WAIT]
        for group in grouped(waiting, self._faults):
            held = self._held_until.get(group[0].delivery_id, 0.0) - self._timer()
            wait = max(self._young(group), self._repeats(group), held)
            if wait <= 0:
                return group, 0.0
            waits.append(wait)
        return [], min(waits)

    def _digest(self, waiting: Sequence[Pending]) -> list[Pending]:
        """All of it in one; what is a suspect, or has a report to attach, by itself and in its turn."""
        together = [each for each in waiting if not each.attachment and each.delivery_id not in self._faults]
        return together or self._next(waiting)[0]

    def _young(self, group: Sequence[Pending]) -> float:
        """How long a group may still wait for more of its kind, in seconds."""
        if len(group) >= LARGEST_GROUP or not may_group(group[0]) or group[0].kind not in GROUPED:
            return 0.0
        age = (self._clock.now() - min(each.at for each in group)).total_seconds()
        return self._group_seconds - age if age >= 0 else 0.0  # the clock was set back: do not wait for it

    def _repeats(self, group: Sequence[Pending]) -> float:
        """How long what repeats the last message about one thing must wait, to be counted."""
        if not may_group(group[0]) or group[0].kind in GROUPED:
            return 0.0
        told = self._told.get(key_of(group[0]))
        return 0.0 if told is None else told + SAME_SECONDS - self._timer()

    async def _deliver(self, group: Sequence[Pending]) -> None:
        try:
            copy = await self._channel.deliver(self._recipient, self._message(group))
        except ChannelDown as down:
            await self._close(group, down)
        except ChannelRefused as refused:
            log.warning("an alert cannot be delivered", recipient=self._recipient, reason=str(refused))
            await self._done(group, "refused", str(refused))
        except Exception as error:  # noqa: BLE001 - event delivery: one poisonous message must not hold up the others
            await self._fault(group, error)
        else:
            self._wait = _FIRST_WAIT
            self._remember(group)
            kept = group[0].severity is Severity.CRITICAL and isinstance(self._channel, Revisable)
            await self._done(group, "delivered", "", (copy or "") if kept else "")

    def _message(self, group: Sequence[Pending]) -> Message:
        tries = self._faults.get(group[0].delivery_id, 0)
        if tries >= _TRIES_IN_FULL:
            return plain_message_of(group, barely=tries == _TRIES - 1)
        return message_of(group) if _reads_as_one(group) else digest_of(group)

    def _remember(self, group: Sequence[Pending]) -> None:
        """When was something told of this? Only what may still be repeated soon is kept."""
        now = self._timer()
        self._told = {key: at for key, at in self._told.items() if now - at < SAME_SECONDS}
        for each in group:
            if may_group(each):
                self._told[key_of(each)] = now

    async def _revise(self) -> bool:
        """Change one copy that does not show how its alert stands now; whether there was one."""
        if not isinstance(self._channel, Revisable):
            return False
        one = await stale_for(self._channel.name, self._recipient)
        if one is None or self._held_until.get(-one.delivery_id, 0.0) > self._timer():
            return False
        try:
            await self._channel.revise(self._recipient, one.copy, message_of([one]))
        except ChannelDown as down:
            self._shut(down)
        except ChannelRefused:
            await is_revised(one)
        except Exception as error:  # noqa: BLE001 - event delivery: a copy that cannot be changed holds up no other
            await self._not_revised(one, error)
        else:
            await is_revised(one)
        return True

    async def _not_revised(self, one: Pending, error: Exception) -> None:
        """Tried again a little later, and at last left as it is."""
        tries = self._faults[-one.delivery_id] = self._faults.get(-one.delivery_id, 0) + 1
        log.warning("a copy of an alert cannot be changed", alert=one.alert_id, tries=tries, exc_info=error)
        self._held_until[-one.delivery_id] = self._timer() + _FIRST_WAIT * tries
        if tries >= _TRIES:
            await is_revised(one)

    def _shut(self, down: ChannelDown) -> float:
        """Nothing gets through for now; for how long it is not tried again."""
        wait = down.retry_after or self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
        self._closed_until = self._timer() + wait
        log.info("alerts wait", recipient=self._recipient, seconds=wait, reason=str(down))
        return wait

    async def _close(self, group: Sequence[Pending], down: ChannelDown) -> None:
        self._shut(down)
        await put_back(group, str(down))

    async def _fault(self, group: Sequence[Pending], error: Exception) -> None:
        """This message is the trouble: from now on each alert in it by itself, later, barely, at last not at all."""
        note = redact(f"{type(error).__name__}: {error}")[:300]
        tries = max(self._faults.get(each.delivery_id, 0) for each in group) + 1
        log.error("an alert could not be sent", alerts=[each.alert_id for each in group], tries=tries, exc_info=error)
        if tries >= _TRIES:
            await self._done(group, "failed", note)
            return
        for each in group:
            self._faults[each.delivery_id] = tries
            self._held_until[each.delivery_id] = self._timer() + _FIRST_WAIT * (2**tries - 2)  # the first time at once
        await put_back(group, note)

    async def _done(self, group: Sequence[Pending], status: str, note: str, copy: str = "") -> None:
        await mark(group, status, note, self._clock.now(), copy)
        for each in group:
            self._faults.pop(each.delivery_id, None)
            self._held_until.pop(each.delivery_id, None)


def _reads_as_one(group: Sequence[Pending]) -> bool:
    """Whether a group is one alert, repeats of one, or a list short enough to be read; else it is a digest."""
    short = len(group) <= LARGEST_GROUP or group[0].kind not in GROUPED
    return len(group) == 1 or (short and len({key_of(each) for each in group}) == 1)
