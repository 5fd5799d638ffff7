"""The dead man's timer at Binance's futures: set, set anew, ended; and what happens when it runs out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.dead_man import DeadMan
from brokers.errors import BrokerError, ConfigurationError, Unavailable
from brokers.order import OrderType, VenueOrderState
from tests.brokers.ccxt.rig import Rig, account

ROUTE = "POST /fapi/v1/countdownCancelAll"


def told(rig: Rig) -> list[Any]:
    return [each["params"]["countdownTime"] for each in rig.venue.journal.requests(ROUTE)]


def timer(rig: Rig, seconds: float, ran_out: Any) -> DeadMan:
    """One that is quicker than the settings allow."""
    return DeadMan(rig.broker._client, rig.broker._dialect, seconds, (rig.symbol,), ran_out)


async def until(rig: Rig, count: int) -> None:
    async with asyncio.timeout(30):
        while len(told(rig)) < count:
            await asyncio.sleep(0.01)


async def test_it_is_set_when_we_connect_and_ended_when_we_leave(tmp_path: Path) -> None:
    """Once, however often we are asked to connect; orders stay when we leave in good order."""
    async with account(tmp_path, "usdm", dead_man_seconds=60) as rig:
        order = await rig.place()
        await rig.broker.connect()
        await rig.broker.disconnect()
        assert told(rig) == ["60000", "0"]
        await rig.connect()
        found = await rig.find(order.client_order_id)
        assert found is not None
        assert found.state is VenueOrderState.WORKING
    assert told(rig) == ["60000", "0"]


async def test_nothing_is_set_unless_it_is_asked_for(tmp_path: Path) -> None:
    """The venue cancels nothing by itself."""
    async with account(tmp_path, "usdm") as rig:
        await rig.place()
    assert told(rig) == []


@pytest.mark.parametrize("market", ["spot", "margin"])
async def test_where_there_is_none_it_is_refused_at_the_start(tmp_path: Path, market: str) -> None:
    """Nobody may believe in a protection that is not there."""
    with pytest.raises(ConfigurationError, match="dead_man_seconds"):
        async with account(tmp_path, market, dead_man_seconds=60):
            pass


async def test_one_that_is_too_short_is_refused(tmp_path: Path) -> None:
    """A hiccup of the line would cancel everything."""
    with pytest.raises(ConfigurationError, match="60 or more"):
        async with account(tmp_path, "usdm", dead_man_seconds=30):
            pass


@pytest.mark.parametrize(("seconds", "is_enough"), [(60, False), (179, False), (180, True)])
async def test_one_that_would_use_up_the_limit_is_refused(tmp_path: Path, seconds: int, is_enough: bool) -> None:
    """Each instrument is told of on its own, at a weight of ten: sixty of them three times in a minute are most of it."""
    async with account(tmp_path, "usdm") as rig:
        timer = DeadMan(rig.broker._client, rig.broker._dialect, seconds, (rig.symbol,) * 60, pytest.fail)
        if not is_enough:
            with pytest.raises(ConfigurationError, match="60 instruments need 180 or more"):
                await timer.start()
            return
        await timer.start()
        assert len(told(rig)) == 60
        await timer.end()


async def test_a_venue_that_does_not_take_it_is_not_connected_to(tmp_path: Path) -> None:
    """Who asks for the protection does not trade without it."""
    async with account(tmp_path, "usdm", dead_man_seconds=60) as rig:
        await rig.broker.disconnect()
        rig.venue.script.plan(ROUTE, "code_1008")
        with pytest.raises(Unavailable):
            await rig.broker.connect()
        assert not rig.broker.is_connected
        await rig.broker.connect()


async def test_it_is_set_anew_in_time_for_as_long_as_we_live(tmp_path: Path) -> None:
    """Far longer than it runs, and the order is still there."""
    async with account(tmp_path, "usdm") as rig:
        lost: list[str] = []
        order = await rig.place()
        dead_man = timer(rig, 0.6, lost.append)
        await dead_man.start()
        await until(rig, 7)
        await dead_man.end()
        found = await rig.find(order.client_order_id)
        assert found is not None
        assert found.state is VenueOrderState.WORKING
        assert lost == []
        assert told(rig)[-1] == "0"


async def test_when_it_runs_out_whoever_listens_is_told_once(tmp_path: Path) -> None:
    """The venue has cancelled what rests, not what waits for a price; a failed telling is tried again before that."""
    async with account(tmp_path, "usdm") as rig:
        lost: list[str] = []
        order = await rig.place()
        stop = await rig.place(type=OrderType.STOP, stop_price=rig.instrument.tick * 510_000)
        dead_man = timer(rig, 0.6, lost.append)
        await dead_man.start()
        rig.venue.script.plan(ROUTE, "error", times=None, code=-1102, msg="refused")
        async with asyncio.timeout(30):
            while not lost:
                await asyncio.sleep(0.01)
        failed = len(told(rig))
        assert failed > 3, "it was tried more than once"
        await until(rig, failed + 2)
        assert len(lost) == 1
        states = [await rig.find(each.client_order_id) for each in (order, stop)]
        assert [each.state for each in states if each] == [VenueOrderState.CANCELLED, VenueOrderState.WORKING]
        rig.venue.script.clear()
        await until(rig, len(told(rig)) + 3)
        await dead_man.end()
        assert len(lost) == 1


async def test_the_reports_end_when_it_runs_out(tmp_path: Path) -> None:
    """So that core connects again and compares books and venue."""
    async with account(tmp_path, "usdm", dead_man_seconds=60) as rig:
        line = rig.broker._line
        assert line is not None
        reader = rig.broker.reports()
        line.dead_man._ran_out("the venue may have cancelled our orders")
        with pytest.raises(Unavailable, match="may have cancelled"):
            await anext(reader)
        await rig.broker.connect()
        assert line.feeds.is_open


async def test_it_passes_an_open_breaker(tmp_path: Path) -> None:
    """A breaker that keeps it from the venue would cancel everything."""
    async with account(tmp_path, "usdm") as rig:
        for _ in range(20):
            rig.broker._pulse._breaker.failed()
        with pytest.raises(Unavailable):
            await rig.broker.get_open_orders()
        dead_man = timer(rig, 60, lambda _: None)
        await dead_man.start()
        await dead_man.end()
        assert told(rig) == ["60000", "0"]


async def test_a_symbol_that_is_refused_does_not_keep_the_others(tmp_path: Path) -> None:
    """Each symbol has its own timer there: all are told, and then it counts as not set."""
    both = ("BTC/USDT:USDT", "ETH/USDT:USDT")
    async with account(tmp_path, "usdm", symbols=both) as rig:
        dead_man = DeadMan(rig.broker._client, rig.broker._dialect, 60, both, lambda _: None)
        rig.venue.script.plan(ROUTE, "error", code=-1102, msg="refused", match={"symbol": "BTCUSDT"})
        with pytest.raises(BrokerError):
            await dead_man.start()
        symbols = [each["params"]["symbol"] for each in rig.venue.journal.requests(ROUTE)]
        assert sorted(symbols) == ["BTCUSDT", "ETHUSDT"]
        assert dead_man._task is None


async def test_a_goodbye_that_is_cancelled_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams and connections are closed all the same."""

    async def cancelled(_: DeadMan) -> None:
        raise asyncio.CancelledError

    async with account(tmp_path, "usdm") as rig:
        line = rig.broker._line
        assert line is not None
        with monkeypatch.context() as patched:
            patched.setattr(DeadMan, "end", cancelled)
            with pytest.raises(asyncio.CancelledError):
                await rig.broker.disconnect()
        assert not line.feeds.is_open
        assert line.feeds._is_closed
        assert not rig.broker._client.is_started


async def test_a_goodbye_that_fails_does_not_keep_us(tmp_path: Path) -> None:
    """It runs out then, and the log says so."""
    async with account(tmp_path, "usdm", dead_man_seconds=60) as rig:
        rig.venue.script.plan(ROUTE, "drop_before")
        await rig.broker.disconnect()
        assert not rig.broker.is_connected
