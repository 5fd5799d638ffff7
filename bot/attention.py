"""What waits for this reader: critical alerts that nobody has answered, requests that need a second person."""

from __future__ import annotations

from dataclasses import dataclass

from bot import html
from bot.command import Call
from bot.figures import number_of
from bot.html import EMPTY, Html
from bot.screen import Nav, Rows
from core.access.roles import Permission
from core.alerts.channel import Status


@dataclass(frozen=True, slots=True)
class Attention:
    """A line and a button for each kind of thing that waits; nothing, if nothing does."""

    text: Html = EMPTY
    buttons: Rows = ()


async def attention(call: Call) -> Attention:
    """Only what this reader may do something about."""
    numbers, requests = await _alerts(call), await _requests(call)
    lines: list[Html] = []
    buttons: list[tuple[Nav, ...]] = []
    if numbers:
        waits = "waits" if len(numbers) == 1 else "wait"
        lines.append(html.text("🔴 ", html.bold(f"{number_of(len(numbers), 'alert')} {waits} for an answer")))
        one = len(numbers) == 1
        buttons.append(
            (_one_alert(numbers[0]) if one else Nav(f"🔴 Answer {len(numbers)} alerts", "alerts", ("open",)),)
        )
    if requests:
        waits = "waits" if requests == 1 else "wait"
        lines.append(html.text("👥 ", html.bold(f"{number_of(requests, 'request')} {waits} for your approval")))
        buttons.append((Nav(f"👥 Approve or decline ({requests})", "approvals"),))
    return Attention(html.lines(*lines) if lines else EMPTY, tuple(buttons))


def _one_alert(number: int) -> Nav:
    return Nav(f"🔴 Answer alert #{number}", "alert", (str(number),))


async def _alerts(call: Call) -> list[int]:
    """Those that are open in accounts where the reader may answer; the first page of them is enough to call."""
    if not call.actor.may_somewhere(Permission.HALT):
        return []
    page = await call.service.alerts(which="open", actor=call.actor)
    return [
        row.id
        for row in page.rows
        if row.standing is not None
        and row.standing.status is Status.OPEN
        and call.actor.may(Permission.HALT, row.account)
    ]


async def _requests(call: Call) -> int:
    """How many requests the reader may decide."""
    if call.approving is None or not call.actor.may_somewhere(Permission.REDUCE):
        return 0
    return sum(may for _, may in await call.approving.waiting(call))
