"""What keeps the program running: supervision, jobs, events, clock and ids."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.errors import Unavailable
from core.alerts.outbox import Alerts
from core.clock import Ids, ManualClock
from core.errors import Postponed, UnknownName
from core.events import BarsProcessed, Event, Events, StrategyChanged
from core.schedule import At, Every
from core.scheduler import BUSY, Job, Scheduler
from core.store.control import job_rows
from core.store.database import Database
from core.store.models import AlertRow, DeliveryRow, InboxRow, TicketRow
from core.store.retention import purge
from core.supervision import Supervisor
from tests.core.conftest import NOW

# --- supervision ---------------------------------------------------------------------------------------


class Reports(list[str]):
    fails = False

    async def __call__(self, part: str, incident: str, error: BaseException) -> None:
        self.append(f"{part} {incident} {type(error).__name__}")
        if self.fails:
            raise OSError("the disk is full as well")


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
async def supervisor(reports: Reports) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(reports, lambda: "ABC", first_pause=0.002)
    yield supervisor
    await supervisor.stop()


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("error", [ValueError(), asyncio.CancelledError(), TimeoutError()])
async def test_a_failed_part_starts_again_with_growing_pauses(
    supervisor: Supervisor, reports: Reports, error: BaseException
) -> None:
    """Also one that a stray cancellation has hit; reports thin out, the count does not."""
    starts: list[float] = []

    async def part() -> None:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) < 7:
            raise error

    supervisor.run("feed", part)
    await until(lambda: not supervisor.is_running("feed"))
    gaps = [after - before for before, after in pairwise(starts)]
    assert all(gap >= 0.002 * 2**number * 0.9 for number, gap in enumerate(gaps))  # a busy machine only adds
    assert supervisor.failures == {"feed": 6}
    assert reports == [f"feed ABC {type(error).__name__}"] * 3


async def test_a_report_that_fails_changes_nothing(supervisor: Supervisor, reports: Reports) -> None:
    """The database may be what failed."""
    reports.fails = True
    runs = []

    async def part() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError

    supervisor.run("feed", part)
    await until(lambda: len(runs) == 3)


async def test_parts_do_not_disturb_each_other_and_stop_when_told(supervisor: Supervisor) -> None:
    """One name, one part."""

    async def for_ever() -> None:
        await asyncio.sleep(3600)

    supervisor.run("a", for_ever)
    supervisor.run("b", for_ever)
    with pytest.raises(ValueError, match="runs already"):
        supervisor.run("a", for_ever)
    assert supervisor.parts == ("a", "b")
    await supervisor.stop()
    await supervisor.stop()
    assert not supervisor.is_running("a")


async def test_a_part_that_loses_a_cancellation_is_told_again(supervisor: Supervisor, monkeypatch) -> None:
    """What it awaits may swallow one: stopping must not go on while it still works."""
    monkeypatch.setattr("core.supervision._STOP_SECONDS", 0.5)
    ended = asyncio.Event()

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    supervisor.run("deaf", deaf)
    await asyncio.sleep(0)
    await supervisor.stop()
    assert ended.is_set()


async def test_some_parts_can_be_stopped_alone_and_their_word_is_true(supervisor: Supervisor, reports: Reports) -> None:
    """At work, in the pause after a failure, done."""
    supervisor._first_pause = 3600

    async def fails() -> None:
        raise ValueError

    async def ends() -> None:
        pass

    async def works() -> None:
        await asyncio.sleep(3600)

    for name, part in (("fails", fails), ("ends", ends), ("works", works)):
        supervisor.run(name, part)
    await until(lambda: bool(reports) and not supervisor.is_running("ends"))
    assert [supervisor.is_well(name) for name in ("fails", "ends", "works", "unheard of")] == [False, True, True, False]
    await supervisor.stop("fails", "unheard of")
    assert supervisor.parts == ("ends", "works")
    assert supervisor.is_running("works")


# --- events --------------------------------------------------------------------------------------------


async def test_a_failing_handler_disturbs_nobody() -> None:
    """It raises, hangs or is cancelled: the others hear of the event, and the publisher goes on."""
    events = Events(seconds=0.02)
    heard: list[Event] = []

    async def hears(event: Event) -> None:
        heard.append(event)

    def does(act: Callable[[], Awaitable[Any]]) -> Callable[[Event], Awaitable[None]]:
        async def handler(_: Event) -> None:
            await act()

        return handler

    async def raises(error: BaseException) -> None:
        raise error

    events.subscribe(StrategyChanged, does(lambda: raises(ValueError())))
    events.subscribe(StrategyChanged, does(lambda: raises(asyncio.CancelledError())))
    events.subscribe(StrategyChanged, does(lambda: asyncio.sleep(3600)))
    stop = events.subscribe(StrategyChanged, hears)
    events.subscribe(Event, hears)
    event = StrategyChanged(NOW, "trend")
    await events.publish(event)
    assert heard == [event, event]
    await events.publish(BarsProcessed(NOW))
    stop()
    stop()
    await events.publish(event)
    assert len(heard) == 4


async def test_a_publisher_that_is_cancelled_stops() -> None:
    """A real cancellation is not swallowed by the care for handlers."""
    events = Events()

    async def slow(_: Event) -> None:
        await asyncio.sleep(3600)

    events.subscribe(Event, slow)
    task = asyncio.create_task(events.publish(Event(NOW)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- jobs ----------------------------------------------------------------------------------------------


class Works:
    def __init__(self) -> None:
        self.runs = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> None:
        self.runs += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def work() -> Works:
    return Works()


@pytest.fixture
async def scheduler(database: Database, clock: ManualClock, work: Works) -> AsyncIterator[Scheduler]:
    scheduler = build(clock, work)
    yield scheduler
    scheduler.stop()
    await asyncio.sleep(0)


def build(clock: ManualClock, work: Works) -> Scheduler:
    jobs = [
        Job("sweep", "Sweep", Every(0.02), work, frequent=True),
        Job("report", "Report", At(17, 0), work),
    ]
    return Scheduler(jobs, clock, Alerts(["telegram:1"], clock, clock))


async def test_a_frequent_job_that_fails_is_one_alert_until_it_works_again(scheduler: Scheduler, work: Works) -> None:
    """Not one every two seconds, whatever its text says."""
    for number in range(5):
        work.error = ValueError(f"at {number}")
        assert await scheduler.run_now("sweep") == f"ValueError: at {number}"
    assert await AlertRow.all().count() == 1
    work.error = None
    assert await scheduler.run_now("sweep") == "ok"
    work.error = ValueError("again")
    await scheduler.run_now("sweep")
    assert await AlertRow.all().count() == 2
    assert (await job_rows())["sweep"].last_outcome == "ValueError: again"


async def test_a_job_that_is_postponed_is_no_alert(scheduler: Scheduler, work: Works) -> None:
    """People hear of the reason elsewhere; whoever asks for the job is told, and a failure after it is news."""
    for name in ("sweep", "report"):
        work.error = Postponed("the venue has shut us out")
        assert await scheduler.run_now(name) == "not now: the venue has shut us out"
    assert await AlertRow.all().count() == 0
    work.error = ValueError("a fault")
    await scheduler.run_now("sweep")
    assert await AlertRow.all().count() == 1


async def test_a_rare_job_that_fails_is_an_alert_each_time(scheduler: Scheduler, work: Works) -> None:
    """A report that did not come is missed each day."""
    work.error = ValueError("no")
    await scheduler.run_now("report")
    await scheduler.run_now("report")
    assert await AlertRow.all().count() == 2


async def test_what_a_broker_says_is_told_without_the_name_of_its_error(scheduler: Scheduler, work: Works) -> None:
    """A person reads it; only of an error that nobody has foreseen the kind is told."""
    work.error = Unavailable("Binance does not answer")
    assert await scheduler.run_now("sweep") == "Binance does not answer"
    work.error = Unavailable("")
    assert await scheduler.run_now("sweep") == "Unavailable"


async def test_a_job_never_runs_beside_itself(scheduler: Scheduler, work: Works) -> None:
    """A person and the clock at once: the second is told so."""
    work.gate = asyncio.Event()
    first = asyncio.create_task(scheduler.run_now("sweep"))
    await asyncio.sleep(0.01)
    assert await scheduler.run_now("sweep") == BUSY
    work.gate.set()
    assert await first == "ok"
    assert await scheduler.run_now("sweep") == "ok"


async def test_it_ticks_and_a_pause_survives_a_restart(scheduler: Scheduler, work: Works, clock: ManualClock) -> None:
    """Paused means paused, also in the first moment after a start."""
    await scheduler.start()
    await until(lambda: work.runs >= 2)
    await scheduler.set_enabled("sweep", False)
    scheduler.stop()
    await asyncio.sleep(0.03)
    work.runs = 0
    again = build(clock, work)
    await again.start()
    await asyncio.sleep(0.08)
    assert work.runs == 0
    (sweep, report) = await again.rows()
    assert (sweep.enabled, sweep.next_at) == (False, None)
    assert report.enabled
    assert report.next_at is not None
    await again.set_enabled("sweep", True)
    await until(lambda: work.runs > 0)
    again.stop()
    await asyncio.sleep(0)


async def test_a_stop_in_the_moment_of_a_tick_is_no_error(
    scheduler: Scheduler, work: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that is due in the same turn of the loop as the stop is not begun, or is cut off in silence."""
    loop = asyncio.get_running_loop()
    await scheduler.start()
    while await scheduler.run_now("sweep") == BUSY:
        await asyncio.sleep(0.001)
    loop.call_later(0.06, scheduler.stop)
    time.sleep(0.1)  # a stalled loop: the tick and the stop are both overdue, the tick first
    await asyncio.sleep(0.03)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_unknown_jobs_are_told_apart(scheduler: Scheduler) -> None:
    """With near misses."""
    with pytest.raises(UnknownName, match="Did you mean report"):
        await scheduler.run_now("raport")


