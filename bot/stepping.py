"""Step-up: what is dangerous asks for a code after its question, and the code runs exactly what was asked for."""

from __future__ import annotations

from dataclasses import replace

from bot import notices
from bot.answer import Answer, Outcome
from bot.command import Call
from bot.keyboard import ticket_args
from bot.people import CONSOLE_ID, Caller
from bot.safeguards import Safeguards
from core.access.audit import Audit
from core.access.tickets import Ticket, TicketRefused, TicketRequest, Tickets
from core.access.totp import Judged, Verdict
from core.clock import Clock
from core.settings.security import Totp


class Stepping:
    """Asks for codes and looks at them. The console is never asked: who can open it owns the machine."""

    def __init__(self, safeguards: Safeguards, tickets: Tickets, audit: Audit, clock: Clock) -> None:
        self._guards = safeguards
        self._tickets = tickets
        self._audit = audit
        self._clock = clock

    async def needs(self, caller: Caller, call: Call) -> bool:
        """Whether this call must wait for a code."""
        rule, wants = self._guards.settings.totp, call.command.step_up
        if rule is Totp.OFF or caller.user_id == CONSOLE_ID or wants is False:
            return False
        if wants is not True and not await wants(call):
            return False
        return rule is Totp.REQUIRED or await self._guards.factors.has(caller.user_id)

    async def ask(self, caller: Caller, call: Call) -> Answer:
        """Ask for the code; what it will run is bound to this person, their private chat and these words.

        Asked in a group, it goes on in private: nobody else reads a code, nor learns who has none.
        """
        if caller.chat_id == caller.user_id:
            return await self._ask(caller, call)
        private = await self._ask(replace(caller, chat_id=caller.user_id, thread_id=None), call)
        return replace(Answer.of(notices.code_in_private(call.command), private.outcome), private=private.screen)

    async def _ask(self, caller: Caller, call: Call) -> Answer:
        if not await self._guards.factors.has(caller.user_id):
            await self._audit.record(caller.actor, f"/{call.command.name}", "no second factor", Outcome.REFUSED)
            return Answer.of(notices.no_factor(call.command, caller.actor.name), Outcome.REFUSED)
        if found := await self._guards.factors.locked(caller.user_id):
            await self._audit.record(caller.actor, f"/{call.command.name}", "codes are locked", Outcome.REFUSED)
            return Answer.of(notices.code_wrong(found, self._clock.now()), Outcome.REFUSED)
        await self._tickets.forget_codes(caller.user_id, caller.chat_id)
        await self._tickets.mint([_awaiting(caller, call)], None)
        return Answer.of(notices.send_code(call.command, call.args))

    async def redeem(self, caller: Caller, code: str) -> Ticket | Answer:
        """What the code sets off, used up with the code in one commit; or why it sets off nothing."""
        awaiting = await self._tickets.awaiting_code(caller.user_id, caller.chat_id)
        if awaiting is None:
            await self._audit.record(caller.actor, "code", "nothing awaits one", Outcome.REFUSED)
            return Answer.of(notices.no_code_awaited(), Outcome.REFUSED)
        nonce, ticket = awaiting
        words = f"for /{ticket.action} {' '.join(ticket_args(ticket.args)[0])}".strip()

        async def accepted() -> None:
            await self._tickets.redeem(nonce)
            await self._audit.record(caller.actor, "code accepted", words)

        try:
            judged = await self._guards.factors.judge(caller.user_id, code, accepted)
        except TicketRefused:
            return Answer.of(notices.no_code_awaited(), Outcome.REFUSED)
        return ticket if judged.verdict is Verdict.ACCEPTED else await self._refused(caller, judged, words)

    async def _refused(self, caller: Caller, judged: Judged, words: str) -> Answer:
        why = f"{judged.verdict}{', locked' if judged.locks else ''} {words}"
        await self._audit.record(caller.actor, "code refused", why, Outcome.REFUSED)
        return Answer.of(notices.code_wrong(judged, self._clock.now()), Outcome.REFUSED)


def _awaiting(caller: Caller, call: Call) -> TicketRequest:
    return TicketRequest(
        action=call.command.name,
        args={str(place): word for place, word in enumerate(call.args)},
        user_id=caller.user_id,
        chat_id=caller.chat_id,
        ttl_seconds=notices.CONFIRM_SECONDS,
        confirms=True,
        needs_code=True,
    )
