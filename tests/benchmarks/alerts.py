"""From a CRITICAL alert to Telegram's "accepted": with nothing else to do, and behind 1,000 queued INFO."""

import asyncio
import time

from bot.program import Program
from core.access.roles import CONSOLE
from core.alerts.channel import Message, Severity
from core.alerts.outbox import Alert
from tests.benchmarks.risk import first_moment
from tests.benchmarks.support.disk import fdatasync_ms
from tests.benchmarks.support.figure import Figure, figure, many, told
from tests.benchmarks.support.paced import paced_program
from tests.benchmarks.support.rig import NEVER_HALTED, NEVER_IN_THE_WAY, STILL, over, scratch

QUEUED = 1000
GOAL_SECONDS = 1
GOAL_BEHIND_SECONDS = 5
PAUSE_SECONDS = 1.1  # a chat takes about one message a second


async def run() -> list[Figure]:
    settings = over(STILL, {**NEVER_IN_THE_WAY, **NEVER_HALTED}, strategies=[])
    with scratch() as folder:
        sync = fdatasync_ms(folder, many(500, 100))
        async with paced_program(folder, settings) as made:
            await first_moment(made.engine)
            alone = [await accepted(made, f"alone {number}") for number in range(many(60, 4))]
            for number in range(many(QUEUED, 200)):
                await made.engine.alerts.add(Alert("job", Severity.INFO, f"Queued news {number}"))
            behind = [await accepted(made, f"behind {number}") for number in range(many(60, 4))]
            left = (await made.service.overview()).pending_alerts
    note = "pacing and rate limits as in production, one alert each 1.1 s; acknowledged at once"
    return [
        figure("CRITICAL → accepted", "s", alone, percent=99, goal=GOAL_SECONDS, reference=f"fdatasync {told(sync)}",
               note=f"from adding it to Telegram's answer, for the last of three people; {note}"),
        figure(f"CRITICAL → accepted behind {many(QUEUED, 200):,} queued INFO", "s", behind, percent=99,
               goal=GOAL_BEHIND_SECONDS, note=f"the same; {left} deliveries of the queue still waited at the end"),
    ]  # fmt: skip


async def accepted(made: Program, title: str) -> float:
    """Seconds from adding an alert until it was taken for everyone."""
    people = len(made.engine.users.people)
    taken: list[float] = []
    deliver = made.chat.channel.deliver

    async def timed(recipient: str, message: Message) -> str:
        copy = await deliver(recipient, message)
        if message.title == title and not message.step:
            taken.append(time.perf_counter())
        return copy

    made.chat.channel.deliver = timed  # type: ignore[method-assign]
    begin = time.perf_counter()
    alert = (await made.engine.alerts.add(Alert("breach", Severity.CRITICAL, title, "measured"))).id
    async with asyncio.timeout(60):
        while len(taken) < people:
            await asyncio.sleep(0.001)
    made.chat.channel.deliver = deliver  # type: ignore[method-assign]
    await made.engine.alerts.acknowledge(alert, CONSOLE)
    await asyncio.sleep(PAUSE_SECONDS)
    return taken[-1] - begin
