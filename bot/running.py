"""One use of a command, from the checks to its handler: each step may stop it, a fault in any of them does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot import notices
from bot.answer import Answer, Outcome
from bot.approving import Approving
from bot.checks import Checks, Refusal
from bot.command import Call, Command, Origin
from bot.people import Caller
from bot.stepping import Stepping
from bot.suggesting import meant
from core.access.audit import Audit
from core.clock import Clock, Ids
from core.errors import UserError
from core.service import Quarterdeck

_log = structlog.get_logger(__name__)


class Runner:
    """Runs a command for somebody: are they here, may they, do they mean it, is it them, does a second one agree?"""

    def __init__(
        self,
        service: Quarterdeck,
        checks: Checks,
        stepping: Stepping,
        approving: Approving,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._service = service
        self._checks = checks
        self._stepping = stepping
        self._approving = approving
        self._audit = audit
        self._clock = clock
        self._ids = Ids(clock)

    async def run(
        self,
        caller: Caller,
        command: Command,
        args: Sequence[str],
        *,
        message_id: int,
        origin: Origin,
        confirmed: bool = False,
        coded: bool = False,
    ) -> Answer:
        """Run it, or ask what has to be asked before. `confirmed`: the question was answered; `coded`: with a code."""
        call = self._call(caller, command, args, message_id, origin)
        try:
            return await self._through(caller, call, confirmed=confirmed, coded=coded)
        except UserError as error:
            if command.changes:
                await self._audit.record(caller.actor, f"/{command.name}", str(error), Outcome.REFUSED)
            return Answer.of(notices.wrong(str(error), meant(error, command, call.args)), Outcome.REFUSED)
        except Exception:  # noqa: BLE001 - a fault becomes an incident and an answer; one in a check denies
            return await self._broken(call)

    async def _through(self, caller: Caller, call: Call, *, confirmed: bool, coded: bool) -> Answer:
        now = self._checks.still_here(caller)
        if now is None:
            return await self._refused(call, Refusal(notices.gone(), "no longer a user"))
        call = replace(call, actor=now.actor)
        if refusal := await self._checks.not_allowed(call):
            return await self._refused(call, refusal)
        command = call.command
        if command.takes is not None and len(call.args) > command.takes:
            raise call.wrong(f"That is more than /{command.name} takes.")
        asked = await command.ask(call) if command.ask and not confirmed else None
        if asked is not None:
            return Answer.of(notices.question(asked, command, call.args))
        if confirmed and not coded:
            await self._audit.record(call.actor, f"/{command.name}", " ".join(call.args), "confirmed")
        if not coded and await self._stepping.needs(caller, call):
            return await self._stepping.ask(caller, call)
        if self._approving.concerns(command) and (wanted := await self._approving.wanted(call)):
            return await self._approving.ask(caller, call, wanted)
        return Answer.of(await command.handler(call))

    async def _refused(self, call: Call, refusal: Refusal) -> Answer:
        if refusal.why:
            await self._audit.record(call.actor, f"/{call.command.name}", refusal.why, Outcome.REFUSED)
        if refusal.screen and call.origin is Origin.PRESS:  # what was pressed stays: an alert, say
            return Answer(Outcome.REFUSED, toast=refusal.screen.toast, alert=True)
        return Answer.of(refusal.screen, Outcome.REFUSED) if refusal.screen else Answer(Outcome.REFUSED)

    async def _broken(self, call: Call) -> Answer:
        incident = self._ids.new()[-4:]
        _log.exception("command failed", command=call.command.name, incident=incident, actor=call.actor.id)
        await self._audit.record(call.actor, f"/{call.command.name}", f"incident {incident}", Outcome.FAILED)
        return Answer.of(notices.broken(incident), Outcome.FAILED)

    def _call(self, caller: Caller, command: Command, args: Sequence[str], message_id: int, origin: Origin) -> Call:
        return Call(
            actor=caller.actor,
            chat_id=caller.chat_id,
            message_id=message_id,
            args=tuple(args),
            text=" ".join(args),
            service=self._service,
            now=self._clock.now(),
            time_zone=caller.zone,
            origin=origin,
            command=command,
            approving=self._approving,
        )
