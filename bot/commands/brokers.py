"""The connections to venues on one screen."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import html
from bot.accounts import seen
from bot.command import Call, command
from bot.figures import age, clip, next_time, number_of, percent, table
from bot.framing import entries, framed
from bot.html import EMPTY, Html
from bot.screen import Nav, Screen
from brokers.health import Breaker, CallHealth, Health, StreamHealth
from core.access.roles import Permission
from core.views import BrokerView

_CLOCK_IS_OFF = timedelta(seconds=1)
_NEARLY_USED = 0.8
_KINDS = ("place", "cancel", "modify", "query", "market")  # in this order, whatever else there is after them


@command("brokers", "How the connections to venues are doing", permission=Permission.VIEW, aliases=("venues",))
async def brokers(call: Call) -> Screen:
    """Each connection: whose it is, how fast and how reliable, and what is wrong with it."""
    views = await call.service.brokers(seen(call))
    buttons = ((Nav("🩺 Health", "health"), Nav("🔔 Alerts", "alerts")),)
    return framed(
        call, ("Brokers",), entries([render(each, call) for each in views]), here=("brokers",), buttons=buttons
    )


def render(view: BrokerView, call: Call) -> Html:
    """One connection; what is wrong comes first."""
    now = call.now
    said = (view.adapter, _mode(view), "prices only" if view.is_feed else "")
    named = [each for each in said if each and each != view.name]
    head = html.text(_sign(view, now), " ", html.bold(view.name[:40]), *(f" · {each[:40]}" for each in named))
    figures = (_calls(view.health), *_usual(view.health, now), *_streams(view.health, now))
    return html.lines(head, *_wrong(view, call), *_standby(view), *figures)


def _standby(view: BrokerView) -> list[Html]:
    """Who stands by for it, and who trades away from home."""
    return [html.text("🔁 ", each[:200]) for each in view.standby[:8]]


def _mode(view: BrokerView) -> str:
    """Whose money it is: real money is never to be overlooked."""
    if view.is_live:
        return "LIVE: real money"
    return "simulated" if view.mode == "paper" else view.mode


def _sign(view: BrokerView, now: datetime) -> str:
    if not view.connected:
        return "🔴"
    health = view.health
    closed = any(not each.is_open for each in health.streams.values())
    held = health.breaker is not Breaker.CLOSED or health.prices is not Breaker.CLOSED
    ill = held or _ban(health, now) is not None or closed
    return "🟠" if ill else "🟢"


def _ban(health: Health, now: datetime) -> datetime | None:
    return health.banned_until if health.banned_until and health.banned_until > now else None


def _wrong(view: BrokerView, call: Call) -> list[Html]:
    health, now, found = view.health, call.now, list[str]()
    if not view.connected:
        found.append(f"Not connected{': ' + view.problem[:200] if view.problem else ''}")
    if until := _ban(health, now):
        found.append(f"⛔ Shut out by the venue until {next_time(until, now, call.time_zone)} ({age(until, now)})")
    if health.breaker is not Breaker.CLOSED:
        trying = ", one call is being tried" if health.breaker is Breaker.TRIAL else ""
        found.append(f"⚡ The venue does not answer: calls are held back{trying}")
    elif health.prices is not Breaker.CLOSED:
        found.append("⚡ Questions about prices are not answered: only one is tried now and then")
    if health.clock_offset is not None and abs(health.clock_offset) >= _CLOCK_IS_OFF:
        side = "behind" if health.clock_offset > timedelta(0) else "ahead of"
        found.append(f"🕰 Our clock is {_span(abs(health.clock_offset).total_seconds())} {side} the venue's (corrected)")
    return [html.text(line) for line in found]


def _calls(health: Health) -> Html:
    """A small table of the newest calls; nothing for a venue in this process."""
    known = [kind for kind in _KINDS if kind in health.calls]
    kinds = [*known, *sorted(set(health.calls) - set(_KINDS))]
    rows = [(clip(kind, 8), *_figures(health.calls[kind])) for kind in kinds[:8]]
    return table(rows, head=("calls", "p50", "p99", "good")) if rows else EMPTY


def _figures(calls: CallHealth) -> tuple[str, str, str]:
    return _span(calls.p50), _span(calls.p99), percent(calls.success, 0 if calls.success in (0, 1) else 1)


def _usual(health: Health, now: datetime) -> list[Html]:
    """The figures that are there, in one line; and the last error in one of its own."""
    parts = []
    if health.used is not None:
        mark = "⚠️ " if health.used >= _NEARLY_USED else ""
        parts.append(f"{mark}rate limit {percent(health.used, 0)} used")
    if health.clock_offset is not None and abs(health.clock_offset) < _CLOCK_IS_OFF:
        parts.append(f"clock within {_span(abs(health.clock_offset).total_seconds())}")
    if health.reconnects:
        parts.append(number_of(health.reconnects, "reconnect"))
    when = f" {age(health.last_error_at, now)}" if health.last_error_at else ""
    last = html.italic(f"Last error{when}: {health.last_error[:150]}") if health.last_error else EMPTY
    return [html.text(" · ".join(parts)) if parts else EMPTY, last]


def _streams(health: Health, now: datetime) -> list[Html]:
    return [html.text(_stream(name, each, now)) for name, each in sorted(health.streams.items())[:8]]


def _stream(name: str, stream: StreamHealth, now: datetime) -> str:
    last = f"heard {age(stream.last_at, now)}" if stream.last_at else "nothing heard yet"
    heard = f"{'asked for, ' * stream.polled}{last}" if stream.is_open else "closed, being opened again"
    restarts = f", opened anew {stream.restarts}x" if stream.restarts else ""
    sign = "🔇" if not stream.is_open else "🔁" if stream.polled else "📡"
    return f"{sign} {name[:30]}: {heard}{restarts}"


def _span(seconds: float | None) -> str:
    """`12 ms`, `1.2 s`."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
