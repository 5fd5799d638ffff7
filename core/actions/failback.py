"""The way back from a standby: a person brings strategies home, one by one, each only if it is flat."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from core.access.roles import Actor
from core.actions.acting import Acting
from core.errors import UnknownName, UserError
from core.views import ActionResult, AwayRow, FailbackView


class FailingBack(Acting):
    """Brings strategies home from the account that stands by for their own."""

    def failback_preview(self, actor: Actor, strategy: str = "") -> FailbackView:
        """Who trades away from home: one strategy, or all of which the actor sees both accounts. Raises `UserError`."""
        rows = self._rows(actor, strategy)
        if strategy and not rows:
            names = [each.name for each in self._engine.strategies.instances]
            if strategy not in names:
                raise UnknownName("strategy", strategy, names)
            raise UserError(f"{strategy} trades in its own account.")
        return FailbackView(rows, _token(rows))

    async def fail_back(self, actor: Actor, strategy: str, seen: str) -> ActionResult:
        """Bring home who was shown, after both accounts were compared; who is not flat stays, and it is said why."""
        rows = self._rows(actor, strategy)
        if not rows or seen != _token(rows):
            return await self._failed(actor, "failback", "Not what was shown trades away from home by now: ask again.")
        accounts = sorted({account for row in rows for account in (row.home, row.account)})
        await asyncio.gather(*(self._engine.reconcile(each) for each in accounts), return_exceptions=True)
        lines, stay = [], 0
        for row in rows:
            why = await self._engine.failover.back(actor, row.strategy)
            stay += bool(why)
            lines.append(f"🔴 {row.strategy} stays in {row.account}: {why}" if why else f"{row.strategy}: {row.home}")
        if stay:
            await self._engine.audit.record(actor, "failback", "; ".join(lines), "refused")
        text = f"{stay} of {len(rows)} cannot come back yet." if stay else "They trade in their own accounts again."
        return ActionResult(not stay, text, tuple(lines))

    def _rows(self, actor: Actor, strategy: str) -> tuple[AwayRow, ...]:
        return tuple(
            AwayRow(each.strategy, each.home, each.account, each.at)
            for each in self._engine.failover.away
            if strategy in ("", each.strategy) and actor.sees(each.home) and actor.sees(each.account)
        )


def _token(rows: Sequence[AwayRow]) -> str:
    """What tells this from any other state of affairs."""
    text = "|".join(f"{each.strategy}>{each.account}@{each.at.isoformat()}" for each in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
