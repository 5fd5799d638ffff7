"""Several accounts in one program: each with its own broker, books, limits and state; what befalls one befalls no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.adapters.paper import PaperTradingBroker
from brokers.errors import Unavailable
from brokers.market import Bar
from core.access.roles import CONSOLE, Actor, Role
from core.databases import database_of
from core.engine import Engine
from core.errors import SettingsError, UnknownName, UserError
from core.service import Quarterdeck
from core.settings import Settings, merge, parse_settings
from core.store.control import equity_of, equity_series, get_cursor
from core.store.models import AlertRow, AllocationRow, FillRow, OrderRow
from core.trading.desk import Desk
from core.verifying import Verified, _verified, verify_everything
from core.views import StrategyStatus
from risk.view import TradingState
from tests.databases import database_url, kind

TRADER = {"kind": "breakout", "symbols": ["AAPL"], "parameters": {"entry": 2, "exit": 1}}
OFTEN = {"sizing": {"method": "fixed_fractional", "percent": "5"}}
CALM = dict.fromkeys(
    (
        "daily_loss_alert_percent",
        "daily_loss_reduce_percent",
        "daily_loss_halt_percent",
        "drawdown_reduce_percent",
        "drawdown_halt_percent",
        "exposure_reduce_percent",
        "max_entries",
        "duplicate_orders",
    ),
    1000,
) | {"stale_quote_seconds": None, "max_order_value_percent": 25, "max_order_value": 50_000, "max_position_percent": 40}
PAPER = {"broker": {"adapter": "paper"}, "limits": CALM}
BASE: dict[str, Any] = {
    "telegram": {"token": "123456789:" + "A" * 35},
    "users": [{"id": 1, "name": "Ada", "role": "admin"}],
    "market": {"symbols": ["AAPL", "MSFT"], "speed": 0},
    "accounts": {"main": PAPER, "fund": PAPER},
    "strategies": [
        {**TRADER, **OFTEN, "name": "alpha", "account": "main"},
        {**TRADER, **OFTEN, "name": "beta", "account": "fund"},
    ],
}


def settings(folder: Path, **over: Any) -> Settings:
    return parse_settings(merge({**BASE, "data_dir": folder, **stored(folder)}, over))


def stored(folder: Path) -> dict[str, Any]:
    """Where everything is stored, migrated already: in a file of the folder, or on the server."""
    url = database_url(folder / "quarterdeck.sqlite3")
    return {} if kind() == "sqlite" else {"database_url": url}


async def verified_again(given: Settings) -> Verified:
    """As `quarterdeck verify` does; the test server is not durable, so there it is opened by hand."""
    if kind() == "sqlite":
        return await verify_everything(given)
    database = database_of(given, durable=False)
    await database.open()
    try:
        return await _verified(given)
    finally:
        await database.close()


class House:
    """An engine whose market moves only when a test says so."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.service = Quarterdeck(engine)

    async def days(self, count: int) -> None:
        assert self.engine.rounds._feed is not None
        if not hasattr(self, "batches"):
            self.batches = self.engine.rounds._feed.batches()
        for _ in range(count):
            await self.engine.rounds._work_through(await anext(self.batches))

    def desk(self, account: str) -> Desk:
        return self.engine.floor.desk(account)

    def state(self, account: str) -> TradingState:
        return self.desk(account).state_for()


@asynccontextmanager
async def house(given: Settings, prepare: Callable[[Engine], None] = lambda _: None) -> AsyncIterator[House]:
    """Started, and always stopped."""
    engine = Engine(given, durable=False)

    async def still() -> None:
        await asyncio.Event().wait()

    engine.rounds.run = still  # type: ignore[method-assign]
    prepare(engine)
    try:
        await engine.start()
        yield House(engine)
    finally:
        await engine.stop()


def paper(engine: Engine, account: str) -> PaperTradingBroker:
    broker = engine.floor.desk(account).broker
    assert isinstance(broker, PaperTradingBroker)
    return broker


