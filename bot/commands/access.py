"""The rule of two, and locked codes."""

from __future__ import annotations

from bot import html, notices
from bot.approving import Approving
from bot.arguments import name
from bot.command import Call, Origin, Question, command
from bot.framing import framed, notice
from bot.outcomes import outcome
from bot.picking import pick_person
from bot.screen import Act, Button, Nav, Screen
from core.access.approvals import Approval
from core.access.roles import Permission
from core.errors import UserError

_APPROVALS = Nav("👥 Approvals", "approvals")
_MOST = 5


@command("approvals", "What waits for a second person", permission=Permission.REDUCE, changes=False)
async def approvals(call: Call) -> Screen:
    """Every request in full that the reader has made or may decide."""
    waiting = await _approving(call).waiting(call)
    if not waiting:
        body = html.text("Nothing waits for a second person.")
        return framed(call, ("Approvals",), body, here=("approvals",))
    shown = [line for approval, _ in waiting[:_MOST] for line in (notices.approval_text(approval), "")]
    more = len(waiting) - _MOST
    tail = html.text(f"… and {more} more") if more > 0 else html.EMPTY
    buttons = [_buttons(approval) for approval, may in waiting[:_MOST] if may]
    return framed(call, ("Approvals",), *shown, tail, here=("approvals",), buttons=buttons)


def _buttons(approval: Approval) -> tuple[Button, ...]:
    number = str(approval.id)
    return (Act(f"✅ Approve {number}", "approve", (number,)), Act(f"✖ Decline {number}", "decline", (number,)))


async def _ask_approve(call: Call) -> Question | None:
    """A button stands under the request in full; who types has perhaps not read it."""
    if call.origin is Origin.PRESS or not call.args:
        return None
    approval = await _approving(call).look(call, _number(call))
    return Question(notices.approval_text(approval), "✅ Yes, approve")


async def _names_one(call: Call) -> bool:
    """Whether there is something to approve; then the approver shows who they are, whatever it is."""
    if not call.args:
        return False
    await _approving(call).look(call, _number(call))
    return True


@command(
    "approve",
    "Approve what somebody else wants to do",
    permission=Permission.REDUCE,
    usage="REQUEST",
    takes=1,
    ask=_ask_approve,
    trace=("approval given", "approval void"),
    step_up=_names_one,
)
async def approve(call: Call) -> Screen:
    """Say yes: it runs as its requester."""
    if not call.args:
        return await approvals(call)
    return await _approving(call).approve(call, _number(call))


@command(
    "decline",
    "Decline what somebody else wants to do",
    permission=Permission.REDUCE,
    usage="REQUEST",
    takes=1,
    trace=("approval declined",),
)
async def decline(call: Call) -> Screen:
    """Say no."""
    if not call.args:
        return await approvals(call)
    said = await _approving(call).decline(call, _number(call))
    return notice(said, (_APPROVALS,), toast="Declined")


async def _names_somebody(call: Call) -> bool:
    return bool(call.args)


@command(
    "unlock",
    "Look at somebody's codes again",
    permission=Permission.ADMINISTER,
    usage="NAME",
    takes=None,
    trace=("unlock codes",),
    step_up=_names_somebody,
)
async def unlock(call: Call) -> Screen:
    """After too many wrong codes."""
    if not name(call):
        return pick_person(call, await call.service.people(), "Whose codes?")
    return outcome(await call.service.unlock_codes(call.text, call.actor))


def _approving(call: Call) -> Approving:
    if call.approving is None:
        raise UserError("Approvals are not available here.")
    return call.approving


def _number(call: Call) -> int:
    word = name(call)
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise call.wrong("Say the number of the request; /approvals lists them.")
    return int(word)
