"""One recipient's way through a channel: what waits for them, the gravest first. No lane ever waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from core.alerts.channel import Channel, ChannelDown, ChannelRefused, Message
from core.alerts.grouping import LARGEST_GROUP, grouped, may_group, message_of, plain_message_of
from core.clock import Clock
from core.store.alerts import Pending, mark, pending_for

log = structlog.get_logger(__name__)

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
# A message that the channel fails on, not with: so often it is tried as it is, then as plain text, then only its
# title, then it is given up.
_TRIES_IN_FULL = 2
_TRIES = 4


class Lane:
    """Delivers to one recipient. `serve` whenever something is new, and again after the seconds it returns."""

    def __init__(self, recipient: str, channel: Channel, clock: Clock, *, group_seconds: float) -> None:
        self._recipient = recipient
        self._channel = channel
        self._clock = clock
        self._group_seconds = group_seconds
        self._closed_until = 0.0  # by the loop's clock, which nobody sets back
        self._wait = _FIRST_WAIT
        self._faults: dict[int, int] = {}
        self._held_until: dict[int, float] = {}

    async def serve(self) -> float | None:
        """Deliver what is due. Seconds until there is more to do, None if nothing waits.

        What waits is asked for again before each message: a CRITICAL alert waits for one message at most.
        """
        while (closed := self._closed_until - _now()) <= 0:
            waiting = await pending_for(self._channel.name, self._recipient)
            if not waiting:
                return None
            group, wait = self._next(waiting)
            if not group:
                return wait
            await self._deliver(group)
        return closed

    def _next(self, waiting: Sequence[Pending]) -> tuple[list[Pending], float]:
        """The group that is due, or none and the seconds until one is."""
        waits = []
        for group in grouped(waiting, self._faults):
            wait = max(self._young(group), self._held_until.get(group[0].delivery_id, 0.0) - _now())
            if wait <= 0:
                return group, 0.0
            waits.append(wait)
        return [], min(waits)

    def _young(self, group: Sequence[Pending]) -> float:
        """How long a group may still wait for more of its kind, in seconds."""
        if len(group) >= LARGEST_GROUP or not may_group(group[0]):
            return 0.0
        age = (self._clock.now() - min(each.at for each in group)).total_seconds()
        return self._group_seconds - age if age >= 0 else 0.0  # the clock was set back: do not wait for it

    async def _deliver(self, group: Sequence[Pending]) -> None:
        try:
            await self._channel.deliver(self._recipient, self._message(group))
        except ChannelDown as down:
            await self._close(group, down)
        except ChannelRefused as refused:
            log.warning("an alert cannot be delivered", recipient=self._recipient, reason=str(refused))
            await self._done(group, "refused", str(refused))
        except Exception as error:  # noqa: BLE001 - event delivery: one poisonous message must not hold up the others
            await self._fault(group, error)
        else:
            self._wait = _FIRST_WAIT
            await self._done(group, "delivered", "")

    def _message(self, group: Sequence[Pending]) -> Message:
        tries = self._faults.get(group[0].delivery_id, 0)
        return message_of(group) if tries < _TRIES_IN_FULL else plain_message_of(group, barely=tries == _TRIES - 1)

    async def _close(self, group: Sequence[Pending], down: ChannelDown) -> None:
        """Nothing gets through for now."""
        wait = down.retry_after or self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
        self._closed_until = _now() + wait
        await mark(group, "waiting", str(down), None)
        log.info("alerts wait", recipient=self._recipient, seconds=wait, reason=str(down))

    async def _fault(self, group: Sequence[Pending], error: Exception) -> None:
        """This message is the trouble: from now on each alert in it by itself, later, barely, at last not at all."""
        note = f"{type(error).__name__}: {error}"[:300]
        tries = max(self._faults.get(each.delivery_id, 0) for each in group) + 1
        log.error("an alert could not be sent", alerts=[each.alert_id for each in group], tries=tries, exc_info=error)
        if tries >= _TRIES:
            await self._done(group, "failed", note)
            return
        for each in group:
            self._faults[each.delivery_id] = tries
            self._held_until[each.delivery_id] = _now() + _FIRST_WAIT * (2**tries - 2)  # the first time at once
        await mark(group, "waiting", note, None)

    async def _done(self, group: Sequence[Pending], status: str, note: str) -> None:
        await mark(group, status, note, self._clock.now())
        for each in group:
            self._faults.pop(each.delivery_id, None)
            self._held_until.pop(each.delivery_id, None)


def _now() -> float:
    return asyncio.get_running_loop().time()
