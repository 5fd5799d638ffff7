"""People come, change and go through a real chat: the whole program, the embedded Bot API, several phones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from bot.console_server import send_line
from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import ADMIN, STRANGER, TRADER, VIEWER, Limits, SandboxServer
from bot.updates import Moved, Standing, read
from core.access.audit import Kept
from core.access.enrolling import enrolment_at_rest
from core.access.pairing import new_code
from core.access.vault import new_key
from core.auditing import examine
from core.engine import Engine
from core.redaction import hide
from core.store.models import AlertRow, AuditLine
from tests.bot.stage import Stage, typed
from tests.databases import sqlite_file
from tests.journeys.person import Person, find, labels, said

SECRET, TOKEN = "s3cr3t-api-key-of-a-venue", "987654321:AAH" + "q" * 32
STILL = {"market": {"speed": 0.001}, "security": {"totp": "off"}}


@dataclass
class House:
    program: Program
    server: SandboxServer
    http: httpx.Client

    def person(self, user_id: int) -> Person:
        return Person(self.http, user_id)

    def commands(self, user_id: int) -> set[str]:
        """The `/` list of somebody's chat."""
        chats = self.http.get("/sandbox/state").json()["chats"]
        (chat,) = [each for each in chats if each["id"] == user_id]
        return {each["command"] for each in chat["commands"]}

    async def live(self, story: Callable[[], None]) -> None:
        """People act in a thread of their own while the program runs in this one."""
        async with asyncio.timeout(60):
            await asyncio.to_thread(story)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    sqlite_file(tmp_path / "quarterdeck.sqlite3")
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await server.start()
    program = Program(sandbox_settings(tmp_path, server, STILL), budget=UNPACED, durable=False)
    await program.start()
    with httpx.Client(base_url=server.url, timeout=60) as http:
        yield House(program, server, http)
    await program.stop()
    await server.stop()


