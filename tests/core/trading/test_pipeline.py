"""The pipeline: wishes become orders, exits never wait, and nothing is told twice."""

from __future__ import annotations

import asyncio
import math
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import Uncertain
from brokers.market import Bar
from core.market.history import History
from core.strategy.conflicts import Policy
from core.trading.states import OrderState
from core.trading.switch import GLOBAL
from core.views import StrategyStatus
from risk.sizer import build_sizer
from risk.verdict import Approved, Denied
from risk.view import TradingState
from tests.core.trading.stage import START, WIDE, Instance, Stage, Strategies, dec

HALTED, REDUCING, ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE


async def holding(stage: Stage, **units: int) -> None:
    """Let strategies come to hold `units`, as they wished."""
    for name, count in units.items():
        stage.strategies.want(name, 1.0 if count > 0 else -1.0)
        stage.strategies.instances[name].units = abs(count)
    await stage.round(100)
    assert {name: stage.held(name) for name in units} == units


async def test_a_wish_becomes_one_order_and_stays_met(stage: Stage) -> None:
    await holding(stage, alpha=10)
    await stage.round(100)
    assert len(await stage.orders()) == 1


class Fluctuating(Strategies):
    """All are sized by how much the price has fluctuated: by 1 % from bar to bar, or by `percent`."""

    percent = 1

    def history(self, symbol: str) -> Any:
        """Forty bars, up and down."""
        closes = [Decimal(100 + self.percent * (number % 2)) for number in range(40)]
        days = [START - timedelta(days=40 - number) for number in range(40)]
        return History(
            symbol, bars=[Bar(symbol, at, each, each, each, each) for at, each in zip(days, closes, strict=True)]
        )


class Sized(Instance):
    """As much as brings the target volatility."""

    @property
    def sizer(self) -> Any:
        """No fixed size."""
        return build_sizer({"method": "volatility_target", "target_percent": 5})


@pytest.mark.parametrize("percent", [1, 2])
async def test_a_size_follows_the_volatility_of_the_bars(build, percent: int) -> None:
    """What fluctuates twice as much is held half as much: 5 % by the fluctuation of a year, of what there is."""
    strategies = Fluctuating("alpha")
    strategies.percent, strategies.instances["alpha"] = percent, Sized("alpha")
    stage = await build(strategies=strategies)
    await stage.start()
    strategies.want("alpha", 1.0)
    await stage.round(100)
    a_year = math.log(1 + percent / 100) * math.sqrt(252)
    assert stage.desk.portfolio.equity is not None
    wanted = float(stage.desk.portfolio.equity) * 0.05 / a_year / 100
    assert float(stage.held("alpha")) == pytest.approx(wanted, rel=0.05)


async def test_strategies_are_netted_and_each_keeps_its_own(stage: Stage) -> None:
    await holding(stage, alpha=10, beta=-4)
    assert [order.quantity for order in await stage.orders()] == [6]
    await stage.check()


async def test_wishes_that_cancel_each_other_never_leave_the_house(stage: Stage) -> None:
    await holding(stage, alpha=10, beta=-10)
    assert await stage.orders() == []
    await stage.check()


@pytest.mark.parametrize(
    ("policy", "held"), [(Policy.PRIORITY, (10, 0)), (Policy.VETO, (0, 0)), (Policy.NET, (10, -4))]
)
async def test_conflicts_follow_the_policy(build, policy: Policy, held: tuple[int, int]) -> None:
    stage = await build(policy=policy, strategies=Strategies("alpha", "beta"))
    await stage.start()
    stage.strategies.instances["beta"].units = 4
    stage.strategies.instances["beta"].priority = 2
    stage.strategies.want("alpha", 1.0)
    stage.strategies.want("beta", -1.0)
    await stage.round(100)
    assert (stage.held("alpha"), stage.held("beta")) == held