# --- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"accounts": {}}, "there is no account to trade in"),
        ({"strategies": [{**TRADER, "name": "alpha"}]}, "alpha: say in which account it trades"),
        (
            {"strategies": [{**TRADER, "name": "alpha", "account": "mian"}]},
            "no account called 'mian'; write one of: main",
        ),
        (
            {"accounts": {"main": {**PAPER, "fx": {"EUR": 1}}, "fund": {**PAPER, "fx": {"EUR": 2}}}},
            "UR is 1 in main and 2 in fund; write the same",
        ),
    ],
)
def test_what_is_wrong_with_accounts_is_said(tmp_path: Path, over: dict[str, Any], said: str) -> None:
    """With the words to write."""
    with pytest.raises(SettingsError) as caught:
        parse_settings({**BASE, "data_dir": tmp_path, **over})
    assert said in str(caught.value)


def test_with_one_account_a_strategy_need_not_name_it(tmp_path: Path) -> None:
    """The settings of before still hold."""
    given = parse_settings(
        {**BASE, "data_dir": tmp_path, "accounts": {"main": PAPER}, "strategies": [{**TRADER, "name": "alpha"}]}
    )
    assert given.account_of(given.strategies[0]) == "main"


# --- apart ---------------------------------------------------------------------------------------------


async def test_everything_of_an_account_is_its_own(tmp_path: Path) -> None:
    """Orders, fills, parts, postings, equity, the venue's journal: and both sets of books are true afterwards."""
    given = settings(tmp_path)
    async with house(given) as made:
        await made.days(60)
        traded = {(row.account, row.strategies) for row in await OrderRow.all()}
        assert traded == {("main", "|alpha|"), ("fund", "|beta|")}
        assert {(row.account, row.strategies) for row in await FillRow.all()} == traded
        assert {(row.account, row.strategy) for row in await AllocationRow.all()} == {
            ("main", "alpha"),
            ("fund", "beta"),
        }
        for account, strategy in (("main", "alpha"), ("fund", "beta")):
            desk = made.desk(account)
            assert desk.portfolio.strategies == [strategy]
            assert {path.split("/")[1] for path, _ in desk.portfolio.balances} == {account}
            at_venue = {str(each.fill.fill_id) for each in await paper(made.engine, account).executions()}
            assert at_venue == {row.fill_id for row in await FillRow.filter(account=account)}
            assert len(await equity_series(equity_of(account), most=100)) == 60
            assert len(await equity_series(strategy, most=100)) == 60
            assert await desk.inspection.look() == await desk.inspection.look_at_all() == []
        assert await made.engine.reconcile() == []
        assert {each.bars_seen for each in made.engine.strategies.instances} == {60}
    verified = await verified_again(given)
    assert verified.problems == ()
    assert [fact.split(":")[0] for fact in verified.facts] == ["fund", "fund", "main", "main", "audit"]


async def test_opposite_wishes_in_two_accounts_do_not_meet(tmp_path: Path) -> None:
    """Conflicts are an account's own: nothing is netted or crossed between houses."""
    short = {**PAPER, "broker": {"adapter": "paper", "shorting": True, "leverage": 2}}
    async with house(settings(tmp_path, accounts={"fund": short})) as made:
        await made.days(1)
        alpha, beta = made.engine.strategies.instances
        alpha.exposures, beta.exposures = {"AAPL": 1.0}, {"AAPL": -1.0}
        await made.engine.floor.pipeline("main").order({"AAPL": None})  # type: ignore[dict-item]
        await made.engine.floor.pipeline("fund").order({"AAPL": None})  # type: ignore[dict-item]
        (bought,) = made.desk("main").orders.open_orders
        (sold,) = made.desk("fund").orders.open_orders
        assert (list(bought.parts), bought.request.side.sign) == (["alpha"], 1)
        assert (list(sold.parts), sold.request.side.sign) == (["beta"], -1)


