"""Changing and deleting messages."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.keyboards import reply_markup
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.methods.media import input_media
from bot.sandbox.server.model import Chat, Message

_UNCHANGED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
_DELETABLE_SECONDS = 48 * 3600
_MOST_DELETED = 100


def _target(call: Call) -> tuple[Chat, Message]:
    if call.params.has("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = call.writable_chat()
    return chat, call.own_message(chat)


def _edited(call: Call, chat: Chat, message: Message, before: tuple[Any, ...]) -> dict[str, Any]:
    if message.content() == before:
        raise bad_request(_UNCHANGED)
    call.charge(chat)
    message.edit_date = max(call.world.now(), message.date)
    call.world.change(message)
    return call.world.message_json(message)


@method("editMessageText")
def edit_message_text(call: Call) -> dict[str, Any]:
    """Replace text and keyboard; without a keyboard the message loses the one it had."""
    text = call.text(editing=True)
    markup = reply_markup(call.params, only_inline=True)
    chat, message = _target(call)
    before = message.content()
    if message.kind != "text":
        raise bad_request("there is no text in the message to edit")
    message.text, message.entities, message.markup = text.text, text.entities, markup
    message.link_preview = call.link_preview()
    return _edited(call, chat, message, before)


@method("editMessageCaption")
def edit_message_caption(call: Call) -> dict[str, Any]:
    """Replace a photo's or document's caption and keyboard."""
    caption = call.caption(editing=True)
    markup = reply_markup(call.params, only_inline=True)
    chat, message = _target(call)
    before = message.content()
    if message.kind == "text":
        raise bad_request("there is no caption in the message to edit")
    message.text, message.entities, message.markup = caption.text, caption.entities, markup
    return _edited(call, chat, message, before)


@method("editMessageReplyMarkup")
def edit_message_reply_markup(call: Call) -> dict[str, Any]:
    """Replace only the keyboard."""
    markup = reply_markup(call.params, only_inline=True)
    chat, message = _target(call)
    before = message.content()
    message.markup = markup
    return _edited(call, chat, message, before)


@method("editMessageMedia")
def edit_message_media(call: Call) -> dict[str, Any]:
    """Replace the photo or document, its caption and the keyboard."""
    markup = reply_markup(call.params, only_inline=True)
    chat, message = _target(call)
    before = message.content()
    item = input_media(call, call.params.object("media"))
    message.kind, message.file_id = item.file.kind, item.file.file_id
    message.text, message.entities, message.markup = item.caption.text, item.caption.entities, markup
    return _edited(call, chat, message, before)


@method("deleteMessage")
def delete_message(call: Call) -> bool:
    """Delete one message of the last 48 hours."""
    message = call.message(call.chat(), "delete")
    if call.world.now() - message.date > _DELETABLE_SECONDS:
        raise bad_request("message can't be deleted for everyone")
    call.world.remove(message)
    return True


@method("deleteMessages")
def delete_messages(call: Call) -> bool:
    """Delete up to a hundred messages; those that are gone are skipped."""
    numbers = call.params.json("message_ids")
    if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
        raise bad_request("message identifiers are not specified")
    if len(numbers) > _MOST_DELETED:
        raise bad_request("too many message identifiers specified")
    chat = call.chat()
    found = [message for number in numbers if (message := call.world.history.message(chat.id, number))]
    for message in found:
        if call.world.now() - message.date <= _DELETABLE_SECONDS:
            call.world.remove(message)
    return True
