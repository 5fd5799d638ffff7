"""Every way in which Binance can leave us in doubt, one after another in one life of the program, judged after each.

A case is what is done (`act`), in which situation of the market, and what goes wrong with it at the venue. `dies`: in
the middle of it the program is killed, and starts again with its database and the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.faults.binance_truth import SPOT
from tests.faults.binance_world import SPOT_LOT, BinanceWorld, at_binance
from tests.faults.exchange import Order
from tests.faults.lives import Template
from tests.venues.binance.faults import REST, Manner, Plan

UNITS = Decimal("0.02")
PART = Decimal("0.008")
FEWER = Decimal("0.015")
FAR, NEAR = Decimal(49_000), Decimal(50_000)
# After so many seconds every ban is over.
_BANNED = 130
# How long the program may take by itself to know what a broken stream has not told.
_BY_ITSELF = 8.0
# How long something may be on its way when we look, and how often we look.
_ON_ITS_WAY, _LOOK, _LOOKS = 5.0, 0.1, 5
# Bars that a strategy is given to have what it wants, after everything works again.
_BARS = 6

# What REST can do to a request that changes something; how long bans last is the venue's time, which is moved by hand.
OPTIONS: dict[str, dict[str, Any]] = {
    "limit_429": {"retry_after": 7}, "ban_418": {"retry_after": 120}, "delay": {"seconds": 0.3},
    "delay_before": {"seconds": 0.3},
    "error": {"code": -2010, "msg": "Account has insufficient balance for requested action."},
}  # fmt: skip
_OF_QUERIES = ("drop_before", "hang_before", "html_502_before", "truncated_after", "empty_after", "cut_after", "http_504_before",
               "code_1006_before", "http_503_unavailable", "limit_429", "ban_418", "code_1021", "lagging")  # fmt: skip
_OF_DOUBT = ("lagging", "html_502_before", "drop_before", "empty_after")
_OF_REGRET = ("drop_before", "html_502_before")
_OF_STREAMS = ("lose", "miss", "silent", "duplicate", "delay", "reorder", "terminate", "shutdown")
_ANSWERS = [name for name, each in REST.items() if each.manner is not Manner.HANDLER]
_CHANGES = (*_ANSWERS, "limit_429", "ban_418")


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario. `where` is the situation: what the order meets, or which question is not answered; of a doubt, how
    it has come.
    """

    act: str
    fault: str
    where: str
    dies: bool = False

    def __str__(self) -> str:
        return f"{self.act} {self.where} {self.fault}{' dies' if self.dies else ''}"


