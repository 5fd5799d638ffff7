"""Limits that people set: in force at once, kept, audited, never from a value that nobody saw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from tortoise.exceptions import OperationalError

from core.access.roles import Actor, Role
from core.actions import limits as limit_room
from core.engine import Engine
from core.errors import UnknownName, UserError
from core.service import Quarterdeck
from core.settings import Settings, parse_settings
from core.store.models import AuditLine, LimitRow

RIK = Actor("4", "Rik", Role.RISK)
NAME = "max_order_value_percent"


def settings(folder: Path, **limits: object) -> Settings:
    return parse_settings(
        {
            "data_dir": str(folder),
            "telegram": {"token": "123456789:" + "A" * 35},
            "users": [{"id": 1, "name": "Ada", "role": "admin"}],
            "market": {"symbols": ["AAPL"], "speed": 0.001},
            "accounts": {"paper": {"broker": {"adapter": "paper"}, "limits": limits}},
        }
    )


class House:
    """An engine that can be stopped and started again, perhaps with other settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def start(self, **limits: object) -> Quarterdeck:
        self.engine = Engine(settings(self.folder, **limits), durable=False)
        await self.engine.start()
        return Quarterdeck(self.engine)

    async def again(self, **limits: object) -> Quarterdeck:
        await self.engine.stop()
        return await self.start(**limits)

    @property
    def value(self) -> Decimal:
        desk = self.engine.floor.first
        assert desk.gate.limits is desk._watch._limits
        return desk.gate.limits.max_order_value_percent


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path / "data")
    yield made
    await made.engine.stop()


async def test_it_counts_at_once_and_after_a_restart(house: House) -> None:
    """Gate and watch alike; the trail says who and what."""
    service = await house.start()
    change = service.limit_change(NAME, "3", RIK)
    assert (change.token, change.loosens, change.before, change.after) == ("2", True, "2 %", "3 %")
    assert (await service.set_limit(NAME, "3", RIK, "", "2")).ok
    assert house.value == 3
    service = await house.again()
    assert house.value == 3
    (kept,) = await service.limits_set(RIK)
    assert (kept.value, kept.replaces, kept.by) == ("3", "2", "Rik (4)")
    assert await AuditLine.filter(action="limit", detail__contains="2 % to 3 %").count() == 1


async def test_the_settings_win_once_they_change(house: House) -> None:
    """And the trail says so."""
    service = await house.start()
    await service.set_limit(NAME, "3", RIK, "", "2")
    await house.again(**{NAME: 1})
    assert house.value == 1
    assert await LimitRow.all().count() == 0
    assert await AuditLine.filter(action="settings win").count() == 1


async def test_what_was_not_seen_is_not_changed(house: House) -> None:
    """Somebody was quicker; back to the settings leaves no row."""
    service = await house.start()
    await service.set_limit(NAME, "1", RIK, "", "2")
    refused = await service.set_limit(NAME, "1.5", RIK, "", "2")
    assert not refused.ok
    assert house.value == 1
    await service.set_limit(NAME, "2", RIK, "", "1")
    assert await LimitRow.all().count() == 0


WAYS = [
    (NAME, "1.9", False),
    (NAME, "2", False),
    ("max_order_quantity", "100", False),
    ("stale_quote_seconds", "none", True),
    ("min_free_balance_percent", "6", False),
    ("min_free_balance_percent", "4", True),
    ("daily_loss_halt_percent", "6", True),
]


async def test_which_way_it_goes_and_what_is_nonsense(house: House) -> None:
    """None is the loosest; what makes no sense, alone or beside the others, is refused with the reason."""
    service = await house.start()
    for name, value, loosens in WAYS:
        assert service.limit_change(name, value, RIK).loosens is loosens, (name, value)
    for value in ("nan", "inf", "-1", "0", "x", "1e9", "", "٣ %"):
        with pytest.raises(UserError, match="cannot be"):
            service.limit_change(NAME, value, RIK)
    with pytest.raises(UserError, match="cannot be"):
        service.limit_change("daily_loss_halt_percent", "1", RIK)
    with pytest.raises(UnknownName):
        service.limit_change("max_fun", "1", RIK)


async def test_a_stricter_limit_that_cannot_be_stored_counts_and_says_until_when(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may believe that it outlives a restart; one that lets more through does not count at all."""
    service = await house.start()

    async def full(*_: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(limit_room, "put_limit", full)
    with pytest.raises(UserError, match="counts only until a restart"):
        await service.set_limit("max_order_value_percent", "1", RIK, seen="2")
    assert house.value == 1
    with pytest.raises(OperationalError):
        await service.set_limit("max_order_value_percent", "5", RIK, seen="1")
    assert house.value == 1
