"""Groups: who may do what there, where they are, and whether we are in them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from bot.backlog import Job
from bot.dispatch import Outcome
from bot.front import Front
from bot.groups import Groups, onlooker
from bot.live import Board
from core.access.roles import Actor, Permission, Role
from core.settings import GroupMode, GroupSettings
from tests.bot.fakes import NOW
from tests.bot.stage import FakeSurface, Stage, key_data

LOOKS, WORKS, STRANGE = -1_001_000_000_001, -1_001_000_000_002, -1_001_000_000_009
PLAIN = -4_321


class Room:
    """A front over fakes, with a read-only group, one for commands and a plain one."""

    def __init__(self) -> None:
        self.stage, self.surface = Stage(), FakeSurface()
        self.front: Front = self.stage.front(
            self.surface,
            GroupSettings(id=LOOKS),
            GroupSettings(id=WORKS, mode=GroupMode.COMMANDS),
            GroupSettings(id=PLAIN),
        )
        self.stage.dispatcher.call_me("our_bot")
        self.number = 0

    async def hear(self, update: dict[str, Any]) -> Outcome:
        self.number += 1
        job = Job(self.number, json.dumps({"update_id": self.number, **update}), NOW)
        self.front.place(job)
        return await self.front.handle(job)

    async def say(self, text: str, user: int = 1, chat: int = LOOKS, **more: Any) -> Outcome:
        return await self.hear({"message": message(text, user, chat, NOW, **more)})

    async def press(self, data: str, message_id: int, user: int, chat: int) -> Outcome:
        query = {"id": "q", "from": person(user), "data": data, "chat_instance": "1",
                 "message": {"message_id": message_id, "date": 1, "text": "t", "chat": supergroup(chat)}}  # fmt: skip
        return await self.hear({"callback_query": query})

    @property
    def actions(self) -> list[str]:
        return [call[0] for call in self.stage.service.calls]


def person(user: int) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": "x"}


def supergroup(chat: int) -> dict[str, Any]:
    return {"id": chat, "type": "supergroup" if chat < -(10**12) else "group", "title": "Desk"}


def message(text: str, user: int, chat: int, at: datetime, **more: Any) -> dict[str, Any]:
    body = {"message_id": 5, "date": int(at.timestamp()), "text": text, "from": person(user), "chat": supergroup(chat)}
    return {**body, **more}


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.parametrize("text", ["/status", "/status@our_bot", "/status@OUR_BOT"])
async def test_a_known_person_looks(room: Room, text: str) -> None:
    """Addressed to us or to nobody in particular."""
    assert await room.say(text) is Outcome.DONE
    assert "Status" in room.surface.texts(LOOKS)[0]


@pytest.mark.parametrize(
    ("text", "user", "chat"),
    [
        ("/status@other_bot", 1, LOOKS),
        ("good morning", 1, LOOKS),
        ("/nonsense", 1, LOOKS),
        ("123456", 1, WORKS),
        ("123 456", 1, LOOKS),
        ("/status", 999, LOOKS),
        ("/halt", 999, WORKS),
        ("/start 123456789", 999, WORKS),
        ("/status", 1, STRANGE),
        ("/halt", 1, STRANGE),
    ],
)
async def test_all_else_is_met_with_silence(room: Room, text: str, user: int, chat: int) -> None:
    """Other bots, talk, strangers, and groups that nobody has set up."""
    assert await room.say(text, user, chat) is Outcome.REFUSED
    assert not room.surface.shown
    assert not room.actions
    noted = user == 999 or chat == STRANGE
    assert bool(room.stage.audit.rows) is noted, "what is tried is on record, what is only talk is not"


@pytest.mark.parametrize("text", ["/pause trend-aapl", "/run trend-aapl", "/flatten", "/resume", "/audit"])
async def test_a_read_only_group_changes_nothing(room: Room, text: str) -> None:
    """Not even for an admin, nor by a button; the reply says where to do it."""
    assert await room.say(text) is Outcome.REFUSED
    assert not room.actions
    assert len(room.surface.shown) == 1


async def test_a_halt_works_in_every_group_of_ours(room: Room) -> None:
    """By who may: the safe direction."""
    await room.say("/halt smoke", 3)
    assert room.actions == []
    await room.say("/halt smoke", 2)
    assert room.actions == ["halt"]
    assert room.stage.service.calls[0][1:] == ("smoke", "Tom")


async def test_a_ticket_from_elsewhere_is_not_spent_in_a_read_only_group(room: Room) -> None:
    """Whatever the data says."""
    assert await room.press("a1|00", 7, 1, LOOKS) is Outcome.REFUSED
    assert room.surface.texts(LOOKS) == ["This group only looks."]
    assert await room.press("n1|status", 7, 1, LOOKS) is Outcome.DONE


async def test_in_a_group_for_commands_a_confirmation_is_one_persons(room: Room) -> None:
    """Another member's press is refused with a toast, a stranger's too; then the right one's works."""
    await room.say("/flatten trend-aapl", 2, WORKS)
    answer = room.surface.shown[-1][1]
    assert answer.screen
    keyboard = await room.stage.keyboards.build(answer.screen.buttons, user_id=2, chat_id=WORKS, message_id=70)
    yes = key_data(keyboard, "Yes")
    for other in (1, 3, 999):
        assert await room.press(yes, 70, other, WORKS) is Outcome.REFUSED
        assert "not" in room.surface.texts(WORKS)[-1]
    assert await room.press(yes, 70, 2, LOOKS) is Outcome.REFUSED, "another chat"
    assert room.actions == []
    await room.press(yes, 70, 2, WORKS)
    assert room.actions == ["flatten"]


