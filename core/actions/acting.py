"""What every action ends with: an audit line and a result."""

from __future__ import annotations

from core.access.roles import Actor
from core.questions import Questions
from core.views import ActionResult


class Acting(Questions):
    """A room of actions; it may look at everything, too."""

    async def _done(
        self,
        actor: Actor,
        action: str,
        detail: str,
        changed: bool,
        text: str,
        otherwise: str,
        lines: tuple[str, ...] = (),
    ) -> ActionResult:
        await self._engine.audit.record(actor, action, detail, "ok" if changed else "no change")
        return ActionResult(changed, text if changed else otherwise, lines)

    async def _failed(self, actor: Actor, action: str, text: str) -> ActionResult:
        await self._engine.audit.record(actor, action, text, "refused")
        return ActionResult(False, text)
