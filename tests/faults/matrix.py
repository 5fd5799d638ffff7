"""One cell of the matrix: a crash point, what the venue made of the order, and the signal; two restarts; judgement."""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from core.settings import StrategySettings
from core.trading.order_manager import OrderManager
from tests.faults.crash_points import POINTS, Point
from tests.faults.lives import PROTECTED, TOLD, Lives, Template, world

OUTCOMES = {
    "accepted": "ok",
    "refused": "refused",
    "never-received": "never",
    "accepted-partial": "partial",
    "accepted-filled": "filled",
}
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
# Whoever has nothing on its way is judged; a strategy orders when it will.
_TRIES = 3


def is_built(point: Point) -> bool:
    """Whether the program can do at all what leads to this point."""
    if point.action == "protect":
        return "exits" in StrategySettings.model_fields
    return point.action != "modify" or hasattr(OrderManager, "modify")


CELLS = [
    (point.name, outcome, name)
    for point in POINTS.values()
    for outcome in OUTCOMES
    for name in SIGNALS
    if is_built(point)
]


async def run_cell(
    folder: Path, template: Template, point: str, outcome: str, number: str, born: Path | None
) -> list[str]:
    """What is wrong after all; nothing if all is well. `born` is a data directory that was started once."""
    at = POINTS[point]
    if born is not None and at.phase != "first":
        shutil.copytree(born, folder / "data")
    strategies = PROTECTED if at.action == "protect" else TOLD
    async with world(folder, template, strategies=strategies) as here:
        here.plan(OUTCOMES[outcome])
        return await live_through(here, at, SIGNALS[number])


async def live_through(here: Lives, at: Point, number: int) -> list[str]:
    """Die at the point, recover twice, and reach the goal: what is wrong on the way."""
    wrong = await _die_there(here, at, number)
    wrong += [f"after the crash: {each}" for each in here.oracle().safe()]
    wrong += await _restart_twice(here, number)
    wrong += await _heal(here)
    return wrong + (here.without_stops() if at.action == "protect" else [])


async def _die_there(here: Lives, at: Point, number: int) -> list[str]:
    """Live until the point is reached."""
    if at.phase == "restart":
        await here.start()
        here.hush()
        await _have_ordered(here)
        await here.kill()
        here.heal()
    await here.begin(point=at.name, armed=at.phase != "run", number=number)
    driving = asyncio.create_task(_drive(here, at))
    code = await here.ended()
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    if not here.reached():
        return [f"the point was not reached; it ended with {code}: {here.log()[-2000:]}"]
    return [] if number == signal.SIGTERM or code == -number else [f"it ended with {code}"]


async def _drive(here: Lives, at: Point) -> None:
    """Do what leads to the point, then let time pass until it is met."""
    assert here._ready is not None
    await here._ready
    alone = at.action in ("cancel", "modify", "halt")
    if not alone:
        await here.tell("arm")
    await _have_ordered(here)
    if alone:  # an order that stays, so that there is something to cancel and to change
        await here.tell("order", **here.resting)
        await here.tell("arm")
    for _ in range(60):
        if at.action in ("cancel", "halt"):
            await here.tell(at.action)
        if at.action == "modify":
            await here.tell("modify", quantity=here.smaller)
        if at.action == "checkpoint":
            await here.tell("checkpoint")
        with suppress(ConnectionError):
            await here.pass_time(10)
        await here.tell("reconcile")
        if here.reached():
            return
        await asyncio.sleep(0.02)
    await here.kill()  # it is not to be: the test says so


async def _have_ordered(here: Lives) -> None:
    """The strategy wants something, and its order has come to the venue."""
    here.want(1.0)
    await here.nudge()
    await here.until(here.has_arrived)


async def _restart_twice(here: Lives, number: int) -> list[str]:
    """Recover, end again, recover again: the second time changes nothing that is money."""
    await _recover(here, number)
    wrong = [f"after the first restart: {each}" for each in here.oracle().settled(delivered_too=False)]
    before, sent = here.oracle().money_tables(), here.count()
    await here.start()
    await here.tell("reconcile")
    if here.count() == sent and here.oracle().money_tables() != before:
        wrong.append("the second restart changed the books")
    return wrong


async def _recover(here: Lives, number: int) -> None:
    """A life in which all comes to rest, ended; once more, if it was sending something just when it was ended."""
    for _ in range(_TRIES):
        await here.start()
        await here.settle()
        await here.until(lambda: not here.oracle().settled(delivered_too=False), 3.0)
        await here.kill(number)
        if not here.oracle().on_their_way():
            break


async def _heal(here: Lives) -> list[str]:
    """Everything works again; a person resumes if trading was halted; the goal must be reached, once."""
    said = ""
    here.want(1.0)
    if (await here.ask("state"))["trading"] != "ACTIVE":
        said = await here.ask("resume")
    for _ in range(10):
        await here.settle()
        if not here.missing():
            break
    oracle = here.oracle()
    await here.until(lambda: not oracle.settled(), 3.0)
    wrong = oracle.settled()
    if missing := here.missing():
        wrong.append(f"{missing}; {await here.ask('state')}; {said}")
    await here.kill(signal.SIGTERM)
    return wrong
