"""Orders go to a second account only if configured, and only when it is certain that nothing is left in the first."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brokers.market import Bar
from brokers.order import OrderType, Side, TimeInForce
from core.errors import SettingsError
from core.store.models import AlertRow, AuditLine, GoalRow, OrderRow, StandbyRow
from core.trading.protection.spec import ExitSpec
from core.views import StrategyStatus
from risk.intent import OrderIntent
from risk.verdict import Approved
from risk.view import TradingState
from tests.core.trading.stage import dec
from tests.core.trading.two_desks import AFTER, MAIN, RESERVE, Pair


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = await Pair.open(tmp_path)
    yield made
    await made.close()


async def told(kind: str = "standby") -> list[str]:
    return [row.title for row in await AlertRow.filter(kind=kind).order_by("id")]


async def refusal(pair: Pair, name: str = "alpha") -> str:
    """Why a strategy stays, as it was told."""
    assert pair.trades_in(name) == MAIN
    row = await AlertRow.filter(kind="standby").order_by("-id").first()
    assert row is not None
    return next(line.removeprefix(f"{name}: ") for line in row.body.splitlines() if line.startswith(f"{name}: "))


# --- it moves --------------------------------------------------------------------------------------


async def test_who_is_flat_trades_in_the_standby_after_the_time_that_is_set(pair: Pair) -> None:
    """Not before; then it is stored with its audit line and its alert, and the next bar opens there."""
    await pair.down(AFTER - 1)
    assert pair.trades_in("alpha") == MAIN
    pair.pass_(1)
    await pair.failover.look()
    assert pair.trades_in("alpha") == pair.trades_in("beta") == RESERVE
    assert [row.strategy for row in await StandbyRow.all().order_by("strategy")] == ["alpha", "beta"]
    assert await AuditLine.filter(action="standby").count() == 2
    assert await told() == [
        "alpha trades in reserve now, the standby of main",
        "alpha trades in reserve now",
        "beta trades in reserve now, the standby of main",
        "beta trades in reserve now",
    ]
    await pair.want("alpha", 1.0)
    assert (pair.held("alpha", MAIN), pair.held("alpha", RESERVE)) == (0, 10)
    assert await pair.at_venue(MAIN) == 0
    assert pair.lines[MAIN].count("place") == 0


async def test_a_line_that_comes_back_in_time_moves_nobody(pair: Pair) -> None:
    """The time counts anew with every outage."""
    await pair.down(AFTER - 1)
    pair.lines[MAIN].cut = False
    await pair.failover.look()
    await pair.down(AFTER - 1)
    assert pair.trades_in("alpha") == MAIN
    assert await told() == []


async def test_a_wish_that_was_never_met_is_sized_by_the_other_account(pair: Pair) -> None:
    """And one that was refused at the first because the line was cut proves nothing against it."""
    pair.lines[MAIN].cut = True
    await pair.want("alpha", 1.0)
    assert pair.lines[MAIN].count("place") == 1
    await pair.down()
    assert pair.trades_in("alpha") == RESERVE
    assert not await GoalRow.filter(strategy="alpha").exists()
    await pair.bar()
    assert pair.held("alpha", RESERVE) == 10


async def test_who_could_not_sell_short_in_the_first_is_short_in_the_standby(pair: Pair) -> None:
    """Nothing has closed it: the other account can what its own could not."""
    line = pair.lines[MAIN]
    line.capabilities = replace(line.capabilities, shorting=False)
    await pair.want("alpha", -1.0)
    assert (await GoalRow.get(strategy="alpha")).quantity == 0
    await pair.compare()
    await pair.down()
    assert pair.trades_in("alpha") == RESERVE
    await pair.bar()
    assert (pair.held("alpha", MAIN), pair.held("alpha", RESERVE)) == (0, -10)


async def test_what_a_stop_has_closed_stays_closed_in_the_standby(pair: Pair) -> None:
    """The same wish opens nothing there; another one does."""
    pair.strategies.instances["alpha"].exits = ExitSpec.model_validate({"stop_loss": {"percent": 2}})
    await pair.want("alpha", 1.0)
    for _ in range(3):
        await pair.tick(97)
        await pair.hear()
        await pair.floor.pipeline(MAIN).keep()
    assert pair.held("alpha", MAIN) == 0
    await pair.compare()
    await pair.down()
    assert pair.trades_in("alpha") == RESERVE
    await pair.bar()
    assert pair.held("alpha", RESERVE) == 0
    await pair.want("alpha", -1.0)
    assert pair.held("alpha", RESERVE) == -10


async def test_it_survives_a_restart_and_does_not_come_back_by_itself(pair: Pair) -> None:
    """However long the first account has been there again."""
    await pair.down()
    await pair.want("alpha", 1.0)
    await pair.restart()
    assert pair.trades_in("alpha") == RESERVE
    pair.lines[MAIN].cut = False
    for _ in range(3):
        pair.pass_(3600)
        await pair.compare()
        await pair.failover.look()
        await pair.bar()
    assert pair.trades_in("alpha") == RESERVE
    assert (pair.held("alpha", MAIN), pair.held("alpha", RESERVE)) == (0, 10)


# --- it does not -----------------------------------------------------------------------------------


async def test_who_holds_something_stays(pair: Pair) -> None:
    """It is told once, with who and why; the other one goes."""
    await pair.want("alpha", 1.0)
    await pair.compare()
    await pair.down()
    assert await refusal(pair) == "it holds something in main"
    assert pair.trades_in("beta") == RESERVE
    for _ in range(3):
        await pair.failover.look()
    assert (await told()).count("reserve does not take over from main: alpha") == 1
    await pair.want("alpha", 1.0)
    assert pair.held("alpha", RESERVE) == 0
    pair.lines[MAIN].cut = False
    await pair.failover.look()
    assert await AlertRow.filter(key="standby:main", status="closed").count() == 1
    assert not [line for line in pair.failover.words(MAIN, lambda _: True) if "stays" in line]


@pytest.mark.parametrize("fault", ["lost", "never"])
async def test_an_order_in_doubt_keeps_it(pair: Pair, fault: str) -> None:
    """Whether or not the venue has it."""
    pair.lines[MAIN].plan("place", fault)
    await pair.want("alpha", 1.0)
    await pair.down()
    assert await refusal(pair) == "an order of it may still fill in main"


async def test_an_order_that_was_given_up_is_still_watched_and_keeps_it(pair: Pair) -> None:
    """It may turn up within a day."""
    pair.lines[MAIN].plan("place", "never")
    await pair.want("alpha", 1.0)
    for _ in range(6):
        pair.pass_(30)
        await pair.desk().look_after_orders()
    assert not pair.desk().orders.open_orders
    assert pair.desk().orders.watched
    pair.strategies.want("alpha", 0.0)
    await pair.compare()
    await pair.down()
    assert await refusal(pair) == "an order of it may still fill in main"


async def test_who_has_traded_since_the_last_comparison_stays(pair: Pair) -> None:
    """The books say flat; the venue was not asked since."""
    await pair.want("alpha", 1.0)
    await pair.want("alpha", 0.0)
    assert pair.held("alpha", MAIN) == 0
    await pair.down()
    assert await refusal(pair) == "it has traded in main since books and venue were compared last"
    pair.lines[MAIN].cut = False
    await pair.compare()
    await pair.down()
    assert pair.trades_in("alpha") == RESERVE


async def test_who_was_busy_at_the_last_comparison_stays(pair: Pair) -> None:
    """An order that was open then has ended since, by what we heard; nothing was ordered after it."""
    order = await submit(pair, MAIN, limit=50)
    await pair.compare()
    await pair.desk().orders.cancel(order.id, "by hand")
    assert not pair.desk().orders.open_orders
    await pair.down()
    assert "since books and venue were compared last" in await refusal(pair)


async def test_who_holds_something_in_the_standby_stays(pair: Pair) -> None:
    """It has moved by hand before, and left something there."""
    await submit(pair, RESERVE)
    await pair.compare()
    await pair.down()
    assert await refusal(pair) == "it holds something in reserve"


async def test_after_a_restart_nothing_is_certain_until_the_venue_has_been_asked(pair: Pair) -> None:
    """The venue is away at the start, too."""
    pair.lines[MAIN].cut = True
    await pair.restart()
    await pair.down()
    assert await refusal(pair) == "books and venue of main have not agreed since the start"


async def test_books_that_differ_prove_nothing(pair: Pair) -> None:
    """What was proved before does not count any more."""
    pair.lines[MAIN].bend_account = lambda info: replace(info, balances={})
    await pair.compare()
    await pair.down()
    assert "have not agreed" in await refusal(pair)


@pytest.mark.parametrize("scope", ["account:main", "global", "strategy:alpha", "instrument:main/ACME", "live:main"])
@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
async def test_a_standby_is_no_way_around_a_halt(pair: Pair, scope: str, state: TradingState) -> None:
    """Whoever has stopped the first account has stopped its strategies."""
    await pair.switch.set(scope, state, "somebody", "Ada")
    await pair.down()
    assert await refusal(pair) == f"trading is {state.name} in main: a standby is no way around it"


async def test_the_standby_must_be_ready(pair: Pair) -> None:
    """Connected, confirmed, compared, and free to trade what the strategy trades: one after the other."""
    line, desk = pair.lines[RESERVE], pair.desk(RESERVE)
    line.cut = True
    await pair.down()
    assert await refusal(pair) == "the broker of reserve does not answer either"
    line.cut = False
    line.is_live, pair.lines[MAIN].is_live = True, True
    pair.desk().confirmed = pair.lines[MAIN].identity
    await look_later(pair)
    assert await refusal(pair) == "nobody has confirmed reserve: /golive reserve"
    desk.confirmed, desk.reconciled = line.identity, False
    await look_later(pair)
    assert "books and venue of reserve" in await refusal(pair)
    desk.reconciled = True
    await pair.switch.set("account:reserve", TradingState.REDUCING, "somebody", "Ada")
    await look_later(pair)
    assert await refusal(pair) == "trading is REDUCING in reserve: it does not take over"
    await pair.switch.set("account:reserve", TradingState.ACTIVE, "", "Ada")
    pair.strategies.instances["alpha"].settings.symbols = ("ACME", "NOPE")
    line.is_live = False
    await look_later(pair)
    assert await refusal(pair) == "reserve trades other money"
    line.is_live = True
    await look_later(pair)
    assert pair.trades_in("alpha") == RESERVE


async def look_later(pair: Pair) -> None:
    """When it is time to tell other reasons for the same."""
    pair.pass_(30)
    await pair.failover.look()


async def test_a_standby_that_comes_and_goes_is_no_message_each_second(pair: Pair) -> None:
    """Other reasons for the same strategies are told every half minute at most; another one who stays, at once."""
    title = "reserve does not take over from main: alpha, beta"
    pair.lines[RESERVE].cut = True
    await pair.down()
    for second in range(29):
        pair.pass_(1)
        pair.lines[RESERVE].cut, pair.desk(RESERVE).reconciled = bool(second % 2), False
        await pair.failover.look()
    assert await told() == [title]
    assert "beta stays: books and venue of reserve" in "\n".join(pair.failover.words(MAIN, lambda _: True))
    await look_later(pair)
    assert "books and venue of reserve" in await refusal(pair)
    assert await told() == [title] * 2
    pair.strategies.instances["beta"].status = StrategyStatus.STOPPED
    await pair.failover.look()
    assert await told() == [title] * 2 + ["reserve does not take over from main: alpha"]


async def test_what_could_not_be_told_is_told_at_the_next_look(pair: Pair, monkeypatch: Any) -> None:
    """And what could not be closed is closed then."""
    pair.lines[RESERVE].cut = True

    async def full(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("core.alerts.outbox.add_alert", full)
    with pytest.raises(OSError, match="full"):
        await pair.down()
    monkeypatch.undo()
    await pair.failover.look()
    assert await told() == ["reserve does not take over from main: alpha, beta"]
    pair.lines[MAIN].cut = False
    monkeypatch.setattr("core.store.alert_life.close", full)
    with pytest.raises(OSError, match="full"):
        await pair.failover.look()
    monkeypatch.undo()
    await pair.failover.look()
    assert await AlertRow.filter(key="standby:main", status="closed").count() == 1


async def test_a_restart_leaves_no_alert_open_when_the_first_account_is_there_again(pair: Pair) -> None:
    """Nothing in memory knows that it was told."""
    pair.lines[RESERVE].cut = True
    await pair.down()
    pair.lines[MAIN].cut = False
    await pair.restart()
    await pair.failover.look()
    assert await AlertRow.filter(key="standby:main", status="closed").count() == 1


async def test_who_does_not_trade_does_not_move(pair: Pair) -> None:
    """It may be started when its own account is back."""
    pair.strategies.instances["alpha"].status = StrategyStatus.STOPPED
    await pair.down()
    assert (pair.trades_in("alpha"), pair.trades_in("beta")) == (MAIN, RESERVE)


async def test_what_cannot_be_stored_does_not_happen(pair: Pair, monkeypatch: Any) -> None:
    """Where a strategy trades is the same in memory and on the disk."""

    async def full(_row: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("core.store.standbys.put_moved", full)
    with pytest.raises(OSError, match="full"):
        await pair.down()
    assert pair.trades_in("alpha") == MAIN
    assert await told() == []
    monkeypatch.undo()
    await pair.failover.look()
    assert pair.trades_in("alpha") == RESERVE


async def test_a_venue_that_answers_again_in_the_last_moment_keeps_its_strategies(pair: Pair) -> None:
    """Its own account may be ordering already: then the move waits for its turn, and is off."""
    pair.lines[MAIN].cut = True
    await pair.failover.look()
    pair.pass_(AFTER)
    async with pair.floor.pipeline(MAIN).turn():
        looking = asyncio.create_task(pair.failover.look())
        await asyncio.sleep(0.02)
        pair.lines[MAIN].cut = False
    await looking
    assert pair.trades_in("alpha") == MAIN


async def test_an_order_that_was_decided_before_the_move_is_not_sent_after_it(pair: Pair) -> None:
    """The pipeline of the first account asks again, in its turn, whose the strategy is."""
    pipeline = pair.floor.pipeline(MAIN)
    pair.strategies.want("alpha", 1.0)
    bar = Bar("ACME", pair.market_clock.now(), *[dec(100)] * 4)
    async with pipeline.turn():
        ordering = asyncio.create_task(pipeline.order({"ACME": bar}))
        await asyncio.sleep(0.02)
        pair.floor.move("alpha", RESERVE)
    await ordering
    assert pair.lines[MAIN].count("place") == 0
    assert not await GoalRow.all().exists()


async def test_what_comes_in_between_keeps_it(pair: Pair) -> None:
    """It was flat when it was looked at, and is not when it is its turn."""
    pair.lines[MAIN].cut = True
    await pair.failover.look()
    pair.pass_(AFTER)
    async with pair.floor.pipeline(MAIN).turn():
        looking = asyncio.create_task(pair.failover.look())
        await asyncio.sleep(0.02)
        pair.lines[MAIN].cut = False
        await submit(pair, MAIN)
        pair.lines[MAIN].cut = True
    await looking
    assert await refusal(pair) == "it holds something in main"


# --- the way back ----------------------------------------------------------------------------------


async def test_a_person_brings_it_back_when_it_is_flat_there(pair: Pair) -> None:
    """Until then it is said what it holds."""
    await pair.down()
    await pair.want("alpha", 1.0)
    assert "does not answer either" in await pair.back()
    pair.lines[MAIN].cut = False
    await pair.compare()
    assert await pair.back() == "it holds something in reserve"
    await pair.want("alpha", 0.0)
    assert "since books and venue were compared last" in await pair.back()
    await pair.compare()
    assert await pair.back() == ""
    assert pair.trades_in("alpha") == MAIN
    assert await pair.back() == "it trades in its own account"
    assert not await StandbyRow.filter(strategy="alpha").exists()
    assert await AlertRow.filter(key="standby:of:alpha", status="closed").count() == 1
    assert (await told())[-2:] == ["alpha trades in main again", "alpha does not trade in reserve any more"]
    hosts = await AlertRow.filter(kind="standby", account=RESERVE, strategy="alpha").order_by("id")
    assert [row.title for row in hosts] == ["alpha trades in reserve now", "alpha does not trade in reserve any more"]
    assert not [row for row in hosts if MAIN in row.title + row.body]
    assert await AuditLine.filter(action="failback").count() == 1
    await pair.want("alpha", 1.0)
    assert (pair.held("alpha", MAIN), pair.held("alpha", RESERVE)) == (10, 0)
    await pair.restart()
    assert pair.trades_in("alpha") == MAIN


async def test_a_first_account_that_reports_something_of_it_after_all_is_a_matter_for_a_person(pair: Pair) -> None:
    """It only closes from then on, in both; once told. A restart is not kept by it."""
    await pair.down()
    pair.lines[MAIN].cut = False
    await pair.compare()
    await submit(pair, MAIN)
    for _ in range(2):
        await pair.failover.look()
    assert (await told()).count("alpha holds something in two accounts") == 1
    assert pair.strategies.instances["alpha"].status is StrategyStatus.PAUSED
    await pair.restart()
    assert pair.trades_in("alpha") == RESERVE


async def test_what_is_in_two_accounts_is_told_even_if_that_fails_once(pair: Pair, monkeypatch: Any) -> None:
    """The next look tells it."""
    await pair.down()
    pair.lines[MAIN].cut = False
    await pair.compare()
    await submit(pair, MAIN)

    async def full(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("core.alerts.outbox.add_alert", full)
    with pytest.raises(OSError, match="full"):
        await pair.failover.look()
    monkeypatch.undo()
    await pair.failover.look()
    assert (await told()).count("alpha holds something in two accounts") == 1


async def submit(pair: Pair, account: str, limit: object = None) -> Any:
    """Somebody orders one unit for alpha, past its pipeline."""
    desk, kind = pair.desk(account), OrderType.MARKET if limit is None else OrderType.LIMIT
    intent = OrderIntent(
        account,
        pair.source.instruments["ACME"],
        Side.BUY,
        dec(1),
        pair.market_clock.now(),
        {"alpha": dec(1)},
        type=kind,
        limit_price=None if limit is None else dec(limit),
        time_in_force=TimeInForce.GTC,
    )
    verdict = desk.gate.review(intent, desk.view())
    assert isinstance(verdict, Approved)
    order = await desk.orders.submit(verdict)
    await pair.tick()
    await pair.hear()
    return order


# --- settings that have changed --------------------------------------------------------------------


async def test_settings_that_give_it_another_account_win(pair: Pair) -> None:
    """The row is dropped, with an audit line; what it holds there keeps the program from starting, as ever."""
    await pair.down()
    await pair.want("alpha", 1.0)
    await StandbyRow.filter(strategy="alpha").update(home="elsewhere")
    with pytest.raises(SettingsError, match="alpha"):
        await pair.restart()
    assert not await StandbyRow.filter(strategy="alpha").exists()
    assert await AlertRow.filter(key="standby:of:alpha", status="closed").count() == 1
    assert await AuditLine.filter(action="settings win").count() == 1


async def test_what_is_said_of_it(pair: Pair) -> None:
    """To who sees both accounts."""
    assert pair.failover.words(MAIN, lambda _: True) == ("Standby: reserve, after 60 s",)
    assert pair.failover.words(MAIN, lambda name: name == MAIN) == ()
    await pair.want("beta", 1.0)
    await pair.down()
    assert pair.failover.words(MAIN, lambda _: True) == (
        "Standby: reserve, after 60 s",
        "beta stays: it holds something in main",
        "alpha trades in reserve since 04 Mar 15:01 UTC",
    )
    (line,) = pair.failover.words(RESERVE, lambda _: True)
    assert line == "alpha of main trades here since 04 Mar 15:01 UTC"


# --- whatever happens ------------------------------------------------------------------------------

_NAMES = st.sampled_from(["alpha", "beta"])
_STEPS = st.one_of(
    st.tuples(st.just("want"), _NAMES, st.sampled_from([1.0, 0.0, -1.0])),
    st.tuples(st.just("cut"), st.sampled_from([MAIN, RESERVE]), st.booleans()),
    st.tuples(st.just("fault"), st.sampled_from([MAIN, RESERVE]), st.sampled_from(["lost", "never", "down", "no"])),
    st.tuples(st.just("pass"), st.sampled_from([1, AFTER, 600])),
    st.tuples(st.just("compare")),
    st.tuples(st.just("doubts")),
    st.tuples(st.just("back"), _NAMES),
    st.tuples(st.just("restart")),
    st.tuples(st.just("bar")),
)


async def _step(pair: Pair, kind: str, *rest: Any) -> None:
    match kind:
        case "want":
            await pair.want(*rest)
        case "cut":
            pair.lines[rest[0]].cut = rest[1]
        case "fault":
            pair.lines[rest[0]].plan("place", rest[1])
        case "pass":
            pair.pass_(rest[0])
        case "compare":
            await pair.compare()
        case "doubts":
            for desk in pair.floor:
                await desk.look_after_orders()
        case "back":
            await pair.back(rest[0])
        case "restart":
            await pair.restart()
        case _:
            await pair.bar()
    await pair.failover.look()


async def _never_in_both(pair: Pair) -> None:
    """By our books, doubts included, and by the venues' own: each order there names its strategies."""
    for name in ("alpha", "beta"):
        where = [desk.account for desk in pair.floor if await _is_at_stake(pair, desk.account, name)]
        assert len(where) <= 1, (name, where)