async def test_nobody_may_more_in_a_group_than_in_private(room: Room) -> None:
    """A viewer stays a viewer."""
    assert await room.say("/pause trend-aapl", 3, WORKS) is Outcome.REFUSED
    assert room.actions == []
    await room.say("/pause trend-aapl", 2, WORKS)
    assert room.actions == ["pause"]


@pytest.mark.parametrize("role", list(Role))
def test_an_onlooker_only_looks_and_halts(role: Role) -> None:
    """Every permission, in the house and in an account."""
    whole = Actor("1", "Ada", role, {"hidden": None})
    small = onlooker(whole)
    for permission in Permission:
        for account in ("", "paper", "hidden"):
            allowed = permission in (Permission.VIEW, Permission.HALT) and whole.may(permission, account)
            assert small.may(permission, account) is allowed


async def test_answers_stay_in_their_topic(room: Room) -> None:
    """Only where it is one: elsewhere the number is that of a message that was replied to."""
    shown: list[int | None] = []

    async def reply(caller: Any, _: Any) -> None:
        shown.append(caller.thread_id)

    room.surface.reply = reply  # type: ignore[method-assign]
    await room.say("/status", message_thread_id=77, is_topic_message=True)
    await room.say("/status", message_thread_id=77)
    assert shown == [77, None]


HIDDEN: dict[str, dict[str, Any]] = {
    "anonymous admin": {"from": {**person(1087968824), "is_bot": True}, "sender_chat": supergroup(WORKS)},
    "linked channel": {
        "from": person(777000),
        "sender_chat": {"id": -1009, "type": "channel"},
        "is_automatic_forward": True,
    },
    "channel bot": {"from": {**person(136817688), "is_bot": True}},
    "as a chat": {"sender_chat": supergroup(WORKS)},
    "forward": {"forward_origin": {"type": "hidden_user", "sender_user_name": "x", "date": 1}},
    "via bot": {"via_bot": {**person(9), "is_bot": True}},
    "business": {"business_connection_id": "b"},
    "away message": {"is_from_offline": True},
    "guest": {"guest_query_id": "g"},
}


@pytest.mark.parametrize("more", HIDDEN.values(), ids=HIDDEN.keys())
async def test_hidden_and_second_hand_senders_command_nothing(room: Room, more: dict[str, Any]) -> None:
    """Also in a group for commands: silence, and a line in the trail."""
    assert await room.say("/halt", 1, WORKS, **more) is Outcome.REFUSED
    assert not room.actions
    assert not room.surface.shown
    assert room.stage.audit.rows


