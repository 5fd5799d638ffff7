"""What is listened to, and all that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.backlog import Job
from bot.dispatch import Outcome
from bot.updates import Ignored, Pressed, Typed, read
from tests.bot.fakes import NOW
from tests.bot.stage import FakeSurface, Stage, pressed, typed

USER = {"id": 1, "is_bot": False, "first_name": "x"}


def message(**changes: Any) -> str:
    update = json.loads(typed("/halt"))
    update["message"] |= changes
    return json.dumps(
        {"update_id": 1, "message": {key: value for key, value in update["message"].items() if value is not None}}
    )


SILENT = {
    "anonymous admin": message(**{"from": {**USER, "id": 1087968824}}),
    "channel": message(**{"from": {**USER, "id": 136817688}}),
    "service": message(**{"from": {**USER, "id": 777000}}),
    "sender chat": message(sender_chat={"id": -100, "type": "channel"}),
    "nobody": message(**{"from": None}),
    "bot": message(**{"from": {**USER, "is_bot": True}}),
    "group": message(chat={"id": -5, "type": "group"}),
    "supergroup": message(chat={"id": -1005, "type": "supergroup"}),
    "another's chat": message(chat={"id": 2, "type": "private"}),
    "channel post": json.dumps({"update_id": 1, "channel_post": {"text": "/halt"}}),
    "poll": json.dumps({"update_id": 1, "poll": {}}),
    "press in a group": pressed("n1|status", message={"message_id": 5, "date": 1, "chat": {"id": -5, "type": "group"}}),
    "inline press": pressed("n1|status", message=None),
    "press by a bot": pressed("n1|status", **{"from": {**USER, "is_bot": True}}),
    "stranger": typed("/halt", user=999),
    "stranger's press": pressed("h1|x", user=999),
    "stranger's edit": typed("/halt", user=999).replace('"message":', '"edited_message":'),
}
TOLD = {
    "forward": message(forward_origin={"type": "user"}),
    "old forward": message(forward_date=1),
    "automatic forward": message(is_automatic_forward=True),
    "via bot": message(via_bot={"id": 9, "is_bot": True}),
    "business": message(business_connection_id="b"),
    "photo": message(text=None, photo=[], caption="/halt"),
    "sticker": message(text=None, sticker={}),
    "edited": typed("/halt").replace('"message":', '"edited_message":'),
}


@pytest.mark.parametrize("raw", SILENT.values(), ids=SILENT.keys())
async def test_nobody_in_particular_is_met_with_silence(raw: str) -> None:
    """No answer, no action, one audit line."""
    stage, surface = Stage(), FakeSurface()
    front = stage.front(surface)
    job = Job(1, raw, NOW)
    front.place(job)
    assert await front.handle(job) is Outcome.REFUSED
    assert surface.shown == []
    assert stage.service.calls == []
    assert [row[3] for row in stage.audit.rows] == ["refused"]


@pytest.mark.parametrize("raw", TOLD.values(), ids=TOLD.keys())
async def test_a_known_user_is_told_what_is_not_run(raw: str) -> None:
    """Never silence for someone known, and never an action."""
    stage, surface = Stage(), FakeSurface()
    assert isinstance(read(raw), Ignored)
    assert await stage.front(surface).handle(Job(1, raw, NOW)) is Outcome.REFUSED
    assert len(surface.texts()) == 1
    assert stage.service.calls == []


async def test_strangers_cannot_flood_the_audit_trail() -> None:
    """Ten thousand attempts leave a handful of lines."""
    stage = Stage()
    for _ in range(10_000):
        await stage.dispatcher.identify(Ignored(999, 999, "x"))
    assert len(stage.audit.rows) == 3 + 4
    assert "attempt 10000" in stage.audit.rows[-1][2]


def test_reading() -> None:
    """The plain cases, and a message that can no longer be edited."""
    assert isinstance(read(typed("/status")), Typed)
    press = read(pressed("n1|status"))
    assert isinstance(press, Pressed)
    assert press.editable
    gone = read(pressed("n1|status", message={"message_id": 5, "date": 0, "chat": {"id": 1, "type": "private"}}))
    assert isinstance(gone, Pressed)
    assert not gone.editable
    photo = read(
        pressed("n1|status", message={"message_id": 5, "date": 1, "photo": [], "chat": {"id": 1, "type": "private"}})
    )
    assert isinstance(photo, Pressed)
    assert not photo.editable