async def test_limits_are_an_accounts_own(tmp_path: Path) -> None:
    """What one may not do another may."""
    tight = {**PAPER, "limits": {**CALM, "max_order_value": 1}}
    async with house(settings(tmp_path, accounts={"fund": tight})) as made:
        await made.days(40)
        assert await OrderRow.filter(account="main").exists()
        assert not await OrderRow.filter(account="fund").exists()
        assert made.engine.floor.pipeline("fund").denials > 0 == made.engine.floor.pipeline("main").denials
        denied = [row for row in await AlertRow.all() if row.account == "fund" and row.kind == "denied"]
        assert denied
        assert all(row.title.startswith("fund: ") for row in denied)


async def test_a_halted_account_decides_nothing_and_the_other_goes_on(tmp_path: Path) -> None:
    """Each strategy sees every bar of its own account's trading, once."""
    async with house(settings(tmp_path)) as made:
        await made.days(5)
        await made.desk("fund").halt_for("TEST", "too hot")
        await made.days(5)
        seen = {each.name: each.bars_seen for each in made.engine.strategies.instances}
        assert seen == {"alpha": 10, "beta": 5}
        assert (made.state("main"), made.state("fund")) == (TradingState.ACTIVE, TradingState.HALTED)


# --- one that is down ----------------------------------------------------------------------------------


def _down(account: str) -> Callable[[Engine], None]:
    async def refuse() -> None:
        raise Unavailable("the exchange is closed")

    def prepare(engine: Engine) -> None:
        paper(engine, account).connect = refuse  # type: ignore[method-assign]

    return prepare


async def test_a_broker_that_is_down_at_the_start_halts_its_account_alone(tmp_path: Path) -> None:
    """The other trades; when it is back its account is reconciled, and stays halted until somebody resumes."""
    async with house(settings(tmp_path), _down("fund")) as made:
        await made.days(30)
        assert (made.state("main"), made.state("fund")) == (TradingState.ACTIVE, TradingState.HALTED)
        assert {row.account for row in await OrderRow.all()} == {"main"}
        view = await made.service.overview()
        assert [(each.account, each.connected) for each in view.accounts] == [("fund", False), ("main", True)]
        del made.desk("fund").broker.connect  # type: ignore[attr-defined]
        await made.engine._tending["fund"].recover()
        await made.days(5)
        assert made.desk("fund").reconciled
        assert made.state("fund") is TradingState.HALTED
        halts = [row for row in await AlertRow.filter(kind="halt") if "RECONCILIATION" in row.title]
        assert [(row.account, row.title.split(":")[0]) for row in halts] == [("fund", "fund")]