async def test_an_exit_goes_while_an_entry_is_denied_in_reducing(stage: Stage) -> None:
    """The net of both is new risk; the exit alone is not."""
    await holding(stage, alpha=10)
    await stage.switch.set(GLOBAL, REDUCING, "test", "test")
    stage.strategies.want("alpha", 0.0)
    stage.strategies.want("beta", 1.0)
    stage.strategies.instances["beta"].units = 25
    for _ in range(3):
        await stage.round(100)
    assert (stage.held("alpha"), stage.held("beta")) == (0, 0)
    assert len(await stage.told("denied")) == 2  # the net wish, then the entry alone: each once
    await stage.switch.set(GLOBAL, ACTIVE, "", "test")
    await stage.round(100)
    assert stage.held("beta") == 25
    await stage.check()


async def test_a_flip_closes_although_it_may_not_open(stage: Stage) -> None:
    await holding(stage, alpha=10)
    await stage.switch.set(GLOBAL, REDUCING, "test", "test")
    stage.strategies.want("alpha", -1.0)
    await stage.round(100)
    assert stage.held("alpha") == 0


async def test_an_exit_trades_as_much_as_the_account_may_reduce(stage: Stage) -> None:
    await holding(stage, alpha=10, beta=-4)
    await stage.switch.set(GLOBAL, REDUCING, "test", "test")
    stage.strategies.want("alpha", 0.0)
    await stage.round(100)
    assert (stage.held("alpha"), stage.desk.portfolio.quantity("ACME")) == (4, 0)


async def test_in_reducing_an_entry_does_not_hide_in_a_cross(stage: Stage) -> None:
    await holding(stage, alpha=10)
    await stage.switch.set(GLOBAL, REDUCING, "test", "test")
    stage.strategies.want("alpha", 0.0)
    stage.strategies.want("beta", 1.0)
    await stage.round(100)
    assert (stage.held("alpha"), stage.held("beta")) == (0, 0)


async def test_a_halted_strategy_does_not_cross(stage: Stage) -> None:
    await stage.switch.set("strategy:alpha", HALTED, "test", "test")
    stage.strategies.want("alpha", 1.0)
    stage.strategies.want("beta", -1.0)
    await stage.round(100)
    assert (stage.held("alpha"), stage.held("beta")) == (0, 0)


async def test_while_halted_nothing_trades_but_a_flatten(stage: Stage) -> None:
    await holding(stage, alpha=10)
    await stage.switch.set(GLOBAL, HALTED, "test", "test")
    stage.strategies.want("beta", 1.0)
    await stage.round(100)
    assert len(await stage.orders()) == 1
    verdict = await stage.pipeline.flatten("ACME", stage.desk.closing()["ACME"], "test")
    assert isinstance(verdict, Approved)
    await stage.desk.killing.tend()  # cancels leftovers of a halt, but not a person's exit
    await stage.tick(100)
    assert stage.desk.portfolio.quantity("ACME") == 0


async def test_a_flatten_pressed_twice_sells_once(stage: Stage) -> None:
    await holding(stage, alpha=10)
    stage.strategies.want("alpha", 0.0)  # a person's flatten takes the wishes first
    parts = stage.desk.closing()["ACME"]
    verdicts = await asyncio.gather(*(stage.pipeline.flatten("ACME", parts, "test") for _ in range(2)), stage.bar())
    assert isinstance(verdicts[1], Denied)
    assert verdicts[1].code == "NOTHING_TO_CLOSE"
    await stage.tick(100)
    assert stage.held("alpha") == 0
    await stage.check()


async def test_a_paused_strategy_only_reduces(stage: Stage) -> None:
    await holding(stage, alpha=10)
    for name in ("alpha", "beta"):
        stage.strategies.get(name).status = StrategyStatus.PAUSED
    stage.strategies.want("alpha", -1.0)
    stage.strategies.want("beta", 1.0)
    await stage.round(100)
    assert (stage.held("alpha"), stage.held("beta")) == (0, 0)


@pytest.mark.parametrize("fault", ["no", "down"])
async def test_a_refused_exit_is_tried_with_every_bar_and_told_once(stage: Stage, fault: str) -> None:
    await holding(stage, alpha=10)
    stage.strategies.want("alpha", 0.0)
    stage.broker.plan("place", fault, fault, fault)
    for _ in range(4):
        await stage.round(100)
    assert stage.held("alpha") == 0
    assert len(await stage.told("order")) == 1


