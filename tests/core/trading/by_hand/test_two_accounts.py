"""With several accounts an order names its own, and nobody trades where they are not seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.adapters.paper import PaperSettings, PaperTradingBroker
from brokers.registry import BrokerContext
from core.access.roles import Actor, Role
from core.clock import Ids
from core.errors import UnknownName, UserError
from core.store.models import OrderRow
from core.trading.by_hand.slip import Verb
from core.trading.desk import Desk, Surroundings
from core.trading.floor import Floor, Place
from core.trading.live_order import MANUAL
from core.trading.pipeline import Pipeline
from risk.gate import RiskGate
from tests.core.trading.by_hand.house import FREE, TESS, House, house
from tests.core.trading.stage import WIDE

BLIND = Actor("8", "Bo", Role.TRADER, {"fund": None})


@pytest.fixture
async def one(build: Any, tmp_path: Any) -> AsyncIterator[House]:
    """The accounts main and fund, each with a venue of its own."""
    found = await house(build, checks_history=False)
    stage = found.stage
    settings = PaperSettings.model_validate(
        {"shorting": True, "leverage": 10, "latency_ms": 0, "max_participation": "1", **FREE}
    )
    paper = PaperTradingBroker("fund", settings, BrokerContext(tmp_path, stage.market_clock.now, stage.source))
    await paper.connect()
    around = Surroundings(
        stage.wall, stage.market_clock, Ids(stage.wall), stage.alerts, stage.events, stage.switch, stage.market
    )
    desk = Desk("fund", "USD", paper, RiskGate(WIDE), stage.source.instruments, around)
    await desk.load()
    await desk.reconcile()
    await desk.roll_day()
    listener = asyncio.create_task(desk.listen())
    pipeline = Pipeline(
        stage.strategies,
        desk,
        stage.market,
        policy=stage.policy,
        alerts=stage.alerts,
        trading_clock=stage.market_clock,
    )
    engine: Any = found._engine
    engine.floor = Floor([Place(stage.desk, stage.pipeline, "paper", ()), Place(desk, pipeline, "paper", ())])
    await stage.tick(100)  # the first price that the second venue sees
    yield found
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await paper.disconnect()


async def test_the_account_must_be_said_and_the_confirmation_carries_it(one: House) -> None:
    """Nothing is guessed; what is placed is placed there."""
    with pytest.raises(UserError, match="In which account: fund, main"):
        await one.say("buy ACME 10")
    preview = await one.say("buy ACME 10 in fund")
    assert preview.words == ("ACME", "10", "in", "fund")
    await one.yes(preview)
    (row,) = await OrderRow.all()
    assert row.account == "fund"
    await one.stage.tick(100)
    desks = one._engine.floor.desks
    await desks["fund"].broker.settled()
    assert (desks["fund"].portfolio.lot(MANUAL, "ACME").quantity, desks["main"].portfolio.held()) == (10, {})
    closing = await one.say("close ACME")  # only one account holds it
    assert closing.words == ("ACME", "10", "in", "fund")


async def test_where_only_one_account_has_the_symbol_nobody_is_asked(one: House) -> None:
    """Spot here, perpetuals there: the symbol says it; one that nobody has is unknown, and a short form is read there."""
    fund = one._engine.floor.desks["fund"]
    perpetual = replace(fund.portfolio.instruments["ACME"], symbol="ACME/USD:USD")
    fund.portfolio.instruments = {perpetual.symbol: perpetual}
    assert (await one.say("buy ACME 10")).account == "main"
    assert (await one.say("buy acmeusd:usd 10")).account == "fund"
    assert (await one.say("buy ACMEUSD 10 in fund")).symbol == "ACME/USD:USD"
    for words in ("buy NOPE 10", "close NOPE"):
        with pytest.raises(UnknownName, match="no symbol called"):
            await one.say(words)


async def test_an_account_that_is_not_seen_is_not_there(one: House) -> None:
    """Neither to order in, nor to close, cancel or change in."""
    await one.yes(await one.say("buy ACME 10 @ 98 gtc in fund"))
    (row,) = await OrderRow.all()
    assert (await one.preview_order(Verb.BUY, ["ACME", "1"], BLIND)).account == "main"
    for words in (["ACME", "1", "in", "fund"], ["ACME", "1", "in", "nowhere"]):
        with pytest.raises(UserError, match="There is no account"):
            await one.preview_order(Verb.BUY, words, BLIND)
        with pytest.raises(UserError, match="There is no account"):
            await one.place_order(Verb.BUY, words, "100/0/0/ACTIVE", BLIND)
    with pytest.raises(UserError, match="There is no open order"):
        await one.modify_order(row.client_order_id, "price", "97", BLIND)
    assert not (await one.cancel_orders("all", BLIND)).ok
    assert (await one.preview_cancel("all", TESS)).accounts == ("fund",)
    assert one.account_of_open_order(row.client_order_id, TESS) == "fund"
    assert (await OrderRow.get(client_order_id=row.client_order_id)).is_open
    assert (await one.tradables(BLIND))[0].held == {}


async def test_a_halt_of_one_account_leaves_the_other(one: House) -> None:
    """Each desk has a state, limits and a turn of its own."""
    from risk.view import TradingState

    await one.stage.switch.set("account:fund", TradingState.HALTED, "test", "test")
    assert (await one.say("buy ACME 1 in fund")).code == "TRADING_STATE"
    assert (await one.say("buy ACME 1 in main")).code == ""
    assert Decimal(1) == (await one.say("buy ACME 1 in main")).quantity