async def test_a_broker_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Neither at the start nor later: it is left out of the moments until it answers."""
    hanging = asyncio.Event()

    def prepare(engine: Engine) -> None:
        broker = paper(engine, "fund")
        real = broker.connect

        async def hang() -> None:
            await hanging.wait()
            await real()

        broker.connect = hang  # type: ignore[method-assign]
        engine._tending["fund"]._patience, engine._tending["main"]._patience = 0.5, 100.0

    async with asyncio.timeout(120), house(settings(tmp_path), prepare) as made:
        assert made.state("fund") is TradingState.HALTED
        made.engine._tending["fund"]._patience = 100.0
        recovering = asyncio.create_task(made.engine._tending["fund"].recover())
        await made.days(10)
        assert await OrderRow.filter(account="main").exists()
        hanging.set()
        await recovering
        await made.days(2)
        assert await equity_series(equity_of("fund"), most=100)


async def test_with_every_broker_away_the_market_waits(tmp_path: Path) -> None:
    """A moment that nobody can work through would be lost."""
    async with house(settings(tmp_path)) as made, made.engine.rounds.without("main"):
        await made.days(1)
        async with made.engine.rounds.without("fund"):
            waiting = asyncio.create_task(made.days(1))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 30)


async def test_a_connection_that_breaks_in_a_moment_costs_the_other_nothing(tmp_path: Path) -> None:
    """The moment is worked through by whoever is there, and counts."""
    async with house(settings(tmp_path)) as made:
        await made.days(3)
        await made.desk("fund").broker.disconnect()
        await made.days(3)
        assert await get_cursor("replay") == made.engine.trading_clock.now()
        assert made.engine.strategies.get("alpha").bars_seen == 6
        assert made.engine.strategies.get("beta").bars_seen < 6
        assert made.state("main") is TradingState.ACTIVE


async def test_a_fault_in_one_account_halts_it_and_the_moment_goes_on(tmp_path: Path) -> None:
    """A bug that only one account meets does not stop the market."""
    async with house(settings(tmp_path)) as made:

        async def broken(_bars: object) -> None:
            raise ZeroDivisionError("a bug")

        made.engine.floor.pipeline("fund").order = broken  # type: ignore[method-assign]
        await made.days(3)
        assert made.engine.strategies.get("alpha").bars_seen == 3
        assert (made.state("main"), made.state("fund")) == (TradingState.ACTIVE, TradingState.HALTED)
        (told,) = [row for row in await AlertRow.filter(kind="halt") if "FAULT" in row.title]
        assert told.account == "fund"
        assert "ZeroDivisionError: a bug" in told.body


async def test_a_fault_in_all_accounts_fails_the_moment(tmp_path: Path) -> None:
    """Then it is the moment's fault, not theirs: it is reported, and worked through again."""
    async with house(settings(tmp_path)) as made:

        async def broken(_bars: object) -> None:
            raise ZeroDivisionError("a bug")

        for pipeline in made.engine.floor.pipelines.values():
            pipeline.order = broken  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            await made.days(1)
        assert await get_cursor("replay") is None
        assert {made.state("main"), made.state("fund")} == {TradingState.ACTIVE}


async def test_drift_in_one_account_restricts_it_alone(tmp_path: Path) -> None:
    """Books and venue of the other agree."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        broker = paper(made.engine, "fund")
        real = broker.get_account_info

        async def more() -> Any:
            info = await real()
            balance = info.balances["USD"]
            more = replace(balance, total=balance.total + 7)
            return replace(info, balances={**info.balances, "USD": more})

        broker.get_account_info = more  # type: ignore[method-assign]
        drifts = await made.engine.reconcile()
        assert [drift.is_cash for drift in drifts] == [True]
        assert (made.state("main"), made.state("fund")) == (TradingState.ACTIVE, TradingState.REDUCING)
        assert await made.engine.reconcile("main") == []


async def test_wrong_books_halt_their_account_alone(tmp_path: Path) -> None:
    """The look at the books goes over all accounts, whatever it finds."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        await made.engine.books_watch.look()
        key = ("cash/fund", "USD")
        made.desk("fund").portfolio.balances[key] += 1
        await made.engine.books_watch.look()
        await made.engine.books_watch.look_at_all()
        assert (made.state("main"), made.state("fund")) == (TradingState.ACTIVE, TradingState.HALTED)


@pytest.mark.parametrize("job", ["sweep", "_reconcile_if_connected", "_look_after_orders"])
async def test_a_job_goes_over_all_accounts_whatever_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """And its failure is not swallowed."""
    async with house(settings(tmp_path)) as made:
        await made.days(1)
        done: list[str] = []

        async def turn(self: Desk) -> list[Any]:
            done.append(self.account)
            if self.account == "fund":
                raise ZeroDivisionError("a bug")
            return []

        for name in ("sweep", "reconcile", "look_after_orders"):
            monkeypatch.setattr(Desk, name, turn)
        with pytest.raises(ZeroDivisionError):
            await getattr(made.engine, job)()
        assert done == ["fund", "main"]
        monkeypatch.undo()


# --- restarts ------------------------------------------------------------------------------------------


