"""Real money trades only after three words; until the last of them nothing leaves, and no resume changes that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.order import OrderRequest
from core.access.audit import Audit
from core.access.roles import CONSOLE
from core.actions.golive import GoingLive
from core.actions.resuming import Resuming
from core.errors import SettingsError, UserError
from core.store.ledger import load_balances
from core.store.models import AlertRow, AuditLine, LiveRow
from core.trading.protection.guard import Holder
from core.trading.real_money import RealMoney, check, shared
from core.trading.scopes import HOUSE
from core.trading.states import OrderState
from risk.intent import Origin
from risk.verdict import Approved, Denied
from risk.view import TradingState, live_scope
from tests.core.trading.exits_stage import STOP, at_venue, enter, exits_of, look, shape, spec, without
from tests.core.trading.stage import Stage, Strategies, dec

KEY = "binance spot live 0a1b2c"


class Real(Stage):
    """A desk whose broker says that its money is real."""

    identity = KEY

    def build(self) -> None:
        super().build()
        self.broker.is_live, self.broker.identity = True, self.identity  # type: ignore[attr-defined]

    async def start(self) -> None:
        self.money = RealMoney(
            self.floor, self.switch, self.alerts, Audit(self.wall), events=self.events, clock=self.wall
        )
        self.desk.portfolio.load(await load_balances("main"))  # the engine has loaded its desks by then
        await self.money.load({"main": "live"}, "live")
        await super().start()

    @property
    def engine(self) -> Any:
        return SimpleNamespace(
            floor=self.floor, switch=self.switch, audit=Audit(self.wall), real_money=self.money, alerts=self.alerts
        )


@pytest.fixture
async def real(tmp_path: Path) -> Any:
    stage = await Real.open(tmp_path, strategies=Strategies("alpha"), simulated=False)
    await stage.start()
    await stage.tick(100)
    yield stage
    await stage.close()


async def confirm(stage: Real) -> None:
    service: Any = GoingLive(stage.engine)
    view = service.live_preview(CONSOLE, "main")
    assert view.waits
    assert (await service.go_live(CONSOLE, "main", view.token)).ok


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "environment", "is_live", "words"),
    [
        ("live", "live", True, []),
        ("live", "production", True, ["environment: live"]),
        ("", "live", True, ["mode: live"]),
        ("testnet", "live", False, []),  # allowed; it is labelled
        ("testnet", "production", False, []),
    ],
)
def test_two_words_in_the_settings(mode: str, environment: str, is_live: bool, words: list[str]) -> None:
    """Each that is missing is told with what to write."""
    problems = check("main", mode, environment, is_live=is_live)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))


async def test_a_live_account_elsewhere_keeps_the_program_from_starting(real: Real) -> None:
    """Whatever was confirmed before."""
    await confirm(real)
    with pytest.raises(SettingsError, match="environment: live"):
        await real.money.load({"main": "live"}, "production")


# --- until the yes ---------------------------------------------------------------------------------


async def test_nothing_is_ordered_not_even_by_a_flatten(real: Real) -> None:
    """Strategies, hands and flattens; and what was approved before does not leave either."""
    for origin in (Origin.STRATEGY, Origin.MANUAL, Origin.FLATTEN):
        verdict = real.desk.gate.review(real.intent(1, origin=origin), real.desk.view())
        assert isinstance(verdict, Denied)
        assert verdict.code == "TRADING_STATE"
    real.strategies.want("alpha", 1.0)
    await real.round(100)
    assert real.broker.count("place") == 0
    real.switch.hold(live_scope("main"), None)  # if only the last look were left
    approved = real.approve(1)
    assert isinstance(approved, Approved)
    order = await real.desk.orders.submit(approved)
    assert order.state is OrderState.NOT_SENT
    assert real.broker.count("place") == 0


async def test_a_flatten_of_what_is_held_waits_too(real: Real) -> None:
    """What an account holds when its key changes may be somebody else's."""
    await confirm(real)
    await real.submit(10)
    await real.tick(100)
    assert real.held("alpha") == 10
    real.identity = "binance spot live 99ffee"
    await real.crash_and_restart()
    verdict = await real.pipeline.flatten("ACME", real.desk.closing()["ACME"], "flatten")
    assert isinstance(verdict, Denied)
    assert verdict.reason == "Real money waits for a person's confirmation"
    assert real.held("alpha") == 10


