"""A whole program on two accounts: the broker of one is down, and its strategies trade in the other until a person acts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.adapters.paper import PaperTradingBroker
from brokers.errors import Unavailable
from brokers.health import Breaker, Health
from core.access.roles import CONSOLE, Actor, Role
from core.checking import check_deeply
from core.clock import ManualClock
from core.engine import Engine
from core.errors import SettingsError, UserError
from core.settings import parse_settings
from core.store.control import equity_series
from core.store.models import AlertRow, AuditLine, OrderRow
from core.trading.failover import Plan
from core.trading.profit import profit_of
from core.views import StrategyStatus
from tests.core.test_floor import BASE, PAPER, House, house, settings

STANDBY = {"accounts": {"main": {**PAPER, "standby": {"account": "fund", "after_seconds": 60}}}}
NOBODY = Actor("9", "Nobody", Role.VIEWER, {"fund": None})


class Sick(PaperTradingBroker):
    """A venue that is connected and does not answer: its breaker is open."""

    is_sick = False

    @property
    def health(self) -> Health:
        return Health(breaker=Breaker.OPEN if self.is_sick else Breaker.CLOSED)

    async def place_order(self, order: Any) -> Any:
        if self.is_sick:
            raise Unavailable("the circuit is open")
        return await super().place_order(order)

    async def get_account_info(self) -> Any:
        if self.is_sick:
            raise Unavailable("the circuit is open")
        return await super().get_account_info()


def sick(engine: Engine) -> None:
    broker: Any = engine.floor.desk("main").broker
    broker.__class__ = Sick


def fall_ill(there: House, *, ill: bool = True) -> None:
    broker: Any = there.desk("main").broker
    broker.is_sick = ill


async def pass_(there: House, seconds: float) -> None:
    """The wall clock of the failover alone: everything else goes on as it is."""
    failover = there.engine.failover
    await there.engine.supervisor.stop("standby")  # it would look at the same time, and tell the same
    if not isinstance(failover._clock, ManualClock):
        failover._clock = ManualClock(failover._clock.now())  # type: ignore[unreachable]
    failover._clock.advance(seconds)
    await failover.look()


def holders(there: House) -> dict[str, bool]:
    return {
        account: any(lot.quantity for name, lot in there.desk(account).portfolio.lots() if name == "alpha")
        for account in ("main", "fund")
    }


async def until(there: House, account: str, *, holds: bool) -> None:
    """Days of the market until alpha holds something in an account, or nothing."""
    for _ in range(60):
        if holders(there)[account] is holds:
            return
        await there.days(1)
    raise AssertionError(f"alpha never {'bought' if holds else 'sold'} in {account}")


async def last_point() -> Any:
    """The newest point of alpha's curve."""
    return (await equity_series("alpha", most=1))[-1][1]


async def test_orders_fail_over_and_come_back(tmp_path: Path) -> None:
    """Flat: it moves, trades there, survives a restart, and is brought back when it is flat there."""
    given = settings(tmp_path, **STANDBY)
    async with house(given, sick) as there:
        assert "standby" in there.engine.supervisor.parts
        await until(there, "main", holds=True)
        await until(there, "main", holds=False)
        await there.engine.reconcile()
        fall_ill(there)
        await pass_(there, 0)
        await pass_(there, 61)
        assert there.engine.floor.account_of("alpha") == "fund"
        assert there.engine.floor.strategies_of("fund") == ("beta", "alpha")
        before = await OrderRow.filter(account="main").count()
        gained = profit_of(there.desk("main").portfolio, "alpha").net
        assert gained
        assert await last_point() == gained
        await until(there, "fund", holds=True)
        assert await last_point() == gained + (profit_of(there.desk("fund").portfolio, "alpha").net or 0)
        assert holders(there) == {"main": False, "fund": True}
        assert await OrderRow.filter(account="main").count() == before
    async with house(given, sick) as there:
        assert there.engine.floor.account_of("alpha") == "fund"
        fund, main = await there.service.brokers()
        assert main.standby[0] == "Standby: fund, after 60 s"
        assert main.standby[1].startswith("alpha trades in fund since")
        assert fund.standby[0].startswith("alpha of main trades here since")
        (seen,) = await there.service.brokers(("main",))
        assert seen.standby == ()
        view = there.service.failback_preview(CONSOLE)
        assert [row.strategy for row in view.rows] == ["alpha"]
        assert there.service.failback_preview(NOBODY).rows == ()
        result = await there.service.fail_back(CONSOLE, "", view.token)
        assert not result.ok
        assert result.lines == ("🔴 alpha stays in fund: it holds something in fund",)
        await until(there, "fund", holds=False)
        assert not (await there.service.fail_back(CONSOLE, "alpha", "another token")).ok
        result = await there.service.fail_back(CONSOLE, "alpha", view.token)
        assert result.ok, result
        assert there.engine.floor.account_of("alpha") == "main"
        assert await AuditLine.filter(action="failback", outcome="ok").count() == 1
        with pytest.raises(UserError, match="trades in its own account"):
            there.service.failback_preview(CONSOLE, "alpha")
        await until(there, "main", holds=True)
        assert holders(there) == {"main": True, "fund": False}


