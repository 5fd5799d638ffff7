"""Closing what is held, each position by itself."""

from __future__ import annotations

from decimal import Decimal

from core.access.roles import Actor
from core.actions.acting import Acting
from core.trading.desk import Desk
from core.trading.live_order import MANUAL
from core.views import ActionResult, StrategyStatus
from risk.verdict import Denied


class Flattening(Acting):
    """Closes positions with market orders."""

    async def flatten(self, actor: Actor, strategy: str = "") -> ActionResult:
        """Close what a strategy (or every one) holds with market orders; each position by itself."""
        engine = self._engine
        configured = {each.name for each in engine.strategies.instances}
        names = {strategy} if strategy else configured | self._holders()
        self._check_known(strategy)
        await engine.audit.record(actor, "flatten", f"{strategy or 'everything'}: begun", "begun")
        running = {each.name for each in engine.strategies.instances if each.status is StrategyStatus.RUNNING}
        for name in sorted(names & configured):
            await engine.strategies.forget_wishes(name)
        lines: list[str] = []
        for found in await engine.floor.each(lambda desk: self._flatten(desk, strategy, names, actor)):
            lines += found
        ok = not any(line.startswith("🔴") for line in lines)
        what = strategy or "everything"
        message = f"Flattening {what}, position by position." if lines else f"Nothing to flatten for {what}."
        if paused := sorted(names & running):
            message += f" Paused: {', '.join(paused)}; /run starts them again."
        await engine.audit.record(actor, "flatten", f"{what}: {'; '.join(lines)}", "ok" if ok else "partly")
        return ActionResult(ok, message, tuple(lines))

    async def _flatten(self, desk: Desk, strategy: str, names: set[str], actor: Actor) -> list[str]:
        """Close in one account; a line for each position, those with 🔴 have failed."""
        floor = self._engine.floor
        cancelled = await floor.pipelines[desk.account].cancel_orders_of(names | {MANUAL}, "flatten", exits=True)
        lines = [line for line in cancelled.lines if line.startswith("🔴")]
        for symbol, parts in desk.closing(strategy).items():
            lines.append(await self._close(desk, symbol, parts, f"flatten by {actor.name}"))
        return [line if floor.is_single else f"{line} ({desk.account})" for line in lines]

    async def _close(self, desk: Desk, symbol: str, parts: dict[str, Decimal], reason: str) -> str:
        verdict = await self._engine.floor.pipelines[desk.account].flatten(symbol, parts, reason)
        quantity = sum(parts.values(), Decimal(0))
        text = f"{'Buy' if quantity > 0 else 'Sell'} {abs(quantity).normalize():,f} {symbol}"
        if isinstance(verdict, Denied) and verdict.code != "CROSSED":
            return f"🔴 {text}: {verdict.reason}"
        return f"{text}: sent"
