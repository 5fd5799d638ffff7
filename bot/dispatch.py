"""The one place that authorises. Whatever comes in from chat or console passes here before a handler runs.

Identify by numeric id and private chat, check age, find the command, check the role, count the arguments,
ask before what is dangerous, and turn every error into an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from bot import notices
from bot.command import Call, Command, Origin, Registry
from bot.keyboard import Spend, read_data, ticket_args
from bot.people import Caller, Directory, Strangers
from bot.screen import Screen
from bot.updates import Ignored, Incoming
from core.access.audit import Audit
from core.access.tickets import Ticket, TicketProblem, TicketRefused, Tickets
from core.clock import Clock, Ids
from core.errors import UserError
from core.service import Quarterdeck

LONGEST_LINE = 1_000
_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """How a request ended, as the inbox remembers it."""

    DONE = "done"
    EXPIRED = "expired"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to show. Without a screen only the toast is shown; `fresh` asks for a new message."""

    outcome: Outcome
    screen: Screen | None = None
    toast: str = ""
    alert: bool = False
    fresh: bool = False

    @classmethod
    def of(cls, screen: Screen, outcome: Outcome = Outcome.DONE) -> Answer:
        """An answer that shows `screen` and its toast."""
        return cls(outcome, screen, screen.toast, screen.alert)


_TICKET_TOASTS = {
    TicketProblem.UNKNOWN: "This button is no longer known. Open the screen again.",
    TicketProblem.EXPIRED: "Too late: this question has expired. Nothing was done.",
    TicketProblem.USED: "Already used: each of these buttons works once.",
    TicketProblem.OTHER_USER: "This button is not yours. Nothing was done.",
    TicketProblem.OTHER_MESSAGE: "This button belongs to another message. Nothing was done.",
}


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
    ) -> None:
        self._registry = registry
        self._service = service
        self._people = people
        self._tickets = tickets
        self._audit = audit
        self._clock = clock
        self._ids = Ids(clock)
        self._strangers = Strangers(audit)
        self._username = ""

    async def identify(self, incoming: Incoming) -> Caller | None:
        """Who this is; None for a stranger, who gets no answer and leaves an audit line."""
        hidden = isinstance(incoming, Ignored) and not incoming.tell
        caller = None if hidden else self._people.find(incoming.user_id, incoming.chat_id)
        if caller is None:
            reason = incoming.reason if isinstance(incoming, Ignored) else type(incoming).__name__.lower()
            await self._strangers.note(incoming.user_id, reason)
        return caller

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
        command, args = self.named(text), _name_and_args(text)[1]
        refusal = self._refusal(caller, text)
        if refusal is not None or command is None:
            return Answer.of(refusal or notices.no_command(), Outcome.REFUSED)
        if interrupted_at and command.changes and not command.urgent:
            return await self._interrupted(caller, command, args, interrupted_at)
        if self.has_expired(text, sent_at) and not interrupted_at:
            return await self._expired(caller, command, args, self._clock.now() - sent_at)
        answer = await self._run(caller, command, args, message_id=message_id, origin=Origin.MESSAGE)
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
            return notices.unknown(name, self._registry.near(name, caller.actor))
        return notices.too_long(len(text)) if len(text) > LONGEST_LINE and not command.urgent else None

    async def press(self, caller: Caller, data: str, *, message_id: int) -> Answer:
        """Run what a pressed button stands for."""
        meant = read_data(data)
        if isinstance(meant, Spend):
            return await self._spend(caller, meant, message_id)
        command = self._registry.find(meant.command) if meant else None
        if meant is None or command is None or command.changes:
            return Answer(Outcome.REFUSED, toast="This button is outdated. Send /menu for a new one.", alert=True)
        answer = await self._run(caller, command, meant.args, message_id=message_id, origin=Origin.PRESS)
        return _fresh(answer, fresh=meant.fresh)

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
        try:
            ticket = await self._tickets.take(
                meant.nonce, user_id=caller.user_id, chat_id=caller.chat_id, message_id=message_id
            )
        except TicketRefused as refused:
            if not (meant.urgent and refused.problem is TicketProblem.UNKNOWN):
                return await self._ticket_refused(caller, refused.problem)
        except Exception:
            if not meant.urgent:
                raise
            _log.exception("the ticket of an urgent button cannot be taken: it is obeyed without")
        else:
            return await self._run_ticket(caller, ticket, message_id)
        return await self._run(caller, self._registry.urgent, (), message_id=message_id, origin=Origin.PRESS)

    async def _run_ticket(self, caller: Caller, ticket: Ticket, message_id: int) -> Answer:
        args, fresh = ticket_args(ticket.args)
        command = self._registry.find(ticket.action)
        if command is None:
            return Answer(Outcome.REFUSED, toast=_TICKET_TOASTS[TicketProblem.UNKNOWN])
        answer = await self._run(
            caller, command, args, message_id=message_id, origin=Origin.PRESS, confirmed=ticket.confirms
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

    async def _run(
        self,
        caller: Caller,
        command: Command,
        args: Sequence[str],
        *,
        message_id: int,
        origin: Origin,
        confirmed: bool = False,
    ) -> Answer:
        if not caller.actor.may(command.permission):
            await self._audit.record(caller.actor, f"/{command.name}", "role is not enough", Outcome.REFUSED)
            return Answer.of(notices.denied(caller.actor, command), Outcome.REFUSED)
        call = Call(
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
        )
        try:
            return Answer.of(await _ask_or_act(call, confirmed=confirmed))
        except UserError as error:
            return Answer.of(notices.wrong(str(error)), Outcome.REFUSED)
        except Exception:  # noqa: BLE001 - one of the three places: a fault becomes an incident and an answer
            return await self._broken(call)

    async def _broken(self, call: Call) -> Answer:
        incident = self._ids.new()[-4:]
        _log.exception("command failed", command=call.command.name, incident=incident, actor=call.actor.id)
        await self._audit.record(call.actor, f"/{call.command.name}", f"incident {incident}", Outcome.FAILED)
        return Answer.of(notices.broken(incident), Outcome.FAILED)


async def _ask_or_act(call: Call, *, confirmed: bool) -> Screen:
    command = call.command
    if command.takes is not None and len(call.args) > command.takes:
        raise call.wrong(f"That is more than /{command.name} takes.")
    asked = await command.ask(call) if command.ask and not confirmed else None
    if asked is not None:
        return notices.question(asked, command, call.args)
    return await command.handler(call)


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
    return Answer(answer.outcome, answer.screen, answer.toast, answer.alert, fresh)
