"""SIGKILL at any moment while everything happens at once at Binance: orders, changes, cancels, faults, broken streams.

Lives of a second on one data directory. What must hold at any moment is judged after each; after some of them
everything heals, and books and venue must agree to the last digit.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.faults.binance_cases import OPTIONS, Tally
from tests.faults.binance_truth import SPOT
from tests.faults.binance_world import PRICE, BinanceWorld, at_binance
from tests.faults.lives import Template
from tests.venues.binance.faults import STREAM, Plan

_SETTLE_EVERY = 8
_TRADING_SECONDS = 2.0
_IN_THE_START = 0.3
_FAULT = 0.3
_UNKNOWN = ("drop_after", "drop_before", "http_504_after", "code_1006_before", "html_502_after", "truncated_after", "cut_after",
            "empty_after", "http_503_unknown_after", "http_503_unavailable", "code_1021", "code_1008", "limit_429")  # fmt: skip
_QUERY = ("drop_before", "truncated_after", "html_502_before", "lagging")


async def kill_at_random(
    folder: Path, template: Template, market: str, *, kills: int, seed: int, born: Path | None = None
) -> Tally:
    """So many lives on one data directory, each ended at a time that is drawn uniformly."""
    async with at_binance(folder, template, market=market, born=born) as here:
        storm = Storm(here, Random(seed))
        await storm.blow(kills)
        storm.tally.wrong = [
            f"{market} seed {seed} after {storm.tally.cases} kills: {each}" for each in storm.tally.wrong
        ]
        return storm.tally


class Storm:
    """A world in which everything happens."""

    def __init__(self, here: BinanceWorld, dice: Random) -> None:
        self.here = here
        self.dice = dice
        self.tally = Tally()
        self._plans: list[Plan] = []

    async def blow(self, kills: int) -> None:
        """Until so many kills, or until something is wrong."""
        here, tally = self.here, self.tally
        start = await self._start_seconds()
        while tally.cases < kills and not tally.wrong:
            await self._short_life(start)
            tally.cases += 1
            tally.wrong += here.oracle().safe()
            if not tally.wrong and (tally.cases % _SETTLE_EVERY == 0 or tally.cases == kills):
                tally.wrong += await self._settled()
        tally.orders, tally.executions = len(here.truth.orders), len(here.truth.executions)
        tally.faults = sum(each.used for each in self._plans)

    async def _start_seconds(self) -> float:
        """How long this machine takes for a start today."""
        await self.here.start()
        await self.here.kill()
        began = time.monotonic()
        await self.here.start()
        took = time.monotonic() - began
        await self.here.kill()
        return took

    async def _short_life(self, start: float) -> None:
        """Killed in the start, or while everything happens."""
        here = self.here
        self.tally.starts += 1
        await here.begin()
        assert here._ready is not None
        happening = asyncio.create_task(self._happen())
        if self.dice.random() < _IN_THE_START:
            await asyncio.sleep(self.dice.uniform(0, start))
        else:
            await asyncio.wait({here._ready}, timeout=here.patience)
            await asyncio.sleep(self.dice.uniform(0, _TRADING_SECONDS))
        await here.kill(signal.SIGKILL)
        happening.cancel()
        await asyncio.gather(happening, return_exceptions=True)

    # --- what happens ------------------------------------------------------------------------------

    async def _happen(self) -> None:
        here = self.here
        assert here._ready is not None
        self._plan()
        await here._ready
        await here.priced()
        while True:
            if self.dice.random() < _FAULT:
                self._plan()
            await self.dice.choice((self._order, self._order, self._want, self._cancel, self._modify, self._wander))()

    async def _order(self) -> None:
        side = self.dice.choice((1, -1))
        away = Decimal(self.dice.choice((-1, 1, 50, 400))) * side
        limit = self.here.price + 1 - away if side > 0 else self.here.price - away
        quantity = side * Decimal(self.dice.choice(("0.004", "0.01", "0.02")))
        volume = self.dice.choice((None, Decimal("0.003")))
        await self._tell("order", symbol=self.here.symbol, quantity=str(quantity), limit=str(limit))
        self.here.move(volume=volume)

    async def _want(self) -> None:
        self.here.want(float(self.dice.choice((0, 1))))
        await self.here.to_the_next_minute()

    async def _cancel(self) -> None:
        await self._tell("cancel")

    async def _modify(self) -> None:
        await self._tell("modify", quantity=self.dice.choice(("0.003", "0.005", "0.015")))

    async def _wander(self) -> None:
        """Prices move, time passes, a connection breaks."""
        self.here.move(
            max(self.here.price + self.dice.randint(-300, 300), PRICE / 2), self.dice.choice((None, Decimal("0.005")))
        )
        await self.here.pass_time(self.dice.choice((1, 5, 20)))
        if self.dice.random() < 0.1:
            self.here.venue.sockets.drop()

    async def _tell(self, do: str, **more: str) -> None:
        with suppress(RuntimeError):
            await self.here.ask(do, **more)

    def _plan(self) -> None:
        """Something will go wrong."""
        here, path = self.here, self.here.path
        change = f"POST {path}/cancelReplace" if here.market == SPOT else f"PUT {path}"
        route = self.dice.choice(
            (f"POST {path}", f"POST {path}", f"DELETE {path}", change, f"GET {path}", "GET *openOrders", "stream")
        )
        if route == "stream":
            route = f"STREAM user {here.market}"
            fault = self.dice.choice(sorted(STREAM - {"silent"}))
        else:
            fault = self.dice.choice(_QUERY if route.startswith("GET") else _UNKNOWN)
        options = {"seconds": 0.1} if fault == "delay" else {**OPTIONS.get(fault, {})}
        self._plans.append(here.venue.script.plan(route, fault, **options))

    # --- judging -----------------------------------------------------------------------------------

    async def _settled(self) -> list[str]:
        """Everything heals; a person resumes if a drift has halted trading; all must agree."""
        here = self.here
        here.heal()
        await here.start()
        self.tally.starts += 1
        await here.priced()
        await here.settle()
        if (await here.ask("state"))["trading"] != "ACTIVE":
            await self._tell("resume")
            await here.settle(2)
        await here.ask("halt")  # so that nothing is on its way when we look
        await here.settle(4)
        oracle = here.oracle()
        await here.until(lambda: not oracle.settled(), 3.0)
        wrong = oracle.settled()
        if not wrong:
            said = await here.ask("resume")
            wrong = [] if (await here.ask("state"))["trading"] == "ACTIVE" else [f"it cannot be resumed: {said}"]
        await here.kill(signal.SIGTERM)
        return wrong
