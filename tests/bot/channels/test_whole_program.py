"""The program with every channel and a heartbeat, against real servers: alerts arrive, tests are told, parts are watched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.__main__ import main
from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import SandboxServer
from core.access.roles import Actor, Role
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.settings import Settings
from core.store.models import AuditLine
from tests.bot.channels.http_server import Answering, answering
from tests.bot.channels.mail_server import PostOffice, post_office
from tests.databases import sqlite_file

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # apprise's plugins import what Python will drop
SECRET = "topsecret-topsecret"


class World:
    """A program, and all that it talks to."""

    def __init__(self, program: Program, hook: Answering, push: Answering, ping: Answering, mail: PostOffice) -> None:
        self.program, self.hook, self.push, self.ping, self.mail = program, hook, push, ping, mail

    @property
    def admin(self) -> Actor:
        user = next(each for each in self.program.engine.settings.users if each.role is Role.ADMIN)
        return Actor(str(user.id), user.name, user.role)


def over(
    hook: Answering, push: Answering, ping: Answering, mail: PostOffice, users: list[dict[str, Any]]
) -> dict[str, Any]:
    own = {"email": "ada@example.org"}
    return {
        "market": {"speed": 0.001}, "telegram": {"poll_seconds": 0}, "risk_sweep_seconds": 0.2,
        "users": [{**user, **(own if user["role"] == "admin" else {})} for user in users],
        "alerts": {
            "email": {"host": "127.0.0.1", "port": mail.port, "tls": "none", "sender": "bot@example.org"},
            "webhook": {"url": f"http://127.0.0.1:{hook.port}/{SECRET}", "secret": SECRET},
            "apprise": [f"json://127.0.0.1:{push.port}/{SECRET}"],
        },
        "heartbeat": {"url": f"http://127.0.0.1:{ping.port}/{SECRET}", "every_seconds": 1},
    }  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server = SandboxServer(data_dir=tmp_path, port=0)
    sqlite_file(tmp_path / "quarterdeck.sqlite3")
    await server.start()
    async with answering() as hook, answering() as push, answering() as ping, post_office() as mail:
        plain = sandbox_settings(tmp_path, server, {})
        users = [{"id": user.id, "name": user.name, "role": user.role.label} for user in plain.users]
        settings = sandbox_settings(tmp_path, server, over(hook, push, ping, mail, users))
        program = Program(settings, budget=UNPACED, durable=False)
        await program.start()
        try:
            yield World(program, hook, push, ping, mail)
        finally:
            await program.stop()
            await server.stop()


async def until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.02)


async def test_a_critical_alert_goes_over_every_channel(world: World) -> None:
    """By the house's usual routes."""
    await world.program.engine.alerts.add(Alert("fault", Severity.CRITICAL, "Something is wrong", "look"))
    await until(lambda: bool(world.hook.requests and world.push.requests and world.mail.mails))
    assert json.loads(world.hook.requests[0].body)["title"] == "Something is wrong"
    assert "Something is wrong" in str(world.mail.mails[0]["Subject"])


async def test_channels_are_tried_and_told(world: World) -> None:
    """Each with its time; what fails is named, without address or secret; and it is in the audit trail."""
    result = await world.program.service.test_channels(world.admin)
    assert result.ok, result.lines
    assert {line.split(",")[0] for line in result.lines} == {"telegram", "email", "webhook", "apprise 1"}
    assert all(": ok in " in line for line in result.lines)
    assert json.loads(world.hook.requests[-1].body)["test"] is True
    world.hook.status = 503
    result = await world.program.service.test_channels(world.admin)
    assert not result.ok
    assert result.message == "1 of 4 tests failed."
    assert result.lines[0].startswith("webhook, house: FAILED after ")
    assert result.lines[0].endswith("the webhook answered 503")
    assert SECRET not in str(result)
    assert [row.outcome for row in await AuditLine.filter(action="test channels").order_by("seq")] == ["ok", "failed"]


