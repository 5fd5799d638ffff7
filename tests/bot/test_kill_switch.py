"""The kill switch of the whole program: scopes, several accounts, who may, resuming what was shown, the signal."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.panic import PanicSignal
from bot.sandbox.run import sandbox_settings
from bot.sandbox.server import SandboxServer
from core.access.roles import Actor, Role
from core.engine import Engine
from core.errors import UnknownName, UserError
from core.halt_flag import HALT_FLAG, HaltFlag
from core.service import Quarterdeck
from core.store.models import AlertRow, AuditLine, TradingStateRow
from core.trading.scopes import HOUSE, Known, Scope, ScopeKind, halt_said, scope_said
from core.trading.sweep import Errand, SweepReport
from core.trading.switch import GLOBAL
from risk.view import TradingState
from tests.bot.sandbox.clients import until
from tests.databases import sqlite_file

ADA = Actor("1", "Ada", Role.ADMIN)
NED = Actor("5", "Ned", Role.VIEWER, {"north": Role.TRADER})
ROY = Actor("6", "Roy", Role.VIEWER, {"north": Role.RISK})
HALTED = TradingState.HALTED
NORTH, PAPER = Scope(ScopeKind.ACCOUNT, "north"), Scope(ScopeKind.ACCOUNT, "paper")


class Stage:
    """An engine with two accounts, "north" and "paper", whose sweeps are watched."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.service = engine, Quarterdeck(engine)
        self.swept: list[tuple[str, str]] = []
        self.fails: set[str] = set()
        for desk in engine.floor:
            desk.sweeper.sweep = self._watched(desk.account)  # type: ignore[method-assign]

    def _watched(self, account: str) -> Any:
        async def sweep(errand: Errand) -> SweepReport:
            self.swept.append((account, errand.strategy))
            if account in self.fails:
                raise RuntimeError("a bug in the sweep")
            return SweepReport(account)

        return sweep

    def state(self, scope: str) -> TradingState:
        return self.engine.switch.state(scope)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    sqlite_file(tmp_path / "quarterdeck.sqlite3")  # migrated already
    trend = {"name": "trend-aapl", "kind": "trend", "symbols": ["AAPL"], "account": "paper"}
    accounts = {"north": {"broker": {"adapter": "paper"}}}
    more = {"market": {"speed": 0.001}, "accounts": accounts, "strategies": [trend]}
    engine = Engine(sandbox_settings(tmp_path, SandboxServer(data_dir=tmp_path), more), durable=False)
    await engine.start()
    yield Stage(engine)
    await engine.stop()


# --- scopes --------------------------------------------------------------------------------------------


async def test_an_account_is_halted_alone_and_stored_so(stage: Stage) -> None:
    """The other trades on; a second halt adds nothing."""
    for expected in ("Trading in north is HALTED.", "Trading in north was halted already."):
        assert (await stage.service.halt(ADA, "too hot", NORTH)).message == expected
    assert (stage.state("account:north"), stage.state("account:paper")) == (HALTED, TradingState.ACTIVE)
    assert (await TradingStateRow.get(scope="account:north")).state == HALTED
    assert set(stage.swept) == {("north", "")}
    assert [line.detail for line in await AuditLine.filter(action="halt")] == ["account north: too hot"] * 2


async def test_a_broker_is_all_its_accounts_and_a_strategy_only_itself(stage: Stage) -> None:
    """In one commit each."""
    await stage.service.halt_said(ADA, "broker paper it is slow")
    assert {stage.state(f"account:{name}") for name in ("north", "paper")} == {HALTED}
    assert stage.state(GLOBAL) is TradingState.ACTIVE
    stage.swept.clear()
    result = await stage.service.halt_said(ADA, "strategy trend-aapl")
    assert result.message == "trend-aapl is HALTED."
    assert (stage.state("strategy:trend-aapl"), stage.swept) == (HALTED, [("paper", "trend-aapl")])


async def test_what_is_no_known_scope_halts_everything_and_says_so(stage: Stage) -> None:
    """The safe direction."""
    result = await stage.service.halt_said(ADA, "strategy trend-appl")
    assert stage.state(GLOBAL) is HALTED
    assert "EVERYTHING is halted" in result.lines[0]


async def test_a_sweep_that_raises_in_one_account_keeps_no_other_from_being_killed(stage: Stage) -> None:
    """And it is told as incomplete."""
    stage.fails = {"north"}
    result = await stage.service.halt(ADA, "enough")
    assert {account for account, _ in stage.swept} == {"north", "paper"}
    assert (result.ok, stage.state(GLOBAL)) == (False, HALTED)
    assert "KILL INCOMPLETE: north." in result.message
    assert [(each.account, each.tries > 0) for each in await stage.service.kills()] == [("north", True)]


async def test_an_incomplete_kill_is_swept_again_by_itself(stage: Stage) -> None:
    """The running program does it, and nobody has to ask: then it is told as complete."""
    stage.fails = {"north"}
    await stage.service.halt(ADA, "enough")
    stage.fails = set()
    async with asyncio.timeout(30):
        while await stage.service.kills() or not await AlertRow.filter(title="KILL COMPLETE: north").exists():
            await asyncio.sleep(0.05)
    assert await AlertRow.filter(title="KILL COMPLETE: north").count() == 1


