"""The way back from a standby: by an admin, bound to who was shown, with rights in both accounts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.answer import Outcome
from core.access.roles import Role
from core.store.database import Database
from core.views import AwayRow
from tests.bot.fakes import NOW
from tests.bot.guarded import ADA, BO, Guarded
from tests.bot.stage import Stage
from tests.databases import database_url


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.service.world.away = [AwayRow("trend-aapl", "paper", "reserve", NOW - timedelta(hours=2))]
    return made


@pytest.mark.parametrize("line", ["/failback", "/failback trend-aapl"])
async def test_it_asks_and_brings_back_who_was_shown(stage: Stage, line: str) -> None:
    """One of them, or all."""
    said = await stage.say(line)
    assert said.screen is not None
    assert "trend-aapl: from reserve to paper, moved 2 h ago" in said.screen.text.plain
    await stage.tap(said, "Yes, bring them back")
    assert stage.service.calls == [("fail_back", line.removeprefix("/failback").strip(), "Ada")]


async def test_who_is_at_home_is_said_to_be(stage: Stage) -> None:
    """Nothing is asked."""
    said = await stage.say("/failback strategy-2")
    assert said.screen is not None
    assert "strategy-2 trades in its own account" in said.screen.text.plain
    stage.service.world.away = []
    said = await stage.say("/failback")
    assert said.screen is not None
    assert "Every strategy trades in its own account" in said.screen.text.plain
    assert stage.service.calls == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TRADER, Role.RISK])
async def test_only_an_admin_may(stage: Stage, role: Role) -> None:
    """It decides which money is traded."""
    answer = await stage.say("/failback", role=role)
    assert answer.outcome is Outcome.REFUSED
    assert stage.service.calls == []


async def test_a_role_in_one_of_the_accounts_is_not_enough(tmp_path: Path) -> None:
    """Both are concerned."""
    database = Database(database_url(tmp_path / "q.sqlite3"), require_durable=False)
    await database.open()
    try:
        guarded = await Guarded(tmp_path, totp="off").open()
        guarded.service.world.away = [AwayRow("trend-aapl", "paper", "reserve", NOW)]
        await guarded.give(BO, Role.ADMIN, reserve=Role.VIEWER)
        assert (await guarded.say("/failback", BO)).outcome is Outcome.REFUSED
        assert (await guarded.say("/failback", ADA)).outcome is Outcome.DONE
    finally:
        await database.close()