async def test_every_part_reports_and_signs_of_life_go_out(world: World) -> None:
    """From the real parts; and the health screen tells of it."""
    parts = world.program.engine.progress.parts
    began = {part.name: part._got_on for part in parts}
    await until(lambda: all(part._got_on > began[part.name] for part in parts))
    await until(lambda: bool(world.ping.requests))
    rows = {row.part: row for row in world.program.engine.vigil.health()}
    assert rows["progress"].ok
    assert rows["sign of life"].ok
    assert rows["event loop"].detail.startswith("held up ")
    health = await world.program.service.health()
    assert {"event loop", "progress", "sign of life"} <= {row.part for row in health}


async def test_a_job_that_somebody_has_paused_is_not_missed(world: World) -> None:
    """Signs of life go on, and the health screen says that it is paused."""
    engine = world.program.engine
    assert (engine.scheduler.pace("orders"), engine.scheduler.pace("risk-sweep")) == (2, 0.2)
    await world.program.service.set_job("orders", enabled=False, actor=world.admin)
    assert engine.scheduler.pace("orders") is None
    assert engine.progress.part("orders").is_resting
    assert "orders paused" in {row.part: row for row in engine.vigil.health()}["progress"].detail


@pytest.mark.parametrize("part", ["orders", "risk", "chat", "outbox"])
async def test_a_real_part_that_hangs_is_missed(world: World, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the real program by itself; the others get on, and no sign of life goes out."""
    monkeypatch.setattr("core.progress._LEAST_SECONDS", 0.1)
    engine = world.program.engine
    hangs = asyncio.Event()

    async def hang(*_: Any, **__: Any) -> None:
        await hangs.wait()

    if part == "orders":
        monkeypatch.setattr("core.trading.desk.Desk.look_after_orders", hang)
    elif part == "risk":
        monkeypatch.setattr("core.trading.desk.Desk.sweep", hang)
    elif part == "chat":
        monkeypatch.setattr(world.program.chat.intake, "poll_once", hang)
    else:
        monkeypatch.setattr("core.alerts.outbox.recipients_to_serve", hang)
        engine.alerts.waiting.set()
    silence = 2.2 if part == "orders" else 0.7  # the orders' own interval is two seconds

    def only_it_is_quiet() -> bool:
        quiet = {each.name: each.quiet_seconds for each in engine.progress.parts}
        return quiet[part] > silence and all(quiet[other] < 0.6 for other in {"risk", "chat"} - {part})

    await until(only_it_is_quiet)


def test_the_command_line_tells_and_tries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` names what is set up, `alert-test` tries it; neither tells an address that is secret."""
    (tmp_path / "quarterdeck.yaml").write_text(
        f"data_dir: {tmp_path}\n"
        "users: [{id: 1, name: Ada, role: admin, email: ada@example.org}]\nmarket: {symbols: [AAPL]}\n"
        "accounts: {paper: {broker: {adapter: paper}}}\n"
        f"telegram: {{token: '123456789:{'A' * 35}', base_url: 'http://127.0.0.1:1/bot', base_file_url: 'http://127.0.0.1:1/f'}}\n"
        f"alerts: {{webhook: {{url: 'http://127.0.0.1:1/{SECRET}', secret: {SECRET}}}, email: {{host: 127.0.0.1, port: 1, tls: none, sender: a@b.org}}}}\n"
        f"heartbeat: {{url: 'https://example.org/{SECRET}'}}\n",
        encoding="utf-8",
    )
    assert main(["check", "--config", str(tmp_path)]) == 0
    assert main(["alert-test", "--config", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "Alerts go over Telegram, e-mail (Ada), webhook. Heartbeat: every 30 s." in said
    assert "webhook, house: FAILED after " in said
    assert "email, Ada: FAILED after " in said
    assert "telegram, Ada: FAILED after " in said
    assert SECRET not in said


def test_nothing_of_it_is_loaded_for_those_who_do_not_use_it() -> None:
    """The settings default to none of it."""
    fields = Settings.model_fields
    assert fields["heartbeat"].default is None
    assert SecretStr("x") not in fields["alerts"].get_default(call_default_factory=True).apprise