@pytest.fixture
async def stopped(tmp_path: Path) -> Any:
    """A confirmed account with a stop at the venue (ACME), and one that only our engine knows (BTC/USD)."""
    stage = await Real.open(
        tmp_path,
        strategies=Strategies("alpha", "beta"),
        simulated=False,
        slippage={"model": "fixed", "value": 0},
    )
    stage.strategies.instances["alpha"].exits = spec(STOP)
    without(stage, "reduce_only")  # as on a spot market
    await stage.start()
    await confirm(stage)
    await look(stage, 100)
    await enter(stage)
    stage.identity = "binance spot live 99ffee"
    yield stage
    await stage.close()


async def test_a_stop_that_rests_at_the_venue_stays_when_the_key_changes(stopped: Real) -> None:
    """The venue still protects the position: what it does is booked, and the way back is the yes."""
    before = await shape(stopped)
    assert before == [("stop", 10, 98)]
    await stopped.crash_and_restart()
    stopped.strategies.instances["alpha"].exits = spec({"stop_loss": {"percent": 1}})
    await stopped.pipeline.load()
    for price in (100, 101):
        await look(stopped, price)
    assert await shape(stopped) == before
    (guard,) = stopped.pipeline.protection.guards
    assert guard.holder is Holder.VENUE
    alert = await AlertRow.filter(kind="golive").order_by("-id").first()
    assert alert is not None
    assert "it holds ACME" in alert.body
    await look(stopped, 97)
    await look(stopped, 97)
    assert stopped.held("alpha") == 0
    assert stopped.broker.count("place") == 0


async def test_what_our_engine_would_send_is_not_sent_and_is_sent_after_the_yes(stopped: Real) -> None:
    """A stop that nobody rests for waits for the yes, and is told as a gap then."""
    await stopped.crash_and_restart()
    await stopped.pipeline.load()
    for order in exits_of(stopped):
        await stopped.desk.orders.cancel(order.id, "somebody takes it away")
    for price in (97, 96):
        await look(stopped, price)
    (alert,) = await AlertRow.filter(kind="protection")
    assert (alert.severity, alert.title) == ("CRITICAL", "UNPROTECTED until /golive: 1 position")
    assert alert.body.startswith("alpha: 10 ACME, ")
    assert stopped.held("alpha") == 10
    assert stopped.broker.count("place") == 0
    assert stopped.pipeline.protection.guards[0].holder is Holder.NOBODY
    await confirm(stopped)
    for price in (96, 96):
        await look(stopped, price)
    assert stopped.held("alpha") == 0


async def test_what_rests_without_a_position_is_taken_away_all_the_same(stopped: Real) -> None:
    """It could open one."""
    await stopped.crash_and_restart()
    await stopped.pipeline.load()
    await look(stopped, 100)
    assert len(await at_venue(stopped)) == 1
    intent = stopped.intent(-10, parts={"alpha": dec(-10)})
    await stopped.paper.place_order(OrderRequest("by-hand", intent.instrument, intent.side, intent.quantity))
    await look(stopped, 100)
    await stopped.desk.reconcile()
    assert stopped.desk.portfolio.quantity("ACME") == 0
    await look(stopped, 100)
    assert await at_venue(stopped) == []


async def test_two_accounts_with_one_key_are_one_account(real: Real) -> None:
    """Each would book, and sell, what the other has."""
    twin: Any = SimpleNamespace(account="twin", broker=real.broker)
    (problem,) = shared([real.desk, twin])
    assert "accounts.main, twin: they have the same key" in problem
    real.broker.capabilities = replace(real.broker.capabilities, simulated=True)
    assert shared([real.desk, twin]) == []


