"""A venue that is connected but not well is told of, with what to do, and that it is over closes the alert."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from brokers.health import Breaker, Health, StreamHealth
from core.alerts.mutes import Sort
from core.clock import ManualClock
from core.store.models import AlertRow
from core.venue_watch import VenueWatch, troubles
from tests.core.alerts.duty import CLOSED, MINUTE, OPEN, House

pytestmark = pytest.mark.usefixtures("database")

SILENT = Health(breaker=Breaker.OPEN, last_error="RequestTimeout")
DOWN = Health(streams={"reports": StreamHealth(False, None), "quotes": StreamHealth(True, None)})


class Scene:
    """An account and a feed whose health is set by hand; alerts are real."""

    def __init__(self, clock: ManualClock) -> None:
        self.house, self.clock = House(clock), clock
        self.broker = SimpleNamespace(is_connected=True, health=Health())
        self.prices = SimpleNamespace(is_connected=True, health=Health())
        self.open_orders: list[object] = [object(), object()]
        self.restart()

    def restart(self) -> None:
        orders = SimpleNamespace(open_orders=self.open_orders)
        desk = SimpleNamespace(account="fund", broker=self.broker, orders=orders)
        feed = SimpleNamespace(name="kraken", broker=self.prices, is_own=True)
        self.watch = VenueWatch(cast("Any", [desk]), lambda: cast("Any", [feed]), self.house.alerts, self.clock)

    async def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.watch.look()
            self.clock.advance(1)
        await self.watch.look()

    async def told(self) -> list[tuple[str, str, str]]:
        rows = await AlertRow.filter(kind="connection").order_by("id")
        return [(row.account, row.severity, row.status) for row in rows]

    async def newest(self) -> AlertRow:
        return await AlertRow.filter(kind="connection").order_by("-id").first()  # type: ignore[return-value]


@pytest.fixture
def scene(clock: ManualClock) -> Scene:
    return Scene(clock)


async def test_a_venue_that_does_not_answer_wakes_somebody_and_is_over(scene: Scene) -> None:
    """After 20 s, once, with what to do; closed when it answers; told anew the next time."""
    await scene.wait(1)
    scene.broker.health = SILENT
    await scene.wait(19)
    assert await scene.told() == []
    await scene.wait(30)
    assert await scene.told() == [("fund", "CRITICAL", OPEN.value)]
    row = await scene.newest()
    assert row.title == "fund: the venue does not answer"
    assert "2 orders of ours are open there" in row.body
    assert "RequestTimeout" in row.body
    assert "status page" in row.body
    scene.broker.health = Health()
    await scene.wait(1)
    assert await scene.told() == [("fund", "CRITICAL", CLOSED.value)]
    scene.broker.health = SILENT
    await scene.wait(21)
    assert len(await scene.told()) == 2


async def test_prices_that_cannot_be_asked_for_wake_nobody_and_are_told(scene: Scene) -> None:
    """Orders go on, and the alert says so."""
    scene.broker.health = scene.prices.health = Health(prices=Breaker.OPEN, last_error="502")
    await scene.wait(21)
    rows = await AlertRow.filter(kind="connection").order_by("title")
    assert [(row.title, row.severity) for row in rows] == [
        ("fund: the venue answers no question about prices", "WARNING"),
        ("kraken: the venue answers no question about prices", "WARNING"),
    ]
    assert "Orders, cancels and the account are asked for as usual." in rows[0].body
    assert "if there is another feed" in rows[1].body


async def test_a_breaker_that_opens_for_seconds_is_no_news(scene: Scene) -> None:
    """Whether it is trying meanwhile or not."""
    scene.broker.health = SILENT
    await scene.wait(10)
    scene.broker.health = Health(breaker=Breaker.TRIAL)
    await scene.wait(5)
    scene.broker.health = Health()
    await scene.wait(60)
    assert await scene.told() == []


async def test_a_ban_is_told_soon_with_its_end(scene: Scene) -> None:
    """Nothing can be cancelled meanwhile: somebody must know. A broker that is away for it, too."""
    until = scene.clock.now() + timedelta(minutes=12)
    scene.broker.health = Health(banned_until=until, breaker=Breaker.OPEN)
    scene.broker.is_connected = False
    await scene.wait(6)
    assert await scene.told() == [("fund", "CRITICAL", OPEN.value)]
    row = await scene.newest()
    assert f"until {until:%H:%M} UTC" in row.title
    assert "own app" in row.body
    scene.clock.advance(12 * 60)
    await scene.wait(0)
    assert await scene.told() == [("fund", "CRITICAL", CLOSED.value)]


async def test_a_clock_and_a_stream_wake_nobody(scene: Scene) -> None:
    """Orders go on; each is told once, and that it is over."""
    await scene.wait(1)
    scene.broker.health = Health(clock_offset=timedelta(seconds=10))
    await scene.wait(30)
    assert "10.0 s behind" in (await scene.newest()).title
    scene.broker.health = DOWN
    await scene.wait(59)
    assert [each[1] for each in await scene.told()] == ["WARNING", "INFO"]
    await scene.wait(2)
    row = await scene.newest()
    assert row.title == "fund: no news by stream (reports)"
    assert "none is lost" in row.body
    scene.broker.health = Health()
    await scene.wait(30)
    assert [each[1] for each in await scene.told()] == ["WARNING", "INFO", "WARNING", "INFO"]
    assert "It lasted for 61 s." in (await scene.newest()).body


async def test_a_feed_wakes_nobody_either(scene: Scene) -> None:
    """No money is at stake: the next feed counts."""
    scene.prices.health = SILENT
    await scene.wait(30)
    assert [each[:2] for each in await scene.told()] == [("", "WARNING")]
    assert "only brings prices" in (await scene.newest()).body


async def test_a_connection_that_is_away_is_told_of_by_others(scene: Scene) -> None:
    """Not twice."""
    scene.broker.health, scene.broker.is_connected = SILENT, False
    await scene.wait(60)
    assert await scene.told() == []


async def test_what_was_open_before_a_restart_is_closed(scene: Scene) -> None:
    """If it is over by then."""
    scene.broker.health = SILENT
    await scene.wait(21)
    scene.restart()
    scene.broker.health = Health()
    await scene.wait(0)
    assert await scene.told() == [("fund", "CRITICAL", CLOSED.value)]


async def test_maintenance_holds_it_back_and_its_end_does_not(scene: Scene) -> None:
    """Once the window has ended, a venue that is still silent is critical."""
    now = scene.clock.now()
    await scene.house.alerts.mutes.begin(Sort.MAINTENANCE, "account:fund", "planned", "Ada", now, now + MINUTE)
    scene.broker.health = SILENT
    await scene.wait(40)
    assert [each[:2] for each in await scene.told()] == [("fund", "WARNING")]
    await scene.wait(40)
    assert [each[:2] for each in await scene.told()] == [("fund", "WARNING"), ("fund", "CRITICAL")]


def test_nothing_is_wrong_with_what_is_well(scene: Scene) -> None:
    """Nor with a ban that is over, or a clock within a second."""
    now = scene.clock.now()
    fine = Health(
        banned_until=now, clock_offset=timedelta(seconds=-0.9), streams={"quotes": StreamHealth(True, None)}, used=0.99
    )
    assert list(troubles("fund", fine, now, open_orders=0)) == []


def test_a_ban_explains_the_silence(scene: Scene) -> None:
    """One alert, not two."""
    now = scene.clock.now()
    both = Health(banned_until=now + timedelta(minutes=1), breaker=Breaker.OPEN)
    assert [each.what for each in troubles("fund", both, now, open_orders=0)] == ["ban"]
