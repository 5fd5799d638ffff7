"""SIGKILL at any moment under load: lives of a fraction of a second, a venue that fails at random, judgement each time."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.faults.lives import Template, World, world

RESTLESS = tuple(
    {"name": f"restless-{n}", "kind": "restless", "symbols": [symbol], "parameters": {"seed": n},
     "sizing": {"method": "fixed", "units": 10}}
    for n, symbol in enumerate(("ACME", "ACME", "BOLT", "BOLT"))
)  # fmt: skip
# One call in six meets a fault.
_BAD = {
    "place": ("refused", "down", "never", "lost", "garbage", "partial", "filled", "then_filled", "filled_lost"),
    "cancel": ("refused", "lost", "filled"),
    "report": ("lose", "twice", "later", "break"),
    "query": ("down", "garbage"),
}
_CHANCE = 1 / 6
# Every so many kills a whole recovery is judged; in between only what must hold at any moment.
_SETTLE_EVERY = 50
_TRADING_SECONDS = 0.3


@dataclass
class Tally:
    """What the kills met."""

    kills: int = 0
    in_start: int = 0
    orders: int = 0
    executions: int = 0
    settlements: int = 0
    wrong: list[str] = field(default_factory=list)


async def kill_at_random(folder: Path, template: Template, *, kills: int, seed: int) -> Tally:
    """So many lives on one data directory, each ended at a time that is drawn uniformly."""
    dice, tally = Random(seed), Tally()
    async with world(folder, template, speed=400, strategies=RESTLESS) as here:
        here.exchange.prices["BOLT"] = Decimal(100)
        longest = await _start_seconds(here) + _TRADING_SECONDS
        while tally.kills < kills and not tally.wrong:
            here.venue.script.draw = _drawn(dice)
            await _short_life(here, dice.uniform(0, longest), dice, tally)
            tally.wrong += here.oracle().safe()
            if tally.kills % _SETTLE_EVERY == 0 or tally.kills == kills:
                tally.wrong += await _settled(here)
                tally.settlements += 1
        tally.orders, tally.executions = len(here.exchange.orders), len(here.exchange.executions)
    return tally


def _drawn(dice: Random):
    def draw(method: str) -> str:
        if dice.random() >= _CHANCE:
            return "ok"
        return dice.choice(_BAD.get(method, _BAD["query"]))

    return draw


async def _start_seconds(here: World) -> float:
    """How long this machine takes for a start today, so that half of the kills meet a program that trades."""
    await here.start()
    await here.kill()
    began = time.monotonic()
    await here.start()
    took = time.monotonic() - began
    await here.kill()
    return took


async def _short_life(here: World, seconds: float, dice: Random, tally: Tally) -> None:
    """Start, trade, and be killed: in the start as well as later."""
    await here.begin()
    market = asyncio.create_task(_market(here, dice))
    await asyncio.sleep(seconds)
    assert here._ready is not None
    tally.in_start += not here._ready.done()
    tally.kills += 1
    await here.kill(signal.SIGKILL)
    market.cancel()
    await asyncio.gather(market, return_exceptions=True)


async def _market(here: World, dice: Random) -> None:
    while True:
        await asyncio.sleep(0.004)
        for symbol in ("ACME", "BOLT"):
            price = here.exchange.prices[symbol] + Decimal(dice.randint(-20, 20)) / 100
            here.venue.trade(symbol, max(price, Decimal(50)), share=dice.choice((None, Decimal("0.5"))))


async def _settled(here: World) -> list[str]:
    """Everything heals; a person resumes if a drift has halted trading; all must agree."""
    here.venue.script.heal()
    await here.start()
    await here.settle()
    if (await here.ask("state"))["trading"] != "ACTIVE":
        with suppress(RuntimeError):
            await here.ask("resume")
        await here.settle(2)
    await here.ask("halt")  # so that nothing is on its way when we look
    oracle = here.oracle()
    await here.settle(3)
    await here.until(lambda: not oracle.settled(), 3.0)
    wrong = oracle.settled()
    if not wrong:
        said = await here.ask("resume")
        wrong = [] if (await here.ask("state"))["trading"] == "ACTIVE" else [f"it cannot be resumed: {said}"]
    await here.kill(signal.SIGTERM)
    return wrong
