"""The façade: all that chat, console and web may ask of the program, and nothing else.

Questions (in `core.questions`) return frozen views of `core.views`; actions take the `Actor` who wants them,
leave an audit line and return an `ActionResult`. Authorisation happens before, in `bot.dispatch`; this layer
records who acted.
"""

from __future__ import annotations

from decimal import Decimal

from brokers.errors import BrokerError
from brokers.order import ClientOrderId
from core.access.roles import Actor
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.events import StateChanged
from core.questions import Questions
from core.trading.switch import GLOBAL
from core.views import ActionResult, StrategyStatus
from risk.verdict import Denied
from risk.view import TradingState


class Quarterdeck(Questions):
    """The running program as its users see it."""

    # --- strategies --------------------------------------------------------------------------------

    async def start_strategy(self, name: str, actor: Actor) -> ActionResult:
        """Let a strategy trade. Raises `UnknownName`."""
        changed = await self._engine.strategies.start(name)
        held = self._held_back()
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
        return await self._done(actor, "pause strategy", name, changed, text, f"{name} is {status}, not running.")

    async def stop_strategy(self, name: str, actor: Actor) -> ActionResult:
        """Stop listening to a strategy; what it holds stays, its open orders are cancelled. Raises `UnknownName`."""
        changed = await self._engine.strategies.stop(name)
        lines = await self._cancel_orders_of(name) if changed else ()
        text = f"{name} is stopped. Its positions stay; /flatten {name} closes them."
        return await self._done(actor, "stop strategy", name, changed, text, f"{name} is already stopped.", lines)

    async def _cancel_orders_of(self, name: str) -> tuple[str, ...]:
        """Cancel the open orders that are for this strategy alone."""
        orders = self._engine.desk.orders.open_orders
        mine = [order.id for order in orders if set(order.allocations) == {name}]
        return tuple([await self._cancel(each, f"{name} was stopped") for each in mine])

    async def _cancel(self, order_id: ClientOrderId, reason: str) -> str:
        try:
            state = await self._engine.desk.orders.cancel(order_id, reason)
        except BrokerError as error:
            return f"🔴 {order_id}: {error}"
        return f"{order_id}: {state}"

    # --- stop everything ---------------------------------------------------------------------------

    async def halt(self, actor: Actor, reason: str) -> ActionResult:
        """Halt first, durably; then cancel everything and look again; then report. Idempotent."""
        engine = self._engine
        again = engine.switch.state(GLOBAL) is TradingState.HALTED
        why = reason or "halted by hand"
        try:
            await engine.switch.set(GLOBAL, TradingState.HALTED, why, actor.name)
        finally:  # a halt that could not be stored counts all the same, and is stored later
            lines = await engine.desk.cancel_everything(f"halt: {why}")
        await engine.audit.record(actor, "halt", why)
        if not again:
            body = f"By {actor.name}: {why}\nNothing trades until an admin resumes."
            await engine.alerts.add(Alert("halt", Severity.CRITICAL, "Trading is HALTED", body))
        await engine.events.publish(StateChanged(engine.trading_clock.now(), GLOBAL, TradingState.HALTED, why))
        return ActionResult(
            True, "Trading was halted already." if again else "Trading is HALTED.", (*lines[-1:], *lines[:-1])
        )

    async def resume(self, actor: Actor) -> ActionResult:
        """Make every scope ACTIVE again, unless books and venue disagree."""
        engine = self._engine
        if await self._still_drifting():
            return await self._failed(
                actor, "resume", "Books and venue disagree: see /health and /positions. Still halted."
            )
        async with engine.rounds.between():  # or the moment being worked through would bring the old loss back
            halted = [scope for scope, each in engine.switch.settings.items() if each.state is not TradingState.ACTIVE]
            if halted:
                await engine.desk.accept_baselines()
            for scope in halted:
                await engine.switch.set(scope, TradingState.ACTIVE, "", actor.name)
        for scope in halted:
            await engine.events.publish(StateChanged(engine.trading_clock.now(), scope, TradingState.ACTIVE, ""))
        if engine.switch.state_for(engine.desk.account) is not TradingState.ACTIVE:
            return await self._failed(actor, "resume", "Trading was halted again meanwhile: see /risk. Still halted.")
        running = sum(each.status is StrategyStatus.RUNNING for each in engine.strategies.instances)
        paused = sum(each.status is StrategyStatus.PAUSED for each in engine.strategies.instances)
        who = f"Strategies: {running} running, {paused} paused."
        text = f"Trading has resumed. {who} Losses are measured from now on."
        if halted:
            body = f"By {actor.name}. {who}"
            await engine.alerts.add(Alert("resume", Severity.WARNING, "Trading has resumed", body))
        return await self._done(actor, "resume", "", bool(halted), text, "Trading is not halted.")

    async def _still_drifting(self) -> bool:
        try:
            return bool(await self._engine.reconcile())
        except BrokerError:
            return True

    async def flatten(self, actor: Actor, strategy: str = "") -> ActionResult:
        """Close what a strategy (or every one) holds with market orders; each position by itself."""
        engine = self._engine
        configured = {each.name for each in engine.strategies.instances}
        names = {strategy} if strategy else configured | self._holders()
        self._check_known(strategy)
        running = {each.name for each in engine.strategies.instances if each.status is StrategyStatus.RUNNING}
        for name in sorted(names & configured):
            await engine.strategies.forget_wishes(name)
        await self._cancel_orders_touching(names)
        lines = []
        ok = True
        for symbol, parts in engine.desk.closing(strategy).items():
            line, sent = await self._close(symbol, parts, f"flatten by {actor.name}")
            lines.append(line)
            ok = ok and sent
        what = strategy or "everything"
        message = f"Flattening {what}, position by position." if lines else f"Nothing to flatten for {what}."
        if paused := sorted(names & running):
            message += f" Paused: {', '.join(paused)}; /run starts them again."
        await engine.audit.record(actor, "flatten", f"{what}: {'; '.join(lines)}", "ok" if ok else "partly")
        return ActionResult(ok, message, tuple(lines))

    async def _cancel_orders_touching(self, names: set[str]) -> None:
        for order in self._engine.desk.orders.open_orders:
            if not order.allocations or set(order.allocations) & names:
                await self._cancel(order.id, "flatten")

    async def _close(self, symbol: str, parts: dict[str, Decimal], reason: str) -> tuple[str, bool]:
        verdict = await self._engine.pipeline.flatten(symbol, parts, reason)
        quantity = sum(parts.values(), Decimal(0))
        text = f"{'Buy' if quantity > 0 else 'Sell'} {abs(quantity).normalize():,f} {symbol}"
        if isinstance(verdict, Denied) and verdict.code != "CROSSED":
            return f"🔴 {text}: {verdict.reason}", False
        return f"{text}: sent", True

    async def cancel_order(self, client_order_id: str, actor: Actor) -> ActionResult:
        """Cancel one order."""
        known = {order.id: order for order in self._engine.desk.orders.open_orders}
        if client_order_id not in known:
            return await self._failed(actor, "cancel order", f"Order {client_order_id[:40]} is not open.")
        line = await self._cancel(ClientOrderId(client_order_id), f"by {actor.name}")
        await self._engine.audit.record(actor, "cancel order", line)
        return ActionResult(not line.startswith("🔴"), line)

    # --- jobs --------------------------------------------------------------------------------------

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

    # --- results -----------------------------------------------------------------------------------

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
