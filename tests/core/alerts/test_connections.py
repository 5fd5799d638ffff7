"""A broker that is away for a while is told of, and that it is back closes the alert."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.alerts.mutes import Sort
from core.clock import ManualClock
from core.connections import Connections
from core.store.models import AlertRow
from tests.core.alerts.duty import CLOSED, MINUTE, OPEN, House

pytestmark = pytest.mark.usefixtures("database")


class Scene:
    """Two accounts whose connections are cut by hand; alerts are real."""

    def __init__(self, clock: ManualClock) -> None:
        self.house, self.clock = House(clock), clock
        self.paper, self.fund = self._desk("paper"), self._desk("fund")
        self.restart()

    @staticmethod
    def _desk(account: str) -> Any:
        return SimpleNamespace(
            account=account, broker=SimpleNamespace(is_connected=True), orders=SimpleNamespace(open_orders=[])
        )

    def restart(self) -> None:
        self.connections = Connections(cast("Any", [self.paper, self.fund]), self.house.alerts, self.clock)

    async def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.connections.look()
            self.clock.advance(1)
        await self.connections.look()

    async def told(self) -> list[tuple[str, str, str]]:
        rows = await AlertRow.filter(kind="connection").order_by("id")
        return [(row.account, row.severity, row.status) for row in rows]


@pytest.fixture
def scene(clock: ManualClock) -> Scene:
    return Scene(clock)


async def test_a_short_break_is_no_news(scene: Scene) -> None:
    """Ten seconds, and not a second more."""
    scene.fund.broker.is_connected = False
    await scene.wait(10)
    scene.fund.broker.is_connected = True
    await scene.wait(60)
    assert await scene.told() == []


async def test_a_long_one_is_told_once_and_closed_when_it_is_over(scene: Scene) -> None:
    """Of the account that is away, and again the next time."""
    await scene.wait(1)
    scene.fund.broker.is_connected = False
    await scene.wait(60)
    assert await scene.told() == [("fund", "CRITICAL", OPEN.value)]
    scene.fund.broker.is_connected = True
    await scene.wait(1)
    assert await scene.told() == [("fund", "CRITICAL", CLOSED.value)]
    scene.fund.broker.is_connected = False
    await scene.wait(11)
    assert len(await scene.told()) == 2


async def test_what_was_open_before_a_restart_is_closed_by_the_first_connection(scene: Scene) -> None:
    """Nobody need answer for what is over."""
    scene.paper.broker.is_connected = False
    await scene.wait(11)
    scene.restart()
    scene.paper.broker.is_connected = True
    await scene.wait(0)
    assert await scene.told() == [("paper", "CRITICAL", CLOSED.value)]


async def test_maintenance_holds_it_back_and_its_end_does_not(scene: Scene) -> None:
    """Once the window has ended, a venue that is still away is critical."""
    now = scene.clock.now()
    await scene.house.alerts.mutes.begin(Sort.MAINTENANCE, "account:fund", "planned", "Ada", now, now + MINUTE)
    scene.fund.broker.is_connected = False
    await scene.wait(30)
    assert [each[:2] for each in await scene.told()] == [("fund", "WARNING")]
    await scene.wait(40)
    assert [each[:2] for each in await scene.told()] == [("fund", "WARNING"), ("fund", "CRITICAL")]
