"""Telegram on its bad days, and in groups: the real client against the embedded server, over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot import html
from bot.intake import Intake
from bot.keyboard import Keyboard
from bot.pacing import Lane
from bot.sandbox.server import ADMIN, STRANGER, TRADER, VIEWER
from bot.sandbox.server.model import Chat as Group
from core.alerts.channel import ChannelDown, ChannelRefused
from core.settings import GroupMode, GroupSettings
from tests.bot.test_app import Stage, on_stage, wait_until


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path) as stage:
        yield stage


async def in_groups(stage: Stage, *groups: GroupSettings) -> None:
    """Start anew with these groups in the settings."""
    await stage.stop()
    stage.settings.telegram = stage.settings.telegram.model_copy(update={"groups": groups})
    await stage.start()


# --- bad answers -----------------------------------------------------------------------------------


async def test_five_hundred_updates_after_an_outage(stage: Stage) -> None:
    """Over several chats, in five polls: the halt came last and is done first, in a second."""
    await stage.stop()
    for n in range(166):
        await stage.chat.say("/run trend-aapl", ADMIN, date_offset=-600)
        await stage.chat.say(f"/orders all {n % 3 + 1}", VIEWER, date_offset=120)  # fresh, however long this takes
        await stage.chat.say("hello", TRADER, date_offset=-600)
    await stage.chat.say("/pause trend-aapl", ADMIN)
    await stage.chat.say("/run trend-aapl", TRADER)
    await stage.chat.say("/halt all of it", TRADER)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await stage.start()
    await wait_until(lambda: stage.service.calls)
    assert loop.time() - begun < 3.0
    assert stage.service.calls[0][0] == "halt"
    await wait_until(lambda: len(stage.inbox.outcomes) == 501, 100)
    assert [call[0] for call in stage.service.calls] == ["halt", "pause"]
    assert stage.server.world.updates.count() == 0
    done = list(stage.inbox.outcomes.values())
    assert done.count("expired") == 166
    assert done[0] == "done"


async def test_proxies_that_answer_html_and_connections_that_break_off(stage: Stage) -> None:
    """A burst of it, on every method: each answer comes all the same, once for each question."""
    html_page, half = b"<html><h1>502 Bad Gateway</h1></html>", b'{"ok": true, "resu'
    stage.server.faults.garble("getUpdates", html_page)
    stage.server.faults.garble("getUpdates", half, status=200, media_type="application/json")
    stage.server.faults.drop("getUpdates")
    stage.server.faults.garble("sendMessage", html_page)
    stage.server.faults.garble("sendMessage", half, status=200, media_type="application/json")
    await stage.chat.say("/status")
    assert "Status" in (await stage.chat.next(wait=40))["text"]
    assert stage.app
    assert stage.app.intake.trouble == ""


async def test_an_answer_that_is_lost_after_it_was_taken_comes_twice_at_most(stage: Stage) -> None:
    """The connection is cut after the message was sent: who asks gets it, perhaps twice, never not at all."""
    stage.server.faults.drop("sendMessage", after=True)
    stage.server.faults.slow("sendMessage", seconds=0.5)
    await stage.chat.say("/pause trend-aapl")
    assert "paused" in (await stage.chat.next())["text"]
    assert [call[0] for call in stage.service.calls] == ["pause"]


async def test_an_hour_of_429_in_one_chat_blocks_no_other(stage: Stage) -> None:
    """Its commands are done, only the answers wait; everybody else is answered at once."""
    stage.server.faults.throttle(ADMIN.id, 3600)
    await stage.chat.say("/pause trend-aapl", ADMIN)
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["pause"])
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for user in (TRADER, VIEWER):
        assert "Status" in (await stage.chat.ask("/status", user))["text"]
    assert loop.time() - begun < 2.0
    await stage.chat.say("/halt now", ADMIN)
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["pause", "halt"])


async def test_ten_minutes_without_telegram(stage: Stage) -> None:
    """Cut off while it runs: old commands expire, a press of then is not done, and a new command is."""
    await stage.chat.say("/strategy trend-aapl")
    card = await stage.chat.next()
    app = stage.app
    assert app
    stage.server.faults.down = True
    await wait_until(lambda: app.intake.trouble == "outage")
    app.intake._polled_at -= timedelta(minutes=10)  # type: ignore[union-attr]
    app.intake._ever_polled = True  # type: ignore[union-attr]
    pressing = asyncio.ensure_future(stage.chat.press(card, "Pause"))
    await stage.chat.say("/run trend-aapl", date_offset=-300)
    await wait_until(lambda: stage.server.world.updates.count() == 2)
    stage.server.world.limits = stage.server.world.limits.__class__(callback_seconds=0.0)
    stage.server.faults.down = False
    shown = [(await stage.chat.next(wait=40))["text"] for _ in range(2)]
    assert any("too late" in text for text in shown)
    assert any("Expired" in text for text in shown)
    assert stage.service.calls == []
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)


async def test_two_pollers_are_told_again_while_it_lasts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for every collision, but not only once either; with whom to suspect."""
    monkeypatch.setattr("bot.intake._CONFLICT_PAUSE", 0.01)
    monkeypatch.setattr("bot.intake._CONFLICT_AGAIN", timedelta(seconds=0.4))
    said: list[str] = []
    assert stage.app
    alert = stage.app.intake._alert

    async def heard(title: str, body: str) -> None:
        said.append(body)
        await alert(title, body)

    stage.app.intake._alert = heard
    conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    stage.server.faults.fail("getUpdates", status=409, description=conflict, times=60)
    began = time.monotonic()
    await stage.chat.say("/status")
    await stage.chat.next(wait=40)
    most = 2 + (time.monotonic() - began) / 0.4
    assert 2 <= stage.troubles.count("telegram conflict") <= most < 60
    assert all("revoke it with @BotFather" in body for body in said)


