"""Telegram's updates, read: what someone typed or pressed, where we are, or why we do not listen to it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# Telegram puts these ids in `from` when it hides who wrote: an anonymous admin, a channel, a service message.
FAKE_USERS = frozenset({1087968824, 136817688, 777000})
_NO_USER = 0
_GROUPS = frozenset({"group", "supergroup"})
_INSIDE = frozenset({"creator", "administrator", "member"})
_PLAIN_TEXT_ONLY = "I only act on commands typed to me as plain text."


@dataclass(frozen=True, slots=True)
class Typed:
    """A text message that someone wrote in their private chat, or in a group. `sent_at` is Telegram's time."""

    user_id: int
    chat_id: int
    message_id: int
    text: str
    sent_at: datetime
    thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press of a button. `editable` says that the message can show text in place of its old text."""

    user_id: int
    chat_id: int
    message_id: int
    query_id: str
    data: str
    editable: bool
    thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is not listened to. `tell` is for a known user; a stranger never gets an answer.

    `usual`: people do so all the time where they talk to each other; it is not worth a word.
    """

    user_id: int
    chat_id: int
    reason: str
    tell: str = ""
    usual: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """A group was made a supergroup: it goes on under another id."""

    chat_id: int
    new_chat_id: int


@dataclass(frozen=True, slots=True)
class Standing:
    """We were let into a chat, or out of it: `is_in` says which; `user_id` did it."""

    user_id: int
    chat_id: int
    title: str
    is_in: bool


Incoming = Typed | Pressed | Ignored
News = Moved | Standing
_Json = Mapping[str, Any]


def is_group(chat_id: int) -> bool:
    """Whether an id is that of a group: those are negative."""
    return chat_id < 0


@lru_cache(maxsize=4096)  # what waits is asked for its place again and again
def read(raw: str) -> Incoming | News:
    """Read one update as it came from Telegram."""
    update = json.loads(raw)
    if message := update.get("message"):
        return _moved(message) or _message(message)
    if query := update.get("callback_query"):
        return _press(query)
    if change := update.get("my_chat_member"):
        return _standing(change)
    if message := update.get("edited_message"):
        return _refused(message, "edited message", "An edited message is not run. Send the command again.")
    return Ignored(_NO_USER, _NO_USER, "no message or press: " + ", ".join(sorted(set(update) - {"update_id"})))


def _moved(message: _Json) -> Moved | None:
    here = _chat_id(message)
    if new := message.get("migrate_to_chat_id"):
        return Moved(here, int(new))
    old = message.get("migrate_from_chat_id")
    return Moved(int(old), here) if old else None


def _standing(change: _Json) -> Standing:
    member, chat = change["new_chat_member"], change["chat"]
    is_in = member["status"] in _INSIDE or (member["status"] == "restricted" and bool(member.get("is_member")))
    return Standing(int(change["from"]["id"]), int(chat["id"]), str(chat.get("title", "")), is_in)


def _message(message: _Json) -> Incoming:
    if problem := _unidentified(message):
        return Ignored(_user_id(message), _chat_id(message), problem)
    if problem := _second_hand(message):
        return _refused(message, problem, f"This is a {problem}: it is not run. Type the command yourself.")
    if "text" not in message:
        return _refused(message, "not a text message", _PLAIN_TEXT_ONLY, usual=True)
    sent_at = datetime.fromtimestamp(message["date"], UTC)
    text, thread = message["text"], _thread(message)
    return Typed(_user_id(message), _chat_id(message), message["message_id"], text, sent_at, thread)


def _unidentified(message: _Json) -> str:
    """Why nobody in particular said this; empty when someone did, in private or in a group."""
    sender, chat = message.get("from"), message["chat"]
    if not sender or "sender_chat" in message or sender["id"] in FAKE_USERS:
        return "the sender is hidden"
    if sender.get("is_bot"):
        return "sent by a bot"
    return "" if _speaks_here(sender["id"], chat) else f"not a private chat but a {chat['type']}"


def _speaks_here(user_id: int, chat: _Json) -> bool:
    """Whether a person can speak for themselves in a chat: their own private one, or a group."""
    if chat.get("type") == "private":
        return bool(chat["id"] == user_id)
    return chat.get("type") in _GROUPS and is_group(chat["id"])


def _second_hand(message: _Json) -> str:
    if "forward_origin" in message or "forward_date" in message or message.get("is_automatic_forward"):
        return "forwarded message"
    if "via_bot" in message:
        return "message sent through another bot"
    if "business_connection_id" in message or "sender_business_bot" in message:
        return "business message"
    if message.get("is_from_offline"):
        return "message that was sent by itself, later or while you were away"
    return "message to a guest" if "guest_query_id" in message else ""


def _press(query: _Json) -> Incoming:
    user_id = query["from"]["id"]
    message = query.get("message")
    if user_id in FAKE_USERS or query["from"].get("is_bot"):
        return Ignored(user_id, _NO_USER, "the sender is hidden")
    if message is None or "data" not in query:
        return Ignored(user_id, _NO_USER, "a press without our message")
    if not _speaks_here(user_id, message["chat"]):
        return Ignored(user_id, message["chat"]["id"], "a press in a chat that is not theirs")
    accessible = message.get("date", 0) != 0  # an InaccessibleMessage has the date 0
    editable = accessible and "text" in message
    chat_id, number = int(message["chat"]["id"]), message["message_id"]
    return Pressed(user_id, chat_id, number, query["id"], query["data"], editable, _thread(message))


def _refused(message: _Json, reason: str, tell: str, *, usual: bool = False) -> Ignored:
    hidden = _unidentified(message)
    chat_id = _chat_id(message)
    told = "" if hidden or is_group(chat_id) else tell
    return Ignored(_user_id(message), chat_id, hidden or reason, told, usual and not hidden)


def _thread(message: _Json) -> int | None:
    """The topic of a forum; elsewhere the number only says what was replied to."""
    return int(message["message_thread_id"]) if message.get("is_topic_message") else None


def _user_id(message: _Json) -> int:
    return int((message.get("from") or {}).get("id", _NO_USER))


def _chat_id(message: _Json) -> int:
    return int(message["chat"]["id"])
