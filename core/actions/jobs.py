"""The schedule: running, pausing, moving, adding and removing jobs."""

from __future__ import annotations

from core.access.roles import Actor
from core.actions.acting import Acting
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.errors import UserError
from core.schedule import NoSchedule, Schedule, read_schedule
from core.views import ActionResult


class JobActions(Acting):
    """What may be done to jobs."""

    async def set_job(self, name: str, *, enabled: bool, actor: Actor) -> ActionResult:
        """Pause or resume a job; everyone is told if safety depends on it. Raises `UnknownName`."""
        guards = self._engine.scheduler.job(name).guards
        await self._engine.scheduler.set_enabled(name, enabled)
        word = "resumed" if enabled else "paused"
        if guards:
            severity = Severity.INFO if enabled else Severity.WARNING
            body = f"By {actor.name}." + ("" if enabled else f" Nothing replaces it: /job {name} resume goes on.")
            await self._engine.alerts.add(Alert("job", severity, f"The job {name} was {word}", body))
        return await self._done(actor, f"{word} job", name, True, f"Job {name} is {word}.", "")

    async def run_job(self, name: str, actor: Actor) -> ActionResult:
        """Run a job now. Raises `UnknownName`."""
        outcome = await self._engine.scheduler.run_now(name)
        await self._engine.audit.record(actor, "run job", name, outcome[:40])
        return ActionResult(outcome == "ok", f"Job {name}: {outcome}.")

    async def move_job(self, name: str, text: str, zone: str, actor: Actor) -> ActionResult:
        """Run a job at another time from now on; "usual" is its own again. Raises `UserError`."""
        schedule = None if text == "usual" else _read(text, zone)
        now = await self._engine.scheduler.move(name, schedule, actor.name)
        return await self._done(actor, "moved job", f"{name}: {now}", True, f"Job {name} runs {now} from now on.", "")

    async def add_job(self, kind: str, argument: str, text: str, zone: str, actor: Actor) -> ActionResult:
        """Add a job of a person's own, a report for example. Raises `UserError`."""
        job = await self._engine.scheduler.add(kind, argument, _read(text, zone), actor.name)
        said = f"{job.title} comes {job.schedule} from now on, as {job.name}."
        return await self._done(actor, "added job", f"{job.name}: {job.schedule}", True, said, "")

    async def remove_job(self, name: str, actor: Actor) -> ActionResult:
        """Forget an added job. Raises `UserError`."""
        await self._engine.scheduler.remove(name)
        return await self._done(actor, "removed job", name, True, f"Job {name} is gone.", "")


def _read(text: str, zone: str) -> Schedule:
    try:
        return read_schedule(text, zone)
    except NoSchedule as error:
        raise UserError(str(error)) from error
