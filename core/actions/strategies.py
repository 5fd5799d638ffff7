"""Starting, pausing and stopping strategies."""

from __future__ import annotations

from core.access.roles import Actor
from core.actions.acting import Acting
from core.views import ActionResult


class StrategyActions(Acting):
    """What may be done to strategies."""

    async def start_strategy(self, name: str, actor: Actor) -> ActionResult:
        """Let a strategy trade. Raises `UnknownName`."""
        changed = await self._engine.strategies.start(name)
        held = self._held_back(name)
        note = f" {held}" if held else ""
        return await self._done(
            actor,
            "start strategy",
            name,
            changed,
            f"{name} is running.{note}",
            f"{name} is already running.",
        )

    async def pause_strategy(self, name: str, actor: Actor) -> ActionResult:
        """Let a strategy only reduce. Raises `UnknownName`."""
        changed = await self._engine.strategies.pause(name)
        text = f"{name} is paused: it opens nothing new and may only reduce."
        status = self._engine.strategies.get(name).status
        why = f"{name} was paused"
        pipeline = self._engine.floor.pipeline_of(name)
        lines = (await pipeline.cancel_orders_of([name], why, entries_only=True)).lines if changed else ()
        otherwise = f"{name} is {status}, not running."
        return await self._done(actor, "pause strategy", name, changed, text, otherwise, lines)

    async def stop_strategy(self, name: str, actor: Actor) -> ActionResult:
        """Stop listening to a strategy; what it holds stays, with its stops and targets, its other open orders are
        cancelled. Raises `UnknownName`.
        """
        changed = await self._engine.strategies.stop(name)
        pipeline = self._engine.floor.pipeline_of(name)
        lines = (await pipeline.cancel_orders_of([name], f"{name} was stopped")).lines if changed else ()
        text = f"{name} is stopped. Its positions stay; /flatten {name} closes them."
        return await self._done(actor, "stop strategy", name, changed, text, f"{name} is already stopped.", lines)
