"""Tells when a venue is connected but not well, and when that is over: no answers, a ban, no news by stream.

That a connection is away altogether is told by `core.connections`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from brokers.health import Breaker, Health
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.market.feed import Feed
from core.trading.desk import Desk
from core.trading.floor import Floor

_KIND = "connection"
# What is over sooner than this is no news.
_SILENT_VENUE = timedelta(seconds=20)
_SHUT_OUT = timedelta(seconds=5)
_STREAM_DOWN = timedelta(seconds=60)
_CLOCK_LATE = timedelta(seconds=10)
_CLOCK_IS_OFF = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not well with one connection. It is told once it has lasted for `patience`.

    `what` names it for as long as it lasts; `over` is told when it does not any more.
    """

    what: str
    severity: Severity
    title: str
    body: str
    over: str
    patience: timedelta


def troubles(name: str, health: Health, now: datetime, *, open_orders: int | None) -> Iterator[Trouble]:
    """What is not well with the connection `name` now. `open_orders` is None for one that only brings prices. Pure."""
    if health.banned_until is not None and health.banned_until > now:
        yield _ban(name, health.banned_until, now, open_orders)
    elif health.breaker is not Breaker.CLOSED:
        yield _silent(name, health, open_orders)
    elif health.prices is not Breaker.CLOSED:
        yield _priceless(name, health, open_orders)
    if (offset := health.clock_offset) is not None and abs(offset) >= _CLOCK_IS_OFF:
        yield _clock(name, offset)
    down = sorted(stream for stream, each in health.streams.items() if not each.is_open)
    if down:
        yield _streams(name, down, open_orders)


def shut(desk: Desk, now: datetime) -> tuple[str, ...]:
    """Why the venue of an account takes no orders now, in a line each; nothing if it does, or is not connected."""
    found = troubles(desk.account, desk.broker.health, now, open_orders=0) if desk.broker.is_connected else ()
    return tuple(each.title for each in found if each.what in ("ban", "breaker"))


def _grave(open_orders: int | None) -> Severity:
    """Without an account nobody's money is at stake: the next feed takes over."""
    return Severity.WARNING if open_orders is None else Severity.CRITICAL


def _orders(open_orders: int | None) -> str:
    if open_orders is None:
        return "It only brings prices; if there is another feed, that one counts meanwhile."
    if not open_orders:
        return "No order of ours is open there."
    count = "1 order of ours is" if open_orders == 1 else f"{open_orders} orders of ours are"
    return f"{count} open there; what rests at the venue works on, but cannot be changed from here."


def _ban(name: str, until: datetime, now: datetime, open_orders: int | None) -> Trouble:
    minutes = max(1, round((until - now) / timedelta(minutes=1)))
    return Trouble(
        "ban",
        _grave(open_orders),
        f"{name}: the venue has shut us out until {until:%H:%M} UTC",
        f"It has got too many requests from this machine's address, and takes none for about {minutes} min: "
        f"nothing can be ordered, cancelled or asked there. {_orders(open_orders)}\n"
        "It ends by itself; asking again would only make it longer. If something must be cancelled now, do it in the "
        "venue's own app. Does another program use the same address? Stop it.",
        f"{name}: the venue takes requests again",
        _SHUT_OUT,
    )


def _silent(name: str, health: Health, open_orders: int | None) -> Trouble:
    last = f" The last error: {health.last_error}" if health.last_error else ""
    return Trouble(
        "breaker",
        _grave(open_orders),
        f"{name}: the venue does not answer",
        f"One call after another has failed, so only one is tried now and then; cancels are tried every time.{last}\n"
        f"{_orders(open_orders)}\n"
        "It goes on by itself as soon as the venue answers. If it lasts, look at the venue's status page, and use "
        "its own app if something must be done now. /brokers shows more.",
        f"{name}: the venue answers again",
        _SILENT_VENUE,
    )


def _priceless(name: str, health: Health, open_orders: int | None) -> Trouble:
    last = f" The last error: {health.last_error}" if health.last_error else ""
    trading = "It only brings prices; if there is another feed, that one counts meanwhile."
    if open_orders is not None:
        trading = "Orders, cancels and the account are asked for as usual."
    return Trouble(
        "prices",
        Severity.WARNING,
        f"{name}: the venue answers no question about prices",
        f"One after another has failed, so only one is tried now and then.{last}\n{trading}",
        f"{name}: the venue answers about prices again",
        _SILENT_VENUE,
    )