async def test_a_restart_goes_on_in_every_account(tmp_path: Path) -> None:
    """Books, goals, states and the strategies are as they were, and both venues agree."""
    given = settings(tmp_path)
    async with house(given) as made:
        await made.days(33)
        await made.desk("fund").halt_for("TEST", "too hot")
        before = {desk.account: dict(desk.portfolio.balances) for desk in made.engine.floor}
        exposures = {each.name: dict(each.exposures) for each in made.engine.strategies.instances}
    async with house(given) as made:
        assert {desk.account: dict(desk.portfolio.balances) for desk in made.engine.floor} == before
        assert {each.name: dict(each.exposures) for each in made.engine.strategies.instances} == exposures
        assert all(desk.reconciled for desk in made.engine.floor)
        assert (made.state("main"), made.state("fund")) == (TradingState.ACTIVE, TradingState.HALTED)
        await made.days(27)
        assert await made.engine.reconcile() == []
    assert (await verified_again(given)).problems == ()


async def test_what_one_account_has_decided_is_stored_with_its_own_orders_only(tmp_path: Path) -> None:
    """An order of one account must not store that the other's strategies have seen a bar: its goals are not stored yet."""
    async with house(settings(tmp_path)) as made:
        await made.days(3)
        later = made.engine.trading_clock.now() + timedelta(days=1)
        await made.engine.strategies.decide({"AAPL": Bar("AAPL", later, *[Decimal(4)] * 4)})
        (await made.engine.floor.pipeline("main").write())()
        assert made.engine.strategies._unsaved.keys() == {"beta"}


async def test_a_database_of_one_account_opens_with_a_second_one(tmp_path: Path) -> None:
    """What was there is the first account's; the new one begins with what its broker holds."""
    alone = {
        **BASE,
        **stored(tmp_path),
        "data_dir": tmp_path,
        "accounts": {"main": PAPER},
        "strategies": [{**TRADER, **OFTEN, "name": "alpha"}],
    }
    given = settings(tmp_path)
    async with house(parse_settings(alone)) as made:
        await made.days(20)
        assert made.engine.supervisor.parts[0] == "reports"
        before = dict(made.desk("main").portfolio.balances)
    async with house(given) as made:
        assert made.desk("main").portfolio.balances == before
        assert made.desk("fund").portfolio.cash == Decimal(100_000)
        await made.days(20)
        assert len(await equity_series(equity_of("main"), most=100)) == 40
        assert {"reports main", "reports fund", "protection main"} <= set(made.engine.supervisor.parts)


async def test_a_strategy_moves_only_when_it_is_flat(tmp_path: Path) -> None:
    """Else what it holds would be nobody's."""
    given = settings(tmp_path)
    async with house(given) as made:
        while not made.desk("main").portfolio.held():
            await made.days(1)
    moved = parse_settings(
        {
            **BASE,
            **stored(tmp_path),
            "data_dir": tmp_path,
            "strategies": [{**TRADER, "name": "alpha", "account": "fund"}],
        }
    )
    with pytest.raises(SettingsError, match=r"alpha\): it still holds or orders AAPL in main: write `account: main`"):
        async with house(moved):
            pass


# --- questions -----------------------------------------------------------------------------------------

FUND_ONLY = Actor("telegram:2", "Vic", Role.VIEWER, {"main": None})


