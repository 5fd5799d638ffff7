"""The one place that authorises. Whatever comes in from chat or console passes here before a handler runs.

Identify by numeric id and private chat, find the command, check rate and age; what then runs goes through
`bot.running`: role, arguments, question, code, second person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot import notices
from bot.answer import Answer, Outcome
from bot.approving import Approving
from bot.checks import Checks
from bot.command import Command, Origin, Registry
from bot.keyboard import Spend, read_data, ticket_args
from bot.people import Caller, Directory, Strangers
from bot.running import Runner
from bot.safeguards import Safeguards
from bot.screen import Nav, Screen
from bot.stepping import Stepping
from bot.suggesting import button
from bot.updates import Ignored, Incoming, Typed
from core.access.audit import Audit
from core.access.pairing import read_code
from core.access.tickets import Ticket, TicketProblem, TicketRefused, Tickets
from core.access.totp import is_code
from core.clock import Clock
from core.service import Quarterdeck

__all__ = ["Answer", "Dispatcher", "Outcome"]

LONGEST_LINE = 1_000
_log = structlog.get_logger(__name__)


_OUTDATED = "This button is outdated. Send /menu for a new one."
_TICKET_TOASTS = {
    TicketProblem.UNKNOWN: "This button is no longer known. Open the screen again.",
    TicketProblem.EXPIRED: "Too late: this question has expired. Nothing was done.",
    TicketProblem.USED: "Already used: each of these buttons works once.",
    TicketProblem.OTHER_USER: "This button is not yours. Nothing was done.",
    TicketProblem.OTHER_MESSAGE: "This button belongs to another message. Nothing was done.",
    TicketProblem.RIGHTS_CHANGED: "What you may do has changed since. Open the screen again. Nothing was done.",
}


# A halt whose button is not what it was is a halt all the same: the role is checked in any case.
_HALT_ANYWAY = frozenset({TicketProblem.UNKNOWN, TicketProblem.RIGHTS_CHANGED})


class Dispatcher:
    """Runs commands for people who may run them."""

    def __init__(
        self,
        *,
        registry: Registry,
        service: Quarterdeck,
        people: Directory,
        tickets: Tickets,
        audit: Audit,
        clock: Clock,
        safeguards: Safeguards,
        ids: Callable[[], Iterable[int]],
    ) -> None:
        self._registry = registry
        self._service = service
        self._people = people
        self._tickets = tickets
        self._audit = audit
        self._clock = clock
        self._checks = Checks(people, safeguards.rates, audit)
        self._stepping = Stepping(safeguards, tickets, audit, clock)
        self.approving = Approving(safeguards, people, ids, registry, service, clock)
        self._runner = Runner(service, self._checks, self._stepping, self.approving, audit, clock)
        self._strangers = Strangers(audit)
        self._username = ""

    async def identify(self, incoming: Incoming) -> Caller | None:
        """Who this is; None for a stranger, who gets no answer and leaves an audit line."""
        hidden = isinstance(incoming, Ignored) and not incoming.tell
        caller = None if hidden else self._people.find(incoming.user_id, incoming.chat_id)
        code = _invitation(incoming)
        if caller is None and code and isinstance(incoming, Typed):
            caller = await self._admit(code, incoming)
        if caller is None:
            kind = "invitation that is not good" if code else type(incoming).__name__.lower()
            reason = incoming.reason if isinstance(incoming, Ignored) else kind
            await self._strangers.note(incoming.user_id, reason)
        return caller

    async def _admit(self, code: str, typed: Typed) -> Caller | None:
        """A stranger with a good invitation is none any more, and is answered; every other one gets silence."""
        admitted = await self._service.admit(code, typed.user_id)
        return self._people.find(typed.user_id, typed.chat_id) if admitted else None

    def call_me(self, username: str) -> None:
        """Our own username: from now on commands that are meant for another bot are not run."""
        self._username = username.lower()

    def is_for_another(self, text: str) -> bool:
        """Whether a line of text names another bot: `/halt@other_bot`."""
        addressee = _addressee(text)
        return bool(addressee and self._username) and addressee != self._username

    def named(self, text: str) -> Command | None:
        """The command that a line of text names, if it does."""
        return self._registry.find(_name_and_args(text)[0])

    def is_urgent(self, text: str) -> bool:
        """Whether a line of text must overtake everything that waits."""
        command = self.named(text)
        return command is not None and command.urgent and not self.is_for_another(text)

    def look(self, text: str) -> str:
        """What tells questions apart that change nothing, whatever they are called by; empty for all else."""
        command, args = self.named(text), _name_and_args(text)[1]
        return "" if command is None or command.changes else " ".join((command.name, *args))

    def has_expired(self, text: str, sent_at: datetime) -> bool:
        """Whether a command was written too long ago to be run."""
        command = self.named(text)
        return command is not None and self._clock.now() - sent_at > timedelta(seconds=command.stale_after)

    async def line(
        self,
        caller: Caller,
        text: str,
        *,
        message_id: int,
        sent_at: datetime,
        interrupted_at: datetime | None = None,
        times: int = 1,
    ) -> Answer:
        """Run what someone typed, so many `times`. `interrupted_at`: when it came, if we died while it ran."""
        if is_code(text):
            return await self._code(caller, text, message_id=message_id, interrupted_at=interrupted_at)
        command, args = self.named(text), _name_and_args(text)[1]
        refusal = self._refusal(caller, text)
        if refusal is None and command is not None:
            if interrupted_at and command.changes and not command.urgent:
                return await self._interrupted(caller, command, args, interrupted_at)
            if self.has_expired(text, sent_at) and not interrupted_at:
                return await self._expired(caller, command, args, self._clock.now() - sent_at)
        if wait := await self._too_fast(caller, command):
            return wait
        if refusal is not None or command is None:
            return Answer.of(refusal or notices.no_command(), Outcome.REFUSED)
        answer = await self._runner.run(caller, command, args, message_id=message_id, origin=Origin.MESSAGE)
        return (
            answer
            if times == 1 or answer.screen is None
            else replace(answer, screen=notices.once(answer.screen, times))
        )

    def _refusal(self, caller: Caller, text: str) -> Screen | None:
        """Why a line of text is no command for us."""
        name, command = _name_and_args(text)[0], self.named(text)
        if not name:
            return notices.no_command()
        if self.is_for_another(text):
            return notices.for_another(_addressee(text), self._username)
        if command is None:
            return self._unknown(caller, name, _name_and_args(text)[1])
        return notices.too_long(len(text)) if len(text) > LONGEST_LINE and not command.urgent else None

    def _unknown(self, caller: Caller, name: str, args: Sequence[str]) -> Screen:
        """No such command: what may have been meant is a press away, with the words that followed if it takes them."""
        near = self._registry.near(name, caller.actor)
        found = [one for each in near if (one := self._registry.find(each)) is not None]
        fits = {one.name: args if one.takes is None or len(args) <= one.takes else () for one in found}
        buttons = tuple(button(one, fits[one.name], f"/{one.name}") for one in dict.fromkeys(found))
        return notices.unknown(name, near, (buttons,))

    async def press(self, caller: Caller, data: str, *, message_id: int) -> Answer:
        """Run what a pressed button stands for."""
        meant = read_data(data)
        if isinstance(meant, Spend):
            return await self._spend(caller, meant, message_id)
        command = self._registry.find(meant.command) if meant else None
        if wait := await self._too_fast(caller, None if command is None or command.urgent else command):
            return wait
        if command is not None and command.changes:  # our own buttons that act carry a ticket and nothing else
            return await self._forged(caller, f"/{command.name} without a ticket")
        if meant is None or command is None:
            return Answer(Outcome.REFUSED, toast=_OUTDATED, alert=True)
        answer = await self._runner.run(caller, command, meant.args, message_id=message_id, origin=Origin.PRESS)
        return _fresh(answer, fresh=meant.fresh)

    async def _too_fast(self, caller: Caller, command: Command | None) -> Answer | None:
        """The answer to more than one person may ask, before anything is used up; nothing, if they were just told."""
        refusal = self._checks.too_fast(caller, command)
        if refusal is None:
            return None
        if refusal.why:
            what = f"/{command.name}" if command else "message"
            await self._audit.record(caller.actor, what, refusal.why, Outcome.REFUSED)
        toast = notices.TOO_FAST
        return Answer(Outcome.REFUSED, refusal.screen, refusal.screen.toast if refusal.screen else toast)

    async def _code(self, caller: Caller, text: str, *, message_id: int, interrupted_at: datetime | None) -> Answer:
        """A code runs what awaits it. One that was used when the program died is told as interrupted."""
        done = None
        if interrupted_at is not None:
            done = await self._tickets.redeemed_by_code(caller.user_id, caller.chat_id, interrupted_at)
        if done is not None and interrupted_at is not None and (command := self._registry.find(done.action)):
            return await self._interrupted(caller, command, ticket_args(done.args)[0], interrupted_at)
        if wait := await self._too_fast(caller, None):
            return wait
        redeemed = await self._stepping.redeem(caller, text)
        if isinstance(redeemed, Answer):
            return redeemed
        return await self._run_ticket(caller, redeemed, message_id, origin=Origin.MESSAGE, coded=True)

    async def look_for(self, caller: Caller, look: Nav, message_id: int) -> Answer:
        """Look again for somebody whose message keeps itself current; it is nobody's question, and counts as none."""
        command = self._registry.find(look.command)
        if command is None or command.changes:
            return Answer(Outcome.REFUSED)
        return await self._runner.run(caller, command, look.args, message_id=message_id, origin=Origin.PRESS)

    async def late(self, caller: Caller, what: str) -> Answer:
        """Answer a press that may be old: only looking is safe, so nothing is done."""
        await self._audit.record(caller.actor, "press", f"{what} came too late", Outcome.EXPIRED)
        return Answer.of(notices.late_press(), Outcome.EXPIRED)

    async def interrupted_press(self, caller: Caller, data: str, received_at: datetime) -> Answer:
        """Answer a press that had begun before the program died: with what became of it, if that is known."""
        meant = read_data(data)
        found = await self._tickets.look(meant.nonce) if isinstance(meant, Spend) else None
        if found is not None and not found[1]:
            return Answer.of(notices.interrupted_before(), Outcome.INTERRUPTED)
        if found is not None and (command := self._registry.find(found[0].action)):
            ticket = found[0]
            return await self._interrupted(caller, command, ticket_args(ticket.args)[0], received_at)
        await self._audit.record(caller.actor, "press", "interrupted by a restart", Outcome.INTERRUPTED)
        return Answer.of(notices.interrupted_press(), Outcome.INTERRUPTED)

    async def expired_together(self, caller: Caller, lines: Sequence[tuple[str, datetime]]) -> Answer:
        """Answer commands that were all written too long ago, in one breath."""
        now = self._clock.now()
        parsed = [(self.named(text), _name_and_args(text)[1], now - sent_at) for text, sent_at in lines]
        known = [(command, args, age) for command, args, age in parsed if command is not None]
        names = ", ".join(dict.fromkeys(f"/{command.name}" for command, _, _ in known))
        await self._audit.record(caller.actor, "commands", f"{len(known)} sent too long ago: {names}", Outcome.EXPIRED)
        return Answer.of(notices.expired_together(known), Outcome.EXPIRED)

    async def _spend(self, caller: Caller, meant: Spend, message_id: int) -> Answer:
        if not self._overtakes(caller, meant) and (wait := await self._too_fast_to_spend(caller, meant)):
            return wait
        try:
            ticket = await self._tickets.take(
                meant.nonce, user_id=caller.user_id, chat_id=caller.chat_id, message_id=message_id
            )
        except TicketRefused as refused:
            if not (meant.urgent and refused.problem in _HALT_ANYWAY):
                return await self._ticket_refused(caller, refused.problem)
        except Exception:
            if not meant.urgent:
                raise
            _log.exception("the ticket of an urgent button cannot be taken: it is obeyed without")
        else:
            if meant.urgent and not self._is_urgent(ticket):
                return await self._forged(caller, "an urgent mark on another button")
            return await self._run_ticket(caller, ticket, message_id)
        return await self._runner.run(caller, self._registry.urgent, (), message_id=message_id, origin=Origin.PRESS)

    def _overtakes(self, caller: Caller, meant: Spend) -> bool:
        """Whether a press is never counted: that of a halt, by somebody who may halt at all."""
        return meant.urgent and caller.actor.may_somewhere(self._registry.urgent.permission)

    def _is_urgent(self, ticket: Ticket) -> bool:
        command = self._registry.find(ticket.action)
        return command is not None and command.urgent

    async def _forged(self, caller: Caller, what: str) -> Answer:
        """Data that we never put on a button: nothing is run, and the trail has it."""
        await self._audit.record(caller.actor, "press", what, Outcome.REFUSED)
        return Answer(Outcome.REFUSED, toast=_OUTDATED, alert=True)

    async def _too_fast_to_spend(self, caller: Caller, meant: Spend) -> Answer | None:
        """Counted by what the ticket is for; the same button pressed again and again counts as a look."""
        found = await self._tickets.look(meant.nonce)
        fresh = found is not None and not found[1]
        return await self._too_fast(caller, self._registry.find(found[0].action) if found and fresh else None)

    async def _run_ticket(
        self, caller: Caller, ticket: Ticket, message_id: int, *, origin: Origin = Origin.PRESS, coded: bool = False
    ) -> Answer:
        args, fresh = ticket_args(ticket.args)
        command = self._registry.find(ticket.action)
        if command is None:
            return Answer(Outcome.REFUSED, toast=_TICKET_TOASTS[TicketProblem.UNKNOWN])
        answer = await self._runner.run(
            caller, command, args, message_id=message_id, origin=origin, confirmed=ticket.confirms, coded=coded
        )
        return _fresh(answer, fresh=fresh)

    async def _ticket_refused(self, caller: Caller, problem: TicketProblem) -> Answer:
        await self._audit.record(caller.actor, "press", f"ticket {problem.name.lower()}", Outcome.REFUSED)
        toast = _TICKET_TOASTS[problem]
        screen = notices.question_expired() if problem is TicketProblem.EXPIRED else None
        return Answer(Outcome.REFUSED, screen, toast, alert=True)

    async def _expired(self, caller: Caller, command: Command, args: Sequence[str], age: timedelta) -> Answer:
        await self._audit.record(caller.actor, f"/{command.name}", f"sent {age} ago, not run", Outcome.EXPIRED)
        return Answer.of(notices.expired(command, args, age), Outcome.EXPIRED)

    async def _interrupted(
        self, caller: Caller, command: Command, args: Sequence[str], received_at: datetime
    ) -> Answer:
        """What the trail says of a command that had begun when we died; what it does not say we do not know."""
        traces = await self._service.traces(caller.actor, received_at)
        found = [line for line in traces if line.action in command.trace and (not args or args[0] in line.detail)]
        await self._audit.record(caller.actor, f"/{command.name}", "interrupted by a restart", Outcome.INTERRUPTED)
        return Answer.of(notices.interrupted(command, found), Outcome.INTERRUPTED)


def _invitation(incoming: Incoming) -> str:
    """The code that somebody sends in private; one that is said in a group is lost, and lets nobody in."""
    private = isinstance(incoming, Typed) and incoming.chat_id == incoming.user_id
    return read_code(incoming.text) if private and isinstance(incoming, Typed) else ""


def _name_and_args(text: str) -> tuple[str, tuple[str, ...]]:
    """`/Halt@our_bot too risky` as ("halt", ("too", "risky")); no name when it is no command."""
    words = text.split()
    if not words or not words[0].startswith("/"):
        return "", ()
    name = words[0][1:].partition("@")[0].lower()
    return name or "?", tuple(words[1:])


def _addressee(text: str) -> str:
    """`our_bot` of `/halt@our_bot`."""
    return next(iter(text.split()), "").partition("@")[2].lower() if text.lstrip().startswith("/") else ""


def _fresh(answer: Answer, *, fresh: bool) -> Answer:
    return replace(answer, fresh=fresh)
