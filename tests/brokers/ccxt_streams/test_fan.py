"""Readers of one stream: what each of them gets, however slow it is, and what is left when they go."""

import asyncio
import gc

import pytest

from brokers.ccxt.streams.fan import Fan
from brokers.errors import Unavailable
from tests.brokers.ccxt_streams.rig import heard, rest

pytestmark = pytest.mark.asyncio


def _letters(**more):
    return Fan("letters", lambda item: item[0], **more)


async def test_every_reader_gets_everything_from_when_it_came():
    """What was told before is not replayed."""
    fan = _letters()
    first = fan.subscribe()
    fan.publish("a1")
    second = fan.subscribe()
    fan.publish("a2")
    assert await rest(first, 0.01) == ["a1", "a2"]
    assert await rest(second, 0.01) == ["a2"]


async def test_a_reader_gets_its_topics_only():
    """The rest is for others."""
    fan = _letters()
    reader = fan.subscribe(frozenset("b"))
    for item in ("a1", "b1", "c1", "b2"):
        fan.publish(item)
    assert await rest(reader, 0.01) == ["b1", "b2"]


async def test_a_slow_reader_of_reports_loses_nothing():
    """Ten thousand unread reports are ten thousand reports."""
    fan = _letters()
    reader = fan.subscribe()
    for number in range(10_000):
        fan.publish(f"a{number}")
    told = await heard(reader, lambda told: len(told) == 10_000)
    assert told == [f"a{number}" for number in range(10_000)]


async def test_a_slow_reader_of_quotes_gets_the_newest_of_each_topic():
    """The queue is as long as there are topics, and a busy one delays no other."""
    fan = _letters(newest=True)
    reader = fan.subscribe()
    fan.publish("a1")
    fan.publish("b1")
    for number in range(1000):
        fan.publish(f"a{number}")
    assert await rest(reader, 0.01) == ["a999", "b1"]


async def test_a_closed_fan_ends_readers_after_what_is_queued():
    """Nothing that was told is lost by the end, and whoever comes later hears the reason."""
    fan = _letters()
    reader = fan.subscribe()
    fan.publish("a1")
    fan.close("the line is cut")
    assert await anext(reader) == "a1"
    for late in (reader, fan.subscribe()):
        with pytest.raises(Unavailable, match="the line is cut"):
            await anext(late)


async def test_a_waiting_reader_is_woken_by_the_end():
    """It does not wait for ever."""
    fan = _letters()
    waiting = asyncio.ensure_future(anext(fan.subscribe()))
    await asyncio.sleep(0)
    fan.close("over")
    with pytest.raises(Unavailable, match="over"):
        await asyncio.wait_for(waiting, 30)


async def test_a_reader_that_stops_ends_quietly():
    """Its own wish is no error."""
    fan = _letters()
    reader = fan.subscribe()
    waiting = asyncio.ensure_future(anext(reader, None))
    await asyncio.sleep(0)
    await reader.aclose()
    assert await asyncio.wait_for(waiting, 30) is None
    fan.publish("a1")
    assert await anext(reader, None) is None


async def test_readers_that_go_are_noticed():
    """Whether they say so or are simply dropped."""
    changes = []
    fan = _letters(changed=lambda: changes.append(1))
    reader, dropped = fan.subscribe(frozenset("ab")), fan.subscribe(frozenset("bc"))
    assert fan.topics == frozenset("abc")
    await reader.aclose()
    assert fan.topics == frozenset("bc")
    before = len(changes)
    del dropped
    gc.collect()
    assert fan.topics == frozenset()
    assert len(changes) == before + 1
