"""The kill switch, and the way back."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from brokers.errors import BrokerError
from brokers.order import ClientOrderId, Side
from core.access.audit import printable
from core.access.roles import Actor
from core.actions.acting import Acting
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.events import StateChanged
from core.questions import MEASURED
from core.store.control import put_cursor
from core.trading.live_order import LiveOrder
from core.trading.switch import GLOBAL, Setting
from core.views import ActionResult, StrategyStatus
from risk.view import TradingState

log = structlog.get_logger(__name__)

_MOST_POSITIONS = 20


class Halting(Acting):
    """Stops everything, and lets it go on."""

    async def halt(self, actor: Actor, reason: str) -> ActionResult:
        """Halt first, and tell; then cancel everything and look again; then report. Idempotent.

        The state, the audit line and the alert are one commit, before anything is asked of a venue. If they cannot
        be stored the halt counts all the same, says so, and is stored as soon as that is possible.
        """
        engine = self._engine
        again = engine.switch.state(GLOBAL) is TradingState.HALTED
        why = printable(reason) or "halted by hand"
        trouble = await self._halt_durably(actor, why, again=again)
        told = {order.id: _told(order) for order in engine.desk.orders.open_orders}
        lines = [_named(line, told) for line in await engine.desk.cancel_everything(f"halt: {why}")]
        await engine.events.publish(StateChanged(engine.trading_clock.now(), GLOBAL, TradingState.HALTED, why))
        message = "Trading was halted already." if again else "Trading is HALTED."
        if trouble:
            message += f" It could NOT be stored ({trouble}): do not stop the program, or halt again after a start."
        return ActionResult(not trouble, message, (*lines[-1:], *lines[:-1], *self._still_held()))

    async def _halt_durably(self, actor: Actor, why: str, *, again: bool) -> str:
        """Store the halt with all that belongs to it; what kept it from being stored."""
        engine = self._engine

        async def tell() -> None:
            await engine.audit.record(actor, "halt", why)
            if not again:
                body = f"By {actor.name}: {why}\nNothing trades until an admin resumes."
                await engine.alerts.add(Alert("halt", Severity.CRITICAL, "Trading is HALTED", body))

        try:
            await engine.switch.set(GLOBAL, TradingState.HALTED, why, actor.name, tell)
        except Exception as error:  # whatever the database says, the halt goes on
            log.exception("a halt could not be stored")
            return type(error).__name__
        return ""

    def _still_held(self) -> tuple[str, ...]:
        """A halt closes nothing: say what is left, and how it can be closed."""
        held = self._engine.desk.portfolio.held()
        if not held:
            return ()
        shown = [f"{quantity.normalize():+,f} {symbol}" for symbol, quantity in sorted(held.items())]
        more = [f"{len(shown) - _MOST_POSITIONS} more"] if len(shown) > _MOST_POSITIONS else []
        listed = ", ".join([*shown[:_MOST_POSITIONS], *more])
        return (f"Positions still open: {listed}; /flatten closes them, also while halted.",)

    async def resume(self, actor: Actor) -> ActionResult:
        """Make every scope ACTIVE again, unless books and venue disagree, or a newer halt has come meanwhile."""
        engine = self._engine
        settings = engine.switch.settings
        seen = {scope: each for scope, each in settings.items() if each.state is not TradingState.ACTIVE}
        if await self._still_drifting():
            return await self._failed(
                actor, "resume", "Books and venue disagree: see /health and /positions. Still halted."
            )
        async with engine.rounds.between():  # or the moment being worked through would bring the old loss back
            if seen and all(settings.get(scope) is each for scope, each in seen.items()):
                await engine.desk.accept_baselines()
            lifted = await self._relax(seen, actor)
        for scope in lifted:
            await engine.events.publish(StateChanged(engine.trading_clock.now(), scope, TradingState.ACTIVE, ""))
        if engine.switch.state_for(engine.desk.account) is not TradingState.ACTIVE:
            return await self._failed(actor, "resume", "Trading was halted again meanwhile: see /risk. Still halted.")
        if not lifted:
            return await self._done(actor, "resume", "", False, "", "Trading is not halted.")
        return ActionResult(True, f"Trading has resumed. {self._who_trades()} Losses are measured from now on.")

    async def _relax(self, seen: Mapping[str, Setting], actor: Actor) -> list[str]:
        """The scopes that are ACTIVE again; the last of them takes audit line and alert along."""
        engine = self._engine

        async def tell() -> None:
            await put_cursor(MEASURED, engine.clock.now())
            await engine.audit.record(actor, "resume", ", ".join(seen))
            body = f"By {actor.name}. {self._who_trades()}"
            await engine.alerts.add(Alert("resume", Severity.WARNING, "Trading has resumed", body))

        last = list(seen)[-1:]
        return [
            scope
            for scope, each in seen.items()
            if await engine.switch.relax(scope, each, actor.name, tell if [scope] == last else None)
        ]

    def _who_trades(self) -> str:
        statuses = [each.status for each in self._engine.strategies.instances]
        running, paused = statuses.count(StrategyStatus.RUNNING), statuses.count(StrategyStatus.PAUSED)
        return f"Strategies: {running} running, {paused} paused."

    async def _still_drifting(self) -> bool:
        try:
            return bool(await self._engine.reconcile())
        except BrokerError:
            return True


def _told(order: LiveOrder) -> str:
    """An order as a person knows it."""
    side = "Buy" if order.request.side is Side.BUY else "Sell"
    return f"{side} {order.remaining.normalize():,f} {order.symbol}"


def _named(line: str, told: Mapping[ClientOrderId, str]) -> str:
    """A line about an order with what it was for in place of its number."""
    for order_id, text in told.items():
        if order_id in line:
            return line.replace(order_id, text)
    return line