async def test_an_account_that_is_not_live_any_more_waits_for_nothing(real: Real) -> None:
    """Its alert is over, too."""
    assert (await AlertRow.get(kind="golive")).status == "open"
    real.broker.is_live = False  # type: ignore[attr-defined]
    await real.money.load({"main": "testnet"}, "production")
    assert (await AlertRow.get(kind="golive")).status == "closed"


async def test_a_cancel_passes(real: Real) -> None:
    """What rests may be taken away."""
    await confirm(real)
    order = await real.submit(1, limit=50)
    real.desk.confirmed = "another"
    real.switch.hold(live_scope("main"), real.switch.gravest("main"))
    await real.desk.orders.cancel(order.id, "by hand")
    assert order.state is OrderState.CANCELLED


async def test_it_is_told_at_the_start_and_says_what_to_do(real: Real) -> None:
    """The state of the account has the reason; alert and audit line, too."""
    setting = real.switch.gravest("main")
    assert setting.state is TradingState.HALTED
    assert setting.reason.startswith("waiting for confirmation")
    alert = await AlertRow.get(kind="golive")
    assert alert.severity == "CRITICAL"
    assert "/golive main" in alert.body
    assert await AuditLine.filter(action="golive", outcome="waiting").count() == 1


async def test_a_resume_does_not_lift_it(real: Real) -> None:
    """It is not among what would be lifted, and is told as what still holds back."""
    await real.switch.set("account:main", TradingState.HALTED, "somebody", "Ada")
    resuming: Any = Resuming(real.engine)
    lift = resuming._lift(CONSOLE, HOUSE)
    assert set(lift.settings) == {"account:main"}
    assert live_scope("main") in resuming._holds_back(lift, lifted=True)
    await real.switch.relax("account:main", lift.settings["account:main"], "Ada")
    assert real.switch.state_for("main") is TradingState.HALTED


# --- the yes ---------------------------------------------------------------------------------------


async def test_after_the_yes_it_trades_and_a_restart_asks_no_more(real: Real) -> None:
    """Once for each broker: it is stored with who said it."""
    await confirm(real)
    real.strategies.want("alpha", 1.0)
    await real.round(100)
    assert real.held("alpha") == 10
    row = await LiveRow.get()
    assert (row.account, row.identity) == ("main", KEY)
    await real.crash_and_restart()
    assert real.switch.state_for("main") is TradingState.ACTIVE
    assert not real.desk.waits_for_confirmation


async def test_another_key_asks_anew(real: Real) -> None:
    """Other key, other mode, other market: all that the broker calls itself by."""
    await confirm(real)
    real.identity = "binance spot live 99ffee"
    await real.crash_and_restart()
    assert real.switch.state_for("main") is TradingState.HALTED
    assert "another than was confirmed" in real.switch.gravest("main").reason
    await confirm(real)
    assert (await LiveRow.get()).identity == real.identity


async def test_a_key_that_changes_in_between_is_not_confirmed(real: Real) -> None:
    """The yes is bound to what was shown; and while running, too."""
    service: Any = GoingLive(real.engine)
    token = service.live_preview(CONSOLE, "main").token
    real.broker.identity = "binance spot live 99ffee"  # type: ignore[attr-defined]
    result = await service.go_live(CONSOLE, "main", token)
    assert not result.ok
    assert not await real.money.confirm(CONSOLE, real.desk, KEY)
    assert not await LiveRow.all().exists()
    await confirm(real)
    real.broker.identity = KEY  # type: ignore[attr-defined]
    assert real.desk.waits_for_confirmation


async def test_an_account_without_real_money_has_nothing_to_confirm(stage: Stage) -> None:
    """It says so."""
    service: Any = GoingLive(SimpleNamespace(floor=stage.floor))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no real money"):
        service.live_preview(CONSOLE, "main")
    assert service.modes(CONSOLE) == {"main": "paper"}