async def _is_at_stake(pair: Pair, account: str, name: str) -> bool:
    """Whether it holds anything at the venue, or may come to: what it has filled, and what is open."""
    held = dec(0)
    for row in await OrderRow.filter(account=account):
        report = await pair.lines[account]._broker.find_order(row.client_order_id)
        if report is None or name not in row.allocations:
            continue
        if report.state.is_open:
            return True
        part = dec(row.allocations[name])
        assert report.filled in (0, report.quantity)
        held += part if report.filled else 0
    return held != 0


async def _play(folder: Path, steps: list[tuple[Any, ...]]) -> int:
    pair = await Pair.open(folder)
    try:
        for step in steps:
            await _step(pair, *step)
            await _never_in_both(pair)
        return await AuditLine.filter(action="standby").count()
    finally:
        await pair.close()


def test_never_is_anything_of_a_strategy_in_both_accounts() -> None:
    """Cut lines, lost and doubtful orders, restarts, bars and ways back, in any order."""
    moves = 0

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(_STEPS, min_size=4, max_size=14))
    @example(
        [
            ("cut", MAIN, True),
            ("pass", AFTER),
            ("want", "alpha", 1.0),
            ("cut", MAIN, False),
            ("bar",),
            ("back", "alpha"),
        ]
    )
    @example([("fault", MAIN, "lost"), ("want", "alpha", 1.0), ("cut", MAIN, True), ("pass", AFTER), ("bar",)])
    @example(
        [
            *[("fault", MAIN, "lost"), ("want", "alpha", 1.0), ("restart",), ("cut", MAIN, True), ("pass", AFTER)],
            *[("bar",), ("restart",), ("pass", AFTER), ("bar",)],
        ]
    )
    def play(steps: list[tuple[Any, ...]]) -> None:
        nonlocal moves
        with tempfile.TemporaryDirectory() as folder:
            moves += asyncio.run(_play(Path(folder), steps))

    play()
    assert moves  # else nothing was proved
