"""The daily test: silent when all is well, a warning with names when it is not."""

from __future__ import annotations

import pytest

from core.alerts.channel import Severity
from core.alerts.selftest import SelfTest
from core.clock import ManualClock
from tests.core.alerts.duty import BOB, RIK, House, down, person

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("away", [False, True])
async def test_it_tells_who_does_not_get_alerts(clock: ManualClock, away: bool) -> None:
    """Within five seconds to everyone, or it is told to whom not."""
    house = House(clock, [person(BOB), person(RIK)])
    if away:
        house.chat.trouble = lambda recipient, message: down()(recipient, message) if recipient == "2" else None

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        await house.outbox.round()

    await SelfTest(house.alerts, clock, sleep).run()
    await house.wait(10)
    told = [(one.message.severity, one.message.lines) for one in house.chat.sent if one.recipient == "3"]
    assert told[0][0] is Severity.INFO
    assert told[1:] == ([(Severity.WARNING, ("Bob by telegram: waiting away",))] if away else [])