async def test_a_group_that_becomes_a_supergroup_is_followed(room: Room) -> None:
    """By either message, once; commands, the memory after a restart and the admins' news follow."""
    new = -1_001_000_000_077
    moved: list[tuple[int, int]] = []

    async def on_move(old: int, now: int) -> None:
        moved.append((old, now))

    room.stage.whereabouts.follow(on_move)
    for old_side in (True, False, True):
        chat, key, value = (PLAIN, "migrate_to_chat_id", new) if old_side else (new, "migrate_from_chat_id", PLAIN)
        body = message("", 1, chat, NOW)
        await room.hear({"message": {**body, key: value}})
    assert moved == [(PLAIN, new)]
    assert len(room.stage.warnings) == 1
    assert str(new) in room.stage.warnings[0]
    assert await room.say("/status", 1, new) is Outcome.DONE
    again = Groups((GroupSettings(id=PLAIN),), room.stage.memory)  # type: ignore[arg-type]
    await again.load()
    assert again.now_at(PLAIN) == new
    assert again.find(new) is not None
    assert again.ids == (new,)


async def test_a_strange_group_cannot_move_into_ours(room: Room) -> None:
    """Only what the settings name is followed."""
    await room.hear({"message": {**message("", 1, STRANGE, NOW), "migrate_to_chat_id": LOOKS}})
    assert not room.stage.warnings
    assert await room.say("/status", 1, STRANGE) is Outcome.REFUSED


def standing(chat: dict[str, Any], status: str, user: int = 1, **more: Any) -> dict[str, Any]:
    member = {"status": status, "user": {**person(7), "is_bot": True}, **more}
    return {"my_chat_member": {"chat": chat, "from": person(user), "date": 1, "old_chat_member": {**member, "status": "member"},
                               "new_chat_member": member}}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "more", "lost"),
    [("kicked", {}, True), ("left", {}, True), ("restricted", {"is_member": False}, True),
     ("restricted", {"is_member": True}, False), ("member", {}, False), ("administrator", {}, False)],
)  # fmt: skip
async def test_a_group_that_threw_us_out_is_lost_until_we_are_back(
    room: Room, status: str, more: dict[str, Any], lost: bool
) -> None:
    """It is remembered over a restart, told to the admins, and to whoever routes alerts."""
    heard: list[tuple[int, bool]] = []

    async def listener(chat: int, why: str) -> None:
        heard.append((chat, bool(why)))

    room.stage.reach.listen(listener)
    await room.hear(standing(supergroup(WORKS), status, **more))
    assert room.stage.reach.is_lost(WORKS) is lost
    assert bool(room.stage.memory.values.get((WORKS, "lost"))) is lost
    assert heard == ([(WORKS, True)] if lost else [])
    await room.say("/status", 1, WORKS)
    assert not room.stage.reach.is_lost(WORKS)


async def test_a_person_who_blocks_us_is_lost(room: Room) -> None:
    """In private; a restart does not forget."""
    private = {"id": 2, "type": "private"}
    await room.hear(standing(private, "kicked", 2))
    assert room.stage.reach.why(2).startswith("blocked by the user")
    await room.stage.reach.load()
    assert room.stage.reach.is_lost(2)
    await room.hear(standing(private, "member", 2))
    assert not room.stage.reach.is_lost(2)


@pytest.mark.parametrize(("user", "left"), [(1, []), (999, [STRANGE])])
async def test_taken_into_a_strange_group(user: int, left: list[int]) -> None:
    """By a person of ours: the admins learn the line for the settings. By a stranger: we leave."""
    room = Room()
    room.stage.groups._groups.pop(PLAIN)
    await room.hear(standing(supergroup(STRANGE), "member", user))
    assert room.stage.left == left
    assert any(str(STRANGE) in text for text in room.stage.warnings) is not bool(left)
    assert any("strange group" in row[1] for row in room.stage.audit.rows)


async def test_we_do_not_leave_what_may_be_our_own_group_moving(room: Room) -> None:
    """The news that we are in the supergroup may come before the news that it is ours."""
    await room.hear(standing(supergroup(STRANGE), "member", 999))
    assert room.stage.left == []


def test_a_live_board_in_a_group_remembers_whose_it_is() -> None:
    """And an old one, in private, is read as before."""
    assert Board.read(5, "17") == Board(17, 5)
    assert Board.read(-100, Board(17, 5).value(-100)) == Board(17, 5)
