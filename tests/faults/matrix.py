"""One cell of the matrix: a crash point, what the venue made of the order, and the signal; two restarts; judgement."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

from core.settings import StrategySettings
from core.trading.order_manager import OrderManager
from tests.faults.crash_points import POINTS, Point
from tests.faults.lives import PROTECTED, TOLD, Template, World, world

OUTCOMES = {
    "accepted": "ok",
    "refused": "refused",
    "never-received": "never",
    "accepted-partial": "partial",
    "accepted-filled": "filled",
}
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
GOAL = 10


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
        here.venue.script.plan("place", OUTCOMES[outcome])
        wrong = await _die_there(here, at, SIGNALS[number])
        wrong += [f"after the crash: {each}" for each in here.oracle().safe()]
        wrong += await _restart_twice(here, SIGNALS[number])
        wrong += await _heal(here)
        wrong += _stops(here) if at.action == "protect" else []
    return wrong


async def _die_there(here: World, at: Point, number: int) -> list[str]:
    """Live until the point is reached."""
    if at.phase == "restart":
        await here.start()
        here.server.quiet = True
        here.want(1.0)
        await here.until(lambda: bool(here.exchange.journal.of("received") or here.venue.script.met))
        await here.kill()
        here.server.quiet = False
    await here.begin(point=at.name, armed=at.phase != "run", number=number)
    driving = asyncio.create_task(_drive(here, at))
    code = await here.ended()
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    if not here.reached():
        return [f"the point was not reached; it ended with {code}: {here.log()[-2000:]}"]
    return [] if number == signal.SIGTERM or code == -number else [f"it ended with {code}"]


async def _drive(here: World, at: Point) -> None:
    """Do what leads to the point, then let time pass until it is met."""
    assert here._ready is not None
    await here._ready
    alone = at.action in ("cancel", "modify", "halt")
    if not alone:
        await here.tell("arm")
    here.want(1.0)
    await here.until(lambda: bool(here.exchange.journal.of("received") or here.venue.script.met))
    if alone:  # an order that stays, so that there is something to cancel and to change
        await here.tell("order", quantity="5", limit="50")
        await here.tell("arm")
    for _ in range(60):
        if at.action in ("cancel", "halt"):
            await here.tell(at.action)
        if at.action == "modify":
            await here.tell("modify", quantity="4")
        here.venue.trade("ACME", here.exchange.prices["ACME"])
        if at.action == "checkpoint":
            await here.tell("checkpoint")
        await here.tell("advance", seconds=10)
        await here.tell("reconcile")
        if here.reached():
            return
        await asyncio.sleep(0.02)
    await here.kill()  # it is not to be: the test says so


async def _restart_twice(here: World, number: int) -> list[str]:
    """Recover, end again, recover again: the second time changes nothing that is money."""
    await here.start()
    await here.settle()
    await here.kill(number)
    wrong = [f"after the first restart: {each}" for each in here.oracle().settled(delivered_too=False)]
    before, sent = here.oracle().money_tables(), len(here.exchange.orders)
    await here.start()
    await here.tell("reconcile")
    if len(here.exchange.orders) == sent and here.oracle().money_tables() != before:
        wrong.append("the second restart changed the books")
    return wrong


async def _heal(here: World) -> list[str]:
    """Everything works again; a person resumes if trading was halted; the goal must be reached, once."""
    said = ""
    here.want(1.0)
    if (await here.ask("state"))["trading"] != "ACTIVE":
        said = await here.ask("resume")
    for _ in range(10):
        await here.settle()
        if here.exchange.positions() == {"ACME": GOAL}:
            break
    oracle = here.oracle()
    await here.until(lambda: not oracle.settled(), 3.0)
    wrong = oracle.settled()
    if here.exchange.positions() != {"ACME": GOAL}:
        state = await here.ask("state")
        wrong.append(f"wanted {GOAL} ACME, the venue has {here.exchange.positions()}; {state}; {said}")
    await here.kill(signal.SIGTERM)
    return wrong


def _stops(here: World) -> list[str]:
    """One stop rests at the venue, for exactly what is held."""
    stops = [order for order in here.exchange.live_orders() if order.request.type.is_conditional]
    sizes = [int(order.left) for order in stops]
    return [] if sizes == [GOAL] else [f"the stops at the venue are {sizes}, wanted is one of {GOAL}"]
