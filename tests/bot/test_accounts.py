"""What the screens show where there are several accounts, on a running engine; and that with one they show none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.command import Call, Origin, discover
from bot.commands.overview import draw_live
from bot.people import Caller
from bot.screen import Nav, Screen
from core.access.roles import CONSOLE, Actor, Role
from core.errors import UnknownName
from core.settings import parse_settings
from tests.core.test_floor import BASE, FUND_ONLY, PAPER, TRADER, House, house, settings

BOTH = Actor("telegram:1", "Ada", Role.ADMIN)
COMMANDS = ("menu", "status", "strategies", "positions", "balance", "pnl", "performance", "report")


async def shown(made: House, line: str, actor: Actor = BOTH) -> Screen:
    name, *args = line.split()
    found = discover().find(name)
    assert found is not None
    assert found.takes is None or len(args) <= found.takes
    zone = ZoneInfo("UTC")
    now = made.engine.clock.now()
    call = Call(actor, 1, 1, tuple(args), line, made.service, now, zone, Origin.MESSAGE, found)
    return await found.handler(call)


def text(screen: Screen) -> str:
    return str(screen.text)


def tabs(screen: Screen) -> list[str]:
    """The labels of the buttons that choose an account."""
    buttons = [each for row in screen.buttons for each in row if isinstance(each, Nav)]
    labels = [each.label for each in buttons if each.args[:1] != ("all",) or each.label != "All"]  # that is a period
    return [label for label in labels if label.removeprefix("• ") in ("All", "main", "fund")]


async def test_every_screen_offers_the_accounts(tmp_path: Path) -> None:
    """The chosen one is marked; what has no sum shows the first; each button leads to what it says."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        for name in COMMANDS[1:]:
            whole = name not in ("pnl", "performance", "report")
            expected = ["• All", "fund", "main"] if whole else ["• fund", "main"]
            assert tabs(await shown(made, name)) == expected, name
        assert tabs(await shown(made, "status main")) == ["All", "fund", "• main"]
        assert tabs(await shown(made, "report week main")) == ["fund", "• main"]
        assert tabs(await shown(made, "performance main")) == ["fund", "• main"]
        for each in [button for name in COMMANDS[1:] for row in (await shown(made, name)).buttons for button in row]:
            if isinstance(each, Nav) and each.label == "main":
                screen = await shown(made, " ".join((each.command, *each.args)))
                assert "• main" in tabs(screen), each
                assert "beta" not in text(screen), each


async def test_the_first_screens_have_a_line_for_each_account(tmp_path: Path) -> None:
    """With what each is worth, and the total."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        await made.desk("fund").halt_for("TEST", "too hot")
        live, _ = await draw_live(made.service, Caller(BOTH, 1, 1, ZoneInfo("UTC")))
        for each in (text(await shown(made, "menu")), text(await shown(made, "status")), str(live)):
            assert "2 accounts" in each
            assert "🔴" in each
            assert "fund: too hot" in each
            assert each.index("fund</b> $") < each.index("main</b> $")


async def test_dollars_and_euros_have_no_total(tmp_path: Path) -> None:
    """It says so, instead of adding them up."""
    euros = {"broker": {"adapter": "paper", "currency": "EUR"}, "fx": {"USD": "0.9"}}
    async with house(settings(tmp_path, accounts={"fund": euros})) as made:
        await made.days(2)
        assert "No total: the accounts are kept in EUR, USD." in text(await shown(made, "status"))
        assert "€" in text(await shown(made, "status fund"))


async def test_a_card_and_a_position_name_their_account(tmp_path: Path) -> None:
    """So does each balance."""
    async with house(settings(tmp_path)) as made:
        while not all(desk.portfolio.held() for desk in made.engine.floor):
            await made.days(1)
        assert "in fund" in text(await shown(made, "strategy beta"))
        assert text(await shown(made, "positions")).count("AAPL") >= 2
        assert "main" in text(await shown(made, "positions"))
        balance = text(await shown(made, "balance"))
        assert balance.index("fund") < balance.index("main")


async def test_who_sees_one_account_sees_it_as_if_it_were_the_only_one(tmp_path: Path) -> None:
    """No button, no word of the other; and asking for it finds nothing."""
    async with house(settings(tmp_path)) as made:
        await made.days(20)
        await made.desk("main").halt_for("TEST", "a secret of main")
        for name in (*COMMANDS, "risk", "limits", "orders", "health", "fills"):
            screen = await shown(made, name, FUND_ONLY)
            assert tabs(screen) == [], name
            assert "main" not in text(screen), name
            assert "alpha" not in text(screen), name
            if name not in ("menu", "orders", "health", "fills"):
                with pytest.raises(UnknownName):
                    await shown(made, f"{name}{' all' * (name == 'report')} main", FUND_ONLY)


async def test_with_one_account_nothing_is_said_of_accounts(tmp_path: Path) -> None:
    """Neither a button nor a name that was not there before."""
    alone: dict[str, Any] = {
        **BASE,
        "data_dir": tmp_path,
        "accounts": {"main": PAPER},
        "strategies": [{**TRADER, "name": "alpha"}],
    }
    settings(tmp_path)
    async with house(parse_settings(alone)) as made:
        await made.days(20)
        for name in COMMANDS:
            assert tabs(await shown(made, name, CONSOLE)) == [], name
        assert "in main" not in text(await shown(made, "strategy alpha"))
