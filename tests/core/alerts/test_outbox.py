"""The outbox: the gravest first, nobody waits for anybody else, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity
from core.alerts.outbox import Alert, Alerts, Outbox
from core.clock import BEFORE_MARKET, ManualClock
from core.store.database import Database, transaction
from core.store.models import AlertRow, DeliveryRow

pytestmark = pytest.mark.usefixtures("database")


@dataclass
class FakeChannel:
    name: str = "telegram"
    sent: list[tuple[str, Message]] = field(default_factory=list)
    trouble: Callable[[str, Message], None] = lambda recipient, message: None
    pause: float = 0.0
    slow: str = ""

    async def deliver(self, recipient: str, message: Message) -> None:
        if recipient == self.slow:
            await asyncio.sleep(30)
        await asyncio.sleep(self.pause)
        self.trouble(recipient, message)
        self.sent.append((recipient, message))

    def titles(self, recipient: str = "1") -> list[str]:
        return [message.title for to, message in self.sent if to == recipient]


class Post:
    def __init__(self, clock: ManualClock, recipients: tuple[str, ...] = ("telegram:1",)) -> None:
        self.alerts = Alerts(recipients, clock, clock)
        self.outbox = Outbox(self.alerts, clock, group_seconds=0.0)
        self.channel = FakeChannel()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.outbox.use(self.channel)
        task = asyncio.create_task(self.outbox.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not done():
                await asyncio.sleep(0.005)

    async def add(self, kind: str, severity: Severity, title: str, body: str = "", attachment: str = "") -> int:
        return (await self.alerts.add(Alert(kind, severity, title, body, attachment))).id


@pytest.fixture
def post(clock: ManualClock) -> Post:
    return Post(clock)


async def statuses() -> list[tuple[str, str, int]]:
    return [(row.recipient, row.status, row.attempts) for row in await DeliveryRow.all().order_by("id")]


async def test_the_gravest_first_then_the_oldest(post: Post) -> None:
    """After an outage everything arrives in order of severity and age."""
    grave = (Severity.INFO, Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.CRITICAL)
    for number, severity in enumerate(grave):
        await post.add("note", severity, f"{severity} {number}")
    async with post.running():
        await post.until(lambda: len(post.channel.sent) == 5)
    assert post.channel.titles() == ["CRITICAL 1", "CRITICAL 4", "WARNING 2", "INFO 0", "INFO 3"]
    assert [message.ids[0] for _, message in post.channel.sent] == [2, 5, 3, 1, 4]


async def test_a_thousand_infos_never_delay_a_critical(post: Post) -> None:
    """It waits for the one message that is on its way, whatever else is queued."""
    await AlertRow.bulk_create(
        [
            AlertRow(
                kind="note", severity="INFO", title=f"i{n}", body="", market_at=clock_now(post), at=clock_now(post)
            )
            for n in range(1000)
        ]
    )
    await DeliveryRow.bulk_create(
        [DeliveryRow(alert_id=n, rank=0, channel="telegram", recipient="1", status="waiting") for n in range(1, 1001)]
    )
    post.channel.pause = 0.01
    async with post.running():
        await post.until(lambda: len(post.channel.sent) >= 5)
        await post.add("halt", Severity.CRITICAL, "HALTED")
        before = len(post.channel.sent)
        await post.until(lambda: "HALTED" in post.channel.titles())
    assert post.channel.titles().index("HALTED") <= before + 2


def clock_now(post: Post):
    return post.outbox._clock.now()


@pytest.mark.parametrize("trouble", ["down", "slow", "429", "refused"])
async def test_one_recipient_never_blocks_another(clock: ManualClock, trouble: str) -> None:
    """More waits for the one than is looked at in a round; the other still gets everything, also what comes later."""
    post = Post(clock, ("telegram:bad", "telegram:good"))
    reasons = {"down": ChannelDown("away"), "429": ChannelDown("wait", 3600.0), "refused": ChannelRefused("blocked")}

    def fail(recipient: str, _: Message) -> None:
        if recipient == "bad" and trouble in reasons:
            raise reasons[trouble]

    post.channel.trouble = fail
    post.channel.slow = "bad" if trouble == "slow" else ""
    for _ in range(60):
        await post.add("halt", Severity.CRITICAL, "grave")
    async with post.running():
        await post.until(lambda: len(post.channel.titles("good")) == 60)
        await post.add("note", Severity.INFO, "later")
        await post.until(lambda: "later" in post.channel.titles("good"))
    assert post.channel.titles("bad") == []


async def test_down_then_up_again_delivers_all(post: Post) -> None:
    """Attempts are counted, and what could not be sent waits its turn."""
    failures = iter([ChannelDown("away", 0.02), ChannelDown("away", 0.02)])

    def fail(*_: object) -> None:
        if (error := next(failures, None)) is not None:
            raise error

    post.channel.trouble = fail
    await post.add("note", Severity.INFO, "hello")
    async with post.running():
        await post.until(lambda: post.channel.titles() == ["hello"])
        async with asyncio.timeout(60):
            while (await statuses())[0][1] != "delivered":
                await asyncio.sleep(0.005)
    assert await statuses() == [("1", "delivered", 3)]


async def test_a_crash_between_accepted_and_mark_repeats_it_with_the_same_number(post: Post) -> None:
    """At least once: never lost, and the repeat can be recognised."""
    await post.add("note", Severity.INFO, "hello")

    class Killed(BaseException):
        pass

    async def deliver(recipient: str, message: Message) -> None:
        post.channel.sent.append((recipient, message))
        raise asyncio.CancelledError

    first = FakeChannel()
    first.deliver = deliver  # type: ignore[method-assign]
    post.outbox.use(first)
    running = asyncio.create_task(post.outbox.run())
    await post.until(lambda: bool(post.channel.sent))
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    again = Post(post.outbox._clock)
    async with again.running():
        await again.until(lambda: bool(again.channel.sent))
    assert [message.ids for _, message in post.channel.sent[:1] + again.channel.sent] == [(1,), (1,)]


async def test_a_poisonous_message_neither_blocks_nor_vanishes(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that cannot be drawn: the others go ahead, and it arrives barely."""
    monkeypatch.setattr("core.alerts.lane._FIRST_WAIT", 0.5)

    def fail(_: str, message: Message) -> None:
        if message.attachment:
            raise KeyError("no picture")

    post.channel.trouble = fail
    await post.add("report", Severity.CRITICAL, "Daily report", attachment="day")
    await post.add("note", Severity.INFO, "hello")
    async with post.running():
        await post.until(lambda: len(post.channel.sent) == 2)
    assert post.channel.titles() == ["hello", "Daily report"]
    assert "see /alerts" in post.channel.sent[1][1].lines[0]


