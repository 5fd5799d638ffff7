"""Every command against every role, generated from the registry."""

from __future__ import annotations

import pytest

from bot import notices
from bot.command import REGISTRY, Command, Registry, command
from bot.dispatch import Outcome
from bot.screen import Act, Screen
from core.access.roles import Actor, Permission, Role
from tests.bot.stage import Stage

ARGS = {"strategy": "trend-aapl", "run": "trend-aapl", "pause": "trend-aapl", "stop": "trend-aapl", "parameters": "trend-aapl",
        "flatten": "trend-aapl", "cancel": f"qd01HZX{1:019d}", "order": f"qd01HZX{1:019d}",
        "look": f"qd01HZX{1:019d}", "decide": f"qd01HZX{1:019d} absent", "job": "daily-report run", "performance": "trend-aapl"}  # fmt: skip
ALL = list(REGISTRY)
EXPECTED = {
    "alerts", "audit", "balance", "cancel", "decide", "fills", "flatten", "halt", "health", "help", "job", "limits", "live",
    "look", "menu", "order", "orders", "parameters", "pause", "performance", "pnl", "positions", "report", "resume", "risk", "run",
    "schedule", "start", "status", "stop", "strategies", "strategy",
}  # fmt: skip


def test_every_command_is_discovered() -> None:
    """A file in bot/commands is enough to be found."""
    assert {one.name for one in ALL} == EXPECTED


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
async def test_command_by_role(one: Command, role: Role) -> None:
    """A role that is too low is refused, audited and changes nothing; any other role gets a real answer."""
    stage = Stage()
    stage.service.world.state = stage.service.world.state.__class__.HALTED
    answer = await stage.say(f"/{one.name} {ARGS.get(one.name, '')}", role)
    if Actor("x", "x", role).may(one.permission):
        assert answer.outcome is Outcome.DONE, answer
    else:
        assert answer.outcome is Outcome.REFUSED
        assert answer.screen
        assert "needs the role" in answer.screen.text.plain
        assert stage.service.calls == []
        assert stage.audit.rows[-1][1:] == (f"/{one.name}", "role is not enough", "refused")


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
    assert acts == []


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
    assert {one.name for one in ALL if one.ask} == {"resume", "flatten", "stop", "decide"}


async def _nothing(call: object) -> Screen:
    return notices.no_command()