def _clock(name: str, offset: timedelta) -> Trouble:
    side = "behind" if offset > timedelta(0) else "ahead of"
    seconds = f"{abs(offset).total_seconds():.1f} s"
    return Trouble(
        "clock",
        Severity.WARNING,
        f"{name}: this machine's clock is {seconds} {side} the venue's",
        "Orders go on, dated by the venue's clock. But times in logs and jobs are wrong: have the machine keep its "
        "clock right (chrony or systemd-timesyncd).",
        f"{name}: the clocks agree again",
        _CLOCK_LATE,
    )


def _streams(name: str, down: Sequence[str], open_orders: int | None) -> Trouble:
    asked = "Orders and fills are asked for meanwhile: they come later, and none is lost."
    return Trouble(
        "streams",
        Severity.WARNING,
        f"{name}: no news by stream ({', '.join(down)})",
        f"{asked if open_orders is not None else _orders(None)} It is opened again and again by itself.",
        f"{name}: the streams are back",
        _STREAM_DOWN,
    )


@dataclass(slots=True)
class _Seen:
    """A trouble that lasts: since when, and how gravely it was told."""

    since: datetime
    trouble: Trouble
    told: Severity | None = None


class VenueWatch:
    """Looked at every second, with the alerts."""

    def __init__(self, floor: Floor, feeds: Callable[[], Iterable[Feed]], alerts: Alerts, clock: Clock) -> None:
        self._floor = floor
        self._feeds = feeds
        self._alerts = alerts
        self._clock = clock
        self._lasting: dict[tuple[str, str], _Seen] = {}
        self._met: set[str] = set()  # looked at since the start: what was open before it may be over

    async def look(self) -> None:
        """Look at every connection once."""
        for desk in self._floor:
            await self._look(desk.account, desk.account, self._of_account(desk))
        for feed in self._feeds():
            if feed.is_own:
                found = troubles(feed.name, feed.broker.health, self._clock.now(), open_orders=None)
                await self._look(f"feed {feed.name}", "", list(found) if feed.broker.is_connected else [])

    def _of_account(self, desk: Desk) -> list[Trouble]:
        """Without a connection only a ban says more than that."""
        count = len(desk.orders.open_orders)
        found = troubles(desk.account, desk.broker.health, self._clock.now(), open_orders=count)
        return [each for each in found if desk.broker.is_connected or each.what == "ban"]

    async def _look(self, name: str, account: str, found: list[Trouble]) -> None:
        now = self._clock.now()
        for trouble in found:
            seen = self._lasting.setdefault((name, trouble.what), _Seen(now, trouble))
            if now - seen.since >= trouble.patience:
                await self._tell(name, account, trouble, seen)
        for what in ("ban", "breaker", "clock", "streams"):
            if what not in {each.what for each in found}:
                await self._over(name, account, what)
        self._met.add(name)

    async def _tell(self, name: str, account: str, trouble: Trouble, seen: _Seen) -> None:
        """Once; again when it is graver than it was told, as at the end of a maintenance window."""
        severity = self._held(trouble.severity, account)
        if seen.told is not None and seen.told.rank >= severity.rank:
            return
        body = f"Since {seen.since:%H:%M:%S} UTC. {trouble.body}"
        key = _key(name, trouble.what) if severity is Severity.CRITICAL else ""
        await self._alerts.add(Alert(_KIND, severity, trouble.title, body, account=account, key=key))
        seen.told, seen.trouble = severity, trouble

    async def _over(self, name: str, account: str, what: str) -> None:
        seen = self._lasting.pop((name, what), None)
        if seen is None and name in self._met:
            return
        if seen is None or seen.told is Severity.CRITICAL:
            await self._alerts.close(_key(name, what), seen.trouble.over if seen else f"{name}: it is over")
        elif seen.told is not None:
            lasted = (self._clock.now() - seen.since).total_seconds()
            body = f"It lasted for {lasted:.0f} s."
            await self._alerts.add(Alert(_KIND, Severity.INFO, seen.trouble.over, body, account=account))

    def _held(self, severity: Severity, account: str) -> Severity:
        """In a maintenance window nobody is woken; if it lasts longer than the window, somebody is."""
        held = self._alerts.mutes.hold(Severity.WARNING, _KIND, account, "", self._clock.now())
        return severity if held is None else min(severity, Severity.WARNING, key=lambda each: each.rank)


def _key(name: str, what: str) -> str:
    return f"venue:{name}:{what}"
