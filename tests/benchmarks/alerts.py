"""From a breach to its alert in Telegram: stored, routed, sent and accepted; alone, and behind 1,000 queued INFO."""

import asyncio
import time
from typing import Any

from bot.sandbox.server.limits import Limits
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from tests.benchmarks.risk import first_moment
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, STILL, over, scratch
from tests.benchmarks.support.paced import paced_program

QUEUED = 1000
GOAL_SECONDS = 1
GOAL_BEHIND_SECONDS = 5


async def run() -> list[Figure]:
    settings = over(STILL, {**NEVER_IN_THE_WAY, **NEVER_HALTED}, strategies=[])
    with scratch() as folder:
        sync = fdatasync_ms(folder, many(500, 100))
        async with paced_program(folder, settings, Limits()) as made:
            await first_moment(made.engine)
            watch = Watch(made)
            alone = [await watch.accepted("breach") for _ in range(many(200, 10))]
            for number in range(QUEUED):
                await made.engine.alerts.add(Alert("job", Severity.INFO, f"Queued news {number}"))
            behind = [await watch.accepted("breach behind") for _ in range(many(50, 5))]
            left = await made.service.overview()
    return [
        figure("breach → alert accepted", "s", alone, percent=99, goal=GOAL_SECONDS, reference=f"fdatasync {told(sync)}",
               note="from the raising of a CRITICAL alert until Telegram has taken it for the first of three people"),
        figure(f"the same behind {QUEUED:,} queued INFO", "s", behind, percent=99, goal=GOAL_BEHIND_SECONDS,
               note=f"budget and limits as in production; {left.pending_alerts} deliveries still waited afterwards"),
    ]  # fmt: skip
