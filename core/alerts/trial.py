"""Trying channels: a test over each, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.alerts.channel import Channel, ChannelDown, ChannelRefused, Message, Severity
from core.redaction import redact

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a test. `trouble` is empty if it was accepted."""

    channel: str
    recipient: str
    who: str
    seconds: float
    trouble: str = ""

    @property
    def line(self) -> str:
        """In a line, without address or secret."""
        number = f" {self.recipient.partition('/')[2]}" if "/" in self.recipient else ""
        outcome = (
            f"FAILED after {self.seconds:.1f} s: {self.trouble}" if self.trouble else f"ok in {self.seconds:.1f} s"
        )
        return f"{self.channel}{number}, {self.who}: {outcome}"


def trial_message(by: str, at: datetime) -> Message:
    """What is sent: without a number, since it is no alert."""
    lines = (f"Asked for by {by}. Nothing is wrong, and nothing needs to be done.",)
    return Message((), "test", Severity.INFO, "Test alert", lines, at)


async def try_all(places: Iterable[tuple[Channel, str, str]], message: Message) -> list[Trial]:
    """Send `message` to each (channel, recipient, name), all at once."""
    return list(await asyncio.gather(*(_try(channel, to, who, message) for channel, to, who in places)))


async def _try(channel: Channel, recipient: str, who: str, message: Message) -> Trial:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    (outcome,) = await asyncio.gather(_deliver(channel, recipient, message), return_exceptions=True)
    if isinstance(outcome, asyncio.CancelledError):
        raise outcome
    trouble = _trouble(outcome) if isinstance(outcome, BaseException) else ""
    return Trial(channel.name, recipient, who, loop.time() - begun, trouble)


async def _deliver(channel: Channel, recipient: str, message: Message) -> str:
    async with asyncio.timeout(_SECONDS):
        return await channel.deliver(recipient, message)


def _trouble(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:g} s"
    plain = isinstance(error, ChannelDown | ChannelRefused)
    return redact(str(error) if plain else f"{type(error).__name__}: {error}")[:200]
