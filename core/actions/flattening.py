"""Closing what is held, each position by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from core.access.roles import Actor
from core.actions.acting import Acting
from core.trading.desk import Desk
from core.trading.flatten_plan import Position, bounded, plan_text
from core.trading.live_order import MANUAL
from core.views import ActionResult, StrategyStatus

# How long the answer waits for the end: what takes longer is told by an alert.
_ANSWER_SECONDS = 2.0


class Flattening(Acting):
    """Closes positions with market orders."""

    async def flatten_plan(self, strategy: str = "", account: str = "", accounts: Collection[str] | None = None) -> str:
        """What a flatten would close now, to bind the yes to. Raises `UnknownName`."""
        self._check_known(strategy)
        return plan_text(self._positions_to_close(self._engine.floor.chosen(account, accounts), strategy))

    async def flatten(
        self,
        actor: Actor,
        strategy: str = "",
        account: str = "",
        accounts: Collection[str] | None = None,
        shown: str = "",
    ) -> ActionResult:
        """Close what a strategy (or every one) holds with market orders; each position by itself, as supervised work.

        `shown` is the plan that was confirmed: nothing more is closed. The answer comes after two seconds at the
        latest; an alert tells how every position has ended.
        """
        engine, desks = self._engine, self._engine.floor.chosen(account, accounts)
        self._check_known(strategy)
        what = strategy or account or "everything"
        desks, unconfirmed = _confirmed(desks)
        if unconfirmed and not desks:
            return await self._failed(actor, "flatten", "\n".join(unconfirmed))
        await engine.audit.record(actor, "flatten", f"{what}: begun", "begun")
        paused, problems = await self._make_way(desks, strategy)
        positions, more = self._positions_to_close(desks, strategy), [f"🔴 {each}" for each in unconfirmed]
        if shown:
            positions, more = bounded(positions, shown)
        more += [each for desk in desks for each in desk.dust(strategy)]
        if not positions:
            return await self._done(actor, "flatten", what, False, "", f"Nothing to flatten for {what}.", tuple(more))
        task = await engine.flattener.begin(what, positions, actor.name)
        await asyncio.wait({task}, timeout=_ANSWER_SECONDS)
        named = not engine.floor.is_single
        lines = (*(each.told(named=named) for each in positions), *more, *problems)
        message = f"Flattening {what}, position by position." + ("" if task.done() else " An alert tells the end.")
        if paused:
            message += f" Paused: {', '.join(paused)}; /run starts them again."
        return ActionResult(not any(line.startswith("🔴") for line in lines), message, lines)

    async def _make_way(self, desks: Sequence[Desk], strategy: str) -> tuple[list[str], list[str]]:
        """Nothing buys back, and no other order is in the way: who was paused, and what could not be cancelled."""
        engine = self._engine
        configured = {name for desk in desks for name in engine.floor.strategies_of(desk.account)}
        names = {strategy} if strategy else configured | {name for desk in desks for name, _ in desk.portfolio.lots()}
        running = {each.name for each in engine.strategies.instances if each.status is StrategyStatus.RUNNING}
        for name in sorted(names & configured):
            await engine.strategies.forget_wishes(name)

        async def cancel(desk: Desk) -> tuple[str, ...]:
            pipeline = engine.floor.pipeline(desk.account)
            return (await pipeline.cancel_orders_of(names | {MANUAL}, "flatten", exits=True)).lines

        cancelled = await asyncio.gather(*map(cancel, desks), return_exceptions=True)
        lines = [
            f"🔴 {desk.account}: {each}" if isinstance(each, BaseException) else each
            for desk, found in zip(desks, cancelled, strict=True)
            for each in ([found] if isinstance(found, BaseException) else found)
        ]
        return sorted(names & configured & running), [line for line in lines if line.startswith("🔴")]

    def _positions_to_close(self, desks: Sequence[Desk], strategy: str) -> list[Position]:
        return [
            Position(desk.account, symbol, dict(parts), whole=desk.exits.to_close(strategy)[symbol])
            for desk in desks
            for symbol, parts in desk.closing(strategy).items()
        ]


def _confirmed(desks: Sequence[Desk]) -> tuple[tuple[Desk, ...], list[str]]:
    """Those that may order anything at all, and what is said of the others."""
    waiting = [each.account for each in desks if each.waits_for_confirmation]
    lines = [
        f"{account} trades real money that nobody has confirmed, so nothing is ordered in it: "
        f"/golive {account} first, or close its positions in the venue's own app."
        for account in waiting
    ]
    return tuple(each for each in desks if each.account not in waiting), lines
