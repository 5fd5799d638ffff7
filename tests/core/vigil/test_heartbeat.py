"""Signs of life against a real HTTP server: they end when any part stalls, go on when it recovers, and leak nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.clock import ManualClock
from core.heartbeat import Heartbeat
from core.progress import Allowance, Progress, always
from core.settings.vigil import HeartbeatSettings
from tests.bot.channels.http_server import Answering, answering
from tests.unhurried import unhurry

NOW = datetime(2026, 3, 2, 14, 3, 22, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
PARTS = ("orders", "risk", "chat", "outbox")


@pytest.fixture
async def server() -> AsyncIterator[Answering]:
    unhurry()  # it lives in the same loop: what waits for it is not late because the machine is
    async with answering() as found:
        yield found


class Stage:
    """A heartbeat, parts that get on, and who of them does not."""

    def __init__(self, server: Answering, every: float = 1.0, seconds: float = 20.0) -> None:
        self.now = 0.0
        self.progress = Progress({name: Allowance(always(5), always(5)) for name in PARTS}, lambda: self.now)
        self.told: list[Alert] = []
        settings = HeartbeatSettings(
            url=SecretStr(f"http://127.0.0.1:{server.port}/ping/topsecret"), every_seconds=every, seconds=seconds
        )
        self.heartbeat = Heartbeat(settings, self.progress, ManualClock(NOW), self.tell)
        self.progress.begin()

    async def tell(self, alert: Alert) -> None:
        self.told.append(alert)

    def get_on(self, *without: str, seconds: float = 10.0) -> None:
        """So much time passes, in which all parts but some get on."""
        self.now += seconds
        for part in self.progress.parts:
            if part.name not in without:
                part.got_on()

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.heartbeat.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("part", PARTS)
async def test_one_part_that_stalls_silences_it(server: Answering, part: str) -> None:
    """Any one; it is told once; and it beats again as soon as the part gets on."""
    stage = Stage(server)
    stage.get_on()
    await stage.heartbeat.beat()
    assert len(server.requests) == 1
    for _ in range(3):
        stage.get_on(part)
        await stage.heartbeat.beat()
    assert len(server.requests) == 1
    assert [(alert.severity, alert.title) for alert in stage.told] == [(Severity.WARNING, f"No progress: {part}")]
    assert stage.heartbeat.trouble == f"withheld: no progress in {part}"
    stage.get_on()
    await stage.heartbeat.beat()
    assert len(server.requests) == 2
    assert stage.heartbeat.trouble == ""


async def test_a_part_that_only_turns_silences_it(server: Answering) -> None:
    """A chat that asks and asks and is never answered: nobody can command."""
    stage = Stage(server)
    stage.get_on("chat")
    stage.progress.part("chat").turned()
    await stage.heartbeat.beat()
    assert server.requests == []


async def test_a_second_part_that_stalls_is_told_too(server: Answering) -> None:
    """But the first not again."""
    stage = Stage(server)
    for without in (("risk",), ("risk", "chat"), ("risk", "chat")):
        stage.get_on(*without)
        await stage.heartbeat.beat()
    assert [alert.title for alert in stage.told] == ["No progress: risk", "No progress: chat"]


async def test_it_beats_by_itself_and_not_before_one_interval(server: Answering) -> None:
    """A program that dies at each start must not look alive."""
    stage = Stage(server, every=1.0)
    async with stage.beating():
        await asyncio.sleep(0.8)
        assert server.requests == []
        await asyncio.sleep(0.5)
        assert len(server.requests) == 1
        await asyncio.sleep(1.0)
    assert len(server.requests) == 2
    assert server.requests[0].line == "GET /ping/topsecret HTTP/1.1"
    assert stage.heartbeat.last_at == NOW


@pytest.mark.parametrize("fault", ["500", "302", "slow", "dropped", "nobody", "endless"])
async def test_failures_are_told_once_and_never_raise(
    server: Answering, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After the third in a row, without the address; when it works again, all is well."""
    seconds = 0.5 if fault == "slow" else 20.0
    stage = Stage(server, seconds=seconds)
    server.status = int(fault) if fault.isdigit() else 200
    server.headers = {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}
    server.delay, server.drop, server.endless = (5 if fault == "slow" else 0), fault == "dropped", fault == "endless"
    if fault == "nobody":
        port, server.port = server.port, 1
        stage = Stage(server, seconds=seconds)
        server.port = port
    for _ in range(4):
        stage.get_on()
        await stage.heartbeat.beat()
    if fault == "endless":  # it said 200: what it goes on to say is not listened to
        assert stage.told == []
        return
    assert [alert.title for alert in stage.told] == ["The heartbeat does not get through"]
    assert "topsecret" not in f"{stage.told} {stage.heartbeat.trouble} {caplog.text}"
    assert len(server.requests) == (0 if fault == "nobody" else 4)


async def test_a_kill_silences_it(server: Answering) -> None:
    """A real process, killed without a chance to say anything."""
    script = f"""
import asyncio
from datetime import UTC, datetime
from pydantic import SecretStr
from core.clock import SystemClock
from core.heartbeat import Heartbeat
from core.progress import Progress, always, usual
from core.settings.vigil import HeartbeatSettings

async def main():
    progress = Progress(usual(always(2), always(2)))
    progress.begin()
    settings = HeartbeatSettings(url=SecretStr("http://127.0.0.1:{server.port}/ping"), every_seconds=1)
    await Heartbeat(settings, progress, SystemClock(), print).run()

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        async with asyncio.timeout(60):
            await server.arrived.wait()
    finally:
        process.kill()
        process.wait()
    await asyncio.sleep(0.2)  # what it had said before is read
    count = len(server.requests)
    await asyncio.sleep(1.3)
    assert len(server.requests) == count


@pytest.mark.parametrize(
    "url", ["http://example.org/ping/topsecret", "ftp://x/topsecret", "topsecret", "https:///topsecret"]
)
def test_addresses_that_leak_are_refused(url: str) -> None:
    """Unencrypted or none at all; and it is not repeated."""
    with pytest.raises(ValidationError) as raised:
        HeartbeatSettings(url=SecretStr(url))
    assert "topsecret" not in str(raised.value)