async def test_an_exit_in_doubt_is_not_sent_again_incident_2(stage: Stage) -> None:
    await holding(stage, alpha=10)
    stage.strategies.want("alpha", 0.0)
    stage.broker.plan("place", "lost")
    for _ in range(3):
        await stage.bar()
    assert stage.broker.count("place") == 2
    await stage.tick(100)
    assert stage.held("alpha") == 0


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize(("goal", "ordered"), [(5, []), (-10, [10]), (20, [10])])
async def test_what_is_in_doubt_never_makes_us_order_more(
    build, goal: int, ordered: list[int], cancelled: bool
) -> None:
    """While a sale of all 10 may or may not have happened, only what is missing in either case is ordered.

    Nor while somebody cancels it, and it is not known what came of that.
    """
    stage = await build(simulated=False)
    await stage.start()
    await holding(stage, alpha=10)
    stage.broker.plan("place", "never")
    stage.strategies.want("alpha", 0.0)
    await stage.round(100)
    if cancelled:
        (sale,) = stage.desk.orders.open_orders
        stage.broker.plan("cancel", "never")
        with pytest.raises(Uncertain):
            await stage.desk.orders.cancel(sale.id, "a person")
        assert sale.state is OrderState.CANCELLING
    before = len(await stage.orders())
    stage.strategies.instances["alpha"].units = 2 * abs(goal)
    stage.strategies.want("alpha", 0.5 if goal > 0 else -0.5)
    await stage.round(100)
    assert [order.quantity for order in (await stage.orders())[before:]] == ordered


async def test_a_denial_is_told_once(build) -> None:
    stage = await build(limits=WIDE.model_copy(update={"max_order_value": dec(500)}), strategies=Strategies("alpha"))
    await stage.start()
    stage.strategies.want("alpha", 1.0)
    for _ in range(5):
        await stage.round(100)
    assert await stage.told("denied") == ["Risk denied: buy 10 ACME"]
    assert stage.pipeline.denials == 5


async def test_a_reduction_decided_before_a_crash_is_not_forgotten(stage: Stage) -> None:
    await holding(stage, alpha=10)
    stage.strategies.want("alpha", 0.5)
    await stage.crash_and_restart()
    await stage.round(100)
    assert stage.held("alpha") == 5
    await stage.check()


async def test_a_restart_does_not_size_anew_what_is_held(stage: Stage) -> None:
    await holding(stage, alpha=10)
    stage.strategies.instances["alpha"].units = 7
    await stage.crash_and_restart()
    await stage.round(100)
    assert stage.held("alpha") == 10


async def test_without_a_price_an_exit_still_goes_and_an_entry_waits(stage: Stage) -> None:
    stage.strategies.want("alpha", 1.0)
    del stage.market._quotes["ACME"]
    await stage.decide({"ACME": None})
    assert await stage.orders() == []
    await stage.round(100)
    assert stage.held("alpha") == 10


async def test_symbols_with_a_slash_and_small_lots(stage: Stage) -> None:
    stage.strategies.want("alpha", 1.0, "BTC/USD")
    stage.strategies.instances["alpha"].units = "0.12345"
    await stage.round("43210.12", "BTC/USD")
    assert stage.held("alpha", "BTC/USD") == Decimal("0.12345")
    await stage.check()


@pytest.mark.parametrize("seed", range(6))
async def test_books_equal_the_venue_after_random_bars_signals_and_crashes(build, seed: int) -> None:
    """Conflicts, partial fills, crosses, flips, lost answers, repeated reports, restarts: always to the cent."""
    dice = random.Random(seed)
    stage = await build(strategies=Strategies("alpha", "beta", "gamma"), max_participation="0.5")
    await stage.start()
    for name in ("alpha", "beta", "gamma"):
        stage.strategies.instances[name].units = dice.choice(["7.12345", "40", "11.5"])
    price = {"ACME": dec(100), "BTC/USD": dec("43210.12")}
    for step in range(40):
        for symbol in tuple(price):
            stage.strategies.want(
                dice.choice(["alpha", "beta", "gamma"]), dice.choice([-1.0, -0.3, 0.0, 0.5, 1.0]), symbol
            )
            price[symbol] = (price[symbol] * dec(dice.choice(["0.97", "1", "1.031"]))).quantize(dec("0.01"))
            stage.broker.bend = lambda report: [report] * dice.choice([1, 1, 2])
            stage.broker.plan("place", dice.choice(["ok", "ok", "lost", "no", "never"]))
            await stage.tick(price[symbol], symbol, volume=dec(dice.choice([10, 30, 200])))
            await stage.bar(symbol)
            stage.broker._plans.clear()
        if step % 13 == 12:
            await stage.crash_and_restart()
        assert await stage.desk.reconcile() == []
        await stage.check()
    assert len(await stage.fills()) > 10


