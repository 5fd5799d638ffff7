"""An account at a real venue is valued and judged by its own venue's prices, whoever's the bars are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.instrument import Instrument
from brokers.market import Quote
from brokers.network import Network
from core.access.roles import Actor, Role
from core.clock import ManualClock, SystemClock
from core.market.feed import Feed
from core.market.live import Lack, LiveMarket
from core.service import Quarterdeck
from core.settings import parse_settings
from core.sources import needs_own
from core.store.models import AlertRow
from core.trading.by_hand.slip import Verb
from tests.core.live.house import BTC, LIMITS, NOON, PAPER, settings
from tests.core.live.test_live_on_binance import LIVE, TEST, Two, running, until
from tests.core.live.town import MINUTE, pair
from tests.venues.binance.app import BinanceServer

SECOND = timedelta(seconds=1)
ADA = Actor("telegram:1", "Ada", Role.ADMIN)


@pytest.mark.parametrize(
    ("feeds", "own"),
    [
        ([{"account": "fund"}], False),
        ([{"account": "fund"}, LIVE], True),
        ([LIVE], True),
        ([{"account": "fund", "symbols": [BTC]}, {**LIVE, "symbols": ["ETH/USDT"]}], True),
    ],
)
def test_whose_prices_are_everybodys_needs_none_of_its_own(tmp_path, feeds, own):
    """Only where nothing else can ever count."""
    account = {"broker": {**TEST, "api_key": "k", "secret": "s"}, "limits": LIMITS}
    market = {"symbols": [BTC, "ETH/USDT"], "feeds": feeds}
    given = settings(tmp_path, market=market, accounts={"fund": account}, strategies=[])
    assert needs_own("fund", given.symbols_of("fund"), given.market) is own


def test_in_a_replay_there_is_one_market_only():
    raw = {"market": {"symbols": ["AAPL"]}, "accounts": {"main": {"broker": {"adapter": "paper"}}}, "strategies": []}
    users = [{"id": 1, "name": "Ada", "role": "admin"}]
    given = parse_settings({**raw, "telegram": {"token": "123456789:" + "A" * 35}, "users": users, "data_dir": "x"})
    assert not needs_own("main", ["AAPL"], given.market)


async def test_an_accounts_own_feed_gives_prices_to_nobody_else():
    """Its rules are not the market's, it has no bars to be missed, and its silence is told of by the account's name."""
    learnt: list[Instrument] = []
    now = [0.0]

    async def note(instruments: Sequence[Instrument]) -> None:
        learnt.extend(instruments)

    def feed(name: str) -> Feed:
        return Feed(name, None, [BTC], period=MINUTE, silence=5, is_own=False)  # type: ignore[arg-type]

    venue, home, clock = feed("venue"), feed("home"), ManualClock(NOON)
    market = LiveMarket(
        [venue],
        [BTC],
        {"fund": home},
        period=MINUTE,
        patience=15,
        clock=clock,
        history_bars=10,
        learnt=note,
        seconds=lambda: now[0],
    )
    market.open(())
    await market.on_instruments(home, [pair(BTC)])
    assert not learnt
    await market.on_instruments(venue, [pair(BTC)])
    assert learnt == [pair(BTC)]
    for second in range(70):
        now[0] = float(second)
        clock.set(NOON + second * SECOND)
        market.on_quote(home, Quote(BTC, Decimal(9), Decimal(11), Decimal(10), clock.now()))
        news = [(each.lane.account, each.lack, each.is_over) for each in market.look()]
        assert not [each for each in news if each[0] and not each[2]]
    assert [quote.last for quote in market.take_own()["fund"]] == [10]
    assert not market.take_quotes()
    assert not market.take_own()
    now[0] += 20
    assert [each.lane.account for each in market.look() if each.lack is Lack.PRICES] == ["fund"]


async def test_two_venues_two_prices(tmp_path):
    """Marks, previews and the gate are of the account's own venue; when that is silent, nothing trades there."""
    async with BinanceServer() as market, BinanceServer() as home:
        network = Network(resolver=Two(market.port, home.port), ssl=market.network.ssl)
        key = home.keys.of("testnet")
        limits = {**LIMITS, "stale_quote_seconds": 1}
        fund = {"broker": {**TEST, "api_key": key.api_key, "secret": key.secret}, "limits": limits}
        given = settings(
            tmp_path,
            market={"feeds": [LIVE], "failover_seconds": 2},
            accounts={"fund": fund, "main": PAPER},
            strategies=[],
        )
        async with running(given, SystemClock(), network) as engine:
            desks = {name: engine.floor.desk(name) for name in ("fund", "main")}

            def moved() -> bool:
                market.move("BTCUSDT", "50100")
                home.move("BTCUSDT", "50300")
                marks = [desk.portfolio.marks.get(BTC) for desk in desks.values()]
                return marks == [50300, 50100]

            await until(moved)
            assert engine.market.quotes[BTC].last == 50100
            assert desks["fund"].view().quotes[BTC].last == 50300
            service = Quarterdeck(engine)
            for account, price in (("fund", 50300), ("main", 50100)):
                shown = await service.preview_order(Verb.BUY, ["BTC/USDT", "0.001", "in", account], ADA)
                assert (round(shown.price), shown.bid) == (price, price)
            home.script.plan("GET /api/v3/ticker/*", "http_503_unavailable", times=10_000)
            await home.stop()

            def silent() -> bool:
                market.move("BTCUSDT", "50101")
                return engine.rounds.status == "live from binance" and not engine.rounds.is_well

            await until(silent, 30)
            await until(lambda: desks["main"].portfolio.marks[BTC] == 50101)
            assert desks["fund"].portfolio.marks[BTC] == 50300
            title = "There are no prices of BTC/USDT for fund"
            async with asyncio.timeout(40):
                while not await AlertRow.filter(title=title, account="fund", status="open").exists():
                    await asyncio.sleep(0.05)
