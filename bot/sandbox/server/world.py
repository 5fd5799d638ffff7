"""What the bot and the people see: chats and messages, and everything that can happen to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.server.bell import Bell
from bot.sandbox.server.entities.render import render
from bot.sandbox.server.faults import Faults
from bot.sandbox.server.files import Files
from bot.sandbox.server.history import History
from bot.sandbox.server.limits import Limits, RateMeter
from bot.sandbox.server.model import BOT, STRANGER, USERS, Bot, Chat, Message, User
from bot.sandbox.server.updates import UpdateQueue
from bot.sandbox.server.webhook import WebhookSender


class World:
    """All state of the sandbox and the ways to change it."""

    def __init__(
        self,
        history: History,
        files: Files,
        bot: Bot,
        *,
        limits: Limits,
        faults: Faults,
        clock: Callable[[], float],
    ) -> None:
        self.history = history
        self.files = files
        self.bot = bot
        self.limits = limits
        self.faults = faults
        self.clock = clock
        self.meter = RateMeter(limits, clock)
        self.updates = UpdateQueue(history, limits, faults, clock)
        self.webhook = WebhookSender(history, self.updates)
        self.users: dict[int, User] = {user.id: user for user in USERS}
        self.chats: dict[int, Chat] = {chat.id: chat for chat in history.chats()}
        self.typing: dict[int, tuple[float, str]] = {}
        self.events_bell = Bell()
        self.answers_bell = Bell()
        for user in USERS:
            if user.id not in self.chats:
                self.add_chat(Chat(user.id, user_id=user.id, started=user is not STRANGER))

    def now(self) -> int:
        """Unix time in whole seconds."""
        return int(self.clock())

    def add_chat(self, chat: Chat) -> None:
        """Create or change a chat."""
        self.chats[chat.id] = chat
        self.history.save_chat(chat)

    def add_topic(self, chat: Chat, name: str) -> int:
        """A new topic of a forum; its id is that of the message that announces it."""
        assert chat.topics is not None
        body = {"forum_topic_created": {"name": name, "icon_color": 7_322_096}}
        announced = self.post(Message(chat.id, 0, BOT, self.now(), kind="service", service=body))
        chat.topics[str(announced.message_id)] = name
        self.add_chat(chat)
        return announced.message_id

    def find_user(self, user_id: int) -> dict[str, Any] | None:
        """The Bot API form of a user whom the bot can mention."""
        if user_id == self.bot.id:
            return self.bot.to_api()
        user = self.users.get(user_id)
        return None if user is None else user.to_api()

    # Changes. Each is one transaction with its event.

    def post(self, message: Message) -> Message:
        """Add a message to its chat."""
        self.typing.pop(message.chat_id, None)
        with self.history.transaction():
            self.history.add_message(message)
            self._record("message", message)
        self.events_bell.ring()
        return message

    def change(self, message: Message) -> None:
        """Store an edited message."""
        with self.history.transaction():
            self.history.save_message(message)
            self._record("edit", message)
        self.events_bell.ring()

    def remove(self, message: Message) -> None:
        """Delete a message for everybody."""
        with self.history.transaction():
            self.history.delete_message(message)
            self._record("delete", message)
        self.events_bell.ring()

    def pin(self, message: Message) -> None:
        """Pin a message and say so in the chat."""
        with self.history.transaction():
            self.history.pin(message.chat_id, message.message_id, self.now())
        self.post(Message(message.chat_id, 0, BOT, self.now(), kind="pin", pinned=message.message_id))

    def unpin(self, chat_id: int, message_id: int | None) -> None:
        """Remove one pin, or all."""
        with self.history.transaction():
            self.history.unpin(chat_id, message_id)
        self.events_bell.ring()

    def _record(self, kind: str, message: Message) -> None:
        self.history.add_event(message.chat_id, kind, message.message_id, self.card(message))

    # Views.

    def sender(self, message: Message) -> dict[str, Any]:
        """The Bot API's `from` of a message."""
        return self.find_user(message.sender_id or self.bot.id) or self.bot.to_api()

    def chat_json(self, chat: Chat) -> dict[str, Any]:
        """The Bot API's `Chat`."""
        if chat.type != "private":
            forum = {"is_forum": True} if chat.topics is not None else {}
            return {"id": chat.id, "type": chat.type, "title": chat.title, **forum}
        user = self.users[chat.user_id or chat.id]
        return {
            "id": chat.id, "type": "private", "first_name": user.first_name, "last_name": user.last_name,
            "username": user.username,
        }  # fmt: skip

    def message_json(self, message: Message, *, nested: bool = False) -> dict[str, Any]:
        """The Bot API's `Message`; a nested one shows no message that it replies to."""
        body: dict[str, Any] = {
            "message_id": message.message_id,
            "from": self.sender(message),
            "chat": self.chat_json(self.chats[message.chat_id]),
            "date": message.date,
        }
        optional = {
            "edit_date": message.edit_date, "media_group_id": message.album,
            "forward_origin": message.forward_origin, "has_protected_content": message.protected or None,
            "reply_markup": message.markup, "link_preview_options": message.link_preview,
            "show_caption_above_media": message.caption_above or None,
        }  # fmt: skip
        body |= {name: value for name, value in optional.items() if value is not None}
        if message.thread_id is not None:
            body |= {"message_thread_id": message.thread_id, "is_topic_message": True}
        if message.reply_to and not nested:
            replied = self.history.message(message.chat_id, message.reply_to)
            body |= {"reply_to_message": self.message_json(replied, nested=True)} if replied else {}
        return body | self._content_json(message)

    def _content_json(self, message: Message) -> dict[str, Any]:
        if message.kind == "pin":
            return self._pin_json(message)
        if message.kind == "service":
            return dict(message.service or {})
        body: dict[str, Any] = {}
        text, entities = ("text", "entities") if message.kind == "text" else ("caption", "caption_entities")
        if message.kind != "text":
            body |= self._media_json(message)
        if message.text:
            body[text] = message.text
        if message.entities:
            body[entities] = message.entities
        return body

    def _pin_json(self, message: Message) -> dict[str, Any]:
        pinned = self.history.message(message.chat_id, message.pinned or 0)
        if pinned:
            return {"pinned_message": self.message_json(pinned, nested=True)}
        chat = self.chat_json(self.chats[message.chat_id])
        return {"pinned_message": {"message_id": message.pinned, "chat": chat, "date": 0}}

    def _media_json(self, message: Message) -> dict[str, Any]:
        file = self.files.find(message.file_id)
        assert file is not None
        body: dict[str, Any] = {
            "file_id": file.file_id, "file_unique_id": file.unique_id, "file_size": file.size,
        }  # fmt: skip
        if file.kind == "photo":
            return {"photo": [{**body, "width": file.width, "height": file.height}]}
        return {"document": {**body, "file_name": file.name, "mime_type": file.mime}}

    def card(self, message: Message) -> dict[str, Any]:
        """What the page shows of a message."""
        sender = self.users.get(message.sender_id)
        name = sender.name if sender else self.bot.first_name
        is_text = message.kind == "text"
        body: dict[str, Any] = {
            "message_id": message.message_id, "chat_id": message.chat_id, "date": message.date,
            "edit_date": message.edit_date,
            "from": {"id": message.sender_id or self.bot.id, "name": name, "is_bot": sender is None},
            "text": message.text if is_text else None,
            "caption": None if is_text or message.kind in ("pin", "service") else message.text,
            "html": render(message.text, message.entities),
            "photo_url": None, "document_url": None, "document_name": None, "document_size": None,
            "photo_width": None, "photo_height": None,
            "buttons": _buttons(message.markup), "reply_to": message.reply_to, "pinned": message.pinned,
            "reactions": [entry.get("emoji", "") for entry in message.reactions],
            "album": message.album, "forwarded": message.forward_origin is not None,
        }  # fmt: skip
        return body | self._file_card(message)

    def _file_card(self, message: Message) -> dict[str, Any]:
        file = self.files.find(message.file_id) if message.file_id else None
        if file is None:
            return {}
        url = f"/sandbox/files/{file.unique_id}/{file.path.rpartition('/')[2]}"
        if file.kind == "photo":
            return {"photo_url": url, "photo_width": file.width, "photo_height": file.height}
        return {"document_url": url, "document_name": file.name, "document_size": file.size}


def _buttons(markup: dict[str, Any] | None) -> list[list[dict[str, Any]]]:
    rows = markup["inline_keyboard"] if markup else []
    return [
        [
            {"text": button["text"], "data": button.get("callback_data"), "url": button.get("url"),
             "copy": (button.get("copy_text") or {}).get("text")}
            for button in row
        ]
        for row in rows
    ]  # fmt: skip
