"""What the answer of a web service means for an alert."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from core.alerts.channel import ChannelDown, ChannelRefused
from core.clock import Clock

_LATER = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600.0


def judge(status: int, retry_after: str | None, who: str, clock: Clock) -> None:
    """Return if it was accepted. Raises `ChannelDown` for what passes, `ChannelRefused` for what does not."""
    if 200 <= status < 300:
        return
    if status in _LATER or status >= 500:
        raise ChannelDown(f"{who} answered {status}", seconds_of(retry_after, clock))
    why = ": redirects are not followed" if 300 <= status < 400 else ""
    raise ChannelRefused(f"{who} answered {status}{why}")


def seconds_of(retry_after: str | None, clock: Clock) -> float | None:
    """The wait that a `Retry-After` asks for, in seconds or as a date; None for nonsense. An hour at most."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return min(max(float(text[:9]), 1.0), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - clock.now()).total_seconds(), 1.0), _LONGEST_WAIT)
