"""The kill switch: halt first, and durably; then cancel until every venue says that nothing is open; then report."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from core.access.audit import printable
from core.access.roles import Actor, Permission
from core.actions.acting import Acting
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.errors import UserError
from core.events import StateChanged
from core.trading.desk import Desk
from core.trading.scopes import HOUSE, Known, Scope, ScopeKind, halt_said
from core.trading.sweep import SweepReport
from core.trading.switch import GLOBAL
from core.views import ActionResult, KillView
from risk.view import TradingState

log = structlog.get_logger(__name__)

_MOST_POSITIONS = 20
# How long the venues wait for the disk, should it hang; what is stored later is told as not stored yet.
_DISK_SECONDS = 1.0
_FLAG_SECONDS = 1.0
_TELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Kill:
    """What one halt does: the scopes of the switch, and whose open orders go at which desks."""

    scope: Scope
    switches: tuple[str, ...]
    desks: tuple[Desk, ...]
    strategy: str
    what: str  # "Trading", "Trading in main", "alpha"


class Halting(Acting):
    """Stops everything, an account, all accounts on a broker, or a strategy."""

    # --- what is meant -----------------------------------------------------------------------------

    def known_scopes(self, actor: Actor | None = None) -> Known:
        """The names that a scope can have; for an `actor` those of which they see something."""
        floor = self._engine.floor
        strategies = {each.name for each in self._engine.strategies.instances}
        strategies |= {name for desk in floor for name, lot in desk.portfolio.lots() if lot.quantity}
        brokers = {floor.adapter(account) for account in floor.names}
        known: Known = {ScopeKind.ACCOUNT: floor.names, ScopeKind.BROKER: brokers, ScopeKind.STRATEGY: strategies}
        if actor is None:
            return known
        return {kind: self._scopes_seen(kind, names, actor) for kind, names in known.items()}

    def _scopes_seen(self, kind: ScopeKind, names: Collection[str], actor: Actor) -> list[str]:
        """The names of scopes that reach an account which `actor` sees."""
        return [each for each in names if any(map(actor.sees, self.accounts_of(Scope(kind, each))))]

    def accounts_of(self, scope: Scope) -> tuple[str, ...]:
        """The accounts that a scope reaches. Raises `UnknownName`."""
        floor = self._engine.floor
        match scope.kind:
            case ScopeKind.ACCOUNT:
                return (floor.desk(scope.name).account,)
            case ScopeKind.BROKER:
                return floor.on(scope.name)
            case ScopeKind.STRATEGY:
                return tuple(floor.accounts_of(scope.name))
            case _:
                return tuple(floor.names)

    def haltable(self, actor: Actor, scope: Scope = HOUSE) -> tuple[str, ...]:
        """The accounts of a scope that `actor` may halt; empty for the whole house, or for none."""
        if scope.is_house and actor.may(Permission.HALT):
            return ()
        return tuple(each for each in self.accounts_of(scope) if actor.may(Permission.HALT, each))

    # --- halting -----------------------------------------------------------------------------------

    async def halt_said(self, actor: Actor, text: str) -> ActionResult:
        """Halt by the words that were typed: `account main too hot`, or only a reason, which halts everything."""
        said = halt_said(text, self.known_scopes())
        result = await self.halt(actor, said.reason, said.scope)
        if not said.doubt:
            return result
        return ActionResult(result.ok, result.message, (f"⚠️ {said.doubt}", *result.lines))

    async def halt(self, actor: Actor, reason: str, scope: Scope = HOUSE) -> ActionResult:
        """Halt first, and tell; then cancel, and look again until nothing is open; then report. Idempotent.

        The state, the audit line, the alert and what is owed are one commit, before anything is asked of a venue. If
        they cannot be stored in time the halt counts all the same, says so, and is stored as soon as that is possible.
        """
        kill, why = self._kill(actor, scope), printable(reason) or "halted by hand"
        again = all(self._engine.switch.state(each) is TradingState.HALTED for each in kill.switches)
        storing = self._trip(kill, actor, why, again=again)
        await asyncio.wait({storing}, timeout=_DISK_SECONDS)
        reports = await self._sweep(kill)
        await self._publish(kill, why)
        trouble = await self._trouble(storing, kill, why)
        return self._told(kill, reports, trouble, again=again)

    def _kill(self, actor: Actor, scope: Scope) -> _Kill:
        """What is to be done. Raises `UserError` only if nothing of it may be."""
        floor = self._engine.floor
        if scope.is_house and actor.may(Permission.HALT):
            return _Kill(scope, (GLOBAL,), tuple(floor), "", "Trading")
        accounts = self.haltable(actor, scope)
        if not accounts:
            raise UserError("You may not halt any of it.")
        desks = tuple(floor.desk(each) for each in accounts)
        if scope.kind is ScopeKind.STRATEGY:
            return _Kill(scope, (f"strategy:{scope.name}",), desks, scope.name, scope.name)
        switches = tuple(f"account:{each}" for each in accounts)
        return _Kill(scope, switches, desks, "", f"Trading in {', '.join(accounts)}")

    def _trip(self, kill: _Kill, actor: Actor, why: str, *, again: bool) -> asyncio.Task[None]:
        """Halted in memory when this returns, whatever fails; the task stores it with all that belongs to it."""
        engine = self._engine

        async def tell() -> None:
            for desk in kill.desks:
                await desk.killing.write(kill.strategy)
            await engine.audit.record(actor, "halt", why if kill.scope.is_house else f"{kill.scope}: {why}")
            if not again:
                await engine.alerts.add(_alert(kill, actor, why))

        engine.switch.trip(kill.switches, TradingState.HALTED, why, actor.name, tell)
        for desk in kill.desks:
            try:
                desk.killing.owe(kill.strategy, f"halt: {why}", exits=True)
            except Exception:  # one account's fault keeps no other from being killed
                log.exception("a kill cannot be noted", account=desk.account)
        return asyncio.create_task(engine.switch.store(kill.switches))

    async def _sweep(self, kill: _Kill) -> list[SweepReport]:
        """All accounts at once; one that fails or hangs keeps no other from its report."""

        async def sweep(desk: Desk) -> SweepReport:
            return await desk.killing.sweep(kill.strategy)

        found = await asyncio.gather(*map(sweep, kill.desks), return_exceptions=True)
        return [_report(desk, each) for desk, each in zip(kill.desks, found, strict=True)]

    async def _publish(self, kill: _Kill, why: str) -> None:
        """Whoever listens is told; nobody waits long for them."""
        at = self._engine.trading_clock.now()

        async def publish(scope: str) -> None:
            await self._engine.events.publish(StateChanged(at, scope, TradingState.HALTED, why))

        telling = [asyncio.create_task(publish(each)) for each in kill.switches]
        done, _ = await asyncio.wait(telling, timeout=_TELL_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)

    async def _trouble(self, storing: asyncio.Task[None], kill: _Kill, why: str) -> str:
        """What kept it from being stored; then the flag holds a halt of the whole house over a restart."""
        await asyncio.wait({storing}, timeout=0)
        error = storing.exception() if storing.done() and not storing.cancelled() else TimeoutError("the disk hangs")
        if error is None:
            return ""
        log.error("a halt could not be stored", error=repr(error))
        kept = GLOBAL in kill.switches and await self._leave_flag(why)
        what = f" It could NOT be stored ({type(error).__name__})"
        if kept:
            return f"{what}: the file HALT holds it over a restart."
        return f"{what}: do not stop the program, or halt again after a start."

    async def _leave_flag(self, why: str) -> bool:
        flag = self._engine.halt_flag
        left = asyncio.wait_for(asyncio.to_thread(flag.leave, why), _FLAG_SECONDS)
        (failure,) = await asyncio.gather(left, return_exceptions=True)
        if isinstance(failure, BaseException):
            log.error("the halt flag cannot be left", error=repr(failure))
            return False
        flag.obeyed()
        return True

    # --- telling -----------------------------------------------------------------------------------

    def _told(self, kill: _Kill, reports: Sequence[SweepReport], trouble: str, *, again: bool) -> ActionResult:
        verb = "was halted already." if again else "is HALTED."
        message = f"{kill.what} {verb}{trouble}"
        if incomplete := [each.account for each in reports if not each.is_empty]:
            message += f" KILL INCOMPLETE: {', '.join(incomplete)}. It is tried again until nothing is open there."
        lines = [
            *(each.summary for each in reports),
            *(line for each in reports for line in each.problems),
            *self._still_held(kill),
            *(line for each in reports for line in each.over),
        ]
        return ActionResult(not trouble and not incomplete, message, tuple(lines))

    def _still_held(self, kill: _Kill) -> tuple[str, ...]:
        """A halt closes nothing: say what is left, and how it can be closed."""
        shown = [text for desk in kill.desks for text in self._positions(desk, kill.strategy)]
        if not shown:
            return ()
        more = [f"{len(shown) - _MOST_POSITIONS} more"] if len(shown) > _MOST_POSITIONS else []
        listed = ", ".join([*shown[:_MOST_POSITIONS], *more])
        how = " ".join(("/flatten", *kill.scope.words)) + " closes them, also while halted"
        if any(desk.waits_for_confirmation for desk in kill.desks):
            how = "nothing is ordered where real money waits for /golive"
        return (f"Positions still open, their stops cancelled: {listed}; {how}.",)

    def _positions(self, desk: Desk, strategy: str) -> list[str]:
        where = "" if self._engine.floor.is_single else f" ({desk.account})"
        held = desk.portfolio.held()
        if strategy:
            held = {lot.instrument.symbol: lot.quantity for name, lot in desk.portfolio.lots() if name == strategy}
        return [f"{units.normalize():+,f} {symbol}{where}" for symbol, units in sorted(held.items()) if units]

    async def kills(self) -> tuple[KillView, ...]:
        """The kills that no venue has confirmed yet."""
        return tuple(
            KillView(desk.account, strategy, owed.since, owed.tries, owed.errand.reason, problems(owed.report))
            for desk in self._engine.floor
            for strategy, owed in desk.killing.owed.items()
        )


def problems(report: SweepReport | None) -> tuple[str, ...]:
    """What is known to be open, or to be unknown."""
    if report is None:
        return ()
    return tuple(line for line in (report.trouble, *report.problems) if line)


def _report(desk: Desk, found: SweepReport | BaseException) -> SweepReport:
    if isinstance(found, BaseException):
        log.error("a sweep has failed", account=desk.account, error=repr(found))
        return SweepReport(desk.account, trouble=f"{type(found).__name__}: {found}", is_empty=False)
    return found


def _alert(kill: _Kill, actor: Actor, why: str) -> Alert:
    body = f"By {actor.name}: {why}\nNothing trades there until somebody resumes."
    account = kill.desks[0].account if len(kill.desks) == 1 and not kill.scope.is_house else ""
    key = f"halt:{kill.switches[0]}"
    title = f"{kill.what} is HALTED"
    return Alert("halt", Severity.CRITICAL, title, body, account=account, strategy=kill.strategy, key=key)
