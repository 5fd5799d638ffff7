"""Brings to people's chats what changed about them: their list of commands, and a word about it."""

from __future__ import annotations

import asyncio

import structlog
from telegram import Bot, BotCommand, BotCommandScopeChat
from telegram.error import TelegramError

from bot import html
from bot.command import REGISTRY
from bot.courier import Courier
from bot.families import in_order
from bot.groups import Groups, onlooker
from bot.keyboard import Keyboard
from bot.pacing import Lane
from bot.people import People
from core.access.roles import Actor, Role
from core.alerts.channel import ChannelDown, ChannelRefused
from core.events import PeopleChanged
from core.settings import GroupMode

_log = structlog.get_logger(__name__)


class PeopleNews:
    """Sets the `/` list of everybody and of each group at the start, and somebody's anew when their role changes."""

    def __init__(self, bot: Bot, courier: Courier, people: People, groups: Groups | None = None) -> None:
        self._bot = bot
        self._courier = courier
        self._people = people
        self._groups = groups
        self._changes: asyncio.Queue[PeopleChanged] = asyncio.Queue()

    async def on_change(self, change: PeopleChanged) -> None:
        """Take note; Telegram is told beside, so that it delays nobody."""
        self._changes.put_nowait(change)

    async def run(self) -> None:
        """Tell until cancelled."""
        for user_id in self._people.ids:
            await self._set_commands(user_id)
        for group_id in self._groups.ids if self._groups else ():
            await self._set_group(group_id)
        while True:
            change = await self._changes.get()
            await self._set_commands(change.user_id)
            if change.told:
                await self._tell(change.user_id, change.told)

    async def _set_commands(self, user_id: int) -> None:
        caller, scope = self._people.find(user_id, user_id), BotCommandScopeChat(user_id)
        try:
            if caller is None:
                await self._bot.delete_my_commands(scope=scope)
                return
            await self._bot.set_my_commands(_listed(caller.actor), scope=scope)
        except TelegramError as error:  # cosmetic: the user may not have opened the chat yet
            _log.info("command list not set", user=user_id, reason=error.message)

    async def _set_group(self, group_id: int) -> None:
        """One list for everybody there: looking and the halt; where commands are taken, what traders may do."""
        group = self._groups.find(group_id) if self._groups else None
        if group is None:
            return
        somebody = Actor("group", "group", Role.TRADER)
        actor = somebody if group.mode is GroupMode.COMMANDS else onlooker(somebody)
        try:
            await self._bot.set_my_commands(_listed(actor), scope=BotCommandScopeChat(group_id))
        except TelegramError as error:
            _log.info("command list of a group not set", group=group_id, reason=error.message)

    async def _tell(self, user_id: int, text: str) -> None:
        """The alert to everybody is what must arrive; this is a courtesy to the one whom it is about."""
        try:
            await self._courier.send(user_id, html.text(text), Keyboard(), Lane.REPLY)
        except (ChannelDown, ChannelRefused, TelegramError) as error:
            _log.info("a person could not be told of their role", user=user_id, reason=str(error))


def _listed(actor: Actor) -> list[BotCommand]:
    """What somebody may use, in the order in which it is needed."""
    return [BotCommand(one.name, one.title) for one in in_order(REGISTRY.allowed(actor))]
