"""The groups that the bot answers in, wherever Telegram has moved them to, and who speaks there.

A group is no identity: what someone may do is theirs by their own id, and never more than the group allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bot.people import Caller, Directory
from bot.updates import is_group
from core.access.roles import Actor, Permission
from core.settings import GroupMode, GroupSettings
from core.store.chat import ChatMemory

MOVED_KEY = "moved"
_ALWAYS = frozenset({Permission.VIEW, Permission.HALT})


@dataclass(frozen=True, slots=True)
class Onlooker(Actor):
    """Someone in a read-only group: looks, and stops everything if they may, but changes nothing else."""

    def may(self, permission: Permission, account: str = "") -> bool:
        """Whether this is held by the person, and something that a read-only group allows."""
        return permission in _ALWAYS and Actor.may(self, permission, account)


def onlooker(actor: Actor) -> Onlooker:
    """The same person where only looking is allowed."""
    return Onlooker(actor.id, actor.name, actor.role, actor.roles)


class Groups:
    """The groups of the settings. A move is remembered for ever, whatever the settings still say."""

    def __init__(self, groups: Iterable[GroupSettings], memory: ChatMemory) -> None:
        self._groups = {group.id: group for group in groups}
        self._memory = memory
        self._moves: dict[int, int] = {}

    async def load(self) -> None:
        """Take up the moves that were seen before a restart."""
        self._moves = {chat: int(new) for chat, new in (await self._memory.chats_with(MOVED_KEY)).items() if new}

    @property
    def ids(self) -> tuple[int, ...]:
        """Where the groups of the settings are now."""
        return tuple(self.now_at(group_id) for group_id in self._groups)

    def find(self, chat_id: int) -> GroupSettings | None:
        """What the settings say of the group that has this id now."""
        direct = self._groups.get(chat_id)
        return direct or next((each for old, each in self._groups.items() if self.now_at(old) == chat_id), None)

    def now_at(self, chat_id: int) -> int:
        """The id that a chat goes by now."""
        seen: set[int] = set()
        while chat_id in self._moves and chat_id not in seen:
            seen.add(chat_id)
            chat_id = self._moves[chat_id]
        return chat_id

    async def move(self, old: int, new: int) -> bool:
        """Remember that a group goes by another id; False if that is known. Only of groups that we know."""
        if self.find(old) is None or self._moves.get(old) == new or old == new:
            return False
        await self._memory.put(old, MOVED_KEY, str(new))
        self._moves[old] = new
        return True


class Members:
    """Finds people in their private chats and in the groups of the settings."""

    def __init__(self, people: Directory, groups: Groups) -> None:
        self._people = people
        self._groups = groups

    def find(self, user_id: int, chat_id: int) -> Caller | None:
        """The caller, with what they may do in this chat; None for a stranger and in a strange group."""
        if not is_group(chat_id):
            return self._people.find(user_id, chat_id)
        group, caller = self._groups.find(chat_id), self._people.find(user_id, user_id)
        if group is None or caller is None:
            return None
        actor = caller.actor if group.mode is GroupMode.COMMANDS else onlooker(caller.actor)
        return replace(caller, actor=actor, chat_id=chat_id)
