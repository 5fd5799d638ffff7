"""Jobs by the clock. What people have set and how each job last went is in our own table; APScheduler only ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from brokers.errors import BrokerError
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.errors import Postponed, UnknownName, UserError
from core.schedule import Every, Schedule, read_schedule
from core.store.control import drop_job, job_rows, put_job
from core.store.models import JobRow as Stored
from core.views import JobRow

log = structlog.get_logger(__name__)

BUSY = "is running already"
_LATER = "not now: "

Work = Callable[[], Awaitable[None]]
_MOST_ADDED = 20
_OFTEN_ENOUGH = 900.0  # seconds between two runs of a job that is meant for a time of day


@dataclass(frozen=True, slots=True)
class Job:
    """Something done regularly. Of a frequent job only the first failure in a row is an alert, of others each.

    `between` are the shortest and the longest interval in seconds that people may choose; without it the job is one
    for a time of day. `guards` says that safety depends on it. `added_by` names who added it in chat.
    """

    name: str
    title: str
    schedule: Schedule
    work: Work
    frequent: bool = False
    between: tuple[float, float] | None = None
    guards: bool = False
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job that people may add: what it may be about, and its title and work for each."""

    arguments: tuple[str, ...]
    title: Callable[[str], str]
    work: Callable[[str], Work]


def _trigger(schedule: Schedule) -> BaseTrigger:
    """The same in the words of the library."""
    if isinstance(schedule, Every):
        return IntervalTrigger(seconds=schedule.seconds, timezone=UTC)
    which = {"day": schedule.day} if schedule.day else {"day_of_week": ",".join(schedule.days)}
    return CronTrigger(hour=schedule.hour, minute=schedule.minute, timezone=ZoneInfo(schedule.zone), **which)


def _said(error: Exception) -> str:
    """What is written for people, as it is; of any other error the kind too."""
    text, kind = str(error), type(error).__name__
    if isinstance(error, (BrokerError, UserError)):
        return text or kind
    return f"{kind}: {text}" if text else kind