@pytest.mark.parametrize(
    "step", ["killing.owe", "killing.write", "killing.sweep", "audit.record", "alerts.add", "events.publish"]
)
async def test_an_exception_in_any_step_leaves_it_halted_incident_21(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Of everything that the house's halt calls."""
    room, name = step.split(".")
    owner = stage.engine.floor.desk("north").killing if room == "killing" else getattr(stage.engine, room)

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError("no")

    monkeypatch.setattr(owner, name, fails)
    await stage.service.halt(ADA, "enough")
    assert stage.state(GLOBAL) is HALTED
    assert ("paper", "") in stage.swept
    await stage.engine.switch.load()
    assert (await TradingStateRow.get(scope=GLOBAL)).state == HALTED


# --- who may -------------------------------------------------------------------------------------------


async def test_whoever_may_not_halt_the_house_halts_what_they_may(stage: Stage) -> None:
    """And nothing else."""
    result = await stage.service.halt(NED, "enough")
    assert result.message == "Trading in north is HALTED."
    assert (stage.state(GLOBAL), stage.state("account:paper")) == (TradingState.ACTIVE, TradingState.ACTIVE)
    with pytest.raises(UserError, match="may not"):
        await stage.service.halt(NED, "enough", PAPER)
    assert (stage.service.haltable(NED), stage.service.haltable(ADA)) == (("north",), ())


async def test_whoever_may_resume_one_account_lifts_only_that(stage: Stage) -> None:
    """The house stays halted, and they are told so."""
    await stage.service.halt(ADA, "house")
    await stage.service.halt(ADA, "north", NORTH)
    result = await stage.service.resume(ROY)
    assert stage.state("account:north") is TradingState.ACTIVE
    assert stage.state(GLOBAL) is HALTED
    assert any("Still HALTED: global" in line for line in result.lines)


# --- resuming ------------------------------------------------------------------------------------------


async def test_a_yes_lifts_only_the_halt_that_was_shown(stage: Stage) -> None:
    """A newer halt, the same again, and one elsewhere all make the question stale."""
    await stage.service.halt(ADA, "first", NORTH)
    seen = await stage.service.resume_preview(ADA)
    for scope, again in ((NORTH, "second"), (PAPER, "elsewhere")):
        await stage.service.halt(ADA, again, scope)
        result = await stage.service.resume(ADA, HOUSE, seen.token)
        assert not result.ok
        assert "not the one that you were asked about" in result.message
    assert stage.state("account:north") is HALTED
    token = (await stage.service.resume_preview(ADA)).token
    assert (await stage.service.resume(ADA, HOUSE, token)).ok
    assert not [each for each in stage.engine.switch.settings.values() if each.state is not TradingState.ACTIVE]


async def test_a_part_is_resumed_by_itself(stage: Stage) -> None:
    """What was not named stays; an unknown name is refused, not guessed."""
    await stage.service.halt_said(ADA, "broker paper slow")
    assert (await stage.service.resume(ADA, NORTH)).message.startswith("Trading in north has resumed.")
    assert (stage.state("account:north"), stage.state("account:paper")) == (TradingState.ACTIVE, HALTED)
    with pytest.raises(UnknownName):
        scope_said(["account", "nroth"], stage.service.known_scopes())


KNOWN: Known = {ScopeKind.ACCOUNT: ["main"], ScopeKind.BROKER: ["paper"], ScopeKind.STRATEGY: ["Trend"]}


@pytest.mark.parametrize(
    ("text", "scope", "reason", "doubt"),
    [
        ("", "everything", "", False),
        ("too hot", "everything", "too hot", False),
        ("account main too hot", "account main", "too hot", False),
        ("Account MAIN", "account main", "", False),
        ("strategy trend", "strategy Trend", "", False),
        ("account books look wrong", "everything", "account books look wrong", True),
        ("broker", "everything", "broker", True),
    ],
)
def test_words_after_halt(text: str, scope: str, reason: str, doubt: bool) -> None:
    """A scope and a reason, or only a reason."""
    said = halt_said(text, KNOWN)
    assert (str(said.scope), said.reason, bool(said.doubt)) == (scope, reason, doubt)


# --- the signal ----------------------------------------------------------------------------------------


async def test_the_signal_halts_and_never_ends_the_program(tmp_path: Path) -> None:
    """Before the program is up it leaves the flag; afterwards it halts, as often as it is sent."""
    halts: list[str] = []

    async def halt(actor: Actor, _why: str) -> Any:
        halts.append(actor.name)
        return SweepReport("main")

    before = signal.getsignal(signal.SIGUSR1)
    panic = PanicSignal(halt, HaltFlag(tmp_path))
    panic.listen()
    os.kill(os.getpid(), signal.SIGUSR1)
    await until((tmp_path / HALT_FLAG).exists)
    assert (tmp_path / HALT_FLAG).read_text() == "the signal SIGUSR1\n"
    panic.is_up = True
    for number in range(1, 3):
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: len(halts) == number)  # noqa: B023
    await panic.close()
    assert halts == ["SIGUSR1", "SIGUSR1"]
    assert signal.getsignal(signal.SIGUSR1) == before
