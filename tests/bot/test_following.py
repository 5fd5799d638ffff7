"""A message that keeps itself current: as long as it shows the same, its reader may look, and its time is not up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot import html
from bot.answer import Answer, Outcome
from bot.courier import Edited
from bot.following import Followers
from bot.people import Caller
from bot.screen import Nav, Screen
from core.access.roles import Role
from core.alerts.channel import ChannelDown, ChannelRefused
from tests.bot.stage import Stage

LOOK = Nav("", "order", ("x",))


def card(text: str, *, follow: bool = True, stamp: str = "as of 1") -> Screen:
    return Screen(html.lines(text, stamp), ((Nav("Menu", "menu"),),), follow=LOOK if follow else None)


class Line:
    """A courier that notes edits, or fails."""

    def __init__(self) -> None:
        self.edits: list[str] = []
        self.fault: Any = Edited.DONE if hasattr(Edited, "DONE") else next(iter(Edited))

    async def edit(self, chat_id: int, message_id: int, text: html.Html, keyboard: Any, lane: Any) -> Any:
        if isinstance(self.fault, Exception):
            raise self.fault
        self.edits.append(text.plain)
        return self.fault


class Room:
    """Followers over a stage; `screen` is what looking finds."""

    def __init__(self) -> None:
        self.stage, self.line, self.looks = Stage(), Line(), 0
        self.screen: Screen | None = card("working")
        self.followers = Followers(
            look=self.look, courier=self.line, keyboards=self.stage.keyboards, people=self.stage.people,  # type: ignore[arg-type]
            clock=self.stage.clock, seconds=60, sleep=self.rest,
        )  # fmt: skip
        self.caller = self.stage.caller(Role.TRADER)

    async def look(self, caller: Caller, look: Nav, message_id: int) -> Answer:
        assert (caller.user_id, look, message_id) == (self.caller.user_id, LOOK, 7)
        self.looks += 1
        return Answer(Outcome.DONE, self.screen)

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def happens(self) -> None:
        """Something has changed, and everything that follows from it."""
        task = asyncio.create_task(self.followers.run())
        await self.followers.on_event(None)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def room() -> Room:
    one = Room()
    one.followers.shown(one.caller, 7, card("working"))
    return one


async def test_a_change_is_shown_and_the_end_ends_it(room: Room) -> None:
    """The same text with another time stamp is no change."""
    room.screen = card("working", stamp="as of 2")
    await room.happens()
    assert room.line.edits == []
    room.screen = card("half")
    await room.happens()
    room.screen = card("filled", follow=False)
    await room.happens()
    assert [text.split("\n")[0] for text in room.line.edits] == ["half", "filled"]
    assert room.followers.count == 0


async def test_another_screen_in_its_place_ends_it(room: Room) -> None:
    """Nobody's menu is overwritten."""
    room.screen = card("half")
    room.followers.shown(room.caller, 7, card("menu", follow=False))
    await room.happens()
    assert (room.looks, room.line.edits) == (0, [])


async def test_its_time_is_up(room: Room) -> None:
    """It rests as it is."""
    room.screen = card("half")
    room.stage.clock.advance(61)
    await room.happens()
    assert (room.looks, room.followers.count) == (0, 0)


async def test_who_may_no_longer_look_is_shown_nothing(room: Room) -> None:
    """Somebody who was removed, or whose look is refused."""
    room.screen = None
    await room.happens()
    assert (room.line.edits, room.followers.count) == ([], 0)
    room.followers.shown(replace(room.caller, user_id=99), 7, card("working"))
    await room.happens()
    assert room.followers.count == 0


@pytest.mark.parametrize(
    ("fault", "left"), [(ChannelDown("gone"), 1), (ChannelRefused("blocked"), 0), (Edited.GONE, 0)]
)
async def test_a_chat_that_cannot_be_reached(room: Room, fault: Any, left: int) -> None:
    """Down: tried again. Refused, or the message is gone: given up."""
    room.screen, room.line.fault = card("half"), fault
    await room.happens()
    assert room.followers.count == left


async def test_there_are_never_too_many(room: Room) -> None:
    """The oldest rest."""
    for number in range(200):
        room.followers.shown(room.caller, number, card("working"))
    assert room.followers.count == 50
