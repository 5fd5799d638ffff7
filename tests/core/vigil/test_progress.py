"""Who turns, who gets on, who rests."""

from __future__ import annotations

import pytest

from core.progress import Allowance, Progress, always, usual


class Stage:
    def __init__(self) -> None:
        self.now = 100.0
        self.pace: float | None = 2.0
        self.progress = Progress(usual(lambda: self.pace, always(60.0)), lambda: self.now)
        self.progress.begin()

    def all_get_on(self) -> None:
        for part in self.progress.parts:
            part.got_on()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_right_after_the_start_nobody_is_late(stage: Stage) -> None:
    """Whatever the clock showed before."""
    assert (stage.progress.stuck, stage.progress.stalled) == ((), ())


@pytest.mark.parametrize(("part", "seconds"), [("orders", 31), ("risk", 181), ("chat", 301), ("outbox", 31)])
def test_each_part_is_missed_by_itself(stage: Stage, part: str, seconds: int) -> None:
    """The others get on all the time; it is missed not before its time, and well again at once."""
    for _ in range(seconds - 1):
        stage.now += 1
        for other in stage.progress.parts:
            if other.name != part:
                other.got_on()
    assert stage.progress.stalled == ()
    stage.now += 2
    assert stage.progress.stalled == (part,)
    stage.progress.part(part).got_on()
    assert stage.progress.stalled == ()


def test_turning_is_not_getting_on(stage: Stage) -> None:
    """A chat without Telegram is not stuck: starting again would not help; but somebody should know."""
    for _ in range(400):
        stage.now += 1
        for part in stage.progress.parts:
            part.turned()
    assert stage.progress.stuck == ()
    assert set(stage.progress.stalled) == {"orders", "risk", "chat", "outbox"}


def test_a_paused_job_is_not_missed(stage: Stage) -> None:
    """Somebody has paused it, and starting again would leave it paused."""
    stage.pace = None
    stage.now += 1_000
    assert "orders" not in stage.progress.stalled + stage.progress.stuck
    assert stage.progress.part("orders").is_resting


async def test_watched_work_reports_how_it_ended() -> None:
    """Done: it got on. Failed: it turned, and the error is passed on."""
    now = 0.0
    progress = Progress({"orders": Allowance(always(5), always(5))}, lambda: now)

    async def well() -> None:
        return None

    async def badly() -> None:
        raise ValueError("x")

    progress.begin()
    now = 10.0
    assert progress.stuck == progress.stalled == ("orders",)
    with pytest.raises(ValueError, match="x"):
        await progress.watched("orders", badly)()
    assert (progress.stuck, progress.stalled) == ((), ("orders",))
    await progress.watched("orders", well)()
    assert (progress.stuck, progress.stalled) == ((), ())


def test_a_part_that_nobody_knows_is_an_error(stage: Stage) -> None:
    """A typing error must not make a part that nobody misses."""
    with pytest.raises(KeyError):
        stage.progress.part("order")
