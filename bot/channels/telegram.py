"""Alerts by Telegram: the outbox hands over a message, and this one renders and sends it, and changes it later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from typing import Protocol

import structlog
from telegram.error import BadRequest

from bot import html
from bot.commands.results import report_file, report_picture
from bot.courier import Courier
from bot.html import EMPTY, Html
from bot.keyboard import Keyboard, Keyboards
from bot.pacing import Lane
from bot.people import Caller, People
from bot.screen import Act, Button, Nav, Rows
from core.access.roles import Actor, Permission, Role
from core.alerts.channel import ChannelRefused, Message, Severity, Standing, Status
from core.service import Quarterdeck
from core.views import ReportView

_SIGNS = {Severity.INFO: "🔹", Severity.WARNING: "🟡", Severity.CRITICAL: "🔴"}
_MOST_LINES = 30
_LONGEST_BARE = 2_000
_log = structlog.get_logger(__name__)

_RISK = Nav("🛡 Risk", "risk", fresh=True)
_POSITIONS = Nav("📦 Positions", "positions", fresh=True)
_DOUBTS = Nav("❓ Orders in doubt", "orders", ("doubt",), fresh=True)
_STATUS = Nav("📊 Status", "status", fresh=True)
_FILLS = Nav("✅ Fills", "fills", fresh=True)
_ALERTS = Nav("🔔 Alerts", "alerts", fresh=True)
_RESUME = Act("▶️ Resume trading…", "resume", fresh=True)
_FLATTEN = Act("🧹 Flatten all…", "flatten", fresh=True)
_HALT = Act("🛑 Halt everything", "halt", ("alert",), fresh=True, urgent=True)
_GROUP = Actor("group", "group", Role.VIEWER)

Report = Callable[[str], Awaitable[ReportView]]


class TopicFinder(Protocol):
    """Knows the topic of a strategy in a group."""

    async def thread_for(self, chat_id: int, strategy: str) -> int | None:
        """The topic; None: the chat itself."""
        ...


class TelegramChannel:
    """Delivers to one person's private chat, or to a group; the recipient is its numeric id as text."""

    name = "telegram"

    def __init__(
        self,
        courier: Courier,
        keyboards: Keyboards,
        people: People,
        service: Quarterdeck,
        topics: TopicFinder | None = None,
    ) -> None:
        self._courier = courier
        self._keyboards = keyboards
        self._people = people
        self._service = service
        self._topics = topics

    async def deliver(self, recipient: str, message: Message) -> str:
        """Return the message's id once Telegram has accepted it. Raises `ChannelDown` or `ChannelRefused`.

        What Telegram refuses for its form goes as bare text in the same attempt. Any other error is about this one
        message: the outbox tries it again, at last as plain text.
        """
        caller = await self._caller(recipient, message)
        if message.plain:
            return await self._send_bare(caller, message)
        try:
            return str(await self._send(caller, message, await self._keyboard(caller, message, None)))
        except BadRequest as error:
            _log.error("an alert was refused, sent as bare text", alerts=message.ids, reason=error.message)
            return await self._send_bare(caller, message)

    async def revise(self, recipient: str, copy: str, message: Message) -> None:
        """Show in one copy how the alert stands now. One that is gone, or older than may be changed, is no error."""
        caller = await self._caller(recipient, message)
        keyboard = await self._keyboard(caller, message, int(copy))
        text = render(message, caller.zone)
        await self._courier.edit(caller.chat_id, int(copy), text, keyboard, _lane(message))

    async def _caller(self, recipient: str, message: Message) -> Caller:
        try:
            number = int(recipient)
        except ValueError as error:
            raise ChannelRefused(f"{recipient!r} is no Telegram id") from error
        if number < 0:
            thread = await self._topics.thread_for(number, message.strategy) if self._topics else None
            return Caller(_GROUP, 0, number, thread_id=thread)
        caller = self._people.find(number, number)
        if caller is None:
            raise ChannelRefused(f"{recipient} is no longer a user")
        return caller

    async def _keyboard(self, caller: Caller, message: Message, message_id: int | None) -> Keyboard:
        """Keys for the reader; in a group everybody may press, and is asked who they are."""
        user_id = caller.user_id or None
        rows = buttons(message, caller.actor)
        return await self._keyboards.build(rows, user_id=user_id, chat_id=caller.chat_id, message_id=message_id)

    async def _send_bare(self, caller: Caller, message: Message) -> str:
        lane = _lane(message)
        sent = await self._courier.send_plain(caller.chat_id, bare(message), lane, thread_id=caller.thread_id)
        return str(sent)

    async def _send(self, caller: Caller, message: Message, keyboard: Keyboard) -> int:
        lane, chat, thread = _lane(message), caller.chat_id, caller.thread_id
        silent = message.severity is Severity.INFO
        text = render(message, caller.zone)
        report = await self._service.report(message.attachment, message.account) if message.attachment else None
        if report and (file := report_file(report)):
            await self._courier.send_document(chat, file, lane, thread_id=thread)
        if report and (picture := await report_picture(report)):
            sent = await self._courier.send_photo(chat, picture, text, keyboard, lane, thread_id=thread)
        else:
            sent = await self._courier.send(chat, text, keyboard, lane, silent=silent, thread_id=thread)
        await self._keyboards.bind(keyboard, sent)
        return sent


