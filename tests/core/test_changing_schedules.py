"""What people change about jobs holds, and survives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC

import pytest

from core.alerts.outbox import Alerts
from core.clock import ManualClock
from core.errors import UnknownName, UserError
from core.schedule import At, Every
from core.scheduler import Job, Kind, Scheduler
from core.store.database import Database
from core.store.models import JobRow

BERLIN = At(8, 30, ("mon", "tue", "wed", "thu", "fri"), zone="Europe/Berlin")


class Ran:
    """What the jobs have done."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def of(self, word: str):
        async def work() -> None:
            self.words.append(word)

        return work


def build(clock: ManualClock, ran: Ran, *, with_kinds: bool = True) -> Scheduler:
    jobs = [
        Job("sweep", "Sweep", Every(60), ran.of("sweep"), between=(0.01, 60), guards=True),
        Job("daily", "Daily", At(17, 0), ran.of("daily")),
    ]
    kinds = {"report": Kind(("day", "week"), lambda period: f"Report of the {period}", ran.of)}
    return Scheduler(jobs, clock, Alerts(["telegram:1"], clock, clock), kinds if with_kinds else {})


@pytest.fixture
def ran() -> Ran:
    return Ran()


@pytest.fixture
async def scheduler(database: Database, clock: ManualClock, ran: Ran) -> AsyncIterator[Scheduler]:
    scheduler = build(clock, ran)
    await scheduler.start()
    yield scheduler
    scheduler.stop()
    await asyncio.sleep(0)


async def restarted(scheduler: Scheduler, clock: ManualClock, ran: Ran, **more: bool) -> Scheduler:
    scheduler.stop()
    await asyncio.sleep(0)
    again = build(clock, ran, **more)
    await again.start()
    return again


async def rows(scheduler: Scheduler):
    return {row.name: row for row in await scheduler.rows()}


async def test_a_moved_job_runs_at_the_new_time_also_after_a_restart(scheduler, clock, ran) -> None:
    """In the zone of who moved it, whatever the zone of the machine."""
    await scheduler.move("daily", BERLIN, "Ada")
    for each in (scheduler, again := await restarted(scheduler, clock, ran)):
        row = (await rows(each))["daily"]
        assert (row.schedule, row.usual, row.changed_by) == ("mon-fri 08:30 Europe/Berlin", "daily 17:00 UTC", "Ada")
    assert row.next_at is not None
    assert row.next_at.weekday() < 5
    assert (row.next_at.hour, row.next_at.minute) == (8, 30)
    assert row.next_at.astimezone(UTC).hour in (6, 7)
    again.stop()
    await asyncio.sleep(0)


async def test_a_moved_interval_is_ticked_by(scheduler, ran) -> None:
    """Not only shown."""
    await scheduler.move("sweep", Every(0.02), "Ada")
    async with asyncio.timeout(30):
        while ran.words.count("sweep") < 3:
            await asyncio.sleep(0.01)


async def test_as_usual_takes_the_change_back(scheduler, clock, ran) -> None:
    """Also after a restart."""
    await scheduler.move("daily", BERLIN, "Ada")
    assert await scheduler.move("daily", None, "Ada") == At(17, 0)
    again = await restarted(scheduler, clock, ran)
    row = (await rows(again))["daily"]
    assert (row.schedule, row.usual) == ("daily 17:00 UTC", "")
    again.stop()
    await asyncio.sleep(0)


async def test_a_paused_job_stays_paused_when_it_is_moved(scheduler, ran) -> None:
    """And runs by the new time once it is resumed."""
    await scheduler.set_enabled("sweep", False)
    await scheduler.move("sweep", Every(0.01), "Ada")
    await asyncio.sleep(0.06)
    assert ran.words == []
    await scheduler.set_enabled("sweep", True)
    async with asyncio.timeout(30):
        while not ran.words:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "schedule"), [("sweep", Every(61)), ("sweep", Every(0.001)), ("sweep", BERLIN), ("daily", Every(60))]
)
async def test_a_job_runs_neither_too_rarely_nor_too_often(scheduler, name, schedule) -> None:
    """A risk sweep once a day is none; a report each minute is a flood. Nothing is changed."""
    before = (await rows(scheduler))[name]
    with pytest.raises(UserError, match=name):
        await scheduler.move(name, schedule, "Ada")
    assert (await rows(scheduler))[name] == before
    assert not await JobRow.filter(name=name).exists()


async def test_an_added_job_runs_and_survives_a_restart(scheduler, clock, ran) -> None:
    """With its own name, title and work."""
    job = await scheduler.add("report", "week", BERLIN, "Ada")
    assert await scheduler.run_now(job.name) == "ok"
    assert ran.words == ["week"]
    again = await restarted(scheduler, clock, ran)
    row = (await rows(again))[job.name]
    assert (row.title, row.added_by, row.schedule) == ("Report of the week", "Ada", str(BERLIN))
    await again.run_now(job.name)
    assert ran.words == ["week", "week"]
    again.stop()
    await asyncio.sleep(0)


async def test_an_added_job_is_removed_for_good_and_its_name_is_free_again(scheduler, clock, ran) -> None:
    """The program's own are not."""
    name = (await scheduler.add("report", "day", BERLIN, "Ada")).name
    await scheduler.remove(name)
    assert name not in await rows(scheduler)
    assert (await scheduler.add("report", "day", BERLIN, "Ada")).name == name
    with pytest.raises(UserError, match="belongs to the program"):
        await scheduler.remove("daily")
    with pytest.raises(UnknownName):
        await scheduler.remove("nothing")


async def test_nobody_fills_the_schedule(scheduler) -> None:
    """Twenty of a kind are plenty."""
    for _ in range(20):
        await scheduler.add("report", "day", BERLIN, "Ada")
    with pytest.raises(UserError, match="remove one first"):
        await scheduler.add("report", "day", BERLIN, "Ada")


@pytest.mark.parametrize(("kind", "argument"), [("report", "century"), ("party", "day")])
async def test_only_what_there_is_can_be_added(scheduler, kind, argument) -> None:
    """With near misses, and nothing stored."""
    with pytest.raises(UnknownName):
        await scheduler.add(kind, argument, BERLIN, "Ada")
    assert not await JobRow.all().exists()


async def test_a_stored_job_that_no_longer_fits_stops_nothing(scheduler, clock, ran) -> None:
    """A kind that is gone, a schedule that cannot be read: left out, the others run."""
    await scheduler.add("report", "day", BERLIN, "Ada")
    await JobRow.create(name="sweep", schedule="each blue moon")
    again = await restarted(scheduler, clock, ran, with_kinds=False)
    found = await rows(again)
    assert set(found) == {"sweep", "daily"}
    assert found["sweep"].schedule == "every 1 min"
    again.stop()
    await asyncio.sleep(0)
