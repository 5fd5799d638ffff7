"""Jobs by the clock. What people have set and how each job last went is in our own table; APScheduler only ticks."""

from __future__ import annotations

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

# A job that comes later than this is not run after all; the next one is (seconds).
_GRACE = 300


@dataclass(frozen=True, slots=True)
class Job:
    """Something done regularly. Frequent jobs are not written down each time; a failure always is."""

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

    async def start(self) -> None:
        """Begin to tick, as people have left it."""
        rows = await job_rows()
        for job in self._jobs.values():
            self._ticker.add_job(
                self.run_now,
                job.trigger,
                args=[job.name],
                id=job.name,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=_GRACE,
            )
        self._ticker.start()
        for name, row in rows.items():
            if not row.enabled and name in self._jobs:
                self._ticker.pause_job(name)

    def stop(self) -> None:
        """Stop ticking."""
        if self._ticker.running:
            self._ticker.shutdown(wait=False)

    async def run_now(self, name: str) -> str:
        """Run a job and return its outcome: "ok", or what went wrong, which is an alert as well."""
        job = self._get(name)
        try:
            await job.work()
        except Exception as error:
            log.exception("a job has failed", job=name)
            outcome = f"{type(error).__name__}: {error}"[:300]
            await self._alerts.add(Alert("job", Severity.WARNING, f"Job {name} has failed", outcome))
        else:
            outcome = "ok"
        before = self._outcomes.get(name)
        self._outcomes[name] = (self._clock.now(), outcome)
        if not job.frequent or before is None or before[1] != outcome:
            await put_job(name, last_at=self._clock.now(), last_outcome=outcome)
        return outcome

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