def render(message: Message, zone: tzinfo = UTC) -> Html:
    """Title first, then a line for each, how it stands, the numbers last so that a repeat is recognised."""
    count = f" x{len(message.ids)}" if len(message.ids) > 1 and not message.digest else ""
    head = html.text(_SIGNS[message.severity], " ", html.bold(message.title[:200], count))
    numbers = html.italic(f"{_numbers(message.ids)} · {message.at:%Y-%m-%d %H:%M} UTC")
    return html.lines(head, _body(message), _standing(message, zone), numbers)


def _standing(message: Message, zone: tzinfo) -> Html:
    """Who has answered, and since when it is over; nothing while it is new."""
    standing = message.standing
    if standing is None:
        return EMPTY
    return html.lines(_answer(standing, message, zone), _end(standing, zone))


def _answer(standing: Standing, message: Message, zone: tzinfo) -> Html:
    by = f"by {standing.by} at {_time(standing.at, zone)}" if standing.by else ""
    if standing.status is Status.SNOOZED:
        return html.bold(f"💤 Snoozed {by}, until {_time(standing.until, zone)}")
    if standing.status is Status.OPEN:
        return html.bold(f"🔁 Nobody has acknowledged it: reminder {message.step}") if message.step else EMPTY
    word = "Acknowledged" if standing.status is Status.ACKNOWLEDGED else "Answered"
    return html.bold(f"✅ {word} {by}") if by else EMPTY


def _end(standing: Standing, zone: tzinfo) -> Html:
    if standing.status is not Status.CLOSED:
        return EMPTY
    return html.bold(f"☑️ Over since {_time(standing.ended, zone)}: {standing.note}")


def _time(moment: datetime | None, zone: tzinfo) -> str:
    """`14:03:22 CET`: the reader's own clock."""
    return f"{moment.astimezone(zone):%H:%M:%S %Z}" if moment else "?"


def bare(message: Message) -> str:
    """The same as plain text that nothing can refuse: no markup, and only what can be encoded."""
    text = "\n".join((f"{_SIGNS[message.severity]} {message.title[:200]}", *message.lines, _numbers(message.ids)))
    return text.encode("utf-8", "replace").decode("utf-8")[:_LONGEST_BARE]


def buttons(message: Message, actor: Actor) -> Rows:
    """What one wants to do next: answer an alert; after a halt flatten or go on, after all else that is grave halt."""
    rows: list[tuple[Button, ...]] = []
    if message.severity is Severity.CRITICAL:
        rows = [*_answers(message, actor), *_context(message), _acts(message, actor)]
    elif message.kind == "fill":
        rows = [(_FILLS, _POSITIONS)]
    elif message.kind == "doubt":
        rows = [(_DOUBTS,)]
    else:
        rows = [(_ALERTS,)] if message.digest else [(_STATUS,)]
    return tuple(row for row in rows if row)


def _answers(message: Message, actor: Actor) -> list[tuple[Button, ...]]:
    """Acknowledge, Snooze and Details. In a group everybody has them, and who presses is asked whether they may."""
    if message.standing is None or not message.ids:
        return []
    number = str(message.ids[0])
    details = Nav("🔎 Details", "alert", (number,), fresh=True)
    able = actor is _GROUP or actor.may(Permission.HALT, message.account)
    if not able or message.standing.status not in (Status.OPEN, Status.SNOOZED):
        return [(details,)]
    acknowledge = Act("✅ Acknowledge", "ack", (number,))
    if message.standing.status is Status.SNOOZED:
        return [(acknowledge, details)]
    snooze = tuple(Act(f"💤 {label}", "snooze", (number, word)) for label, word in (("15 min", "15m"), ("1 h", "1h")))
    return [(acknowledge, details), snooze]


def _context(message: Message) -> list[tuple[Button, ...]]:
    if message.kind == "doubt":
        return [(_DOUBTS,)]
    return [] if message.standing else [(_RISK, _POSITIONS)]  # Details has them


def _acts(message: Message, actor: Actor) -> tuple[Button, ...]:
    if message.standing and message.standing.status is Status.CLOSED:
        return ()
    halted = message.kind == "halt" and "INCOMPLETE" not in message.title  # then halting again is what helps
    halted = halted or "while halted" in message.title
    acts = ((_RESUME, Permission.RESUME), (_FLATTEN, Permission.REDUCE)) if halted else ((_HALT, Permission.HALT),)
    return tuple(act for act, permission in acts if actor.may(permission))


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
