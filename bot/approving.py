"""The rule of two: what the settings name waits until somebody else approves exactly that.

The request is durable (`core.access.approvals`); those who may approve it get it in full with two buttons. At the press
everything is looked at anew: the approver, the requester, and what the action would do now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from bot import notices
from bot.answer import Answer
from bot.command import Call, Command, Origin, Registry
from bot.people import CONSOLE_CALLER, CONSOLE_ID, Caller, Directory
from bot.safeguards import Safeguards
from bot.screen import Screen
from core.access.approvals import Approval, State, Wanted, fingerprint
from core.access.roles import Actor
from core.alerts.channel import ChannelDown, ChannelRefused
from core.clock import Clock
from core.errors import UserError
from core.service import Quarterdeck

# Shows an answer, in place of a message of ours if one is named; the id of a new message.
Tell = Callable[[Caller, Answer, int | None], Awaitable[int | None]]
_LOOK_SECONDS = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _News:
    """Something to tell one person; without `to`, everybody who was asked, but for the message that decided."""

    screen: Screen
    to: Caller | None = None
    request: int = 0
    but: tuple[int, int] = (0, 0)


class Approving:
    """Asks others, and runs what they approve as the one who wanted it. `run` tells people: keep it running."""

    def __init__(
        self,
        safeguards: Safeguards,
        people: Directory,
        ids: Callable[[], Iterable[int]],
        registry: Registry,
        service: Quarterdeck,
        clock: Clock,
    ) -> None:
        self._approvals = safeguards.approvals
        self._two_person = safeguards.settings.two_person
        self._people = people
        self._ids = ids
        self._registry = registry
        self._service = service
        self._clock = clock
        self._news: asyncio.Queue[_News] = asyncio.Queue()
        self._copies: dict[int, list[tuple[Caller, int]]] = {}  # of each request: whom it was shown to, and where
        self._told: set[int] = set()

    # --- asking ------------------------------------------------------------------------------------------

    def concerns(self, command: Command) -> bool:
        """Whether the settings put this command under the rule."""
        return command.approval in self._two_person

    async def wanted(self, call: Call) -> Wanted | None:
        """What a call would do now; None if its question says that there is nothing to do."""
        command, kind = call.command, call.command.approval
        if callable(command.step_up) and not await command.step_up(call):
            return None  # what needs no code is not what a second person is asked for
        question = await command.ask(call) if command.ask else None
        if kind is None or (command.ask and question is None):
            return None
        effect = question.text.plain if question else ""
        told = (question.fingerprint or effect) if question else ""
        return Wanted(kind, command.name, call.args, effect, fingerprint(command.name, call.args, told))

    async def ask(self, caller: Caller, call: Call, wanted: Wanted) -> Answer:
        """Store the request and ask everyone who may approve it."""
        others = await self._others(caller.user_id, call)
        approval, new = await self._approvals.ask(caller.actor, caller.user_id, caller.chat_id, wanted)
        self._announce(approval, others)
        return Answer.of(notices.waits_for_approval(approval.id, [each.actor.name for each in others], new=new))

    async def _others(self, requester_id: int, call: Call) -> list[Caller]:
        """Everybody else who holds the permission wherever this would act."""
        accounts = await call.command.accounts(call) if call.command.accounts else ()
        known = [self._people.find(user_id, user_id) for user_id in self._ids() if user_id != requester_id]
        return [each for each in known if each and each.actor.may_in(call.command.permission, accounts or ())]

    def _announce(self, approval: Approval, others: list[Caller]) -> None:
        if approval.id in self._told:
            return
        self._told.add(approval.id)
        for each in others:
            self._news.put_nowait(_News(notices.approval_asked(approval), each, approval.id))

    def _settle(self, approval: Approval, said: str, call: Call | None = None) -> None:
        """Everybody who was asked sees who decided; the message in which it was decided shows it already."""
        but = (call.chat_id, call.message_id) if call and call.origin is Origin.PRESS else (0, 0)
        self._news.put_nowait(_News(notices.approval_decided(approval, said), request=approval.id, but=but))

    # --- deciding ----------------------------------------------------------------------------------------

    async def waiting(self, call: Call) -> list[tuple[Approval, bool]]:
        """What waits, and whether this reader may decide it; what they could not even ask for is left out."""
        found = []
        for approval in await self._approvals.waiting():
            theirs = self._call_of(approval)
            may = theirs is not None and await self._may(call.actor, theirs)
            if may or _is(call.actor, approval):
                found.append((approval, may and not _is(call.actor, approval)))
        return found

    async def look(self, call: Call, number: int) -> Approval:
        """A request that this reader may decide now. Raises `UserError`."""
        approval = await self._approvals.find(number)
        if approval.state is not State.WAITING:
            raise UserError(f"Request {number} {_over(approval)}. Nothing was done.")
        if _is(call.actor, approval):
            raise UserError(f"Request {number} is your own: somebody else must decide it.")
        theirs = self._call_of(approval)
        if theirs is None or not await self._may(call.actor, theirs):
            raise UserError(f"You may not decide request {number}: your role is not enough for it.")
        return approval

    async def decline(self, call: Call, number: int) -> str:
        """Say no; what was done, in words."""
        approval = await self.look(call, number)
        await self._decide(approval, State.DECLINED, call.actor)
        self._settle(approval, f"declined by {call.actor.name}.", call)
        self._report(approval, f"declined by {call.actor.name}. Nothing was done.")
        return f"Request {number} of {approval.requester} is declined."

    async def approve(self, call: Call, number: int) -> Screen:
        """Say yes: the action runs as its requester, if it still is what was asked for. Raises `UserError`."""
        approval = await self.look(call, number)
        theirs = self._call_of(approval)
        if theirs is None or (why := await self._void(approval, theirs)):
            why = "the requester is gone" if theirs is None else why
            await self._decide(approval, State.VOID, call.actor, why)
            self._settle(approval, f"void: {why}.", call)
            self._report(approval, f"void, {why}. Nothing was done; ask again.")
            raise UserError(f"Request {number} is void: {why}. Nothing was done.")
        await self._decide(approval, State.APPROVED, call.actor)
        self._settle(approval, f"approved by {call.actor.name}.", call)
        screen = await self._act(approval, theirs)
        self._report(approval, f"approved by {call.actor.name}.", screen)
        return screen

    async def _act(self, approval: Approval, theirs: Call) -> Screen:
        try:
            return await theirs.command.handler(theirs)
        except UserError as error:
            return notices.wrong(str(error))
        except Exception:
            self._report(approval, "approved, but it failed. See /health and /audit.")
            raise

    async def _decide(self, approval: Approval, state: State, by: Actor, why: str = "") -> None:
        if not await self._approvals.decide(approval, state, by, why):
            latest = await self._approvals.find(approval.id)
            raise UserError(f"Request {approval.id} {_over(latest)}. Nothing was done.")

    async def _void(self, approval: Approval, theirs: Call) -> str:
        """Why it is no longer what was asked for; empty if it is."""
        if not await self._approvals.rights_hold(approval) or not await self._may(theirs.actor, theirs):
            return "what the requester may do has changed"
        wanted = await self.wanted(theirs)
        if wanted is None or wanted.fingerprint != approval.wanted.fingerprint:
            return "what it would do has changed"
        return ""

    async def _may(self, actor: Actor, theirs: Call) -> bool:
        accounts = await theirs.command.accounts(theirs) if theirs.command.accounts else ()
        return actor.may_in(theirs.command.permission, accounts or ())

    def _call_of(self, approval: Approval) -> Call | None:
        """The requester's own call, as they are now; None if they or the command are gone."""
        requester, command = self._requester(approval), self._registry.find(approval.wanted.command)
        if requester is None or command is None or not self.concerns(command):
            return None
        words = approval.wanted.args
        return Call(
            actor=requester.actor, chat_id=requester.chat_id, message_id=0, args=words, text=" ".join(words),
            service=self._service, now=self._clock.now(), time_zone=requester.zone, origin=Origin.PRESS,
            command=command, approving=self,
        )  # fmt: skip

    def _requester(self, approval: Approval) -> Caller | None:
        if approval.requester_id == CONSOLE_ID:
            return CONSOLE_CALLER
        return self._people.find(approval.requester_id, approval.chat_id)

    # --- telling -----------------------------------------------------------------------------------------

    def _report(self, approval: Approval, said: str, screen: Screen | None = None) -> None:
        requester = self._requester(approval)
        if requester is None or requester.user_id == CONSOLE_ID:
            return
        self._news.put_nowait(_News(notices.approval_over(approval, said), requester))
        if screen is not None:
            self._news.put_nowait(_News(screen, requester))

    async def run(self, tell: Tell) -> None:
        """Tell people, and requesters whose time is over, until cancelled. What waited at the start is asked again."""
        for approval in await self._approvals.waiting():
            if theirs := self._call_of(approval):
                self._announce(approval, await self._others(approval.requester_id, theirs))
        await self._expire()
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    news = await self._news.get()
            except TimeoutError:
                await self._expire()
            else:
                await self._tell(tell, news)

    async def _tell(self, tell: Tell, news: _News) -> None:
        if news.to is None:
            for caller, message_id in self._copies.pop(news.request, []):
                if (caller.chat_id, message_id) != news.but:
                    await _show(tell, caller, news.screen, message_id)
            return
        shown = await _show(tell, news.to, news.screen, None)
        if news.request and shown is not None:
            self._copies.setdefault(news.request, []).append((news.to, shown))

    async def _expire(self) -> None:
        for approval in await self._approvals.expire():
            self._settle(approval, "over: nobody approved it in time.")
            self._report(approval, "nobody approved it in time. Nothing was done.")


async def _show(tell: Tell, caller: Caller, screen: Screen, instead_of: int | None) -> int | None:
    try:
        return await tell(caller, Answer.of(screen), instead_of)
    except (ChannelDown, ChannelRefused) as lost:  # /approvals has it, and so has the trail
        _log.warning("news of an approval not delivered", user=caller.user_id, reason=str(lost))
        return None


def _is(actor: Actor, approval: Approval) -> bool:
    """Whether somebody is the requester."""
    return actor.id == (CONSOLE_CALLER.actor.id if approval.requester_id == CONSOLE_ID else str(approval.requester_id))


def _over(approval: Approval) -> str:
    said = {
        State.APPROVED: f"has been approved by {approval.decided_by}",
        State.DECLINED: f"has been declined by {approval.decided_by}",
        State.EXPIRED: "has expired",
        State.VOID: "is void",
    }
    return said.get(approval.state, "waits")
