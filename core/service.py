"""The façade: all that chat, console and web may ask of the program, and nothing else.

Questions (in `core.questions`) return frozen views of `core.views`; actions take the `Actor` who wants them,
leave an audit line and return an `ActionResult`. Authorisation happens before, in `bot.dispatch`; this layer
records who acted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import structlog

from brokers.errors import BrokerError
from brokers.order import ClientOrderId, Side
from core.access.audit import printable
from core.access.roles import Actor
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.events import StateChanged
from core.questions import MEASURED, Questions
from core.store.control import put_cursor
from core.trading.live_order import MANUAL, LiveOrder
from core.trading.protection.spec import ExitSpec
from core.trading.switch import GLOBAL, Setting
from core.views import ActionResult, StrategyStatus
from risk.verdict import Denied
from risk.view import TradingState

log = structlog.get_logger(__name__)

_MOST_POSITIONS = 20


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
        why = f"{name} was paused"
        lines = (await self._engine.pipeline.cancel_orders_of([name], why, entries_only=True)).lines if changed else ()
        otherwise = f"{name} is {status}, not running."
        return await self._done(actor, "pause strategy", name, changed, text, otherwise, lines)

    async def stop_strategy(self, name: str, actor: Actor) -> ActionResult:
        """Stop listening to a strategy; what it holds stays, with its stops and targets, its other open orders are
        cancelled. Raises `UnknownName`.
        """
        changed = await self._engine.strategies.stop(name)
        lines = (await self._engine.pipeline.cancel_orders_of([name], f"{name} was stopped")).lines if changed else ()
        text = f"{name} is stopped. Its positions stay; /flatten {name} closes them."
        return await self._done(actor, "stop strategy", name, changed, text, f"{name} is already stopped.", lines)

    # --- stop everything ---------------------------------------------------------------------------

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
        cancelled = await engine.pipeline.cancel_orders_of(names | {MANUAL}, "flatten", exits=True)
        lines = [line for line in cancelled.lines if line.startswith("🔴")]
        ok = cancelled.ok
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

    async def _close(self, symbol: str, parts: dict[str, Decimal], reason: str) -> tuple[str, bool]:
        verdict = await self._engine.pipeline.flatten(symbol, parts, reason)
        quantity = sum(parts.values(), Decimal(0))
        text = f"{'Buy' if quantity > 0 else 'Sell'} {abs(quantity).normalize():,f} {symbol}"
        if isinstance(verdict, Denied) and verdict.code != "CROSSED":
            return f"🔴 {text}: {verdict.reason}", False
        return f"{text}: sent", True

    async def protect(self, strategy: str, symbol: str, spec: ExitSpec | None, actor: Actor) -> ActionResult:
        """Say how a position is protected until it is flat; None: not at all. Raises `UnknownName`."""
        self._check_known(strategy)
        try:
            await self._engine.pipeline.protect(strategy, symbol, spec)
        except LookupError as nothing:
            return await self._failed(actor, "protect", f"{nothing}.")
        text = f"{strategy} in {symbol}: {spec or 'no exits'}, until it is flat."
        return await self._done(actor, "protect", text, True, text, "")

    async def cancel_order(self, client_order_id: str, actor: Actor) -> ActionResult:
        """Cancel one order."""
        known = {order.id: order for order in self._engine.desk.orders.open_orders}
        if client_order_id not in known:
            return await self._failed(actor, "cancel order", f"Order {client_order_id[:40]} is not open.")
        line = await self._engine.desk.orders.cancel_told(ClientOrderId(client_order_id), f"by {actor.name}")
        await self._engine.audit.record(actor, "cancel order", line)
        return ActionResult(not line.startswith("🔴"), line)

    async def look_again(self, client_order_id: str, actor: Actor) -> ActionResult:
        """Ask the venue about an order now, in every way that it offers."""
        try:
            found = await self._engine.desk.decisions.look_again(client_order_id)
        except BrokerError as error:
            return await self._failed(actor, "look again", f"The venue could not be asked: {error}")
        detail = f"{client_order_id[:40]}: {found.text}"
        await self._engine.audit.record(actor, "look again", detail, "ok" if found.ok else "no change")
        return ActionResult(found.ok, found.text)

    async def decide_order(self, client_order_id: str, *, placed: bool, actor: Actor) -> ActionResult:
        """A person says whether the venue has an order in doubt; its own word counts for more, should it come."""
        said = f"{client_order_id[:40]} is {'there' if placed else 'not there'}"
        found = await self._engine.desk.decisions.decide(client_order_id, placed=placed)
        await self._engine.audit.record(actor, "decide order", f"{said}: {found.text}", "ok" if found.ok else "refused")
        return ActionResult(found.ok, found.text)

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
