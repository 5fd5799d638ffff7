"""Several accounts, and not all of them real: nobody takes test money for real, or adds the two up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.commands.overview import draw_live, overview_text
from bot.console import render_plain
from bot.screen import Screen
from core.questions.overview import OverviewQuestions
from core.views import Overview
from tests.bot.fakes import FakeService, World
from tests.bot.parser import visible
from tests.bot.stage import Stage

D = Decimal
ACCOUNTS = {
    "test and demo": {"fut": "demo", "main": "testnet"},
    "real and test": {"main": "live", "try": "testnet"},
    "all real": {"fut": "live", "main": "live"},
    "real and paper": {"main": "live", "own": "paper"},
}


async def together(modes: dict[str, str]) -> Overview:
    """What the service says of accounts of these modes."""
    one = await FakeService(World()).overview()
    each = [
        replace(one, account=name, mode=mode, simulated=mode == "paper", currency="USDT", equity=D(1000), today=D(5), today_fraction=0.005, feed="live")
        for name, mode in sorted(modes.items())
    ]  # fmt: skip
    questions: Any = object.__new__(OverviewQuestions)
    found: Overview = questions._together(each)
    return found


@pytest.mark.parametrize("case", ACCOUNTS)
async def test_all_accounts_at_a_glance(case: str, snapshot: SnapshotAssertion) -> None:
    """Each kind of money is named, real money first; each account says its own where they differ."""
    view = await together(ACCOUNTS[case])
    stage = Stage(World())
    text = overview_text(view, stage.call("status"))
    assert visible(text.markup).strip() == text.plain.strip()
    assert render_plain(Screen(text)) == snapshot


async def test_real_money_and_test_money_have_no_sum() -> None:
    """A fortune on a testnet beside a little real money is no fortune."""
    mixed, real, tests = [await together(ACCOUNTS[each]) for each in ("real and test", "all real", "test and demo")]
    assert (mixed.equity, mixed.today, mixed.cash, mixed.currency) == (None, None, 0, "")
    assert (real.equity, tests.equity) == (2000, 2000)


async def test_the_pinned_message_says_it_too() -> None:
    """The same words in the status that keeps itself current."""
    stage = Stage(World())
    view = await together(ACCOUNTS["real and test"])

    async def overview(*_: object) -> Overview:
        return view

    stage.service.overview = overview
    text, _ = await draw_live(stage.service, stage.caller())
    assert "LIVE: REAL MONEY + TESTNET" in text.plain
    assert "No total: real money and other money are not added up." in text.plain
