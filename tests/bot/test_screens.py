"""Every screen in every situation: as a snapshot, and through Telegram's own parser and limits."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.command import REGISTRY
from bot.commands.trading import render_balances
from bot.console import render_plain
from bot.families import FAMILIES
from bot.figures import WIDTH, width
from bot.screen import CAPTION_LIMIT, TEXT_LIMIT, Nav, Screen
from brokers.health import StreamHealth
from core.access.roles import Role
from core.alerts.channel import Standing, Status
from core.service import Quarterdeck
from core.views import AdjustView, AwayRow, BalanceRow, DifferenceRow, KillView, Muting, UnitsMoved
from risk.view import TradingState
from tests.bot.fakes import (
    NOW,
    FakeService,
    World,
    alert,
    busy_world,
    connection,
    fill,
    ill,
    order,
    position,
    strategy_row,
    well,
)
from tests.bot.manual_fakes import FakeHand
from tests.bot.parser import utf16, visible
from tests.bot.stage import Stage

EVIL = '<b>&amp;"\u202ename</b>🙂'


def halted() -> World:
    world = busy_world(2)
    world.state, world.reason = TradingState.HALTED, "daily loss 5.1% above 5%"
    return world


def hostile() -> World:
    """HTML, direction marks and emoji in every name."""
    world = busy_world(1)
    world.strategies = {EVIL: strategy_row(EVIL, kind=EVIL, symbols=(EVIL,))}
    world.errors = {EVIL: EVIL * 50}
    world.positions = [position(EVIL, by_strategy={EVIL: Decimal(1)})]
    world.orders = [order(symbol=EVIL, strategies=(EVIL,), reason=EVIL)]
    world.fills = [fill(symbol=EVIL, strategies=(EVIL,))]
    world.alerts = [replace(world.alerts[0], title=EVIL, body=EVIL)]
    world.jobs = {EVIL: replace(world.jobs["daily-report"], name=EVIL, title=EVIL, schedule=EVIL, last_outcome=EVIL)}
    world.audit = [replace(world.audit[0], actor=EVIL, action=EVIL, detail=EVIL, outcome=EVIL)]
    world.state, world.reason = TradingState.REDUCING, EVIL
    return world


def losing() -> World:
    """Everything negative, and prices unknown."""
    world = busy_world(1)
    world.strategies = {"short": strategy_row("short", pnl=Decimal("-98765432.105"), exposure=-1.0)}
    world.positions = [position("TSLA", "-1234567.89012345", mark=None, value=None, unrealised=None)]
    world.fills = [fill(fee=None)]
    world.simulated = False
    gone = DifferenceRow("USD", True, Decimal(10_000), Decimal("8765.5"), Decimal("-1234.5"))
    world.differs = AdjustView("paper", "USD", "testnet", (gone,), worth=Decimal("-1234.5"), token="t0k3n")
    return world


def doubtful() -> World:
    """An order of which the venue has not said whether it has it."""
    world = busy_world(1)
    world.orders = [order(state="uncertain", filled=Decimal(0), reason="the line broke after it was sent")]
    return world


def crowded() -> World:
    """Far more than fits one message, with the longest of texts."""
    world = busy_world(60)
    long = "n" * 40
    world.strategies = {f"{n}{long}": strategy_row(f"{n}{long}", symbols=tuple("ABCDEFGH")) for n in range(60)}
    world.orders = [order(n, symbol="S" * 30, strategies=(long,) * 5, reason="r" * 900) for n in range(100)]
    world.alerts = [replace(world.alerts[0], title="t" * 500, body="b" * 4000) for _ in range(30)]
    world.jobs = {
        f"{n}{long}": replace(world.jobs["daily-report"], name=f"{n}{long}", schedule="s" * 80) for n in range(40)
    }
    world.audit = [replace(world.audit[0], actor="a" * 200, detail="d" * 2000) for _ in range(40)]
    world.brokers = [
        connection("m" * 60, "binance", "testnet", connected=False, problem="p" * 900,
                   health=well(last_error="e" * 200, calls={f"{n}{long}": ill().calls["query"] for n in range(20)}))
        for _ in range(20)
    ]  # fmt: skip
    world.away = [AwayRow(f"{n}{long}", long, long, NOW) for n in range(40)]
    rows = [DifferenceRow(f"C{n}" * 5, n % 2 > 0, Decimal(n) / 7, Decimal(n) * 9**25, None) for n in range(300)]
    moves = [UnitsMoved("S" * 30, f"{n}{long}", Decimal(9) ** 20, Decimal(9) ** 20) for n in range(300)]
    world.differs = AdjustView(
        "paper", "USD", "testnet", tuple(rows), tuple(moves), tuple(f"{n}{long}" for n in range(40)),
        Decimal(9) ** 25, tuple(each.what for each in rows), 300, "t0k3n",
    )  # fmt: skip
    world.positions = [
        position("P" * 30, by_strategy=dict.fromkeys((f"{long}{n}" for n in range(9)), Decimal(5))) for _ in range(60)
    ]
    return world


def alarming() -> World:
    """A kill that is not complete, an alert that nobody has answered, mutes, and an instrument that only reduces."""
    world = halted()
    world.alerts.insert(
        0,
        alert(77, severity="CRITICAL", title="RISK BREACH: trading is HALTED " + EVIL, standing=Standing(Status.OPEN)),
    )
    world.kills = [
        KillView("paper", "", NOW, 2, "too hot", ("🔴 cancel AAPL: the venue <does> not answer",)),
        KillView("paper", "trend-aapl", NOW, 0, "", ()),
    ]
    world.mutes = [Muting(3, False, "kind fill", "quiet " + EVIL, "Ada", NOW, NOW + timedelta(hours=2), {"fill": 3})]
    world.restricted = ("IBM", EVIL)
    world.away = [AwayRow("trend-" + EVIL, "main", EVIL, NOW - timedelta(hours=3))]
    world.differs = AdjustView(
        "paper", "USDT", "live",
        (DifferenceRow("BTC/USDT", False, Decimal("1.2"), Decimal("0.7"), Decimal(-25_000)),
         DifferenceRow(EVIL, False, Decimal(0), Decimal(-3), Decimal("-1.5"), True),
         DifferenceRow("USDT", True, Decimal("1000.00"), Decimal("900.12345678"), Decimal("-99.87654322")),
         DifferenceRow("SHIB", True, Decimal(0), Decimal(1_000_000), None)),
        (UnitsMoved("BTC/USDT", "manual", Decimal("-0.2"), Decimal(50_000)),
         UnitsMoved("BTC/USDT", "trend-" + EVIL, Decimal("-0.3"), Decimal(50_000)),
         UnitsMoved(EVIL, "external", Decimal(-3), Decimal("0.5"))),
        ("manual", EVIL, "breakout"), Decimal("-25101.37654322"), ("SHIB",), 2, "t0k3n",
    )  # fmt: skip
    asked = {"quotes": StreamHealth(True, NOW - timedelta(seconds=2), polled=True)}
    world.brokers = [
        connection("main", "binance", "live", health=ill(), standby=("Standby: fund, after 300 s", f"{EVIL} stays")),
        connection("fund", "kraken", "live", connected=False, health=well(last_error=EVIL), problem=EVIL),
        connection("kucoin", "kucoin", "live", is_feed=True, is_live=False, health=well(streams=asked)),
    ]
    return world


WORLDS = {
    "empty": World,
    "one": busy_world,
    "many": lambda: busy_world(5),
    "halted": halted,
    "hostile": hostile,
    "losing": losing,
    "doubtful": doubtful,
    "alarming": alarming,
}
NAMED = {"strategy", "parameters", "run", "pause", "stop", "performance"}
LINES = [f"/{one.name}" for one in REGISTRY if not one.changes]
ASKING = ["/flatten", "/resume", "/run"]
ALONE = [f"/{one.name}" for one in REGISTRY if one.changes and not one.hidden and one.name not in ("halt", "testalert")]
MORE = ["/live off", "/adjust paper from breakout result", "/adjust capital moved to the earn wallet", "/adjust paper result nobody knows", "/report choose", "/help safety", "/help alerts", "/help flatten", "/limit max_open_orders", "/limit max_order_value", "/role Tom", "/invite Bob", "/invite Bob viewer",
        "/job daily-report", "/job risk-sweep at", "/alert 1", "/pause trend-appl", "/pase trend-aapl", "/report year", "/orders all 1", "/orders all 99", "/orders doubt", "/fills 99", "/report day",
        "/chart MSFT", "/schedule daily-report", "/schedule risk-sweep", "/schedule risk-sweep when", "/schedule report-week-1", "/schedule report-week-1 when",
        "/schedule +report", "/schedule +report week", "/schedule +report week mon-fri", "/job risk-sweep pause", "/addreport", "/help halt", "/nonsense",
        f"/order qd01HZX{1:019d}"]  # fmt: skip


async def screens(stage: Stage, line: str) -> Screen:
    name = line.strip("/").split()[0]
    first = next(iter(stage.service.world.strategies), "")
    answer = await stage.say(line)
    if name in NAMED and first and line == f"/{name}":
        named = stage.call(name, first)
        return await named.command.handler(named) if not named.command.changes else answer.screen or Screen(None)  # type: ignore[arg-type]
    assert answer.screen
    return answer.screen


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("line", [*dict.fromkeys([*LINES, *ALONE, *ASKING, *MORE])])
async def test_screen(line: str, world: str, snapshot: SnapshotAssertion) -> None:
    """As a person reads it, with the buttons; and Telegram accepts it."""
    stage = Stage(WORLDS[world]())
    screen = await screens(stage, line)
    await is_accepted(stage, screen)
    rows = ["  ".join(f"[{button.label}]" for button in row) for row in screen.buttons]
    assert "\n".join([render_plain(screen), "", *rows]) == snapshot


@pytest.mark.parametrize("line", [*dict.fromkeys([*LINES, *ALONE, *ASKING, *MORE])])
async def test_telegram_accepts_a_crowded_screen(line: str) -> None:
    """What nobody would read as a snapshot."""
    stage = Stage(crowded())
    await is_accepted(stage, await screens(stage, line))


async def is_accepted(stage: Stage, screen: Screen) -> None:
    """By Telegram's parser, its length, its buttons and their data; monospace lines fit a phone."""
    shown = visible(screen.text.markup)
    assert shown.strip() == screen.text.plain.strip()
    assert 0 < utf16(shown) <= (CAPTION_LIMIT if screen.photo else TEXT_LIMIT)
    _, keyboard = await stage.show(screen)
    keys = [key for row in keyboard.rows for key in row]
    assert 0 < len(keys) <= 100
    assert all(
        1 <= len(key.data.encode()) <= 64 and key.label and len(row) <= 8 for row in keyboard.rows for key in row
    )
    for block in screen.text.markup.split("<pre>")[1:]:
        for row in block.partition("</pre>")[0].split("\n"):
            assert width(unescape(row)) <= WIDTH + 4, row