async def test_what_is_malformed_arrives_as_plain_text(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice in full, then without anything that can be malformed; at last only its title."""
    monkeypatch.setattr("core.alerts.lane._FIRST_WAIT", 0.01)
    tried: list[tuple[bool, int]] = []

    def fail(_: str, message: Message) -> None:
        tried.append((message.plain, len(message.lines)))
        if len(tried) < 4:
            raise ValueError("malformed")

    post.channel.trouble = fail
    await post.add("breach", Severity.CRITICAL, "Loss", "one\ntwo")
    async with post.running():
        await post.until(lambda: bool(post.channel.sent))
    assert tried == [(False, 2), (False, 2), (True, 3), (True, 1)]


async def test_what_cannot_be_shown_at_all_is_marked_failed(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a group only the bad one is given up, with the reason; the rest arrives."""
    monkeypatch.setattr("core.alerts.lane._FIRST_WAIT", 0.01)

    def fail(_: str, message: Message) -> None:
        if 2 in message.ids:
            raise ZeroDivisionError("poison")

    post.channel.trouble = fail
    for number in range(3):
        await post.add("fill", Severity.INFO, f"fill {number}")
    async with post.running():
        await post.until(lambda: len(post.channel.sent) == 2)
        async with asyncio.timeout(60):
            while {status for _, status, _ in await statuses()} != {"delivered", "failed"}:
                await asyncio.sleep(0.01)
    assert [status for _, status, _ in await statuses()] == ["delivered", "failed", "delivered"]
    assert (await DeliveryRow.get(alert_id=2)).note == "ZeroDivisionError: poison"


async def test_an_alert_shares_the_fate_of_its_transaction(post: Post) -> None:
    """Rolled back: no alert, no delivery. Alone: both or neither."""
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with transaction():
            await post.add("note", Severity.INFO, "never")
            raise ZeroDivisionError
    assert await AlertRow.all().count() == await DeliveryRow.all().count() == 0


async def test_without_a_channel_everything_waits(post: Post) -> None:
    """Telegram may come much later."""
    await post.add("note", Severity.INFO, "hello")
    task = asyncio.create_task(post.outbox.run())
    await asyncio.sleep(0.03)
    assert await statuses() == [("1", "waiting", 0)]
    post.outbox.use(post.channel)
    await post.until(lambda: post.channel.titles() == ["hello"])
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_fills_wait_a_moment_for_one_another(clock: ManualClock, database: Database) -> None:
    """Young groups wait, a full or old one does not, and a clock that is set back holds nothing up."""
    post = Post(clock)
    post.outbox = Outbox(post.alerts, clock, group_seconds=60.0)
    await post.add("fill", Severity.INFO, "one")
    async with post.running():
        await asyncio.sleep(0.05)
        assert post.channel.sent == []
        for number in range(11):
            await post.add("fill", Severity.INFO, f"more {number}")
        await post.until(lambda: len(post.channel.sent) == 1)
        clock.advance(60)
        await post.add("fill", Severity.INFO, "from the future")
        clock.advance(-3600)
        post.alerts.waiting.set()
        await post.until(lambda: len(post.channel.sent) == 2)
    assert len(post.channel.sent[0][1].ids) == 12


async def test_an_alert_before_the_first_price_shows_the_time_of_the_wall(clock: ManualClock) -> None:
    """And not the year 1970, where a market's clock begins."""
    market = ManualClock(BEFORE_MARKET)
    alerts = Alerts(["telegram:1"], clock, market)
    assert (await alerts.add(Alert("halt", Severity.CRITICAL, "early"))).market_at == clock.now()
    market.set(datetime(2000, 9, 29, tzinfo=UTC))
    assert (await alerts.add(Alert("halt", Severity.CRITICAL, "late"))).market_at == market.now()
