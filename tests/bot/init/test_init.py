"""`quarterdeck init` as somebody meets it: a real process, the embedded Bot API, and a person with a phone."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pyotp
import pytest

from bot.sandbox.server import ADMIN, STRANGER, Limits, SandboxServer
from core.settings import load_settings
from tests.bot.init.guided import Guided, leftovers, modes, push, typed
from tests.bot.sandbox.clients import Person
from tests.journeys.sandbox import ROOT, environment

SEED = re.compile(r"^  ((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})$", re.MULTILINE)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SandboxServer]:
    made = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def http(server: SandboxServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def ada(http: httpx.AsyncClient) -> Person:
    return Person(http, ADMIN.id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "desk"


async def answer_all(guide: Guided, server: SandboxServer, strategies: str = "1,3") -> None:
    """Up to the pairing."""
    await guide.answer("The bot's token: ", server.token)
    await guide.answer("the bot is to call you: ", "Ada Lovelace")
    await guide.answer("Your time zone", "Europe/London")
    await guide.answer("Money at the start", "50,000")
    await guide.answer("Which?", strategies)


async def test_from_nothing_to_a_running_bot(
    server: SandboxServer, folder: Path, ada: Person, http: httpx.AsyncClient
) -> None:
    """Everything by hand: slips of the keyboard, strangers while it waits, the second factor; then check and run."""
    async with Guided("init", "--config", str(folder), server=server) as guide:
        await guide.answer("The bot's token: ", "not a token")
        await guide.answer("@BotFather gives one like", "7000000002:" + "A" * 35)
        await guide.until("knows no bot")
        await guide.answer("The bot's token: ", server.token)
        await guide.until("This is @quarterdeck_sandbox_bot")
        await guide.answer("call you: ", "")
        await guide.answer("1 to 60", "Ada Lovelace")
        await guide.answer("Your time zone", "Europe/Lundon")
        await guide.answer("did you mean Europe/London", "Europe/London")
        await guide.answer("Money at the start", "50,000")
        await guide.answer("Which?", "1,3")
        code = await guide.code()
        assert f"https://t.me/quarterdeck_sandbox_bot?start={code}" in guide.output
        assert leftovers(folder) == []
        for message in (
            typed(STRANGER.id, "/start join-" + "0" * 26), typed(STRANGER.id, "hello"),
            typed(STRANGER.id, f"/start {code}", forward_origin={"type": "user"}),
            typed(STRANGER.id, f"/start {code}", chat={"id": -5, "type": "group", "title": "x"}),
            typed(STRANGER.id, f"/start {code}", via_bot={"id": 5, "is_bot": True, "first_name": "b"}),
            typed(STRANGER.id, f"/start {code}", sender_chat={"id": -6, "type": "channel"}),
        ):  # fmt: skip
            push(server, message)
        await guide.until("is not the code")
        await ada.say(f"/start {code}")
        said = await guide.answer("Is that you? [Y/n]: ", "y")
        for reason in ("forwarded", "not in a private chat", "another bot", "hidden"):
            assert reason in said
        assert "Ada" in said
        assert str(ADMIN.id) in said
        assert "\x1b" not in guide.output
        assert "\u202e" not in guide.output
        await guide.answer("second factor (TOTP) now [Y/n]: ", "")
        said = await guide.until("The 6 digits")
        totp = pyotp.TOTP(SEED.findall(guide.output)[0].replace(" ", ""))
        await guide.type("12345")
        await guide.answer("has 6 digits", "000000" if totp.now() != "000000" else "111111")
        await guide.answer("does not fit", totp.now())
        await guide.until("Ada Lovelace has a second factor")
        assert await guide.end() == 0
    assert server.token not in guide.output
    assert modes(folder) == {".env": 0o600, "quarterdeck.yaml": 0o600}
    assert "You are paired" in (await ada.last())["text"]
    settings = load_settings(folder, {})
    assert [(user.id, user.name, user.time_zone) for user in settings.users] == [
        (ADMIN.id, "Ada Lovelace", "Europe/London")
    ]
    assert [each.name for each in settings.strategies] == ["trend-msft", "breakout-ibm"]
    assert settings.accounts["paper"].broker["initial_cash"] == 50_000
    assert settings.vault_key is not None
    check = Guided("check", "--config", str(folder), server=server)
    assert await check.run() == 0, check.output
    async with Guided("run", "--config", str(folder), server=server) as run:
        await ada.say("/start")
        async with asyncio.timeout(20):
            while "Hello Ada Lovelace" not in (await ada.last())["text"]:
                await ada.events(after=(await ada.events())["last_seq"], wait=5)
        assert [event["message"]["text"] for event in (await Person(http, STRANGER.id).events())["events"]] == []
        async with Guided("totp", "ada lovelace", "--config", str(folder), server=server) as enrol:
            await enrol.answer("Replace it [y/N]: ", "y")
            await enrol.until("The 6 digits")
            await enrol.type(pyotp.TOTP(SEED.findall(enrol.output)[0].replace(" ", "")).now())
            assert await enrol.end() == 0, enrol.output
        trail = Guided("audit", "export", "--config", str(folder), server=server)
        assert await trail.run() == 0
        assert trail.output.count("has a new one") == 2
        run.signal(signal.SIGTERM)
        assert await run.end(hang_up=False) == 0, run.output
    for name in ("quarterdeck.sqlite3", "quarterdeck.sqlite3-wal"):
        stored = (folder / "data" / name).read_bytes() if (folder / "data" / name).exists() else b""
        assert server.token.encode() not in stored
        assert not [seed for seed in SEED.findall(guide.output) if seed.replace(" ", "").encode() in stored]
    assert server.token not in run.output + check.output + trail.output


async def test_whoever_sends_the_code_must_be_confirmed(server: SandboxServer, folder: Path, ada: Person) -> None:
    """Somebody has read it over the shoulder: that code is void, and the next one works."""
    async with Guided("init", "--config", str(folder), server=server) as guide:
        await answer_all(guide, server, "none")
        first = await guide.code()
        push(server, typed(STRANGER.id, first.lower()))
        await guide.answer("Is that you? [Y/n]: ", "n")
        await guide.until("the code is void")
        second = await guide.code()
        assert second != first
        await ada.say(f"/start {first}")
        await guide.until("is not the code")
        await ada.say(second)
        await guide.answer("Is that you? [Y/n]: ", "")
        await guide.answer("second factor (TOTP) now", "n")
        assert await guide.end() == 0, guide.output
    assert [user.id for user in load_settings(folder, {}).users] == [ADMIN.id]
    assert load_settings(folder, {}).strategies == ()


@pytest.mark.parametrize("how", ["time", "interrupt"])
async def test_pairing_can_be_put_off_and_gone_on_with(
    server: SandboxServer, folder: Path, ada: Person, how: str
) -> None:
    """What was answered is kept; the next run keeps token and file, comments and all, and only pairs."""
    async with Guided(
        "init", "--config", str(folder), "--wait", "1" if how == "time" else "60", server=server
    ) as guide:
        await answer_all(guide, server)
        await guide.code()
        if how == "interrupt":
            guide.signal()
        assert await guide.end(hang_up=False) == 1, guide.output
    assert "Go on when you like" in guide.output
    assert modes(folder) == {".env": 0o600, "quarterdeck.yaml": 0o600}
    before, dotenv = (folder / "quarterdeck.yaml").read_text(), (folder / ".env").read_text()
    check = Guided("check", "--config", str(folder), server=server)
    assert await check.run() == 2
    assert "users: is missing" in check.output
    (folder / "quarterdeck.yaml").write_text(before + "\n# a comment of mine\nusers: []  # nobody\n")
    async with Guided("init", "--config", str(folder), server=server) as guide:
        await guide.answer("@quarterdeck_sandbox_bot is there already. Keep it [Y/n]: ", "")
        await guide.answer("call you: ", 'A "quoted" name: #1')
        await guide.answer("Your time zone", "")
        await ada.say(f"/start {await guide.code()}")
        await guide.answer("Is that you? [Y/n]: ", "y")
        await guide.answer("second factor (TOTP) now", "n")
        assert await guide.end() == 0, guide.output
    after = (folder / "quarterdeck.yaml").read_text()
    assert after.startswith(before.rstrip())
    assert "# a comment of mine" in after
    assert (folder / ".env").read_text() == dotenv
    assert load_settings(folder, {}).users[0].name == 'A "quoted" name: #1'


@pytest.mark.parametrize("how", ["interrupt", "hang up", "kill"])
async def test_a_run_that_is_broken_off_leaves_nothing(server: SandboxServer, folder: Path, how: str) -> None:
    """Not a file, not half of one."""
    async with Guided("init", "--config", str(folder), server=server) as guide:
        await guide.answer("The bot's token: ", server.token)
        await guide.answer("call you: ", "Ada")
        await guide.until("Your time zone")
        if how != "hang up":
            guide.signal(signal.SIGINT if how == "interrupt" else signal.SIGKILL)
        status = await guide.end(hang_up=how == "hang up")
    assert status == {"interrupt": 130, "hang up": 1, "kill": -9}[how]
    assert leftovers(folder) == []
    assert how == "kill" or "Nothing was written" in guide.output
    assert "Traceback" not in guide.output


async def test_nothing_is_overwritten_without_asking(server: SandboxServer, folder: Path) -> None:
    """A finished folder stays to the last byte; if it is to be done anew, the old files are kept beside."""
    folder.mkdir()
    (folder / "quarterdeck.yaml").write_text(
        "users: [{id: 5, name: Bo, role: admin}]  # mine\nmarket: {symbols: [AAPL]}\n"
    )
    (folder / ".env").write_text(f"# mine\nOTHER=1\nexport QUARTERDECK_TELEGRAM__TOKEN = {server.token}\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    async with Guided("init", "--config", str(folder), server=server) as guide:
        await guide.answer("anew (the old files are kept beside) [y/N]: ", "")
        assert await guide.end() == 1  # it says what is missing still
        assert "accounts: is missing" in guide.output
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    async with Guided("init", "--config", str(folder), server=server) as guide:
        await guide.answer("anew", "y")
        await guide.answer("The bot's token: ", server.token)
        assert await guide.end() == 1
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert kept == {"quarterdeck.yaml.old-1": before["quarterdeck.yaml"], ".env.old-1": before[".env"]}


async def test_without_telegram_a_number_does(folder: Path) -> None:
    """Nothing listens there: it says so, and takes the id by hand; answers through a pipe, all at once."""
    answers = ("7000000002:" + "A" * 35, "y", "Ada", "UTC", "", "none", "@ada", "12345", "n")
    env = {"QUARTERDECK_TELEGRAM__BASE_URL": "http://127.0.0.1:9/bot"}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "init", "--config", str(folder)], input="\n".join(answers) + "\n",
        capture_output=True, text=True, cwd=ROOT, env=environment(**env), timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cannot be reached" in done.stdout
    assert "not your @name" in done.stdout
    assert [(user.id, user.role) for user in load_settings(folder, {}).users] == [(12345, "admin")]
    assert answers[0] not in done.stdout + done.stderr


async def test_an_address_without_encryption_never_gets_the_token(folder: Path) -> None:
    """The same rule as at the start of the bot."""
    guide = Guided("init", "--config", str(folder), QUARTERDECK_TELEGRAM__BASE_URL="http://example.org/bot")
    async with guide:
        await guide.answer("token: ", "7000000002:" + "A" * 35)
        assert await guide.end() == 2
    assert "unencrypted" in guide.output
    assert leftovers(folder) == []


async def test_in_a_terminal_the_token_is_not_echoed(server: SandboxServer, folder: Path) -> None:
    """A real pseudo-terminal; and Ctrl-C typed there ends it."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "init", "--config", str(folder)], stdin=slave, stdout=slave, stderr=slave, cwd=ROOT,
        env=environment(QUARTERDECK_TELEGRAM__BASE_URL=server.bot_base_url), start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),  # noqa: PLW1509 - one system call
    )  # fmt: skip
    os.close(slave)
    seen = ""
    try:
        for words, keys in (("bot's token: ", f"{server.token}\n"), ("call you: ", "\x03")):
            while words not in seen:
                seen += (await asyncio.wait_for(asyncio.to_thread(os.read, master, 4096), 20)).decode()
            os.write(master, keys.encode())
        assert await asyncio.to_thread(process.wait, 20) == 130
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert server.token not in seen
    assert leftovers(folder) == []