@pytest.mark.parametrize("line", ["/status", "/menu", "/performance", "/report"])
async def test_simulated_money_is_labelled(line: str) -> None:
    """Paper results are never taken for real ones."""
    paper, real = busy_world(), busy_world()
    real.simulated = False
    assert "SIMULATED" in (await screens(Stage(paper), line)).text.plain
    assert "SIMULATED" not in (await screens(Stage(real), line)).text.plain


async def test_pictures_and_files() -> None:
    """Performance has a picture, a report a picture and a CSV; without data there is no picture."""
    stage = Stage()
    report = await screens(stage, "/report")
    assert report.photo
    assert report.photo.startswith(b"\x89PNG")
    assert report.document
    assert report.document.name.endswith(".csv")
    assert (await screens(Stage(World()), "/performance")).photo is None


async def test_times_are_in_the_readers_zone() -> None:
    """14:03 UTC is 15:03 in Berlin."""
    stage = Stage()
    call = stage.call("status")
    assert "15:03:22" in (await call.command.handler(call)).text.plain


@pytest.mark.parametrize("role", list(Role))
async def test_help_is_generated_per_role(role: Role) -> None:
    """Exactly what the role may do, hidden ones left out; each topic says what its commands do."""
    stage = Stage()
    shown = (await stage.say("/help", role)).screen
    assert shown
    assert utf16(shown.text.plain) < 1_500
    listed = set(re.findall(r"/([a-z_]+)", shown.text.plain.partition("More: press")[0]))
    allowed = {one.name: one for one in REGISTRY.allowed(stage.caller(role).actor)}
    assert listed == set(allowed)
    topics = [
        button.args[0]
        for row in shown.buttons
        for button in row
        if isinstance(button, Nav) and button.command == "help" and button.args
    ]
    told = [(await stage.say(f"/help {topic}", role)).screen for topic in topics]
    for one in allowed.values():
        assert any(f"/{one.name} · {one.title}" in screen.text.plain for screen in told if screen), one.name


