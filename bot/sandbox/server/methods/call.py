"""One call of a Bot API method and the checks that many methods share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.server.entities.text import Formatted, formatted
from bot.sandbox.server.errors import ApiError, bad_request
from bot.sandbox.server.model import BOT, CLOSED, MEMBERS, Chat, Message
from bot.sandbox.server.params import Params, boolean
from bot.sandbox.server.world import World

_LONGEST_TEXT = 4096
_LONGEST_CAPTION = 1024
_MOST_UNITS = 1 << 15


@dataclass(frozen=True, slots=True)
class Call:
    """A method's parameters and the world it acts on."""

    world: World
    params: Params

    def chat(self, name: str = "chat_id") -> Chat:
        """The chat that the call names; raises `ApiError` when the bot does not know it."""
        if not self.params.has(name):
            raise bad_request(f"{name} is empty")
        chat = self.world.chats.get(self.params.integer(name))
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def writable_chat(self) -> Chat:
        """The chat, where the bot may write; raises `ApiError` 403 otherwise."""
        chat = self.chat()
        if chat.moved_to is not None:
            raise ApiError(400, "Bad Request: group chat was upgraded to a supergroup chat", moved_to=chat.moved_to)
        if chat.is_group and chat.bot_status not in MEMBERS:
            raise ApiError(403, f"Forbidden: bot was kicked from the {chat.type} chat")
        if chat.id in self.world.faults.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if not chat.started:
            raise ApiError(403, "Forbidden: bot can't initiate conversation with a user")
        return chat

    def charge(self, chat: Chat, cost: int = 1) -> None:
        """Count messages against the rate limits; raises `ApiError` 429."""
        if seconds := self.world.faults.throttled.get(chat.id):
            raise ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        self.world.meter.charge(chat.id, group=chat.is_group, cost=cost)

    def message(self, chat: Chat, purpose: str) -> Message:
        """The message that the call names; raises `ApiError` "message to {purpose} not found"."""
        number = self.params.integer("message_id")
        if number <= 0:
            raise bad_request("message identifier is not specified")
        message = self.world.history.message(chat.id, number)
        if message is None:
            raise bad_request(f"message to {purpose} not found")
        return message

    def own_message(self, chat: Chat) -> Message:
        """A message of the bot that it may edit; raises `ApiError`."""
        message = self.message(chat, "edit")
        if message.sender_id != BOT or message.kind in ("pin", "service"):
            raise bad_request("message can't be edited")
        return message

    def text(self, *, editing: bool = False) -> Formatted:
        """The `text` parameter, formatted; raises `ApiError` when empty or too long."""
        raw = self.params.text("text")
        if not raw:
            raise bad_request("message text is empty")
        result = self._formatted(raw, self.params, "entities")
        if not result.text:
            raise bad_request("text must be non-empty")
        if len(result.text) > _LONGEST_TEXT:
            raise bad_request("MESSAGE_TOO_LONG" if editing else "message is too long")
        return result

    def caption(self, params: Params | None = None, *, editing: bool = False) -> Formatted:
        """The `caption` parameter, formatted; empty when absent."""
        params = params or self.params
        result = self._formatted(params.text("caption"), params, "caption_entities")
        if len(result.text) > _LONGEST_CAPTION:
            raise bad_request("MEDIA_CAPTION_TOO_LONG" if editing else "message caption is too long")
        return result

    def _formatted(self, raw: str, params: Params, entities: str) -> Formatted:
        if len(raw) > _MOST_UNITS:
            raise bad_request("text is too long")
        return formatted(raw, params.text("parse_mode"), params.json(entities), self.world.find_user)

    def reply_to(self, chat: Chat) -> int | None:
        """The id of the message that is replied to; raises `ApiError` when it is gone."""
        given = self.params.object("reply_parameters")
        number = self.params.integer("reply_to_message_id")
        lenient = self.params.flag("allow_sending_without_reply")
        if given:
            if "message_id" not in given:
                raise bad_request('can\'t find field "message_id"')
            number = Params(given).integer("message_id")
            lenient = boolean(given, "allow_sending_without_reply")
        if number <= 0 or self.world.history.message(chat.id, number):
            return number if number > 0 else None
        if lenient:
            return None
        raise bad_request("message to be replied not found")

    def link_preview(self) -> dict[str, Any] | None:
        """The stored `link_preview_options`; raises `ApiError` for wrong types."""
        given = self.params.object("link_preview_options")
        for name in ("is_disabled", "prefer_small_media", "prefer_large_media", "show_above_text"):
            boolean(given, name)
        return {name: value for name, value in given.items() if value} or None

    def draft(self, chat: Chat) -> Message:
        """A new message of the bot with the options that all sending methods share."""
        return Message(
            chat.id,
            0,
            BOT,
            self.world.now(),
            reply_to=self.reply_to(chat),
            protected=self.params.flag("protect_content"),
            thread_id=self.thread(chat),
        )

    def thread(self, chat: Chat) -> int | None:
        """The topic that the call names; raises `ApiError` when it is not there, or closed."""
        number = self.params.integer("message_thread_id")
        if not number:
            return None
        name = (chat.topics or {}).get(str(number))
        if name is None:
            raise bad_request("message thread not found")
        if name.endswith(CLOSED):
            raise bad_request("TOPIC_CLOSED")
        return number

    def sent(self, message: Message) -> dict[str, Any]:
        """Post the message; the Bot API's form of it."""
        return self.world.message_json(self.world.post(message))


Handler = Callable[[Call], Any | Awaitable[Any]]
METHODS: dict[str, Handler] = {}


def method(name: str) -> Callable[[Handler], Handler]:
    """Register a Bot API method under its name, which is matched in any letter case."""

    def register(handler: Handler) -> Handler:
        METHODS[name.lower()] = handler
        return handler

    return register
