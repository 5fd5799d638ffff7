"""Apprise against a real server: what arrives, what each answer means, and that no address ever leaks."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from io import StringIO

import pytest
from pydantic import SecretStr

from bot.channels.apprise import AppriseChannel
from core.access.roles import Role
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity
from core.settings import UserSettings
from tests.bot.channels.http_server import Answering, answering

NOW = datetime(2026, 3, 2, 14, 3, 22, tzinfo=UTC)
MESSAGE = Message(
    ids=(17,), kind="breach", severity=Severity.CRITICAL, title="Halted <now>", lines=("loss & {more} \\n",), at=NOW
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its plugins import what Python will drop
DEAD = SecretStr("json://dead-user:dead-password@127.0.0.1:1/dead-path")


@pytest.fixture
def heard() -> Iterator[StringIO]:
    """All that the program's own log would get, from every library and at every level."""
    handler, root = logging.StreamHandler(StringIO()), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def server() -> AsyncIterator[Answering]:
    async with answering() as found:
        yield found


def address(server: Answering) -> SecretStr:
    return SecretStr(f"json://topsecretuser:topsecretword@127.0.0.1:{server.port}/topsecretpath")


def channel(*urls: SecretStr, seconds: float = 60.0) -> AppriseChannel:
    person = UserSettings(id=7, name="Ada", role=Role.ADMIN, apprise=urls)
    return AppriseChannel(urls, lambda: [person], seconds=seconds)


@pytest.mark.parametrize("recipient", ["house/1", "7/1"])
async def test_what_arrives(server: Answering, recipient: str) -> None:
    """Title, lines and number, as they are: nothing in them is markup or a template."""
    await channel(address(server)).deliver(recipient, MESSAGE)
    told = json.loads(server.requests[0].body)
    assert told["title"] == "🔴 Halted <now>"
    assert told["message"] == "loss & {more} \\n\n#17 · CRITICAL · 2026-03-02 14:03 UTC · Quarterdeck"
    assert told["type"] == "failure"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(302, ChannelRefused), (401, ChannelRefused), (404, ChannelRefused), (429, ChannelDown), (503, ChannelDown)],
)
async def test_answers_are_told_apart(
    server: Answering,
    status: int,
    kind: type[Exception],
    heard: StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """For now or for good; and neither the error, nor a log line, nor what is printed tells the address."""
    server.status = status
    with pytest.raises(kind, match=f"answered {status}") as raised:
        await channel(address(server)).deliver("house/1", MESSAGE)
    printed = capfd.readouterr()
    assert (
        "topsecret"
        not in f"{raised.value!r} {raised.value.__context__!r} {heard.getvalue()} {printed.out} {printed.err}"
    )


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("json://127.0.0.1:1/topsecret", ChannelDown),
        ("nosuch://topsecret", ChannelRefused),
        ("://topsecret", ChannelRefused),
    ],
)
async def test_addresses_that_lead_nowhere(
    url: str, kind: type[Exception], heard: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """Out of reach for now; not understood for good. The address is not told."""
    with pytest.raises(kind) as raised:
        await channel(SecretStr(url)).deliver("house/1", MESSAGE)
    assert "topsecret" not in f"{raised.value!r} {heard.getvalue()} {capfd.readouterr()}"


async def test_each_address_is_a_recipient_of_its_own(server: Answering) -> None:
    """One that is out of order is down by itself."""
    post = channel(DEAD, address(server))
    with pytest.raises(ChannelDown):
        await post.deliver("7/1", MESSAGE)
    await post.deliver("7/2", MESSAGE)
    assert len(server.requests) == 1


async def test_a_service_that_hangs(server: Answering) -> None:
    """It is given up in time, is not called again while it hangs, and is called once it is free."""
    server.delay = 30
    post = channel(address(server), seconds=1.0)
    begun = time.monotonic()
    with pytest.raises(ChannelDown, match="no answer within 1 s"):
        await post.deliver("house/1", MESSAGE)
    with pytest.raises(ChannelDown, match="still hangs"):
        await post.deliver("house/1", MESSAGE)
    assert time.monotonic() - begun < 20
    async with asyncio.timeout(60):
        await server.arrived.wait()
    assert len(server.requests) == 1
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "apprise")  # the end waits for none
    server.closing.set()
    async with asyncio.timeout(60):
        while post._busy:
            await asyncio.sleep(0.01)
    post._seconds = 60
    await post.deliver("house/1", MESSAGE)
    assert len(server.requests) == 2


@pytest.mark.parametrize("recipient", ["2/1", "", "house", "house/2", "7/0", "7/x", "7/1/1"])
async def test_who_has_no_address_is_refused(recipient: str) -> None:
    """For good: nothing waits for ever."""
    with pytest.raises(ChannelRefused):
        await channel(DEAD).deliver(recipient, MESSAGE)


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    """Start and memory of those who do not use it stay as they were: it takes a third of a second and 40 MB."""
    script = (
        "import sys, bot.channels.apprise, bot.channels.email, bot.channels.webhook\n"
        "assert not {'apprise', 'aiosmtplib', 'httpx', 'requests'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)