def soon(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


async def trail() -> list[str]:
    return [
        f"{line.actor} {line.action} {line.detail} {line.outcome}" for line in await AuditLine.all().order_by("seq")
    ]


async def test_a_stranger_gets_in_by_an_invitation_and_by_nothing_else(house: House) -> None:
    """Silence for everything but the right code; then the menu, the commands of the role, and everybody is told."""

    def story() -> None:
        ada, sam = house.person(ADMIN.id), house.person(STRANGER.id)
        for text in ("/start", "/start join-" + "0" * 26, "/status", "hello", f"/start {new_code()}"):
            sam.send(text)
        asked = ada.say("/invite Sam Vimes trader")
        assert "As trader" in said(asked)
        told = said(ada.press(asked, "Yes, make the code"))
        code = told.partition("/start ")[2].split()[0]
        sam.send(f"{code} please")
        sam.send(f"/start {code}", date_offset=-3600)
        soon(lambda: bool(sam.chat()) and any("Expired" in said(each) or "Hello" in said(each) for each in sam.chat()))
        assert "Hello Sam Vimes. You are trader" in said(sam.say("/start"))
        assert "Sam Vimes has joined as trader" in said(ada.wait_for_push("has joined"))
        soon(lambda: "halt" in house.commands(STRANGER.id) and "users" not in house.commands(STRANGER.id))
        assert "Sam Vimes" in said(ada.say("/users"))
        assert not [each for each in sam.chat() if "person" in said(each).lower()]

    await house.live(story)
    lines = await trail()
    assert any("invitation that is not good; attempt 2 refused" in line for line in lines)
    assert not any("join-" in line for line in lines)
    assert await AlertRow.filter(title__contains="join-").count() == 0


@pytest.mark.parametrize(
    ("more", "admits"),
    [
        ({}, True), ({"chat": {"id": -5, "type": "group", "title": "x"}}, False), ({"forward_origin": {"type": "user"}}, False),
        ({"sender_chat": {"id": -6, "type": "channel"}}, False), ({"via_bot": {"id": 5}}, False),
    ],
)  # fmt: skip
async def test_a_code_counts_only_typed_in_private(more: dict[str, Any], admits: bool) -> None:
    """What is said in a group, forwarded or sent by nobody in particular does not even use the code up."""
    stage = Stage()
    incoming = read(typed(f"/start {new_code()}", user=99, **more))
    assert not isinstance(incoming, Moved | Standing)
    assert await stage.dispatcher.identify(incoming) is None
    assert [call[0] for call in stage.service.calls] == ["admit"] * admits


async def test_a_role_that_is_changed_counts_within_a_second(house: House) -> None:
    """Old buttons die, the list of commands changes, the person is told; somebody who is removed hears nothing more."""

    def story() -> None:
        ada, tess = house.person(ADMIN.id), house.person(TRADER.id)
        ada.press(ada.say("/role Tess risk"), "Yes, change it")
        ada.say("/halt a reason")
        question = tess.say("/resume")
        seq = tess.seq()
        changed = said(ada.press(ada.say("/role Tess viewer"), "Yes, change it"))
        assert "is now viewer" in changed, changed
        toast = tess.raw_press(question["message_id"], yes_of(question))
        assert toast["show_alert"], toast
        assert "needs the role" in said(tess.say("/resume"))
        soon(lambda: "halt" not in house.commands(TRADER.id), 10)
        tess.wait(lambda event: "You are now viewer here" in said(event["message"]), seq)
        ada.press(ada.say("/role Tess risk"), "Yes, change it")
        toast = tess.raw_press(question["message_id"], yes_of(question))
        assert toast["show_alert"], toast
        ada.press(ada.say(f"/remove {TRADER.id}"), "Yes, remove")
        tess.wait(lambda event: "has removed you" in said(event["message"]), seq)
        soon(lambda: house.commands(TRADER.id) == set())
        before = tess.seq()
        tess.send("/status")
        made = ada.say("/invite Bob viewer")
        ada.press(made, "Yes, make the code")
        assert "Halted" in said(ada.say("/status"))
        assert tess.quiet(before, 0.5)

    def yes_of(question: dict[str, Any]) -> str:
        return str(find(question, "Yes")["data"])

    await house.live(story)


async def test_the_last_admin_stays_whatever_is_pressed(house: House) -> None:
    """From the list of users, with its buttons, and from the console."""

    def story() -> None:
        ada = house.person(ADMIN.id)
        users = ada.say("/users")
        assert any("Vic" in label for label in labels(users))
        assert "cannot remove yourself" in said(ada.press(ada.say("/remove Ada"), "Yes, remove"))
        assert "cannot demote yourself" in said(ada.press(ada.say("/role Ada viewer"), "Yes, change it"))
        assert "needs the role admin" in said(house.person(VIEWER.id).say("/users"))

    await house.live(story)
    session = house.program.chat.console_session()
    await session.run("/remove Ada")
    assert "last admin" in await session.run("y")


async def test_a_vault_key_that_does_not_fit_is_told_at_the_start(tmp_path: Path) -> None:
    """Nobody learns of it from a code that is refused; the program runs, for halting needs no code."""
    sqlite_file(tmp_path / "quarterdeck.sqlite3")
    server = SandboxServer(data_dir=tmp_path)
    settings, other = (sandbox_settings(tmp_path, server, {**STILL, "vault_key": new_key()}) for _ in range(2))
    async with enrolment_at_rest(settings) as enrolment:
        seed = (await enrolment.begin("Ada")).address.partition("secret=")[2].partition("&")[0]
        assert await enrolment.confirm(ADMIN.id, pyotp.TOTP(seed).now())
    for given, told in ((settings, 0), (other, 1)):
        engine = Engine(given, durable=False)
        await engine.start()
        found = await AlertRow.filter(title="Second factors cannot be read")
        await engine.stop()
        assert len(found) == told
        assert not [row for row in found if seed in row.body or "QUARTERDECK_VAULT_KEY" not in row.body]


async def test_where_the_trail_ends_is_told_in_chat(house: House) -> None:
    """With the daily report; what the chat holds then is what `quarterdeck audit verify --head` takes."""
    await house.program.engine.scheduler.run_now("daily-report")
    told: list[str] = []
    await house.live(lambda: told.append(said(house.person(ADMIN.id).wait_for_push("Audit trail: "))))
    kept = Kept.read(told[0].partition("Audit trail: ")[2].split()[0])
    await house.program.engine.audit.record("test", "goes on")
    assert kept.line >= 1
    assert (await examine(house.program.engine.settings, [kept])).problems == ()
    changed = Kept(kept.line, kept.hash[:-1] + ("0" if kept.hash[-1] != "0" else "1"))
    assert (await examine(house.program.engine.settings, [changed])).problems


async def test_no_secret_leaves_in_an_error(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A venue's key, a token and a password in errors of all kinds: not in the chat, the trail, the alerts or the files."""
    hide(SECRET)
    text = f"GET https://u:pa55word@x/?api_key={SECRET} bot{TOKEN} {SECRET}"

    async def fails(*_: object, **__: object) -> None:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise RuntimeError(f"outer {error}") from error

    async def refuses(*_: object, **__: object) -> None:
        from core.errors import UserError

        raise UserError(text)

    house.program.service.risk = fails  # type: ignore[method-assign]
    house.program.service.pnl = refuses  # type: ignore[method-assign]

    def story() -> None:
        ada = house.person(ADMIN.id)
        assert "went wrong" in said(ada.say("/risk"))
        shown = said(ada.say("/pnl"))
        assert "[secret]" in shown
        assert "[bot token]" in shown
        ada.say(f"/halt because {text}")
        ada.wait_for_push("HALTED")
        everything = str(ada.chat()[1:])
        mine = str([each for each in ada.chat() if not each["from"]["is_bot"]])
        for secret in (SECRET, TOKEN, "pa55word"):
            assert everything.count(secret) == mine.count(secret)  # what somebody typed themselves is in their chat

    await house.live(story)
    await house.program.engine._part_failed("market", "ABC", RuntimeError(text))
    console = await send_line(house.program.engine.settings.data_dir, "/pnl")
    rows = [f"{row.title} {row.body}" for row in await AlertRow.all()]
    for secret in (SECRET, TOKEN, "pa55word"):
        assert not [line for line in (*await trail(), *rows) if secret in line]
        assert secret not in console
        assert secret not in capsys.readouterr().err
    assert "[secret]" in console