class Scheduler:
    """Runs jobs; people may pause, resume, run and move them, and add some of their own."""

    def __init__(
        self, jobs: Iterable[Job], clock: Clock, alerts: Alerts, kinds: Mapping[str, Kind] | None = None
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._kinds = kinds or {}
        self._moved: dict[str, tuple[Schedule, str]] = {}  # the schedule that people want instead, and who
        self._clock = clock
        self._alerts = alerts
        self._ticker = AsyncIOScheduler(timezone=UTC)
        self._outcomes: dict[str, tuple[datetime, str]] = {}
        self._busy: set[str] = set()
        self._told: set[str] = set()
        self._stopped = False

    async def start(self) -> None:
        """Begin to tick, as people have left it. After a sleep of the machine a job that is late runs once."""
        stored = await job_rows()
        for row in stored.values():
            self._take_up(row)
        for job in self._jobs.values():
            self._tick_by(job)
        for name in {name for name, row in stored.items() if not row.enabled} & self._jobs.keys():
            self._ticker.pause_job(name)
        self._ticker.start()

    def _take_up(self, row: Stored) -> None:
        """What people have added or moved before this start; what no longer fits is left out, and logged."""
        try:
            schedule = read_schedule(row.schedule) if row.schedule else None
            if row.kind and schedule:
                self._jobs[row.name] = self._made(row.name, row.kind, row.argument, schedule, row.changed_by)
            elif schedule and row.name in self._jobs:
                self._check(self._jobs[row.name], schedule)
                self._moved[row.name] = schedule, row.changed_by
        except (UserError, ValueError) as error:
            log.warning("a stored job does not fit any more", job=row.name, reason=str(error))

    def _made(self, name: str, kind: str, argument: str, schedule: Schedule, by: str) -> Job:
        if kind not in self._kinds:
            raise UnknownName("kind of job", kind, self._kinds)
        made = self._kinds[kind]
        if argument not in made.arguments:
            raise UnknownName(kind, argument, made.arguments)
        job = Job(name, made.title(argument), schedule, made.work(argument), added_by=by)
        self._check(job, schedule)
        return job

    def _tick_by(self, job: Job) -> None:
        self._ticker.add_job(
            self._tick,
            _trigger(self._schedule_of(job)),
            args=[job.name],
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _schedule_of(self, job: Job) -> Schedule:
        return self._moved[job.name][0] if job.name in self._moved else job.schedule

    def stop(self) -> None:
        """Stop ticking; jobs at work are cut off.

        Paused first, so that no job is begun in the moment before the shutdown: APScheduler would cut it off before
        our first line, and log that as an error.
        """
        self._stopped = True
        if self._ticker.running:
            self._ticker.pause()
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
        except Postponed as error:
            return f"{_LATER}{error}"[:300]
        except Exception as error:
            if job.name not in self._told:
                log.exception("a job has failed", job=job.name)
            return _said(error)[:300]
        return "ok"

    async def _note(self, job: Job, outcome: str) -> None:
        before, now = self._outcomes.get(job.name), self._clock.now()
        self._outcomes[job.name] = (now, outcome)
        if outcome == "ok":
            self._told.discard(job.name)
        elif not outcome.startswith(_LATER) and (not job.frequent or job.name not in self._told):
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

    async def move(self, name: str, schedule: Schedule | None, by: str) -> Schedule:
        """Run a job at another time from now on, or at its own again (None); its schedule now. Raises `UserError`."""
        job = self._get(name)
        if schedule is not None:
            self._check(job, schedule)
        await put_job(
            name, schedule="" if schedule is None and not job.added_by else str(schedule or job.schedule), changed_by=by
        )
        if schedule is None:
            self._moved.pop(name, None)
        else:
            self._moved[name] = schedule, by
        self._retime(name)
        return self._schedule_of(job)

    def _retime(self, name: str) -> None:
        """Tick by the schedule of now; a paused job stays paused."""
        paused = self._next(name) is None
        self._ticker.reschedule_job(name, trigger=_trigger(self._schedule_of(self._jobs[name])))
        if paused:
            self._ticker.pause_job(name)

    async def add(self, kind: str, argument: str, schedule: Schedule, by: str) -> Job:
        """A job of a person's own. Raises `UserError`."""
        added = [job for job in self._jobs.values() if job.added_by]
        if len(added) >= _MOST_ADDED:
            raise UserError(f"There are {len(added)} added jobs already: remove one first, /schedule lists them.")
        name = next(
            name for number in range(1, _MOST_ADDED + 2) if (name := f"{kind}-{argument}-{number}") not in self._jobs
        )
        job = self._made(name, kind, argument, schedule, by)
        await put_job(name, kind=kind, argument=argument, schedule=str(schedule), changed_by=by, enabled=True)
        self._jobs[name] = job
        self._tick_by(job)
        return job

    async def remove(self, name: str) -> None:
        """Forget a job that a person has added. Raises `UserError`."""
        if not self._get(name).added_by:
            raise UserError(f"{name} belongs to the program: it can be paused, not removed.")
        await drop_job(name)
        self._ticker.remove_job(name)
        self._moved.pop(name, None)
        self._outcomes.pop(name, None)
        del self._jobs[name]

    def job(self, name: str) -> Job:
        """One job. Raises `UnknownName`."""
        return self._get(name)

    @staticmethod
    def _check(job: Job, schedule: Schedule) -> None:
        """Whether a job may run by this schedule. Raises `UserError`."""
        if job.between is not None:
            low, high = job.between
            if not isinstance(schedule, Every) or not low <= schedule.seconds <= high:
                raise UserError(f"{job.name} runs at an interval, {Every(low)} to {Every(high)}; not {schedule}.")
        elif isinstance(schedule, Every) and schedule.seconds < _OFTEN_ENOUGH:
            raise UserError(f"{job.name} may run {Every(_OFTEN_ENOUGH)} at most, not {schedule}.")

    def pace(self, name: str) -> float | None:
        """The seconds between two runs of a job that runs at an interval; None while it is paused."""
        schedule = self._schedule_of(self._get(name))
        return schedule.seconds if isinstance(schedule, Every) and self._next(name) is not None else None

    async def rows(self) -> tuple[JobRow, ...]:
        """Every job as people see it."""
        stored = await job_rows()
        return tuple(self._row(job, stored.get(job.name)) for job in self._jobs.values())

    def _row(self, job: Job, row: Stored | None) -> JobRow:
        known = (row.last_at, row.last_outcome) if row else (None, "")
        last_at, outcome = self._outcomes.get(job.name, known)
        return JobRow(
            name=job.name,
            title=job.title,
            schedule=str(self._schedule_of(job)),
            enabled=row.enabled if row else True,
            next_at=self._next(job.name),
            last_at=last_at,
            last_outcome=outcome,
            usual=str(job.schedule) if job.name in self._moved else "",
            changed_by=self._moved[job.name][1] if job.name in self._moved else "",
            added_by=job.added_by,
            guards=job.guards,
            interval=job.between is not None,
        )

    def _next(self, name: str) -> datetime | None:
        ticking = self._ticker.get_job(name)
        return getattr(ticking, "next_run_time", None)

    def _get(self, name: str) -> Job:
        if name not in self._jobs:
            raise UnknownName("job", name, self._jobs)
        return self._jobs[name]
