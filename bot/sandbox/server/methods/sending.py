"""Messages of text, and copies of messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.keyboards import reply_markup
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.model import Chat, Message

_ACTIONS = frozenset({
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "record_audio",
    "upload_audio", "upload_document", "choose_sticker", "find_location", "record_video_note",
    "upload_video_note",
})  # fmt: skip
_ACTION_SECONDS = 5.0


@method("sendMessage")
def send_message(call: Call) -> dict[str, Any]:
    """Send text of 1 to 4096 characters."""
    text = call.text()
    markup = reply_markup(call.params)
    chat = call.writable_chat()
    message = call.draft(chat)
    message.text, message.entities, message.markup = text.text, text.entities, markup
    message.link_preview = call.link_preview()
    call.charge(chat)
    return call.sent(message)


@method("sendChatAction")
def send_chat_action(call: Call) -> bool:
    """Show "typing" and the like for five seconds."""
    action = call.params.text("action").lower()
    if action not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = call.writable_chat()
    call.world.typing[chat.id] = (call.world.clock() + _ACTION_SECONDS, action)
    call.world.events_bell.ring()
    return True


def _source(call: Call, purpose: str) -> tuple[Chat, Message]:
    source = call.message(call.chat("from_chat_id"), purpose)
    if source.kind == "pin" or source.protected:
        raise bad_request(f"message can't be {'forwarded' if purpose == 'forward' else 'copied'}")
    return call.writable_chat(), source


@method("forwardMessage")
def forward_message(call: Call) -> dict[str, Any]:
    """Send a message on, saying whose it was."""
    chat, source = _source(call, "forward")
    origin = source.forward_origin or {
        "type": "user", "sender_user": call.world.sender(source), "date": source.date,
    }  # fmt: skip
    draft = call.draft(chat)
    call.charge(chat)
    return call.sent(_copied(draft, source, forward_origin=origin))


@method("copyMessage")
def copy_message(call: Call) -> dict[str, int]:
    """Send a message again as the bot's own."""
    chat, source = _source(call, "copy")
    draft = call.draft(chat)
    copy = _copied(draft, source, markup=reply_markup(call.params))
    if "caption" in call.params.values and source.kind != "text":
        caption = call.caption()
        copy.text, copy.entities = caption.text, caption.entities
    call.charge(chat)
    return {"message_id": call.world.post(copy).message_id}


def _copied(draft: Message, source: Message, **changes: Any) -> Message:
    return replace(
        draft, kind=source.kind, text=source.text, entities=source.entities, file_id=source.file_id, **changes
    )