# --- clock and errors ----------------------------------------------------------------------------------


def test_a_hand_moved_clock_never_runs_backwards() -> None:
    """An earlier moment is ignored."""
    clock = ManualClock(NOW)
    clock.set(NOW - timedelta(days=1))
    assert clock.now() == NOW
    clock.advance(1.5)
    assert clock.now() == NOW + timedelta(seconds=1.5)


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=20))
def test_ids_are_unique_short_and_sort_by_time(steps: list[int]) -> None:
    """28 characters that every venue takes."""
    clock = ManualClock(NOW)
    made = []
    for step in steps:
        clock.advance(step / 1000)
        made.append(Ids(clock).order())
    assert made == sorted(set(made))
    assert all(len(each) == 28 and each.isalnum() for each in made)


def test_a_seeded_source_makes_the_same_ids() -> None:
    """For simulations."""
    ids = Ids(ManualClock(NOW), bytes)
    assert ids.nonce() == "0" * 32
    assert ids.new() == Ids(ManualClock(NOW), bytes).new()


def test_an_unknown_name_never_floods_the_chat() -> None:
    """Neither what was typed nor what there is."""
    text = str(UnknownName("symbol", "z" * 5000, (f"S{n}" for n in range(1000))))
    assert len(text) < 300
    assert "and 980 more" in text