def test_every_command_has_one_family() -> None:
    """And no family names what is not there."""
    named = [name for family in FAMILIES for name in family.names]
    assert len(named) == len(set(named))
    assert set(named) == {one.name for one in REGISTRY if not one.hidden}


def test_the_fake_is_complete() -> None:
    """Every question and action of the real service is there."""
    own = {name for fake in (FakeService, FakeHand) for name in vars(fake) if not name.startswith("_")}
    real = {name for room in Quarterdeck.__mro__[:-1] for name in vars(room) if not name.startswith("_")}
    assert real - own <= {"haltable", "resumable", "scope_of", "flatten_plan"}  # these are pure: the real ones serve


def test_hundreds_of_currencies_fit_into_a_message_and_what_differs_is_among_them() -> None:
    """Binance's testnet hands out some of every coin."""
    one = Decimal(1)
    coins = [BalanceRow("main", f"COIN{number:03}", one, one, one) for number in range(430)]
    rows = (BalanceRow("main", "USDT", one, one, one), *coins, BalanceRow("main", "ZEC", one, Decimal(3), one))
    shown = str(render_balances(rows))
    assert len(shown) < 2500
    assert shown.index("USDT") < shown.index("COIN000")
    assert "and 411 more currencies" in shown
    assert "ZEC  " in shown
    assert "differ in ZEC." in shown