async def test_the_overview_adds_up_what_can_be_added(tmp_path: Path) -> None:
    """Money of one currency; a sum of dollars and euros would be a lie."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        view = await made.service.overview()
        fund, main = view.accounts
        assert (fund.account, main.account, view.currency) == ("fund", "main", "USD")
        assert fund.equity is not None
        assert main.equity is not None
        assert view.equity == fund.equity + main.equity
        assert view.running == 2
        assert (await made.service.overview("main")).accounts == ()
    euros = {"broker": {"adapter": "paper", "currency": "EUR"}, "fx": {"USD": "0.9"}}
    other = tmp_path / "other"
    other.mkdir()
    async with house(settings(other, accounts={"fund": euros})) as made:
        await made.days(1)
        view = await made.service.overview()
        assert (view.currency, view.equity, view.today) == ("", None, None)


async def test_nobody_learns_of_an_account_that_they_may_not_see(tmp_path: Path) -> None:
    """Every view, and every name: as if it were not there."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        service = made.service
        seen = service.seen_by(FUND_ONLY)
        assert seen == ("fund",)
        assert service.seen_by(CONSOLE) is None
        assert (await service.overview("", seen)).account == "fund"
        assert {row.account for row in await service.strategies("", seen)} == {"fund"}
        assert {row.account for row in await service.positions("", seen)} <= {"fund"}
        assert {row.account for row in await service.balances("", seen)} == {"fund"}
        assert {row.account for row in (await service.orders(accounts=seen)).rows} == {"fund"}
        assert {row.account for row in (await service.fills(accounts=seen)).rows} == {"fund"}
        assert (await service.pnl("", seen)).account == "fund"
        assert (await service.risk("", seen)).account == "fund"
        assert all("main" not in row.part for row in await service.health(seen))
        report = await service.report("all", "", seen)
        assert b"alpha" not in report.csv
        assert b"beta" in report.csv
        theirs = (await OrderRow.filter(account="main").first()).client_order_id  # type: ignore[union-attr]
        hidden: list[Awaitable[object]] = [
            service.overview("main", seen), service.positions("main", seen), service.balances("main", seen),
            service.pnl("main", seen), service.risk("main", seen), service.report("all", "main", seen),
            service.performance("alpha", seen), service.performance("main", seen),
            service.performance("account:main", seen), service.strategy("alpha", seen),
            service.orders(strategy="alpha", accounts=seen), service.order(theirs, seen),
        ]  # fmt: skip
        for question in hidden:
            with pytest.raises(UnknownName) as caught:
                await question
            assert "There are: main" not in str(caught.value)
            assert "alpha" not in caught.value.suggestions
        with pytest.raises(UserError):
            await service.overview("", ())


async def test_results_are_an_accounts_own(tmp_path: Path) -> None:
    """Of an account, by its name or as account:NAME; of a strategy, in its account."""
    async with house(settings(tmp_path)) as made:
        await made.days(30)
        service = made.service
        assert [row.strategy for row in (await service.pnl("main")).strategies] == ["alpha"]
        whole, named = await service.performance("account:main"), await service.performance("main")
        assert whole.series == named.series
        assert (whole.subject, whole.account) == ("account", "main")
        assert (await service.performance("beta")).account == "fund"
        report = await service.report("all", "main")
        orders = await OrderRow.filter(account="main").count()
        assert (report.account, report.orders) == ("main", orders)
        assert report.csv_name.startswith("quarterdeck-main-all-")
        assert (await service.strategy("beta")).account == "fund"


# --- the floor itself ----------------------------------------------------------------------------------


async def test_the_floor_finds_everything_by_name(tmp_path: Path) -> None:
    """And says what there is when it does not."""
    async with house(settings(tmp_path)) as made:
        floor = made.engine.floor
        assert [desk.account for desk in floor] == ["fund", "main"] == list(floor.names)
        assert (len(floor), floor.is_single, "main" in floor, "mian" in floor) == (2, False, True, False)
        assert floor.account_of("beta") == "fund"
        assert floor.desk_of("alpha") is floor.desk("main")
        assert floor.pipeline_of("alpha") is floor.pipelines["main"]
        assert floor.strategies_of("main") == ("alpha",)
        assert (floor.adapter("main"), floor.on("paper")) == ("paper", ("fund", "main"))
        assert floor.accounts_of("alpha") == ("main",)
        assert floor.desk_with("nothing") is None
        for ask in (lambda: floor.desk("mian"), lambda: floor.account_of("x"), lambda: floor.on("x")):
            with pytest.raises(UnknownName):
                ask()
        with pytest.raises(UnknownName):
            floor.accounts_of("x")
        await made.days(20)
        assert await made.engine.strategies.pause("alpha")
        assert made.engine.strategies.get("beta").status is StrategyStatus.RUNNING
