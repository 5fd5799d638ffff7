"""The way back from a halt: bound to exactly what was shown, and never past a newer halt."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.access.roles import Actor, Permission
from core.actions.halting import Halting
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.events import StateChanged
from core.questions.asking import measured_key
from core.store.control import put_cursor
from core.trading.desk import Desk
from core.trading.scopes import HOUSE, Scope, ScopeKind
from core.trading.switch import GLOBAL, Setting
from core.views import ActionResult, ResumeView, ScopeState, StrategyStatus
from risk.view import TradingState

_OTHER_HALT = "The halt is not the one that you were asked about: look at /risk, then ask again. Still halted."


@dataclass(frozen=True, slots=True)
class _Lift:
    """What a resume would lift, and whose books must be right for it."""

    scope: Scope
    settings: Mapping[str, Setting]
    desks: tuple[Desk, ...]
    what: str

    @property
    def measured(self) -> tuple[Desk, ...]:
        """The accounts that begin to trade again: their losses are measured anew."""
        return tuple(each for each in self.desks if GLOBAL in self.settings or each.scope in self.settings)

    @property
    def token(self) -> str:
        """What tells these settings from any newer or other ones."""
        rows = [
            [scope, int(each.state), each.reason, each.by, each.at.isoformat()]
            for scope, each in sorted(self.settings.items())
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


class Resuming(Halting):
    """Lets trading go on."""

    def resumable(self, actor: Actor, scope: Scope = HOUSE) -> tuple[str, ...]:
        """The accounts of a scope that `actor` may resume; empty for the whole house, or for none."""
        if scope.is_house and actor.may_in(Permission.RESUME, ()):
            return ()
        return tuple(each for each in self.accounts_of(scope) if actor.may(Permission.RESUME, each))

    async def resume_preview(self, actor: Actor, scope: Scope = HOUSE) -> ResumeView:
        """What a resume of `scope` would lift; its token binds the yes to exactly that. Raises `UnknownName`."""
        lift = self._lift(actor, scope)
        open_there = [
            f"{each.account}: {each.strategy or 'everything'}"
            for each in await self.kills()
            if actor.sees(each.account)
        ]
        return ResumeView(
            str(scope),
            _states(lift.settings),
            lift.token,
            _states(self._holds_back(lift, lifted=True)),
            tuple(open_there),
        )

    async def resume(self, actor: Actor, scope: Scope = HOUSE, seen: str = "") -> ActionResult:
        """Make what was shown ACTIVE again, unless books and venue disagree, or a newer halt has come meanwhile.

        `seen` is the token of the preview; without it, what stands now is meant.
        """
        engine, lift = self._engine, self._lift(actor, scope)
        if seen and seen != lift.token:
            return await self._failed(
                actor,
                "resume",
                "The halt is not the one that you were asked about: look at /risk and ask again. Still halted.",
            )
        if drifting := await self._drifting(lift.desks):
            text = (
                f"Books and venue disagree ({', '.join(drifting)}): see /health and /positions, and /adjust if nothing "
                "explains it. Still halted."
            )
            return await self._failed(actor, "resume", text)
        async with engine.rounds.between():  # or the moment being worked through would bring the old loss back
            await self._measure_anew(lift)
            lifted = await self._relax(lift, actor)
        await self._go_on(lifted)
        if len(lifted) < len(lift.settings):
            return await self._failed(actor, "resume", "Trading was halted again meanwhile: see /risk. Still halted.")
        if not lifted:
            return await self._done(actor, "resume", str(scope), False, "", f"{lift.what} is not halted.")
        return ActionResult(
            True, f"{lift.what} has resumed. {self._who_trades()}{_measured(lift)}", self._still_held_back(lift)
        )

    def _lift(self, actor: Actor, scope: Scope) -> _Lift:
        """The restrictions that belong to a scope, as far as `actor` may lift them."""
        floor, settings = self._engine.floor, self._engine.switch.settings
        accounts = [each for each in self.accounts_of(scope) if actor.may(Permission.RESUME, each)]
        house = scope.is_house and actor.may_in(Permission.RESUME, ())
        meant = {
            name: each
            for name, each in settings.items()
            if each.state is not TradingState.ACTIVE
            and name not in self._engine.switch.held  # that is not for a resume to lift
            and (house or self._belongs(name, scope, accounts))
        }
        what = "Trading" if house else f"Trading in {', '.join(accounts) or 'no account'}"
        what = scope.name if scope.kind is ScopeKind.STRATEGY else what
        return _Lift(scope, meant, tuple(floor.desk(each) for each in accounts), what)

    def _belongs(self, name: str, scope: Scope, accounts: Collection[str]) -> bool:
        kind, _, rest = name.partition(":")
        if scope.kind is ScopeKind.STRATEGY:
            return name == f"strategy:{scope.name}"
        if kind == "strategy":
            return scope.is_house and set(self._engine.floor.accounts_of(rest)) <= set(accounts)
        return kind in ("account", "instrument", "live") and rest.partition("/")[0] in accounts

    async def _drifting(self, desks: Collection[Desk]) -> list[str]:
        """The accounts whose books and venue disagree, or cannot be compared."""
        compared = (self._engine.reconcile(desk.account) for desk in desks)
        found = await asyncio.gather(*compared, return_exceptions=True)
        return [desk.account for desk, drifts in zip(desks, found, strict=True) if drifts]

    async def _measure_anew(self, lift: _Lift) -> None:
        """Losses count from now where trading goes on; not if somebody has halted again already."""
        settings = self._engine.switch.settings
        if all(settings.get(scope) is each for scope, each in lift.settings.items()):
            for desk in lift.measured:
                await desk.accept_baselines()

    async def _relax(self, lift: _Lift, actor: Actor) -> list[str]:
        """The scopes that are ACTIVE again; the last of them takes audit line and alert along."""
        engine = self._engine

        async def tell() -> None:
            for desk in lift.measured:
                await put_cursor(measured_key(desk.account), engine.clock.now())
            await engine.audit.record(actor, "resume", ", ".join(lift.settings))
            for scope in lift.settings:
                await engine.alerts.close(f"halt:{scope}", f"resumed by {actor.name}")
            body = f"By {actor.name}. {self._who_trades()}"
            title, account = f"{lift.what} has resumed", self._alone(lift)
            await engine.alerts.add(Alert("resume", Severity.WARNING, title, body, account=account))

        last = list(lift.settings)[-1:]
        return [
            scope
            for scope, each in lift.settings.items()
            if await engine.switch.relax(scope, each, actor.name, tell if [scope] == last else None)
        ]

    def _alone(self, lift: _Lift) -> str:
        """The only account that it is about; "" if it is about several, or the house."""
        floor = self._engine.floor
        found = set()
        for scope in lift.settings:
            kind, _, rest = scope.partition(":")
            whose = [desk.account for desk in floor if rest in floor.strategies_of(desk.account)]
            found.add((whose or [""])[0] if kind == "strategy" else rest.partition("/")[0])
        return found.pop() if len(found) == 1 else ""

    async def _go_on(self, lifted: Collection[str]) -> None:
        engine = self._engine
        for desk in engine.floor:
            await desk.killing.settle()
        for scope in lifted:
            await engine.events.publish(StateChanged(engine.trading_clock.now(), scope, TradingState.ACTIVE, ""))

    # --- telling -----------------------------------------------------------------------------------

    def _holds_back(self, lift: _Lift, *, lifted: bool = False) -> dict[str, Setting]:
        """What keeps something in this scope from trading, without what is `lifted`."""
        names = {GLOBAL, *(desk.scope for desk in lift.desks)}
        accounts = {desk.account for desk in lift.desks}
        return {
            name: each
            for name, each in self._engine.switch.settings.items()
            if each.state is not TradingState.ACTIVE
            and not (lifted and name in lift.settings)
            and (name in names or self._belongs(name, HOUSE, accounts))
        }

    def _still_held_back(self, lift: _Lift) -> tuple[str, ...]:
        held = self._holds_back(lift)
        return tuple(
            f"Still {each.state.name}: {name}, by {each.by}: {each.reason}"[:300] for name, each in held.items()
        )

    def _who_trades(self) -> str:
        statuses = [each.status for each in self._engine.strategies.instances]
        running, paused = statuses.count(StrategyStatus.RUNNING), statuses.count(StrategyStatus.PAUSED)
        return f"Strategies: {running} running, {paused} paused."


def _measured(lift: _Lift) -> str:
    return " Losses are measured from now on." if lift.measured else ""


def _states(settings: Mapping[str, Setting]) -> tuple[ScopeState, ...]:
    return tuple(ScopeState(scope, each.state, each.reason, each.by, each.at) for scope, each in settings.items())
