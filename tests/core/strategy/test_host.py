"""The host: nothing that a strategy does reaches another strategy, the next bar, or the event loop."""

import asyncio
import statistics
import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from core.strategy.host import ThreadHost
from core.strategy.sdk import Signal
from tests.core.strategy.rogues import (
    START,
    Rogue,
    Stubborn,
    Unspeakable,
    bar,
    call,
    endless,
    late,
    loops,
    raises,
    says,
    sleeps,
)  # fmt: skip

BUDGET = 0.4


@pytest.fixture
async def host() -> AsyncIterator[ThreadHost]:
    host = ThreadHost(BUDGET)
    yield host
    await host.close()


@pytest.fixture
async def patient() -> AsyncIterator[ThreadHost]:
    """For strategies that are quick, on a machine that may not be."""
    host = ThreadHost(60.0)
    yield host
    await host.close()


def good() -> Rogue:
    return Rogue("good", says(1.0))


async def test_signals_come_back_in_order(patient: ThreadHost) -> None:
    """One outcome for each call, in the order of the calls."""
    rogues = [Rogue(f"s{n}", says(n / 10, f"s{n}")) for n in range(5)]
    outcomes = await patient.decide([call(each) for each in rogues])
    assert [each.signals[0].exposure for each in outcomes] == [0, 0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (raises(ValueError("boom")), "ValueError: boom"),
        (raises(SystemExit(3)), "SystemExit: 3"),
        (raises(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raises(asyncio.CancelledError()), "CancelledError"),
        (raises(GeneratorExit()), "GeneratorExit"),
        (raises(Unspeakable()), "Unspeakable"),
        (lambda *_: None, "NoneType"),
        (lambda *_: "buy", "answered with str"),
        (lambda *_: (None,), "answered with NoneType"),
        (lambda *_: 7, "int"),
        (late, "KeyError: 'late'"),
        (endless, "more than 100 signals"),
        (says(1.0, "somebody-else"), "in the name of 'somebody-else'"),
        (says(float("nan")), "exposure lies in"),
        (lambda *_: (object.__new__(Signal),), "AttributeError"),
        (lambda bar, history, now: history.close.sort(), "read-only"),
    ],
)
async def test_every_mistake_is_an_error_in_words_and_harms_nobody(patient: ThreadHost, act: Any, words: str) -> None:
    """Also what is not an Exception, and garbage for an answer; the next strategy and the next bar are served."""
    for _ in range(2):
        outcomes = await patient.decide([call(Rogue("good", act)), call(good())])
        assert words in outcomes[0].error
        assert outcomes[0].signals == ()
        assert outcomes[1].signals[0].exposure == 1.0


async def test_a_signal_is_made_plain(patient: ThreadHost) -> None:
    """Numbers of other types would fail in the database later, a text of a megabyte in the chat."""

    def act(bar: Any, *_: Any) -> Any:
        return (Signal("good", bar.symbol, np.float32(0.5), "x" * 10_000, START.replace(year=2100)),)  # type: ignore[arg-type]

    (outcome,) = await patient.decide([call(Rogue("good", act))])
    (signal,) = outcome.signals
    assert type(signal.exposure) is float
    assert len(signal.reason) == 300
    assert signal.at == bar().at


@pytest.mark.parametrize("act", [loops, sleeps(3.0)])
async def test_a_strategy_over_its_budget_is_given_up_and_the_rest_goes_on(host: ThreadHost, act: Any) -> None:
    """Those before and after it are served, and it costs no more than about its budget."""
    began = asyncio.get_running_loop().time()
    outcomes = await host.decide([call(good()), call(Rogue("slow", act)), call(good())])
    assert asyncio.get_running_loop().time() - began < BUDGET + 2
    assert [bool(each.error) for each in outcomes] == [False, True, False]
    assert outcomes[1].error == "took longer than 0.4 s"


async def test_each_call_has_the_whole_budget(host: ThreadHost) -> None:
    """Five slow but decent strategies take longer together than one may."""
    outcomes = await host.decide([call(Rogue(f"s{n}", sleeps(0.12))) for n in range(5)])
    assert not any(each.error for each in outcomes)


@pytest.mark.parametrize("act", [loops, Stubborn])
async def test_the_event_loop_stays_responsive(host: ThreadHost, act: Any) -> None:
    """While a strategy burns the processor, the longest the loop is held up is a fraction of a second."""
    gaps: list[float] = []
    stubborn = act() if isinstance(act, type) else act

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            gaps.append(loop.time() - before)

    beating = asyncio.create_task(beat())
    await host.decide([call(Rogue("bad", stubborn))])
    beating.cancel()
    stubborn.over = True
    assert len(gaps) > 3
    assert statistics.median(gaps) < 0.2
    assert max(gaps) < 1  # it waits for its turn on a busy machine, too


async def test_one_that_cannot_be_stopped_is_not_called_again_while_it_runs(host: ThreadHost) -> None:
    """It catches whatever is thrown at it: there is one thread of it, however many bars come."""
    act = Stubborn()
    rogue = Rogue("bad", act)
    before = threading.active_count()
    for _ in range(4):
        outcomes = await host.decide([call(rogue, "AAPL"), call(rogue, "IBM"), call(good())])
        assert outcomes[1].error == "an earlier call of it still runs, so it was not called"
        assert outcomes[2].signals
    assert rogue.calls == 1
    assert host.stuck == ("bad",)
    assert threading.active_count() <= before + 2
    act.over = True
    while host.stuck:
        await asyncio.sleep(0.01)
    rogue.act = says(0.5, "bad")
    (outcome,) = await host.decide([call(rogue)])
    assert outcome.signals[0].exposure == 0.5


async def test_the_stop_never_hits_another_strategy(host: ThreadHost) -> None:
    """Strategies that end just about when their budget does: nobody else ever sees the exception."""
    tight = ThreadHost(0.15)
    hit: list[BaseException] = []

    def innocent(*_: Any) -> tuple[()]:
        try:
            return tuple(range(200))[:0]
        except BaseException as error:
            hit.append(error)
            raise

    for n in range(10):
        brink = sleeps(0.148 + (n % 5) * 0.001)
        outcomes = await tight.decide([call(Rogue("brink", brink)), call(Rogue("innocent", innocent))])
        assert outcomes[1].error == ""
        assert len(outcomes) == 2
    await tight.close()
    assert hit == []


async def test_a_cancelled_round_leaves_no_thread_at_work(host: ThreadHost) -> None:
    """The program stops while a strategy thinks: its thread is told to stop as well."""
    task = asyncio.create_task(host.decide([call(Rogue("bad", loops))]))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(6000):
        if not host.stuck:
            break
        await asyncio.sleep(0.005)
    assert host.stuck == ()
    (outcome,) = await host.decide([call(good())])
    assert outcome.signals


async def test_closing_twice_is_fine() -> None:
    """And a host that never ran can be closed."""
    host = ThreadHost()
    await host.close()
    await host.decide([call(good())])
    await host.close()
    await host.close()


async def test_decimals_and_bools_are_numbers(patient: ThreadHost) -> None:
    """What converts to a float in range is accepted."""
    (outcome,) = await patient.decide([call(Rogue("good", says(Decimal("0.25"))))])  # type: ignore[arg-type]
    assert outcome.signals[0].exposure == 0.25
