"""The service manager's protocol against a real unix datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.progress import Allowance, Progress, always
from core.settings.vigil import WatchdogSettings
from core.supervision import Supervisor
from core.systemd import ServiceManager
from core.vigil import Vigil
from tests.unhurried import unhurry

NOW = datetime(2026, 3, 2, 14, 3, 22, tzinfo=UTC)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """A listening service manager and the environment that it gives."""
    shown = str(tmp_path / "notify") if request.param == "path" else f"@quarterdeck-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(shown.replace("@", "\0", 1) if shown.startswith("@") else shown)
        listener.setblocking(False)
        yield listener, {"NOTIFY_SOCKET": shown, "WATCHDOG_USEC": "200000"}


def heard(listener: socket.socket) -> list[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(listener.recv(4096).decode())
        except BlockingIOError:
            return lines


def test_what_is_said(manager: tuple[socket.socket, dict[str, str]]) -> None:
    """The protocol's own words, one datagram each."""
    listener, environment = manager
    service = ServiceManager(environment)
    service.ready()
    service.alive("running")
    service.say("stuck: risk")
    service.stopping()
    assert heard(listener) == [
        "READY=1\nSTATUS=running", "WATCHDOG=1\nSTATUS=running", "STATUS=stuck: risk", "STOPPING=1\nSTATUS=stopping",
    ]  # fmt: skip
    assert service.watchdog_seconds == 0.2


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_service_manager_nothing_is_said(environment: dict[str, str]) -> None:
    """And nothing fails."""
    service = ServiceManager({**environment, "WATCHDOG_USEC": "200000"})
    service.ready()
    assert not service.listens
    assert service.watchdog_seconds is None


@pytest.mark.parametrize(
    "environment", [{"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}]
)
def test_a_watchdog_that_is_not_ours(environment: dict[str, str]) -> None:
    """Nonsense, none, or that of another process."""
    assert ServiceManager({"NOTIFY_SOCKET": "/nowhere", **environment}).watchdog_seconds is None


def test_a_manager_that_has_gone_is_no_error(tmp_path: Path) -> None:
    """The program goes on."""
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("running")


async def test_signs_of_life_end_when_a_part_is_stuck(manager: tuple[socket.socket, dict[str, str]]) -> None:
    """Twice in an interval while all turn; none, but a word, while one does not; again when it does."""
    listener, environment = manager
    unhurry()
    now = 0.0
    progress = Progress({name: Allowance(always(5), always(5)) for name in ("orders", "risk")}, lambda: now)
    vigil, supervisor = build(progress, ServiceManager(environment))
    vigil.start()
    await asyncio.sleep(0.35)
    first = heard(listener)
    assert first[0] == "READY=1\nSTATUS=running"
    assert 3 <= first.count("WATCHDOG=1\nSTATUS=running") <= 5
    now = 6.0
    progress.part("orders").turned()
    await asyncio.sleep(0.25)
    assert set(heard(listener)) == {"STATUS=stuck: risk"}
    progress.part("risk").turned()
    await asyncio.sleep(0.15)
    assert "WATCHDOG=1\nSTATUS=running" in heard(listener)
    vigil.stopping()
    assert heard(listener)[-1] == "STOPPING=1\nSTATUS=stopping"
    vigil.stop()
    await supervisor.stop()


class FakeSettings:
    watchdog = WatchdogSettings()
    heartbeat = None


def build(progress: Progress, manager: ServiceManager) -> tuple[Vigil, Supervisor]:
    async def report(*_: Any) -> None:
        raise AssertionError(_)

    async def tell(_: Any) -> None:
        raise AssertionError(_)

    supervisor = Supervisor(report, lambda: "INCIDENT")
    return Vigil(FakeSettings(), progress, supervisor, ManualClock(NOW), tell, manager), supervisor  # type: ignore[arg-type]
