"""The yes to real money: asked once, by an admin, with a code and a second person, bound to the broker that was shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.answer import Outcome
from bot.framing import badge
from bot.states import label, money_word
from core.store.database import Database
from tests.bot.fakes import FakeService, busy_world
from tests.bot.guarded import ADA, BO, TOM, Guarded
from tests.bot.stage import Stage
from tests.databases import database_url


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    database = Database(database_url(tmp_path / "q.sqlite3"), require_durable=False)
    await database.open()
    made = await Guarded(tmp_path, totp="off", two_person=["live"]).open()
    made.service.world.simulated = False
    yield made
    await database.close()


async def test_a_second_person_must_agree(guarded: Guarded) -> None:
    """The yes of one alone does nothing; the other's does."""
    await guarded.tap(await guarded.say("/golive paper", ADA), "Yes", ADA)
    assert guarded.service.calls == []
    await guarded.tap(await guarded.say("/approve 1", BO), "Yes", BO)
    assert guarded.service.calls == [("go_live", "paper", "Ada")]


async def test_a_trader_may_not(guarded: Guarded) -> None:
    """Only an admin."""
    answer = await guarded.say("/golive paper", TOM)
    assert answer.outcome is Outcome.REFUSED
    assert guarded.service.calls == []


async def test_what_is_confirmed_already_asks_nothing() -> None:
    """And a paper account has nothing to confirm."""
    stage = Stage()
    said = await stage.say("/golive paper")
    assert said.screen is not None
    assert "no real money" in said.screen.text.plain
    stage.service.world.simulated, stage.service.world.waits_for_yes = False, False
    said = await stage.say("/golive")
    assert said.screen is not None
    assert "is confirmed on binance spot live" in said.screen.text.plain


@pytest.mark.parametrize(
    ("modes", "trail", "shown"),
    [
        ({"main": "paper", "other": "paper"}, ("Orders",), ""),
        ({"main": "live"}, ("Orders",), " · LIVE"),
        ({"main": "live", "tryout": "testnet"}, ("Positions", "tryout"), " · TESTNET"),
        ({"main": "live", "sim": "paper"}, ("Positions", "sim"), " · paper"),
        ({"main": "live", "sim": "paper"}, ("Positions",), " · LIVE + paper"),
    ],
)
def test_every_framed_screen_says_whose_money_it_is(modes: dict[str, str], trail: tuple[str, ...], shown: str) -> None:
    """In a word; where all is simulated it is said elsewhere."""
    call: Any = SimpleNamespace(service=SimpleNamespace(modes=lambda _: modes), actor=None)
    assert badge(call, trail) == shown


async def test_the_first_screen_says_it_in_capitals() -> None:
    """Real, a venue's own place for trying, or ours; what nobody calls something else is real."""
    service = FakeService(busy_world())
    view = await service.overview()
    assert "SIMULATED" in label(view).plain
    assert "LIVE: REAL MONEY" in label(replace(view, simulated=False, mode="live")).plain
    assert "TESTNET" in label(replace(view, simulated=False, mode="testnet")).plain
    assert money_word(simulated=False, mode="") == ("💰", "LIVE: REAL MONEY")
