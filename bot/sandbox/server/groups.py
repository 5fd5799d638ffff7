"""Groups of the sandbox: made by tests, moved as Telegram moves them, with the bot let in and thrown out."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server.model import Chat, Message, User
from bot.sandbox.server.world import World

_FIRST_SUPERGROUP = -1_000_000_000_000
_FIRST_NUMBER = 4_000


class Groups:
    """What people do to groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(
        self, title: str, *members: User, kind: str = "supergroup", forum: bool = False, bot: str = "administrator"
    ) -> Chat:
        """A group with these people, made by the first; `bot` is the bot's standing there, "left" for none."""
        number = _FIRST_NUMBER + len(self._world.chats)
        chat_id = (_FIRST_SUPERGROUP if kind == "supergroup" else 0) - number
        topics: dict[str, str] | None = {} if forum else None
        chat = Chat(chat_id, kind, title, None, [user.id for user in members], topics=topics, bot_status="left")
        self._world.add_chat(chat)
        if bot != "left":
            self.stand(chat, bot, by=members[0])
        return chat

    def stand(self, chat: Chat, status: str, *, by: User) -> None:
        """The bot is let in, or thrown out ("kicked", "left"); in a private chat "kicked" is blocked."""
        world, before = self._world, chat.bot_status
        if chat.is_group:
            chat.bot_status = status
            world.add_chat(chat)
        elif status == "kicked":
            world.faults.block(chat.id)
        else:
            world.faults.blocked.discard(chat.id)
        world.updates.put(
            "my_chat_member",
            {
                "chat": world.chat_json(chat), "from": by.to_api(), "date": world.now(),
                "old_chat_member": self._member(before), "new_chat_member": self._member(status),
            },
        )  # fmt: skip
        world.updates.wake()

    def migrate(self, chat: Chat, *, by: User, tell: bool = True) -> Chat:
        """A plain group becomes a supergroup; with `tell` the bot is told by two service messages."""
        world = self._world
        new = Chat(
            _FIRST_SUPERGROUP - _FIRST_NUMBER - len(world.chats), "supergroup", chat.title, None, list(chat.members),
            bot_status=chat.bot_status,
        )  # fmt: skip
        world.add_chat(new)
        chat.moved_to = new.id
        world.add_chat(chat)
        for here, body in ((chat, {"migrate_to_chat_id": new.id}), (new, {"migrate_from_chat_id": chat.id})):
            message = world.post(Message(here.id, 0, by.id, world.now(), kind="service", service=body))
            if tell:
                world.updates.put("message", world.message_json(message))
        world.updates.wake()
        return new

    def say(self, chat: Chat, sender: dict[str, Any] | None, **body: Any) -> None:
        """Put a message as the Bot API has it before the bot, whatever it is: what no app can send by itself."""
        world = self._world
        message = {"message_id": 1, "date": world.now(), "chat": world.chat_json(chat), **body}
        world.updates.put("message", {**message, "from": sender} if sender else message)
        world.updates.wake()

    def _member(self, status: str) -> dict[str, Any]:
        body: dict[str, Any] = {"status": status, "user": self._world.bot.to_api()}
        if status == "kicked":
            return {**body, "until_date": 0}
        if status == "administrator":
            rights = (
                "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
                "can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users",
                "can_post_stories", "can_edit_stories", "can_delete_stories", "can_manage_topics",
            )  # fmt: skip
            return {**body, **dict.fromkeys(rights, False), "can_manage_topics": True}
        return body
