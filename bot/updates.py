"""Telegram's updates, read: what someone typed or pressed, or why we do not listen to it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Telegram puts these ids in `from` when it hides who wrote: an anonymous admin, a channel, a service message.
FAKE_USERS = frozenset({1087968824, 136817688, 777000})
_NO_USER = 0
_PLAIN_TEXT_ONLY = "I only act on commands typed to me as plain text."


@dataclass(frozen=True, slots=True)
class Typed:
    """A text message that someone wrote in their private chat. `sent_at` is Telegram's time."""

    user_id: int
    chat_id: int
    message_id: int
    text: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press of a button. `editable` says that the message can show text in place of its old text."""

    user_id: int
    chat_id: int
    message_id: int
    query_id: str
    data: str
    editable: bool


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is not listened to. `tell` is for a known user; a stranger never gets an answer."""

    user_id: int
    chat_id: int
    reason: str
    tell: str = ""


Incoming = Typed | Pressed | Ignored
_Json = Mapping[str, Any]


def read(raw: str) -> Incoming:
    """Read one update as it came from Telegram."""
    update = json.loads(raw)
    if message := update.get("message"):
        return _message(message)
    if query := update.get("callback_query"):
        return _press(query)
    if message := update.get("edited_message"):
        return _refused(message, "edited message", "An edited message is not run. Send the command again.")
    return Ignored(_NO_USER, _NO_USER, "no message or press: " + ", ".join(sorted(set(update) - {"update_id"})))


def _message(message: _Json) -> Incoming:
    if problem := _unidentified(message):
        return Ignored(_user_id(message), _chat_id(message), problem)
    if problem := _second_hand(message):
        return _refused(message, problem, f"This is a {problem}: it is not run. Type the command yourself.")
    if "text" not in message:
        return _refused(message, "not a text message", _PLAIN_TEXT_ONLY)
    sent_at = datetime.fromtimestamp(message["date"], UTC)
    return Typed(_user_id(message), _chat_id(message), message["message_id"], message["text"], sent_at)


def _unidentified(message: _Json) -> str:
    """Why nobody in particular said this in private; empty when someone did."""
    sender = message.get("from")
    if not sender or "sender_chat" in message or sender["id"] in FAKE_USERS:
        return "the sender is hidden"
    if sender.get("is_bot"):
        return "sent by a bot"
    if message["chat"]["type"] != "private" or message["chat"]["id"] != sender["id"]:
        return f"not a private chat but a {message['chat']['type']}"
    return ""


def _second_hand(message: _Json) -> str:
    if "forward_origin" in message or "forward_date" in message or message.get("is_automatic_forward"):
        return "forwarded message"
    if "via_bot" in message:
        return "message sent through another bot"
    return "business message" if "business_connection_id" in message else ""


def _press(query: _Json) -> Incoming:
    user_id = query["from"]["id"]
    message = query.get("message")
    if user_id in FAKE_USERS or query["from"].get("is_bot"):
        return Ignored(user_id, _NO_USER, "the sender is hidden")
    if message is None or "data" not in query:
        return Ignored(user_id, _NO_USER, "a press without our message")
    if message["chat"]["id"] != user_id:
        return Ignored(user_id, message["chat"]["id"], "a press outside the private chat")
    accessible = message.get("date", 0) != 0  # an InaccessibleMessage has the date 0
    editable = accessible and "text" in message
    return Pressed(user_id, user_id, message["message_id"], query["id"], query["data"], editable)


def _refused(message: _Json, reason: str, tell: str) -> Ignored:
    hidden = _unidentified(message)
    return Ignored(_user_id(message), _chat_id(message), hidden or reason, "" if hidden else tell)


def _user_id(message: _Json) -> int:
    return int((message.get("from") or {}).get("id", _NO_USER))


def _chat_id(message: _Json) -> int:
    return int(message["chat"]["id"])