async def test_who_holds_something_stays_and_chat_says_so(tmp_path: Path) -> None:
    """Nothing of it is bought in the other account, however long the first is away."""
    async with house(settings(tmp_path, **STANDBY), sick) as there:
        await until(there, "main", holds=True)
        await there.engine.reconcile()
        fall_ill(there)
        for _ in range(4):
            await pass_(there, 100)
        alert = await AlertRow.get(kind="standby")
        assert alert.severity == "CRITICAL"
        assert "alpha: it holds something in main" in alert.body
        await there.days(10)
        assert not holders(there)["fund"]


async def test_without_a_standby_nothing_looks(tmp_path: Path) -> None:
    """It is only done where it is configured."""
    async with house(settings(tmp_path), sick) as there:
        assert "standby" not in there.engine.supervisor.parts
        fall_ill(there)
        for _ in range(3):
            await pass_(there, 1000)
        assert there.engine.floor.account_of("alpha") == "main"
        assert there.engine.strategies.get("alpha").status is StrategyStatus.RUNNING


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ({"main": {"account": "found"}}, "main.standby: there is no account called 'found'; write one of: main, fund"),
        ({"main": {"account": "main"}}, "main.standby: an account cannot stand by for itself"),
        ({"main": {"account": "fund"}, "fund": {"account": "main"}}, "fund has a standby of its own"),
        ({"main": {"account": "fund", "after_seconds": 1}}, "greater than or equal to 10"),
    ],
)
def test_what_is_wrong_with_a_standby_is_said(tmp_path: Path, accounts: dict[str, Any], said: str) -> None:
    """With what to write."""
    given = {name: {**PAPER, **({"standby": accounts[name]} if name in accounts else {})} for name in ("main", "fund")}
    with pytest.raises(SettingsError) as caught:
        parse_settings({**BASE, "data_dir": tmp_path, "accounts": given})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("main", "fund", "said"),
    [
        ({"adapter": "paper", "currency": "EUR"}, {"adapter": "paper"}, "fund is kept in USD, main in EUR"),
        (
            {"adapter": "binance", "mode": "live"},
            {"adapter": "paper", "currency": "USDT"},
            "simulated money, main real",
        ),
        (
            {"adapter": "binance", "mode": "live"},
            {"adapter": "okx", "mode": "demo"},
            "fund trades test money, main real",
        ),
        ({"adapter": "binance", "mode": "testnet"}, {"adapter": "okx", "mode": "live"}, "real money, main test money"),
        ({"adapter": "binance", "mode": "testnet"}, {"adapter": "okx", "mode": "demo"}, ""),
        ({"adapter": "binance", "mode": "live"}, {"adapter": "okx", "mode": "live"}, ""),
    ],
)
def test_a_standby_has_the_same_kind_of_money(
    tmp_path: Path, main: dict[str, Any], fund: dict[str, Any], said: str
) -> None:
    """Real with real, in the same currency."""
    accounts = {"main": {"broker": main, "standby": {"account": "fund"}}, "fund": {"broker": fund}}
    given = {**BASE, "data_dir": tmp_path, "accounts": accounts}
    if not said:
        standby = parse_settings(given).accounts["main"].standby
        assert standby is not None
        assert Plan(standby.account, timedelta(seconds=standby.after_seconds)) == Plan("fund", timedelta(minutes=5))
        return
    with pytest.raises(SettingsError) as caught:
        parse_settings(given)
    assert said in str(caught.value)


def test_a_standby_trades_what_the_strategies_trade(tmp_path: Path) -> None:
    """Else it could not take over."""
    accounts = {"main": STANDBY["accounts"]["main"], "fund": {**PAPER, "symbols": ["MSFT"]}}
    strategies = [{**BASE["strategies"][0]}, {**BASE["strategies"][1], "symbols": ["MSFT"]}]
    given = parse_settings({**BASE, "data_dir": tmp_path, "accounts": accounts, "strategies": strategies})
    with pytest.raises(SettingsError, match="fund does not trade AAPL, and alpha does; add it to the symbols of fund"):
        check_deeply(given)
