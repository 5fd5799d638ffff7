"""Chats, their members and their pins."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.model import CLOSED, MEMBERS

_REACTION_LIMIT = 11


@method("getChat")
def get_chat(call: Call) -> dict[str, Any]:
    """A chat in full, with its newest pin."""
    chat = call.chat()
    body = {
        **call.world.chat_json(chat), "accent_color_id": chat.id % 7, "max_reaction_count": _REACTION_LIMIT,
        "accepted_gift_types": {
            "unlimited_gifts": False, "limited_gifts": False, "unique_gifts": False,
            "premium_subscription": False, "gifts_from_channels": False,
        },
    }  # fmt: skip
    pins = call.world.history.pins(chat.id)
    pinned = call.world.history.message(chat.id, pins[0]) if pins else None
    return {**body, "pinned_message": call.world.message_json(pinned, nested=True)} if pinned else body


@method("getChatMember")
def get_chat_member(call: Call) -> dict[str, Any]:
    """A member of a chat; raises `ApiError` for anybody else."""
    chat = call.chat()
    user_id = call.params.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    user = call.world.find_user(user_id)
    if user is None:
        raise bad_request("user not found")
    inside = user_id in {call.world.bot.id, chat.user_id, *chat.members}
    if not inside and chat.type == "private":
        raise bad_request("member not found")
    return {"status": "member" if inside else "left", "user": user}


@method("getChatAdministrators")
def get_chat_administrators(call: Call) -> list[dict[str, Any]]:
    """The owner of a group."""
    chat = call.chat()
    if chat.type == "private":
        raise bad_request("there are no administrators in the private chat")
    owner = call.world.find_user(chat.members[0]) if chat.members else None
    return [{"status": "creator", "user": owner, "is_anonymous": False}] if owner else []


@method("getChatMemberCount")
def get_chat_member_count(call: Call) -> int:
    """How many people, the bot included."""
    chat = call.chat()
    return 2 if chat.type == "private" else len(chat.members) + 1


@method("pinChatMessage")
def pin_chat_message(call: Call) -> bool:
    """Pin a message at the top of the chat."""
    chat = call.writable_chat()
    message = call.message(chat, "pin")
    if message.kind == "pin":
        raise bad_request("message can't be pinned")
    if message.message_id not in call.world.history.pins(chat.id):
        call.world.pin(message)
    return True


@method("unpinChatMessage")
def unpin_chat_message(call: Call) -> bool:
    """Take away one pin, or the newest."""
    chat = call.chat()
    pins = call.world.history.pins(chat.id)
    number = call.params.integer("message_id")
    if call.params.has("message_id") and number not in pins:
        raise bad_request("message to unpin not found")
    if pins:
        call.world.unpin(chat.id, number or pins[0])
    return True


@method("unpinAllChatMessages")
def unpin_all_chat_messages(call: Call) -> bool:
    """Take away every pin."""
    call.world.unpin(call.chat().id, None)
    return True


_LONGEST_TOPIC = 128
_ICON_COLOR = 7_322_096


@method("createForumTopic")
def create_forum_topic(call: Call) -> dict[str, Any]:
    """A new topic of a forum, for which the bot must be an administrator."""
    chat = call.writable_chat()
    name = call.params.text("name").strip()
    if not 0 < len(name) <= _LONGEST_TOPIC:
        raise bad_request("TOPIC_TITLE_EMPTY" if not name else "topic name is too long")
    if chat.topics is None:
        raise bad_request("the chat is not a forum")
    if chat.bot_status != "administrator":
        raise bad_request("not enough rights to create a topic")
    return {"message_thread_id": call.world.add_topic(chat, name), "name": name, "icon_color": _ICON_COLOR}


@method("closeForumTopic")
def close_forum_topic(call: Call) -> bool:
    """Nobody but administrators writes there any more."""
    chat = call.writable_chat()
    number = call.thread(chat)
    if number is None or chat.topics is None:
        raise bad_request("message thread not found")
    chat.topics[str(number)] += CLOSED
    call.world.add_chat(chat)
    return True


@method("deleteForumTopic")
def delete_forum_topic(call: Call) -> bool:
    """The topic is gone."""
    chat = call.writable_chat()
    number = str(call.params.integer("message_thread_id"))
    if chat.topics is None or number not in chat.topics:
        raise bad_request("message thread not found")
    del chat.topics[number]
    call.world.add_chat(chat)
    return True


@method("leaveChat")
def leave_chat(call: Call) -> bool:
    """The bot leaves a group."""
    chat = call.chat()
    if not chat.is_group:
        raise bad_request("chat member status can't be changed in private chats")
    if chat.bot_status in MEMBERS:
        chat.bot_status = "left"
        call.world.add_chat(chat)
    return True
