"""Everything that notices when the program stops, put together: progress, heartbeat, watchdog, service manager."""

from __future__ import annotations

import asyncio

import structlog

from core.clock import Clock
from core.heartbeat import Heartbeat, Tell
from core.progress import Part, Progress
from core.settings import Settings
from core.supervision import Supervisor
from core.systemd import ServiceManager
from core.views import HealthRow
from core.watchdog import Pulse, Watchdog

log = structlog.get_logger(__name__)

_LAG_SECONDS = 1.0


class Vigil:
    """Watches over one running program."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        supervisor: Supervisor,
        clock: Clock,
        tell: Tell,
        manager: ServiceManager | None = None,
    ) -> None:
        self._progress = progress
        self._supervisor = supervisor
        self._clock = clock
        self._manager = manager or ServiceManager()
        self._pulse = Pulse()
        self._watchdog = Watchdog(settings.watchdog, lambda: self._pulse.beats)
        self._heartbeat = Heartbeat(settings.heartbeat, progress, clock, tell) if settings.heartbeat else None

    def start(self) -> None:
        """Everything runs: watch over it from now on, and tell the service manager."""
        self._progress.begin()
        self._pulse.start()
        if self._heartbeat is not None:
            self._supervisor.run("heartbeat", self._heartbeat.run)
        if self._manager.watchdog_seconds is not None:
            self._supervisor.run("service manager", self._reassure)
        self._manager.ready()

    def guard(self) -> None:
        """End the process if its loop stays blocked. Only for a program that somebody starts again."""
        self._watchdog.start()

    def stopping(self) -> None:
        """The program is about to end: that is meant."""
        self._manager.stopping()

    def stop(self) -> None:
        """Watch no more."""
        self._watchdog.stop()
        self._pulse.stop()

    async def _reassure(self) -> None:
        """Signs of life to the service manager, twice in each of its intervals, while no part is stuck."""
        seconds = (self._manager.watchdog_seconds or 0.0) / 2
        before: tuple[str, ...] = ()
        while True:
            stuck = self._progress.stuck
            if not stuck:
                self._manager.alive("running")
            else:
                self._manager.say(f"stuck: {', '.join(stuck)}")
            if stuck and stuck != before:
                log.critical("a part is stuck: the service manager hears no sign of life", parts=stuck)
            before = stuck
            await asyncio.sleep(seconds)

    # --- how it is ---------------------------------------------------------------------------------

    def health(self) -> tuple[HealthRow, ...]:
        """The loop, what each part last did, and the signs of life."""
        lag = self._pulse.worst_lag
        parts = ", ".join(_told(part) for part in self._progress.parts)
        rows = [
            HealthRow("event loop", lag < _LAG_SECONDS, f"held up {1000 * lag:.0f} ms at most within a minute"),
            HealthRow("progress", not self._progress.stalled, parts),
        ]
        if self._heartbeat is not None:
            rows.append(HealthRow("sign of life", not self._heartbeat.trouble, self._beat_word(self._heartbeat)))
        return tuple(rows)

    def _beat_word(self, heartbeat: Heartbeat) -> str:
        last = heartbeat.last_at
        sent = "none yet" if last is None else f"{(self._clock.now() - last).total_seconds():.0f} s ago"
        return f"{sent}; {heartbeat.trouble}" if heartbeat.trouble else sent


def _told(part: Part) -> str:
    return f"{part.name} paused" if part.is_resting else f"{part.name} {part.quiet_seconds:.0f} s ago"