# --- retention -----------------------------------------------------------------------------------------


async def test_a_purge_deletes_what_is_old_and_done_and_nothing_that_waits(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Updates and dead tickets after a week, deliveries and unused buttons after a quarter; in small batches."""
    monkeypatch.setattr("core.store.retention._BATCH", 2)
    for days in (6, 8, 89, 91):
        at = NOW - timedelta(days=days)
        for number, outcome in enumerate(("done", "expired", "failed", "")):
            await InboxRow.create(update_id=days * 10 + number, payload="{}", received_at=at, outcome=outcome)
        for name, used, expires in (("used", at, None), ("expired", None, at), ("button", None, None)):
            await TicketRow.create(
                nonce=f"{name}{days}", action="halt", args={}, chat_id=1, confirms=False, minted_at=at,
                used_at=used, expires_at=expires,
            )  # fmt: skip
        for status, done in (("delivered", at), ("failed", at), ("waiting", None)):
            await DeliveryRow.create(alert_id=1, rank=0, channel="telegram", recipient="1", status=status, done_at=done)
    assert await purge(clock.now()) == 3 * 3 + 2 * 3 + 1 + 2
    assert await InboxRow.filter(outcome="").count() == 4
    assert await InboxRow.exclude(outcome="").count() == 3
    assert {row.nonce for row in await TicketRow.all()} == {"used6", "expired6", "button6", "button8", "button89"}
    assert await DeliveryRow.filter(status="waiting").count() == 4
    assert await DeliveryRow.exclude(status="waiting").count() == 6
    assert await purge(clock.now()) == 0
