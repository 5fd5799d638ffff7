"""Jobs by the clock. What people have set and how each job last went is in our own table; APScheduler only ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.errors import UnknownName
from core.store.control import job_rows, put_job
from core.views import JobRow

log = structlog.get_logger(__name__)

BUSY = "is running already"


@dataclass(frozen=True, slots=True)
class Job:
    """Something done regularly. Of a frequent job only the first failure in a row is an alert, of others each."""

    name: str
    title: str
    schedule: str
    trigger: BaseTrigger
    work: Callable[[], Awaitable[None]]
    frequent: bool = False


def every(seconds: float) -> BaseTrigger:
    """A trigger by interval."""
    return IntervalTrigger(seconds=seconds, timezone=UTC)


def daily(at: str, weekday: str | None = None) -> BaseTrigger:
    """A trigger at HH:MM UTC, every day or on one weekday ("mon" … "sun")."""
    hour, minute = at.split(":")
    return CronTrigger(hour=hour, minute=minute, day_of_week=weekday, timezone=UTC)


class Scheduler:
    """Runs jobs; people may pause, resume and run them."""

    def __init__(self, jobs: Iterable[Job], clock: Clock, alerts: Alerts) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._clock = clock
        self._alerts = alerts
        self._ticker = AsyncIOScheduler(timezone=UTC)
        self._outcomes: dict[str, tuple[datetime, str]] = {}
        self._busy: set[str] = set()
        self._told: set[str] = set()
        self._stopped = False

    async def start(self) -> None:
        """Begin to tick, as people have left it. After a sleep of the machine a job that is late runs once."""
        paused = {name for name, row in (await job_rows()).items() if not row.enabled}
        for job in self._jobs.values():
            self._ticker.add_job(
                self._tick,
                job.trigger,
                args=[job.name],
                id=job.name,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
        for name in paused & self._jobs.keys():
            self._ticker.pause_job(name)
        self._ticker.start()

    def stop(self) -> None:
        """Stop ticking; jobs at work are cut off."""
        self._stopped = True
        if self._ticker.running:
            self._ticker.shutdown(wait=False)

    async def _tick(self, name: str) -> None:
        try:
            await self.run_now(name)
        except asyncio.CancelledError:
            if not self._stopped:
                raise

    async def run_now(self, name: str) -> str:
        """Run a job and return its outcome: "ok", or what went wrong, which is an alert as well.

        A job never runs beside itself: while it does, a second run is refused.
        """
        job = self._get(name)
        if name in self._busy:
            return BUSY
        self._busy.add(name)
        try:
            outcome = await self._attempt(job)
            await self._note(job, outcome)
        finally:
            self._busy.discard(name)
        return outcome

    async def _attempt(self, job: Job) -> str:
        try:
            await job.work()
        except Exception as error:
            if job.name not in self._told:
                log.exception("a job has failed", job=job.name)
            return f"{type(error).__name__}: {error}"[:300]
        return "ok"

    async def _note(self, job: Job, outcome: str) -> None:
        before, now = self._outcomes.get(job.name), self._clock.now()
        self._outcomes[job.name] = (now, outcome)
        if outcome == "ok":
            self._told.discard(job.name)
        elif not job.frequent or job.name not in self._told:
            await self._alerts.add(Alert("job", Severity.WARNING, f"Job {job.name} has failed", outcome))
            self._told.add(job.name)
        if not job.frequent or before is None or (before[1] == "ok") != (outcome == "ok"):
            await put_job(job.name, last_at=now, last_outcome=outcome)

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """Pause or resume a job, for good."""
        self._get(name)
        await put_job(name, enabled=enabled)
        if enabled:
            self._ticker.resume_job(name)
        else:
            self._ticker.pause_job(name)

    async def rows(self) -> tuple[JobRow, ...]:
        """Every job as people see it."""
        stored = await job_rows()
        return tuple(self._row(job, stored) for job in self._jobs.values())

    def _row(self, job: Job, stored: Mapping[str, object]) -> JobRow:
        ticking = self._ticker.get_job(job.name)
        row = stored.get(job.name)
        last_at, outcome = self._outcomes.get(
            job.name, (getattr(row, "last_at", None), getattr(row, "last_outcome", ""))
        )
        next_at = getattr(ticking, "next_run_time", None)
        enabled = bool(getattr(row, "enabled", True))
        return JobRow(job.name, job.title, job.schedule, enabled, next_at, last_at, outcome)

    def _get(self, name: str) -> Job:
        if name not in self._jobs:
            raise UnknownName("job", name, self._jobs)
        return self._jobs[name]
