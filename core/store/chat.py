"""What the bot remembers of a chat across restarts."""

from __future__ import annotations

from core.store.models import ChatMemoryRow


class ChatMemory:
    """Small texts by (chat, key): the id of the live message, for example."""

    async def get(self, chat_id: int, key: str) -> str | None:
        """What was put, or None."""
        row = await ChatMemoryRow.get_or_none(chat_id=chat_id, key=key)
        return row.value if row else None

    async def put(self, chat_id: int, key: str, value: str) -> None:
        """Remember `value`; an empty one is remembered too."""
        await ChatMemoryRow.update_or_create(chat_id=chat_id, key=key, defaults={"value": value})

    async def chats_with(self, key: str) -> dict[int, str]:
        """Every chat that has a value for `key`."""
        return {row.chat_id: row.value for row in await ChatMemoryRow.filter(key=key)}