async def test_numbers_begin_anew_below_the_old_ones(stage: Stage) -> None:
    """After a quiet week; also if they come in the wrong order and twice."""
    await stage.chat.ask("/status")
    await asyncio.sleep(0.05)
    stage.server.world.history.number_anew(500)
    stage.server.faults.reverse_updates = True
    stage.server.faults.duplicate_next_updates()
    stage.server.faults.slow("getUpdates", seconds=0.3)
    await stage.chat.say("/pause trend-aapl")
    await stage.chat.say("/run trend-aapl")
    await wait_until(lambda: len(stage.inbox.outcomes) == 4)
    assert {500, 501, 502} <= set(stage.inbox.outcomes)
    assert [call[0] for call in stage.service.calls][-1] == "start"


# --- groups ----------------------------------------------------------------------------------------


async def test_a_read_only_group(stage: Stage) -> None:
    """Members look, a stranger gets nothing, a halt works, nothing else is changed."""
    group = stage.server.groups.create("Desk", ADMIN, VIEWER, TRADER, STRANGER)
    await in_groups(stage, GroupSettings(id=group.id))
    await stage.chat.say("hello everybody", ADMIN, chat_id=group.id)
    await stage.chat.say("/status", STRANGER, chat_id=group.id)
    await stage.chat.say("/pause trend-aapl", ADMIN, chat_id=group.id)
    assert "only looks" in (await stage.chat.next(group))["text"]
    await stage.chat.say("/menu@quarterdeck_sandbox_bot", VIEWER, chat_id=group.id)
    menu = await stage.chat.next(group)
    await press(stage, group, menu, "Risk", TRADER)
    assert "Risk" in (await stage.chat.next(group))["text"]
    refused = await press(stage, group, menu_of(stage, group), "Limits", STRANGER)
    assert refused["text"] == "This button is not for you."
    await stage.chat.say("/halt fire", TRADER, chat_id=group.id)
    await wait_until(lambda: stage.service.calls == [("halt", "fire", "Tom")])


def menu_of(stage: Stage, group: Group) -> dict[str, object]:
    events = stage.server.world.history.events(group.id, 0, 100)
    return next(one["message"] for one in reversed(events) if one["message"]["buttons"])


async def press(stage: Stage, group: Group, message: dict, label: str, user: object) -> dict:
    data = next(key["data"] for row in message["buttons"] for key in row if label in key["text"])
    body = {"user_id": user.id, "chat_id": group.id, "message_id": message["message_id"], "data": data}  # type: ignore[attr-defined]
    return (await stage.chat.http.post("/sandbox/presses", json=body)).json()


async def test_a_group_for_commands_asks_the_one_who_asked(stage: Stage) -> None:
    """Ada's question is not Tess's to answer."""
    group = stage.server.groups.create("Desk", ADMIN, TRADER)
    await in_groups(stage, GroupSettings(id=group.id, mode=GroupMode.COMMANDS))
    await stage.chat.say("/flatten trend-aapl", ADMIN, chat_id=group.id)
    question = await stage.chat.next(group)
    refused = await press(stage, group, question, "Yes", TRADER)
    assert "not yours" in refused["text"]
    assert stage.service.calls == []
    await press(stage, group, question, "Yes", ADMIN)
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["flatten"])


@pytest.mark.parametrize("tell", [True, False])
async def test_a_group_is_followed_when_it_moves(stage: Stage, tell: bool) -> None:
    """Whether Telegram tells us, or only refuses what we send to the old place; live boards go along."""
    group = stage.server.groups.create("Desk", ADMIN, kind="group")
    await in_groups(stage, GroupSettings(id=group.id))
    await stage.chat.say("/live", ADMIN, chat_id=group.id)
    await stage.chat.next(group)
    app = stage.app
    assert app
    await wait_until(lambda: group.id in app.live._boards)
    new = stage.server.groups.migrate(group, by=ADMIN, tell=tell)
    await app.live._courier.send(group.id, html.text("An alert"), Keyboard(), Lane.CRITICAL)
    await wait_until(lambda: app.groups.now_at(group.id) == new.id)
    await wait_until(lambda: any("new id" in text for text in stage.warnings))
    wanted = {"An alert", "SIMULATED"}  # the live board is there, too
    while wanted:
        text = (await stage.chat.next(new))["text"] or ""
        wanted = {word for word in wanted if word not in text}
    await stage.chat.say("/positions", ADMIN, chat_id=new.id)
    while "Positions" not in ((await stage.chat.next(new))["text"] or ""):
        pass  # the pin of the new board
    assert len(stage.warnings) == 1


