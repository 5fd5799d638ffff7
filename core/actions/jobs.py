"""The schedule: running, pausing and resuming jobs."""

from __future__ import annotations

from core.access.roles import Actor
from core.actions.acting import Acting
from core.views import ActionResult


class JobActions(Acting):
    """What may be done to jobs."""

    async def set_job(self, name: str, *, enabled: bool, actor: Actor) -> ActionResult:
        """Pause or resume a job. Raises `UnknownName`."""
        await self._engine.scheduler.set_enabled(name, enabled)
        word = "resumed" if enabled else "paused"
        return await self._done(actor, f"{word} job", name, True, f"Job {name} is {word}.", "")

    async def run_job(self, name: str, actor: Actor) -> ActionResult:
        """Run a job now. Raises `UnknownName`."""
        outcome = await self._engine.scheduler.run_now(name)
        await self._engine.audit.record(actor, "run job", name, outcome[:40])
        return ActionResult(outcome == "ok", f"Job {name}: {outcome}.")
