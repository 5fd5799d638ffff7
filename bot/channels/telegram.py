"""Alerts by Telegram: the outbox hands over a message, and this one renders and sends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot import html
from bot.commands.results import report_file, report_picture
from bot.courier import Courier
from bot.html import EMPTY, Html
from bot.keyboard import Keyboard, Keyboards
from bot.pacing import Lane
from bot.people import Caller, People
from bot.screen import Act, Nav, Rows
from core.access.roles import Permission
from core.alerts.channel import ChannelRefused, Message, Severity
from core.service import Quarterdeck
from core.views import ReportView

_SIGNS = {Severity.INFO: "🔹", Severity.WARNING: "🟡", Severity.CRITICAL: "🔴"}
_MOST_LINES = 30
_LONGEST_BARE = 2_000

_RISK = Nav("🛡 Risk", "risk", fresh=True)
_POSITIONS = Nav("📦 Positions", "positions", fresh=True)
_DOUBTS = Nav("❓ Orders in doubt", "orders", ("doubt",), fresh=True)
_STATUS = Nav("📊 Status", "status", fresh=True)
_FILLS = Nav("✅ Fills", "fills", fresh=True)
_RESUME = Act("▶️ Resume trading…", "resume", fresh=True)
_FLATTEN = Act("🧹 Flatten all…", "flatten", fresh=True)
_HALT = Act("🛑 Halt everything", "halt", ("alert",), fresh=True, urgent=True)

Report = Callable[[str], Awaitable[ReportView]]


class TelegramChannel:
    """Delivers to one person's private chat; the recipient is their numeric id as text."""

    name = "telegram"

    def __init__(self, courier: Courier, keyboards: Keyboards, people: People, service: Quarterdeck) -> None:
        self._courier = courier
        self._keyboards = keyboards
        self._people = people
        self._service = service

    async def deliver(self, recipient: str, message: Message) -> None:
        """Return once Telegram has accepted it. Raises `ChannelDown` or `ChannelRefused`.

        Any other error is about this one message: the outbox tries it again, at last as plain text.
        """
        caller = self._caller(recipient)
        if message.plain:
            await self._courier.send_plain(caller.chat_id, bare(message), _lane(message))
            return
        rows = buttons(message, caller)
        keyboard = await self._keyboards.build(rows, user_id=caller.user_id, chat_id=caller.chat_id, message_id=None)
        message_id = await self._send(caller.chat_id, message, keyboard)
        await self._keyboards.bind(keyboard, message_id)

    def _caller(self, recipient: str) -> Caller:
        try:
            caller = self._people.find(int(recipient), int(recipient))
        except ValueError as error:
            raise ChannelRefused(f"{recipient!r} is no Telegram id") from error
        if caller is None:
            raise ChannelRefused(f"{recipient} is no longer a user")
        return caller

    async def _send(self, chat_id: int, message: Message, keyboard: Keyboard) -> int:
        lane = _lane(message)
        silent = message.severity is Severity.INFO
        text = render(message)
        if not message.attachment:
            return await self._courier.send(chat_id, text, keyboard, lane, silent=silent)
        report = await self._service.report(message.attachment)
        if file := report_file(report):
            await self._courier.send_document(chat_id, file, lane)
        if picture := await report_picture(report):
            return await self._courier.send_photo(chat_id, picture, text, keyboard, lane)
        return await self._courier.send(chat_id, text, keyboard, lane, silent=silent)


def render(message: Message) -> Html:
    """Title first, then a line for each, the numbers last so that a repeat is recognised."""
    count = f" x{len(message.ids)}" if len(message.ids) > 1 else ""
    head = html.text(_SIGNS[message.severity], " ", html.bold(message.title[:200], count))
    numbers = html.italic(f"{_numbers(message.ids)} · {message.at:%Y-%m-%d %H:%M} UTC")
    return html.lines(head, _body(message), numbers)


def bare(message: Message) -> str:
    """The same as plain text that nothing can refuse: no markup, and only what can be encoded."""
    text = "\n".join((f"{_SIGNS[message.severity]} {message.title[:200]}", *message.lines, _numbers(message.ids)))
    return text.encode("utf-8", "replace").decode("utf-8")[:_LONGEST_BARE]


def buttons(message: Message, caller: Caller) -> Rows:
    """What one wants to do next: after a halt to flatten or go on, after anything else critical to halt."""
    if message.kind == "doubt":
        return tuple(row for row in ((_DOUBTS,), _acts(message, caller)) if row)
    if message.severity is Severity.CRITICAL:
        return tuple(row for row in ((_RISK, _POSITIONS), _acts(message, caller)) if row)
    return ((_FILLS, _POSITIONS),) if message.kind == "fill" else ((_STATUS,),)


def _acts(message: Message, caller: Caller) -> tuple[Act, ...]:
    halted = message.kind == "halt" and "INCOMPLETE" not in message.title  # then halting again is what helps
    acts = ((_RESUME, Permission.ADMINISTER), (_FLATTEN, Permission.OPERATE)) if halted else ((_HALT, Permission.HALT),)
    return tuple(act for act, permission in acts if caller.actor.may(permission))


def _lane(message: Message) -> Lane:
    return Lane.CRITICAL if message.severity is Severity.CRITICAL else Lane.PUSH


def _body(message: Message) -> Html:
    lines = [line[:300] for line in message.lines if line][:_MOST_LINES]
    more = len([line for line in message.lines if line]) - len(lines)
    if not lines:
        return EMPTY
    tail = html.text(f"… and {more} more") if more else EMPTY
    return html.lines(*lines, tail)


def _numbers(ids: tuple[int, ...]) -> str:
    return f"#{ids[0]}" if len(ids) == 1 else f"#{ids[0]}-#{ids[-1]}" if ids else "#?"
