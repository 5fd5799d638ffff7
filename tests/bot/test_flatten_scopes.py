"""Flattening an account or a strategy from chat: what is asked, what it is bound to, who may, and what is in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.command import Call, Origin, discover
from core.access.roles import Actor, Role
from core.errors import UnknownName, UserError
from tests.bot.test_reading_rights import ZONE
from tests.core.test_floor import House, house, settings

ADA = Actor("1", "Ada", Role.ADMIN)
MAIN_ONLY = Actor("2", "Eve", Role.TRADER, {"fund": None})
FLATTEN = discover().find("flatten")
assert FLATTEN is not None
assert FLATTEN.ask is not None
assert FLATTEN.accounts is not None
ASK, ACCOUNTS, RUN = FLATTEN.ask, FLATTEN.accounts, FLATTEN.handler


def call(made: House, *args: str, actor: Actor = ADA) -> Call:
    assert FLATTEN is not None
    now = made.engine.clock.now()
    return Call(actor, 1, 1, args, " ".join(args), made.service, now, ZONE, Origin.MESSAGE, FLATTEN)


async def test_an_account_is_flattened_and_the_other_keeps_its_positions(tmp_path: Path) -> None:
    """The question names it, and the yes is bound to exactly that account's positions."""
    async with house(settings(tmp_path)) as made:
        while not all(desk.portfolio.held() for desk in made.engine.floor):
            await made.days(1)
        asked = await ASK(call(made, "account", "fund"))
        assert asked is not None
        assert asked.args is not None
        assert "Flatten the positions of fund?" in asked.text.plain
        assert "main" not in asked.args[-1]
        assert list(await ACCOUNTS(call(made, *asked.args)) or ()) == ["fund"]
        await RUN(call(made, *asked.args))
        await made.days(1)
        assert not made.desk("fund").closing()
        ordered = [row for row in (await made.service.orders(size=50)).rows if "flatten by Ada" in row.reason]
        assert {row.account for row in ordered} == {"fund"}


async def test_who_does_not_see_an_account_cannot_name_it(tmp_path: Path) -> None:
    """Nor learns that it is there; a broker is no scope of a flatten."""
    async with house(settings(tmp_path)) as made:
        with pytest.raises(UnknownName) as caught:
            await ACCOUNTS(call(made, "account", "fund", actor=MAIN_ONLY))
        assert "fund" not in caught.value.suggestions
        assert list(await ACCOUNTS(call(made, "strategy", "alpha", actor=MAIN_ONLY)) or ()) == ["main"]
        with pytest.raises(UserError):
            await ACCOUNTS(call(made, "broker", "paper"))


async def test_the_question_names_what_cannot_be_closed_now(tmp_path: Path) -> None:
    """No price, or a venue that is away: one knows before one says yes."""
    async with house(settings(tmp_path)) as made:
        while not all(desk.portfolio.held() for desk in made.engine.floor):
            await made.days(1)
        plain = await ASK(call(made))
        assert plain is not None
        assert "Cannot be closed" not in plain.text.plain
        made.desk("main").portfolio.marks.clear()
        asked = await ASK(call(made, "account", "main"))
        assert asked is not None
        assert "Cannot be closed now: AAPL: there is no price" in asked.text.plain
        await made.desk("fund").broker.disconnect()
        asked = await ASK(call(made))
        assert asked is not None
        assert "fund AAPL: the broker is not connected" in asked.text.plain
