"""Streams of reports: independent readers, and waiting until all have read."""

from __future__ import annotations

import asyncio

import pytest

from brokers.errors import Unavailable
from brokers.simulation.streams import Hub, Stream


async def test_every_reader_gets_everything_from_its_start_on() -> None:
    hub: Hub[int] = Hub("test")
    early = hub.subscribe()
    hub.publish(1)
    late = hub.subscribe()
    hub.publish(2)
    assert [await anext(early), await anext(early), await anext(late)] == [1, 2, 2]


async def test_a_limit_drops_the_oldest() -> None:
    hub: Hub[int] = Hub("test")
    stream = hub.subscribe(lambda item: item != 3, limit=2)
    for item in range(5):
        hub.publish(item)
    assert [await anext(stream), await anext(stream)] == [2, 4]


async def test_settled_waits_for_the_slowest_reader_to_come_back() -> None:
    hub: Hub[int] = Hub("test")
    done: list[tuple[str, int]] = []

    async def read(name: str, pause: int) -> None:
        async for item in hub.subscribe():
            for _ in range(pause):
                await asyncio.sleep(0)
            done.append((name, item))
            if item == 1:
                hub.publish(2)  # dealing with one report causes another

    tasks = [asyncio.create_task(read("fast", 0)), asyncio.create_task(read("slow", 20))]
    await asyncio.sleep(0)
    hub.publish(0)
    await hub.settled()
    assert sorted(done) == [("fast", 0), ("slow", 0)]
    hub.publish(1)
    await hub.settled()
    assert len(done) == 8
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_settled_waits_for_a_reader_that_has_not_started() -> None:
    hub: Hub[int] = Hub("test")
    stream = hub.subscribe()
    await asyncio.wait_for(hub.settled(), 30)
    hub.publish(1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hub.settled(), 0.01)
    await anext(stream)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hub.settled(), 0.01)


@pytest.mark.parametrize("way", ["dropped", "closed", "cancelled"])
async def test_settled_does_not_wait_for_a_reader_that_has_gone(way: str) -> None:
    hub: Hub[int] = Hub("test")
    stream = hub.subscribe()
    if way == "cancelled":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
    hub.publish(1)
    if way == "dropped":
        del stream
    elif way == "closed":
        await stream.aclose()
    await asyncio.wait_for(hub.settled(), 30)


async def test_a_reader_whose_wait_was_cut_short_misses_nothing() -> None:
    hub: Hub[int] = Hub("test")
    stream = hub.subscribe()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.01)
    hub.publish(1)
    assert await anext(stream) == 1


async def test_a_closed_reader_ends_quietly_even_while_it_waits() -> None:
    hub: Hub[int] = Hub("test")
    stream = hub.subscribe()
    task = asyncio.create_task(_all(stream))
    await asyncio.sleep(0)
    hub.publish(1)
    await asyncio.sleep(0)
    await stream.aclose()
    hub.publish(2)
    assert await asyncio.wait_for(task, 30) == [1]


async def _all(stream: Stream[int]) -> list[int]:
    return [item async for item in stream]


async def test_closing_lets_readers_finish_and_then_ends_them_loudly() -> None:
    hub: Hub[int] = Hub("the broker")
    stream, waiting = hub.subscribe(), hub.subscribe(lambda _: False)
    task = asyncio.ensure_future(anext(waiting))
    await asyncio.sleep(0)
    hub.publish(1)
    hub.close()
    assert await anext(stream) == 1
    with pytest.raises(Unavailable, match="the broker is not connected"):
        await anext(stream)
    with pytest.raises(Unavailable):
        await task