async def test_blocked_and_thrown_out(stage: Stage) -> None:
    """Known by news from Telegram, or by the first message that is refused; and when we are back."""
    group = stage.server.groups.create("Desk", ADMIN)
    await in_groups(stage, GroupSettings(id=group.id))
    app = stage.app
    assert app
    stage.server.groups.stand(group, "kicked", by=STRANGER)
    await wait_until(lambda: app.reach.is_lost(group.id))
    stage.server.faults.block(VIEWER.id)
    with pytest.raises(ChannelRefused):
        await app.live._courier.send(VIEWER.id, html.text("x"), Keyboard(), Lane.CRITICAL)
    assert app.reach.is_lost(VIEWER.id)
    stage.server.groups.stand(group, "member", by=ADMIN)
    stage.server.faults.blocked.clear()
    await wait_until(lambda: not app.reach.is_lost(group.id))
    await stage.chat.ask("/status", VIEWER)
    assert not app.reach.is_lost(VIEWER.id)


async def test_a_strange_group_is_left(stage: Stage) -> None:
    """If who took us there is a stranger."""
    group = stage.server.groups.create("Casino", STRANGER, ADMIN, bot="left")
    stage.server.groups.stand(group, "member", by=STRANGER)
    await wait_until(lambda: group.bot_status == "left")
    assert not stage.server.world.history.events(group.id, 0, 10)


async def test_topics_are_made_used_and_made_again(stage: Stage) -> None:
    """One for each strategy, remembered; a deleted one is replaced, and no message is lost on the way."""
    group = stage.server.groups.create("Desk", ADMIN, forum=True)
    plain = stage.server.groups.create("Plain", ADMIN)
    await in_groups(stage, GroupSettings(id=group.id, topics=True), GroupSettings(id=plain.id, topics=True))
    app = stage.app
    assert app
    courier = app.live._courier
    first, again = await asyncio.gather(*(app.topics.thread_for(group.id, "trend-aapl") for _ in range(2)))
    assert first is not None
    assert first == again
    assert await app.topics.thread_for(group.id, "other") not in (None, first)
    assert await app.topics.thread_for(plain.id, "trend-aapl") is None
    assert await app.topics.thread_for(ADMIN.id, "trend-aapl") is None
    number = await courier.send(group.id, html.text("in"), Keyboard(), Lane.PUSH, thread_id=first)
    assert stage.server.world.history.message(group.id, number).thread_id == first  # type: ignore[union-attr]
    del group.topics[str(first)]  # type: ignore[union-attr]
    number = await courier.send(group.id, html.text("out"), Keyboard(), Lane.PUSH, thread_id=first)
    assert stage.server.world.history.message(group.id, number).thread_id is None  # type: ignore[union-attr]
    newer = await app.topics.thread_for(group.id, "trend-aapl")
    assert newer not in (None, first)
    stage.server.faults.down = True
    with pytest.raises(ChannelDown):
        await app.topics.thread_for(group.id, "third")
    stage.server.faults.down = False
    await stage.chat.say("/status", ADMIN, chat_id=group.id, thread_id=newer)
    answer = await stage.chat.next(group)
    while "Status" not in (answer["text"] or ""):
        answer = await stage.chat.next(group)
    assert stage.server.world.history.message(group.id, answer["message_id"]).thread_id == newer  # type: ignore[union-attr]


async def test_what_is_acknowledged_is_not_named_again(stage: Stage) -> None:
    """A poll without news has acknowledged everything; an old number named later would make Telegram forget new, lower ones."""
    await stage.stop()
    asked: list[int | None] = []
    answers = iter([[{"update_id": 7}, {"update_id": 9}, {"update_id": 8}], [], [{"update_id": 3}]])

    class Bot:
        async def poll(self, *, offset: int | None, timeout: int) -> list[dict[str, int]]:
            asked.append(offset)
            return next(answers)

    app = await stage.start()
    storing = app.intake._storing  # type: ignore[union-attr]
    intake = Intake(bot=Bot(), storing=storing, clock=stage.clock, poll_seconds=1, alert=stage.alert)  # type: ignore[arg-type]
    for _ in range(3):
        await intake.poll_once()
    assert asked == [None, 10, None]
    assert set(stage.inbox.items) == {3, 7, 8, 9}
