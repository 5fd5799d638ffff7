"""The time of loops in tests: stalls do not count, waits do."""

from __future__ import annotations

import asyncio
import time

from tests.unhurried import unhurry


async def test_a_machine_that_stands_still_ages_nobody() -> None:
    """Half a second without a step is a small part of it; who waits for a tenth is not late."""
    unhurry()
    unhurry()
    loop = asyncio.get_running_loop()
    began, truly = loop.time(), time.monotonic()
    time.sleep(0.5)
    assert loop.time() - began < 0.1
    async with asyncio.timeout(0.3):
        time.sleep(0.5)
        await asyncio.sleep(0.1)
    assert 0.1 <= loop.time() - began < 0.4
    assert time.monotonic() - truly >= 1.1


async def test_waits_count_as_they_are() -> None:
    """A sleep takes as long as it should, and time never goes back."""
    unhurry()
    loop = asyncio.get_running_loop()
    began, truly, seen = loop.time(), time.monotonic(), [loop.time()]
    for _ in range(5):
        await asyncio.sleep(0.05)
        seen.append(loop.time())
    assert seen == sorted(seen)
    assert loop.time() - began >= 0.25
    assert time.monotonic() - truly >= 0.25
    waiting = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.2)
    before = loop.time()
    await waiting
    assert loop.time() - before > 0.1
