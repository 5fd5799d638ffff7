"""A real process whose loop is blocked: told, ended in time, and not before."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.settings.vigil import WatchdogSettings
from core.watchdog import EXIT_STATUS, Pulse, Watchdog, stacks

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys, time
from bot.logging import configure
from core.settings.vigil import WatchdogSettings
from core.watchdog import Pulse, Watchdog

TOKEN = "123456789:" + "A" * 35

def hold_up_the_loop(secret, seconds):
    time.sleep(seconds)

def hold_up_the_log(secret, seconds):
    import logging
    with logging.getLogger().handlers[0].lock:
        time.sleep(seconds)

async def main(how, seconds, limit):
    pulse = Pulse(0.02)
    pulse.start()
    Watchdog(WatchdogSettings(dump_seconds=0.2, exit_seconds=limit), lambda: pulse.beats).start()
    await asyncio.sleep(0.3)
    print("blocking", flush=True)
    globals()[how](TOKEN, seconds)
    await asyncio.sleep(0.2)
    print("lag", pulse.worst_lag, flush=True)

configure()
asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
"""


def start(how: str, seconds: float, limit: float = 1.2) -> subprocess.Popen[str]:
    """It holds something up for so long, and may for no longer than `limit`."""
    command = [sys.executable, "-c", PROGRAM, how, str(seconds), str(limit)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout
    assert process.stdout.readline() == "blocking\n"
    return process


def test_a_blocked_loop_is_told_and_ended() -> None:
    """The log names the function that blocks, not its values; the status says what happened; all in time."""
    with start("hold_up_the_loop", 30) as process:
        begun = time.monotonic()
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - begun < 15
    assert process.returncode == EXIT_STATUS == 70
    assert "the event loop is blocked" in errors
    assert "in hold_up_the_loop" in errors
    assert "the program ends" in errors
    assert "123456789:" not in errors


def test_it_ends_even_if_the_log_is_what_blocks() -> None:
    """A full pipe, a hanging disk: the thread that ends the program waits for no log."""
    with start("hold_up_the_log", 30) as process:
        begun = time.monotonic()
        process.communicate(timeout=60)
        assert time.monotonic() - begun < 15
    assert process.returncode == EXIT_STATUS


def test_a_short_hold_up_is_told_and_survived() -> None:
    """Longer than the first limit, shorter than the second."""
    with start("hold_up_the_loop", 0.6, limit=30) as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "in hold_up_the_loop" in errors
    assert "the event loop turns again" in errors
    assert float(out.split()[1]) >= 0.55


def test_a_process_that_was_stopped_is_not_blocked() -> None:
    """Ctrl-Z, a debugger, a machine that slept: time that did not pass for the program does not count."""
    with start("hold_up_the_loop", 0.01) as process:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.6)
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_the_stacks_name_every_thread() -> None:
    """Files and functions."""
    assert "test_the_stacks_name_every_thread" in stacks()


async def test_the_lag_is_that_of_the_worst_delay() -> None:
    """And an undisturbed loop has next to none."""
    pulse = Pulse(0.01)
    pulse.start()
    await asyncio.sleep(0.05)
    time.sleep(0.12)
    await asyncio.sleep(0.05)
    assert 0.1 <= pulse.worst_lag < 5
    pulse.stop()
    beats = pulse.beats
    await asyncio.sleep(0.05)
    assert pulse.beats == beats


async def test_a_watchdog_that_was_stopped_ends_nobody() -> None:
    """The program is stopping: its loop ends, and that is meant."""
    ended: list[int] = []
    watchdog = Watchdog(WatchdogSettings(dump_seconds=0.1, exit_seconds=0.2), lambda: 1, ended.append)
    watchdog.start()
    watchdog.stop()
    await asyncio.sleep(0.4)
    assert ended == []


async def test_without_an_end_it_only_tells() -> None:
    """`exit_seconds: none`."""
    ended: list[int] = []
    watchdog = Watchdog(WatchdogSettings(dump_seconds=0.1, exit_seconds=None), lambda: 1, ended.append)
    watchdog.start()
    await asyncio.sleep(0.3)
    watchdog.stop()
    assert ended == []


@pytest.mark.parametrize("settings", [{"dump_seconds": 10, "exit_seconds": 10}, {"dump_seconds": 0}])
def test_limits_that_make_no_sense(settings: dict[str, float]) -> None:
    """Ended before it is told, or at once."""
    with pytest.raises(ValueError, match="seconds"):
        WatchdogSettings(**settings)
