"""Where something belongs: which accounts a command would touch, so that it can be asked whether it may."""

from __future__ import annotations

from core.access.roles import Actor
from core.actions.acting import Acting
from core.errors import UserError
from core.store.database import transaction
from core.store.orders import get_order
from core.views import ActionResult


class Whose(Acting):
    """Finds accounts. What the asker does not see is as if it were not there: then `UnknownName` is raised."""

    def accounts_of_strategy(self, name: str, actor: Actor) -> tuple[str, ...]:
        """Where a strategy trades or holds something."""
        return self._check_known(name, self.seen_by(actor))

    async def account_of_order(self, order_id: str, actor: Actor) -> str:
        """The account of one of our orders."""
        row = await get_order(order_id)
        if row is None or not actor.sees(row.account):
            raise UserError(f"There is no order {order_id[:60]}. /orders lists them.")
        return row.account

    async def unlock_codes(self, name: str, actor: Actor) -> ActionResult:
        """Look at somebody's codes again after too many wrong ones. Raises `UserError`."""
        engine = self._engine
        user = engine.users.named(name)
        async with transaction():
            unlocked = await engine.factors.unlock(user.id)
            return await self._done(
                actor, "unlock codes", user.name, unlocked,
                f"The codes of {user.name} are looked at again.", f"The codes of {user.name} are not locked.",
            )  # fmt: skip