@dataclass
class Tally:
    """What the cases met."""

    cases: int = 0
    orders: int = 0
    executions: int = 0
    faults: int = 0
    starts: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in what another has met."""
        for name in ("cases", "orders", "executions", "faults", "starts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wrong += other.wrong

    def __str__(self) -> str:
        return (
            f"{self.cases} scenarios, {self.orders} orders, {self.executions} executions, {self.faults} faults, "
            f"{self.starts} starts: {len(self.wrong)} wrong"
        )


def cases() -> list[Case]:
    """All of them, for one market; twice, for in every second one the program dies."""
    found = [Case("place", fault, where) for fault in (*_CHANGES, "error") for where in ("rests", "fills", "partly")]
    found += [Case("want", fault, where) for fault in (*_CHANGES, "error") for where in ("fills", "partly")]
    found += [
        Case("cancel", fault, where)
        for fault in (*_CHANGES, "false_cancel", "fill_first")
        for where in ("rests", "partly")
    ]
    found += [Case("modify", fault, "rests") for fault in (*_CHANGES, "fill_first")]
    found += [Case("search", fault, where) for fault in _OF_QUERIES for where in ("order", "openOrders", "trades")]
    found += [Case("search", "lagging_long", where) for where in ("every order", "everything")]
    found += [
        Case("doubt", fault, by) for fault in _OF_DOUBT for by in ("drop_after", "truncated_after", "code_1006_after")
    ]
    found += [Case("regret", fault, by) for fault in _OF_REGRET for by in ("drop_before", "drop_after")]
    found += [Case("hear", fault, where) for fault in _OF_STREAMS for where in ("partly", "fills", "cancel")]
    found += [Case("skew", "clock", by) for by in ("-3", "-10", "+90")]
    return [*found, *(Case(each.act, each.fault, each.where, dies=True) for each in found)]


async def run_cases(
    folder: Path, template: Template, market: str, wanted: Iterable[Case], born: Path | None = None, broken: str = ""
) -> Tally:
    """These cases, in one life after another: a new world after one that went wrong."""
    waiting, whole = list(wanted), Tally()
    while waiting:
        place = folder / f"{market}-{len(waiting)}"
        async with at_binance(place, template, market=market, born=born, broken=broken) as here:
            trial = Trial(here)
            await trial.begin()
            while waiting and not trial.tally.wrong:
                await trial.run(waiting.pop(0))
            whole.add(await trial.end())
    return whole


class Trial:
    """Cases in one world."""

    def __init__(self, here: BinanceWorld) -> None:
        self.here = here
        self.tally = Tally()
        self._plans: list[Plan] = []
        self._said = ""
        self._late: list[str] = []
        self._is_buy = False
        self._wish = 0.0
        self._acts: dict[str, Callable[[Case], Awaitable[None]]] = {
            "place": self._place, "want": self._want, "cancel": self._cancel, "modify": self._modify,
            "search": self._search, "hear": self._hear, "doubt": self._doubt, "skew": self._skew,
            "regret": self._regret,
        }  # fmt: skip

    async def begin(self) -> None:
        """Start the program."""
        await self.here.start()
        self.tally.starts += 1
        await self.here.priced()

    async def end(self) -> Tally:
        """Count."""
        self.tally.orders = len(self.here.truth.orders)
        self.tally.executions = len(self.here.truth.executions)
        return self.tally

    async def run(self, case: Case) -> None:
        """One case, judged; then everything is put in order for the next."""
        self.tally.cases += 1
        self._plans = []
        self._is_buy = not self._is_buy
        try:
            async with asyncio.timeout(120):
                wrong = await self._tried(case)
        except Exception as error:  # noqa: BLE001 - a case that cannot be judged must not end the others
            wrong = [f"{type(error).__name__}: {str(error)[-1500:]}"]
        self.tally.faults += sum(each.used for each in self._plans)
        self.tally.wrong += [f"{self.here.market} {case}: {each}" for each in wrong]

    async def _tried(self, case: Case) -> list[str]:
        self._late = []
        await self._acts[case.act](case)
        wrong = self._late or await self._unsafe()
        if not all(each.used for each in self._plans if not self._is_spare(each)):
            wrong.append(f"the fault was not met; it said {self._said}")
        if wrong:
            return wrong
        if case.dies:
            await self._die(_BANNED if case.fault in ("limit_429", "ban_418") else 0)
        await self.here.compare(6)
        await self.here.settle(_rounds_after(case))
        wrong = await self._judged()
        if case.act in ("want", "doubt", "regret") and not wrong:
            wrong = await self._has_what_it_wants()
        await self._clear()
        return wrong or [f"put in order: {each}" for each in await self._judged()]

    def _is_spare(self, plan: Plan) -> bool:
        """Whether it may be that nobody asks for that, or nothing is to be told: whoever knows the order needs no list
        of executions, and of an order that has never come there is no event.
        """
        return plan.times is None and (plan.route.endswith("rades") or plan.route.startswith("STREAM"))

    async def _unsafe(self) -> list[str]:
        """What is wrong at any moment. A program that lives may write between two looks of the oracle: look again."""
        for _ in range(_LOOKS):
            if not self.here.oracle().safe():
                return []
            await asyncio.sleep(_LOOK)
        return self.here.oracle().safe()

    async def _judged(self) -> list[str]:
        """What is wrong when nothing is on its way any more."""
        return await self._wrong_after(_ON_ITS_WAY)

    async def _wrong_after(self, seconds: float) -> list[str]:
        """What is wrong still when so much time has passed, of this world."""
        for _ in range(int(seconds / _LOOK)):
            if not self.here.oracle().settled(delivered_too=False):
                return []
            await asyncio.sleep(_LOOK)
        return self.here.oracle().settled(delivered_too=False)

    async def _die(self, seconds: float) -> None:
        """Killed, as it stands, and started again; at once, if nothing keeps a start from being answered."""
        await self.here.kill()
        self.here.be_away(seconds)
        await self.here.start()
        self.tally.starts += 1
        await self.here.priced()

    async def _clear(self) -> None:
        """Nothing is open any more; what a drift has halted, a person resumes."""
        here = self.here
        if (await here.ask("state"))["trading"] != "ACTIVE":
            await here.ask("resume")
        for _ in range(3):
            if not here.truth.open_orders():
                break
            await here.tell("cancel")
            await here.compare(2)

    # --- acts --------------------------------------------------------------------------------------

    async def _place(self, case: Case) -> None:
        """A limit order that rests, or fills at once, or in part."""
        self._plan(f"POST {self.here.path}", case.fault)
        await self._order(case.where)

    async def _want(self, case: Case) -> None:
        """A strategy's market order; whatever comes of it, it goes on wanting the same."""
        here = self.here
        self._wish = 1.0 - self._wish
        self._plan(f"POST {here.path}", case.fault)
        here.want(self._wish)
        if case.where == "partly":
            self._thin_book()
        await here.to_the_next_minute(still=case.where == "partly")
        await here.until(lambda: all(each.used for each in self._plans), 5.0)

    async def _doubt(self, case: Case) -> None:
        """The answer to a strategy's order is lost, and nothing of it is to be seen for some minutes of its market."""
        here = self.here
        self._ask_in_vain(case.fault)
        await self._want(Case("want", case.where, "fills"))
        await here.compare(1)
        await here.to_the_next_minute()
        await here.to_the_next_minute()
        here.heal()

    async def _regret(self, case: Case) -> None:
        """A strategy's sale is in doubt, somebody cancels it, which is not answered either, and it wants to buy again."""
        here = self.here
        self._wish = 1.0
        here.want(self._wish)
        for _ in range(_BARS):
            await here.to_the_next_minute()
            if await here.until(lambda: here.oracle().held_by("told", here.symbol) > 0, 1.0):
                break
        self._ask_in_vain("drop_before")
        self._plan(f"POST {here.path}", case.where)
        here.want(0.0)
        await here.to_the_next_minute()
        await here.until(lambda: all(each.used for each in self._plans if not each.route.startswith("GET")), 5.0)
        self._plan(f"DELETE {here.path}", case.fault)
        await here.tell("cancel")
        await here.compare(1)
        here.want(self._wish)
        await here.to_the_next_minute()
        await here.to_the_next_minute()
        self._late = await self._unsafe()
        here.heal()

    async def _cancel(self, case: Case) -> None:
        """An order that rests, or is filled in part."""
        await self._order(case.where)
        self._plan(f"DELETE {self.here.path}", case.fault)
        await self.here.tell("cancel")

    async def _modify(self, case: Case) -> None:
        """A resting order becomes smaller: another in its place on the spot market."""
        await self._order("rests")
        path = self.here.path
        self._plan(f"POST {path}/cancelReplace" if self.here.market == SPOT else f"PUT {path}", case.fault)
        await self.here.tell("modify", quantity=str(FEWER))

    async def _search(self, case: Case) -> None:
        """The answer to a placed order is lost, and then questions are not answered, or too early."""
        here, path = self.here, self.here.path
        self._plan(f"POST {path}", "drop_after")
        if case.fault == "lagging_long":
            self._plan("GET *" if case.where == "everything" else "GET *rder*", "lagging", times=None, seconds=100)
        else:
            trades = "/api/v3/myTrades" if here.market == SPOT else "/fapi/v1/userTrades"
            route = {"order": path, "openOrders": path.replace("order", "openOrders"), "trades": trades}[case.where]
            self._plan(f"GET {route}", case.fault, times=3, **({"seconds": 10} if case.fault == "lagging" else {}))
        self._plan(f"STREAM user {here.market}", "miss", times=None, match={})
        await self._order("partly" if case.where == "openOrders" else "fills")
        await here.compare(2)
        self.here.venue.script.clear("STREAM*")

    async def _skew(self, case: Case) -> None:
        """The clocks part; a request that is refused for it was not sent, and the next ones are dated right."""
        here = self.here
        here.skew = float(case.where)
        here.set_venue_clock(here.offset)
        await self._order("rests")
        await here.compare(2)
        if await self._order("rests") is None:
            self._late = [f"it does not trade any more: {self._said}"]

    async def _hear(self, case: Case) -> None:
        """An order rests; what becomes of it is told late, twice, in another order or not at all."""
        here, order = self.here, await self._order("rests")
        self._plan(f"STREAM user {here.market}", case.fault, **({"seconds": 0.3} if case.fault == "delay" else {}))
        if case.where == "cancel":
            await here.tell("cancel")
        else:
            self._meet(order, PART if case.where == "partly" else None)
        await asyncio.sleep(0.05)
        if case.fault == "reorder":
            self._meet(order, Decimal("0.001"))
        if case.fault in ("lose", "shutdown"):
            self._late = await self._not_known_by_itself()

    async def _not_known_by_itself(self) -> list[str]:
        """A stream that broke is opened anew, and what it has not told is asked for: nobody has to compare."""
        return [f"it does not find out by itself: {each}" for each in await self._wrong_after(_BY_ITSELF)]

    # --- what they are made of ---------------------------------------------------------------------

    def _ask_in_vain(self, fault: str) -> None:
        """What becomes of orders is neither told nor, to whoever asks, known."""
        more = {"seconds": 50} if fault == "lagging" else {}
        self._plan(f"STREAM user {self.here.market}", "miss", times=None)
        self._plan("GET *rder*", fault, times=None, **more)
        self._plan("GET *rades", fault, times=None, **more)

    def _plan(self, route: str, fault: str, **more: Any) -> None:
        options = {**OPTIONS.get(fault, {}), **more}
        self._plans.append(self.here.venue.script.plan(route, fault, **options))

    async def _order(self, where: str) -> Order:
        """A limit order of a person; the venue's word on it, if it has one."""
        here, before = self.here, set(self.here.truth.orders)
        if where == "partly":
            self._thin_book()
        touch = NEAR + 1 if self._is_buy else NEAR
        away = FAR if self._is_buy else 2 * NEAR - FAR
        price = away if where == "rests" else touch
        quantity = UNITS if self._is_buy else -UNITS
        try:
            self._said = str(await here.ask("order", symbol=here.symbol, quantity=str(quantity), limit=str(price)))
        except RuntimeError as error:
            self._said = str(error)
        new = [order for name, order in here.truth.orders.items() if name not in before]
        return new[-1] if new else None  # type: ignore[return-value]

    def _thin_book(self) -> None:
        """Only a part of what is wanted is there."""
        here = self.here
        product = here.venue.spot if here.market == SPOT else here.venue.usdm
        product.book("BTCUSDT", bids=[(NEAR, PART)], asks=[(NEAR + 1, PART)])

    def _meet(self, order: Order, quantity: Decimal | None) -> None:
        """Somebody takes a resting order."""
        here = self.here
        if here.market == SPOT:
            desk = here.venue.spot.desk
            found = desk.orders[int(order.number)]
            if found.is_open:
                desk.fill(found, quantity)
            return
        account = here.venue.usdm.of("demo").account
        mine = account.orders[int(order.number)]
        if mine.is_open:
            account.fill(mine, quantity)

    async def _has_what_it_wants(self) -> list[str]:
        """Within some bars; once."""
        for _ in range(_BARS):
            if not self.here.oracle().unmet(SPOT_LOT):
                return []
            await self.here.to_the_next_minute()
            await self.here.compare(1)
        return self.here.oracle().unmet(SPOT_LOT)


def _rounds_after(case: Case) -> int:
    """An order that was believed never placed is looked for more and more seldom."""
    return 12 if case.fault in ("lagging_long", "lagging") else 1
