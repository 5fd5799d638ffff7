"""A venue's markets are read beside the loop, which goes on meanwhile, and taken up at once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt import apart, markets
from brokers.ccxt.loading import load_exchange_class
from brokers.ccxt.parts import in_parts
from brokers.errors import Unavailable
from brokers.order import ClientOrderId, VenueOrderState
from brokers.resilience.ticks import ticks
from tests.brokers.ccxt.rig import Rig, account
from tests.venues.binance.app import BinanceServer

COARSE, FINE = Decimal("0.001"), Decimal("0.00001")
SECONDS = 5.0


class Gate:
    """Stands in ccxt's way after its first market: whoever waits there holds up a thread, or the loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self._reached = threading.Event()
        kind = load_exchange_class("binance")
        parse = kind.parse_market

        def parse_market(exchange: Any, raw: Any) -> Any:
            found = parse(exchange, raw)
            self._reached.set()
            if not self.open.wait(SECONDS):
                raise RuntimeError("the loop has never gone on")
            return found

        monkeypatch.setattr(kind, "parse_market", parse_market)

    async def reached(self) -> None:
        """The reading has begun, and the loop goes on."""
        async with asyncio.timeout(SECONDS):
            while not self._reached.is_set():
                await asyncio.sleep(0.001)


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes half a day pass for the rules."""
    passed = [0.0]
    monkeypatch.setattr(markets, "ticks", lambda: ticks() + passed[0])
    return lambda: passed.__setitem__(0, passed[0] + 43_201)


def enlarge(venue: BinanceServer, count: int = 80) -> None:
    """So many symbols that the answer is long."""
    usual = venue.spot.listings["BTCUSDT"]
    for number in range(count):
        name = f"X{number:03d}"
        venue.spot.listings[f"{name}USDT"] = replace(usual, symbol=f"{name}USDT", base=name)


def coarser(rig: Rig) -> None:
    listings = rig.venue.spot.listings
    listings["BTCUSDT"] = replace(listings["BTCUSDT"], lot=COARSE, min_quantity=COARSE)


def lots(rig: Rig) -> tuple[Decimal, ...]:
    """By our rules, and by our library's: as it knows them by symbol and by the venue's name."""
    exchange = rig.broker._client.exchange
    by_id = exchange.safe_market("BTCUSDT", None, None, "spot")
    told = (exchange.market(rig.symbol)["precision"]["amount"], by_id["precision"]["amount"])
    return (rig.instrument.lot, *(Decimal(each) for each in told))


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("markets")]


async def test_the_loop_goes_on_while_a_first_connection_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever waits to be done meanwhile is done."""
    gate = Gate(monkeypatch)
    async with BinanceServer() as venue:
        venue.move("BTCUSDT", Decimal(50_000))
        rig = Rig(venue, "spot", tmp_path)
        connecting = asyncio.create_task(rig.connect())
        await gate.reached()
        assert not connecting.done()
        gate.open.set()
        await connecting
        assert lots(rig) == (FINE,) * 3
        assert not threads()
        await rig.broker.disconnect()


@pytest.mark.parametrize("market", ["spot", "margin"])
async def test_orders_go_on_by_the_old_rules_until_the_new_ones_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, market: str, stale: Callable[[], None]
) -> None:
    """Nobody sees the rules of half the markets."""
    async with account(tmp_path, market) as rig:
        coarser(rig)
        gate = Gate(monkeypatch)
        stale()
        renewing = asyncio.create_task(rig.broker.get_instruments())
        await gate.reached()
        known = set(rig.broker._client.exchange.markets)
        assert lots(rig) == (FINE,) * 3
        assert (await rig.place(quantity="0.012")).state is VenueOrderState.WORKING
        assert (await rig.broker.cancel_order(ClientOrderId("qd-test-1"))).state is VenueOrderState.CANCELLED
        gate.open.set()
        await renewing
        assert lots(rig) == (COARSE,) * 3
        assert set(rig.broker._client.exchange.markets) == known


async def test_a_long_answer_is_read_as_our_library_would_read_it(tmp_path: Path) -> None:
    """It is left to the thread, and nothing of it is lost there."""
    async with BinanceServer() as venue:
        venue.move("BTCUSDT", Decimal(50_000))
        enlarge(venue)
        rig = Rig(venue, "spot", tmp_path)
        read: list[int] = []

        def noted(text: str, rest: Callable[[], None]) -> Any:
            read.append(len(text))
            return in_parts(text, rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(apart, "in_parts", noted)
            await rig.connect()
        assert len(read) == 1
        client = rig.broker._client
        with client.twin() as plain:
            await client.guarded("connect", lambda _: plain.load_markets(True))
        for symbol, market in plain.markets.items():
            known = client.exchange.markets[symbol]
            assert {**known, "info": None} == {**market, "info": None}
        assert client.exchange.markets.keys() == plain.markets.keys()
        assert client.exchange.symbols == plain.symbols
        assert client.exchange.ids == plain.ids
        assert client.exchange.currencies == plain.currencies
        await rig.broker.disconnect()


async def test_a_long_answer_that_is_cut_off_is_no_list(tmp_path: Path) -> None:
    """It is an answer that cannot be read, as a short one is."""
    async with BinanceServer() as venue:
        enlarge(venue)
        venue.script.plan("GET /api/v3/exchangeInfo", "truncated_after")
        rig = Rig(venue, "spot", tmp_path)
        with pytest.raises(Unavailable, match="cannot be read"):
            await rig.connect()
        await rig.connect()
        assert rig.instrument.lot == FINE
        await rig.broker.disconnect()


@pytest.mark.parametrize("fault", ["hang_after", "http_503_unavailable", "drop_after"])
async def test_what_goes_wrong_on_the_wire_is_told_by_its_name(tmp_path: Path, fault: str) -> None:
    """The thread has ended, and garbage is collected as before."""
    async with BinanceServer() as venue:
        venue.script.plan("GET /api/v3/exchangeInfo", fault)
        rig = Rig(venue, "spot", tmp_path)
        with pytest.raises(Unavailable):
            await rig.connect(timeout_seconds=1)
        assert not threads()
        assert gc.isenabled()


@pytest.mark.parametrize("where", ["asking", "reading"])
async def test_who_does_not_want_it_any_more_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It ends in a moment, also one that waits for the venue; the next connection reads it all."""
    async with BinanceServer() as venue:
        venue.move("BTCUSDT", Decimal(50_000))
        rig = Rig(venue, "spot", tmp_path)
        gate = Gate(monkeypatch)
        if where == "asking":
            gate.open.set()
            venue.script.plan("GET /api/v3/exchangeInfo", "hang_after")
        connecting = asyncio.create_task(rig.connect())
        if where == "reading":
            await gate.reached()
        else:
            async with asyncio.timeout(SECONDS):
                while not venue.journal.requests("GET /api/v3/exchangeInfo"):
                    await asyncio.sleep(0.001)
        connecting.cancel()
        await asyncio.sleep(0)
        assert not gc.isenabled()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(SECONDS):
                await connecting
        assert not threads()
        assert gc.isenabled()
        await rig.connect()
        assert rig.instrument.lot == FINE
        await rig.broker.disconnect()


async def test_garbage_is_collected_again_when_the_last_has_read() -> None:
    """Two venues may be read at once; and who had it off has it off afterwards."""
    with apart._Uncollected():
        with apart._Uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with apart._Uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