async def entering(stage: Stage, **limits: object) -> None:
    """Alpha holds 10 and has an entry and a limit order open; beta has an entry open."""
    await holding(stage, alpha=10)
    await stage.submit(5, parts={"alpha": dec(5)}, limit=90)
    await stage.submit(-4, parts={"alpha": dec(-4)}, limit=120)
    await stage.submit(3, parts={"beta": dec(3)}, limit=91)


async def open_parts(stage: Stage) -> list[Decimal]:
    return sorted(sum(order.parts.values()) for order in stage.desk.orders.open_orders)


async def test_pausing_cancels_what_opens_and_keeps_what_closes(stage: Stage) -> None:
    """Entries that work already would open what a paused strategy must not."""
    await entering(stage)
    cancelled = await stage.pipeline.cancel_orders_of(["alpha"], "paused", entries_only=True)
    assert cancelled.ok
    assert await open_parts(stage) == [-4, 3]


async def test_stopping_cancels_all_of_a_strategys_orders_and_nobody_elses(stage: Stage) -> None:
    """A line for each."""
    await entering(stage)
    cancelled = await stage.pipeline.cancel_orders_of(["alpha"], "stopped")
    assert (cancelled.ok, len(cancelled.lines), await open_parts(stage)) == (True, 2, [3])


async def test_a_cancel_that_fails_is_in_the_lines(stage: Stage) -> None:
    """And the others are cancelled all the same."""
    await entering(stage)
    stage.broker.plan("cancel", "down")
    cancelled = await stage.pipeline.cancel_orders_of(["alpha"], "stopped")
    assert not cancelled.ok
    assert [line.startswith("🔴") for line in cancelled.lines] == [True, False]


async def test_orders_on_their_way_are_cancelled_too(stage: Stage) -> None:
    """The cancel waits for the turn in which the order is being sent."""
    stage.strategies.want("alpha", 1.0)
    stage.broker.plan("place", "hang")
    sending = asyncio.create_task(stage.bar())
    while not stage.broker.count("place"):
        await asyncio.sleep(0)
    cancelling = asyncio.create_task(stage.pipeline.cancel_orders_of(["alpha"], "stopped"))
    await asyncio.sleep(0)
    stage.broker.gate.set()
    await sending
    assert (await cancelling).ok
    assert stage.desk.orders.open_orders == ()


async def test_goals_are_loaded_once_however_many_ask(stage: Stage) -> None:
    """A second load would forget what was decided after the first."""
    await holding(stage, alpha=10)
    await stage.crash_and_restart()
    stage.strategies.want("alpha", 0.5)
    await stage.tick(100)
    await asyncio.gather(stage.pipeline.load(), stage.bar(), stage.pipeline.load())
    await stage.tick(100)
    assert stage.held("alpha") == 5


async def test_a_strategy_that_enters_again_and_again_is_paused(build) -> None:
    """RTS 6, 15.3: until a person lets it trade again. Its exits go on."""
    limits = WIDE.model_copy(update={"max_entries": 3})
    stage = await build(limits=limits, strategies=Strategies("alpha"))
    await stage.start()
    for step in range(12):
        stage.strategies.want("alpha", float(step % 2 == 0))
        await stage.round(100)
    assert stage.strategies.get("alpha").status is StrategyStatus.PAUSED
    assert await stage.told("repeated") == ["alpha is paused: it repeats itself"]
    assert stage.held("alpha") == 0
