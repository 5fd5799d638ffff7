"""Every command against every role, generated from the registry."""

from __future__ import annotations

import pytest

from bot import notices
from bot.command import REGISTRY, Command, Registry, command
from bot.dispatch import Outcome
from bot.screen import Act, Screen
from core.access.roles import Permission, Role
from tests.bot.stage import Stage

ARGS = {"strategy": "trend-aapl", "run": "trend-aapl", "pause": "trend-aapl", "stop": "trend-aapl", "parameters": "trend-aapl",
        "flatten": "trend-aapl", "cancel": f"qd01HZX{1:019d}", "order": f"qd01HZX{1:019d}",
        "look": f"qd01HZX{1:019d}", "decide": f"qd01HZX{1:019d} absent", "job": "daily-report run", "addreport": "day daily 17:30", "performance": "trend-aapl",
        "invite": "Bob viewer", "role": "Tom viewer", "remove": "Tom", "approve": "1", "decline": "1", "unlock": "Tom", "limit": "max_open_orders 60", "golive": "paper", "adjust": "paper",
        "buy": "AAPL 10", "sell": "AAPL 10 limit 27", "close": "AAPL half", "step": "type buy AAPL 10", "exits": "AAPL stop 95",
        "place": "buy 26.35/0/120/ACTIVE AAPL 10", "change": f"qd01HZX{1:019d}", "modify": f"qd01HZX{1:019d} price 26"}  # fmt: skip
ALL = list(REGISTRY)
EXPECTED = {
    "adjust", "limit", "unlock", "decline", "approve", "approvals", "ack", "alert", "maintenance", "mute", "mutes", "snooze", "unmute",
    "addreport", "alerts", "audit", "balance", "brokers", "buy", "cancel", "change", "chart", "close", "decide", "exits", "exposure", "failback", "fills", "flatten", "golive", "halt", "health", "help", "invite", "job", "limits", "live",
    "look", "menu", "modify", "order", "orders", "parameters", "pause", "performance", "place", "pnl", "positions", "report", "remove", "resume", "risk", "role", "run",
    "schedule", "scopes", "sell", "more", "timezone", "start", "status", "step", "stop", "strategies", "strategy", "trade", "testalert", "users",
}  # fmt: skip


def test_every_command_is_discovered() -> None:
    """A file in bot/commands is enough to be found."""
    assert {one.name for one in ALL} == EXPECTED


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
async def test_command_without_arguments(one: Command) -> None:
    """Every command alone answers with something useful and never fails."""
    answer = await Stage().say(f"/{one.name}")
    assert answer.outcome in (Outcome.DONE, Outcome.REFUSED)
    assert answer.screen


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
async def test_every_button_of_a_viewer_only_looks(one: Command) -> None:
    """A viewer is never shown a button that changes something."""
    answer = await Stage().say(f"/{one.name} {ARGS.get(one.name, '')}", Role.VIEWER)
    assert answer.screen
    acts = [button for row in answer.screen.buttons for button in row if isinstance(button, Act)]
    assert [each for each in acts if each.command != "timezone"] == []  # their own, and nobody else's


async def test_every_button_leads_somewhere() -> None:
    """Each button of each screen names a command that takes its arguments; only tickets reach changing ones."""
    stage = Stage()
    for one in ALL:
        answer = await stage.say(f"/{one.name} {ARGS.get(one.name, '')}")
        assert answer.screen
        for button in (button for row in answer.screen.buttons for button in row):
            found = REGISTRY.find(button.command)
            assert found, button
            assert isinstance(button, Act) or not found.changes, button
            assert found.takes is None or len(button.args) <= found.takes, button


def test_a_command_needs_a_permission() -> None:
    """Neither left out nor something else."""
    with pytest.raises(TypeError, match="permission"):
        command("x", "y")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="needs a permission"):
        command("x", "y", permission="view")(_nothing)  # type: ignore[arg-type]


def test_names_are_unique_and_plain() -> None:
    """No alias hides another command."""
    registry = Registry()
    for one in ALL:
        registry.add(one)
    with pytest.raises(ValueError, match="already"):
        registry.add(ALL[0])
    with pytest.raises(ValueError, match="no command name"):
        registry.add(Command("Bad-Name", "t", Permission.VIEW, _nothing))


def test_only_halt_is_urgent_and_never_asks() -> None:
    """A halt waits for nothing and asks nothing; it stays valid for two minutes."""
    assert [one.name for one in ALL if one.urgent] == ["halt"]
    halt = REGISTRY.find("panic")
    assert halt
    assert halt.ask is None
    assert halt.stale_after == 120


def test_what_asks() -> None:
    """The dangerous ones."""
    assert {one.name for one in ALL if one.ask} == {
        "job",
        "limit",
        "adjust",
        "golive",
        "failback",
        "approve",
        "invite",
        "remove",
        "role",
        "resume",
        "flatten",
        "stop",
        "decide",
        "cancel",
        "exits",
        "modify",
        "place",
    }


async def _nothing(call: object) -> Screen:
    return notices.no_command()
