"""A person's yes to real money, once for each account and broker."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from core.access.roles import Actor
from core.actions.acting import Acting
from core.errors import UserError
from core.trading.desk import Desk
from core.views import ActionResult, LiveView


class GoingLive(Acting):
    """Lets an account with real money trade."""

    def modes(self, actor: Actor) -> Mapping[str, str]:
        """Whose money each account that a reader may see trades: paper, live, testnet or demo."""
        return {desk.account: desk.mode for desk in self._engine.floor if actor.sees(desk.account)}

    def live_preview(self, actor: Actor, account: str = "") -> LiveView:
        """What a yes would let trade: the account that is named, or the only one that waits. Raises `UserError`."""
        desk = self._to_go_live(actor, account)
        return LiveView(
            account=desk.account,
            broker=self._engine.floor.adapter(desk.account),
            identity=desk.broker.identity,
            token=_token(desk),
            waits=desk.waits_for_confirmation,
            currency=desk.currency,
            equity=desk.portfolio.equity,
            positions=len(desk.portfolio.held()),
            strategies=self._engine.floor.strategies_of(desk.account),
            state=self._engine.switch.gravest(desk.account).state,
        )

    async def go_live(self, actor: Actor, account: str, seen: str) -> ActionResult:
        """Let it trade real money, if its broker still is what was shown. Raises `UserError`."""
        desk = self._to_go_live(actor, account)
        if not desk.waits_for_confirmation:
            return await self._done(actor, "golive", account, False, "", f"{account} is confirmed already.")
        if seen != _token(desk) or not await self._engine.real_money.confirm(actor, desk, desk.broker.identity):
            return await self._failed(actor, "golive", f"The broker of {account} is not what was shown: ask again.")
        held = self._engine.switch.gravest(desk.account)
        lines = (f"Still {held.state.name}: {held.reason}",) if held.state else ()
        return ActionResult(True, f"{account} trades REAL MONEY from now on.", lines)

    def _to_go_live(self, actor: Actor, account: str) -> Desk:
        real = [desk for desk in self._engine.floor.chosen(account, self.seen_by(actor)) if desk.broker.is_live]
        if account and not real:
            raise UserError(f"{account} trades no real money: there is nothing to confirm.")
        waiting = [desk for desk in real if desk.waits_for_confirmation] or real
        if not waiting:
            raise UserError("No account trades real money: there is nothing to confirm.")
        if len(waiting) > 1:
            raise UserError(f"Which account? /golive {' or '.join(desk.account for desk in waiting)}")
        return waiting[0]


def _token(desk: Desk) -> str:
    return hashlib.sha256(f"{desk.account}|{desk.broker.identity}".encode()).hexdigest()[:16]
