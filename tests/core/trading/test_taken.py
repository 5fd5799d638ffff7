"""What a person at the venue, or the venue itself, closes of strategies' futures: no exit opens the opposite of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from brokers.instrument import Instrument
from core.trading.ledger import EXTERNAL
from core.trading.live_order import MANUAL
from core.trading.taken import taken_by
from tests.core.trading.armed import USDM, Armed, armed
from tests.core.trading.stage import until
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.person import order_by_hand

FAPI = "https://demo-fapi.binance.com/fapi/v1/order"
SAPI = "https://api.binance.com/sapi/v1/margin/order"
LOT = Decimal("0.001")
THING = Instrument("BTC/USDT:USDT", "USDT", lot=LOT, tick=Decimal("0.1"))


async def by_hand(stage: Armed, side: str, units: str, **more: Any) -> None:
    """A person trades in the venue's own app, and the books follow."""
    key = stage.venue.keys.of("demo")
    await order_by_hand(
        stage.venue, key, FAPI, symbol="BTCUSDT", side=side, **{"type": "MARKET", "quantity": units, **more}
    )
    await stage.agrees()


async def sides(stage: Armed) -> list[str]:
    """Our own orders that traded."""
    return [row.side for row in await stage.orders() if row.filled]


async def test_a_person_who_closes_a_future_in_the_app_leaves_nothing_to_close(tmp_path: Path) -> None:
    """Its strategy neither sells it once more, nor buys it back while it wishes the same."""
    async with armed(tmp_path, USDM) as stage:
        await stage.enter("0.5")
        await by_hand(stage, "SELL", "0.5")
        assert (stage.held("alpha", stage.symbol), stage.held(EXTERNAL, stage.symbol)) == (0, 0)
        await stage.bar()
        await stage.leave()
        await stage.agrees()
        assert (stage.net, await sides(stage)) == (0, ["buy"])
        (told,) = [each for each in await stage.told("WARNING") if "Not by us" in each]
        assert "It has closed 0.5 of alpha" in told


async def test_a_stop_does_not_sell_what_a_person_has_sold(tmp_path: Path) -> None:
    """The stop at the venue goes, and the engine's, too."""
    async with armed(tmp_path, USDM) as stage:
        await stage.enter("0.5", stop_loss={"percent": 5})
        await by_hand(stage, "SELL", "0.5")
        for price in (49_900, 47_000, 46_900):
            await stage.look(price)
        await stage.agrees()
        assert (stage.net, await sides(stage), await stage.rests()) == (0, ["buy"], [])


async def test_it_is_booked_as_soon_as_it_is_heard_of(tmp_path: Path) -> None:
    """No comparison need come first: a price that falls moves a person and a stop in the same minute."""
    async with armed(tmp_path, USDM) as stage:
        await stage.enter("0.5")
        key = stage.venue.keys.of("demo")
        await order_by_hand(stage.venue, key, FAPI, symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.5")
        await until(lambda: stage.held("alpha", stage.symbol) == 0, 10)
        await stage.agrees()
        await stage.agrees()
        assert (stage.held("alpha", stage.symbol), stage.held(EXTERNAL, stage.symbol)) == (0, 0)


async def test_a_part_is_borne_by_shares_and_what_goes_beyond_is_the_persons(tmp_path: Path) -> None:
    """Two strategies are short of 0.3; a person buys a third of it, and then 0.5."""
    async with armed(tmp_path, USDM, "alpha", "beta") as stage:
        for name, units in (("alpha", "0.2"), ("beta", "0.1")):
            stage.strategies.instances[name].units = Decimal(units)
            stage.strategies.want(name, -1.0, stage.symbol)
        await stage.bar()
        await by_hand(stage, "BUY", "0.090")
        held = {name: stage.held(name, stage.symbol) for name in ("alpha", "beta", EXTERNAL)}
        assert held == {"alpha": Decimal("-0.14"), "beta": Decimal("-0.07"), EXTERNAL: 0}
        await by_hand(stage, "BUY", "0.5")
        held = {name: stage.held(name, stage.symbol) for name in ("alpha", "beta", EXTERNAL)}
        assert held == {"alpha": 0, "beta": 0, EXTERNAL: Decimal("0.29")}
        await stage.bar()
        assert stage.net == Decimal("0.29")


async def test_a_persons_own_position_stays_their_own(tmp_path: Path) -> None:
    """A short of theirs from before is neither eaten up by a strategy's long, nor is what they add to it."""
    async with armed(tmp_path, USDM) as stage:
        await by_hand(stage, "SELL", "0.3")
        await stage.enter("0.1")
        await by_hand(stage, "SELL", "0.1")
        await by_hand(stage, "BUY", "0.2")
        assert (stage.held("alpha", stage.symbol), stage.held(EXTERNAL, stage.symbol)) == (
            Decimal("0.1"),
            Decimal("-0.2"),
        )
        await stage.leave()
        await stage.agrees()
        assert stage.net == Decimal("-0.2")


async def test_a_liquidation_leaves_nothing_to_close(tmp_path: Path) -> None:
    """The venue has sold all of it: the loss is its strategy's, and nobody opens a short afterwards."""
    async with armed(tmp_path, USDM, money=30_000) as stage:
        stage.venue.usdm.of("demo").account.set_leverage("BTCUSDT", 20)
        await stage.enter("4")
        stage.venue.move("BTCUSDT", Decimal(30_000))
        await stage.prices()
        await stage.agrees()
        assert stage.held("alpha", stage.symbol) == stage.net == 0
        assert stage.desk.portfolio.lot("alpha", stage.symbol).realised < -20_000
        assert stage.desk.portfolio.lot(EXTERNAL, stage.symbol).realised == 0
        await stage.leave()
        assert (stage.net, await sides(stage)) == (0, ["buy"])


async def test_it_is_so_after_a_crash(tmp_path: Path) -> None:
    """While the program is away a person closes what it held; what it learns at the start is the same."""
    async with armed(tmp_path, USDM) as stage:
        await stage.enter("0.5")
        stage.listener.cancel()
        key = stage.venue.keys.of("demo")
        await order_by_hand(stage.venue, key, FAPI, symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.5")
        stage.again()
        await stage.agrees()
        await stage.agrees()
        await stage.leave()
        assert (stage.net, stage.held("alpha", stage.symbol), await sides(stage)) == (0, 0, ["buy"])


async def test_coins_on_margin_that_a_person_has_sold_are_not_sold_once_more(tmp_path: Path) -> None:
    """Nothing there promises to reduce only: the second sale would be made of borrowed coins."""
    async with BinanceServer() as venue:
        venue.move("BTCUSDT", Decimal(50_000))
        venue.margin.desk.wallet.balances.clear()
        venue.margin.desk.wallet.add("USDT", Decimal(100_000))
        venue.margin.desk.wallet.changed()
        stage = Armed(tmp_path, venue)
        try:
            await stage.arm("margin", "live", "BTC/USDT")
            stage.desk.confirmed = stage.broker.identity
            await stage.enter("0.5")
            sale = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.4995"}
            await order_by_hand(venue, venue.keys.of("live"), SAPI, **sale)
            await until(lambda: stage.held("alpha", stage.symbol) == 0, 10)
            await stage.leave()
            await stage.agrees()
            assert (stage.net, await sides(stage)) == (0, ["buy"])
        finally:
            await stage.end()


units = st.integers(-500, 500).map(lambda tenths: tenths * LOT / 10)  # fees in coins leave parts of lots


@given(
    units.filter(bool), st.dictionaries(st.sampled_from(["alpha", "beta", MANUAL, EXTERNAL]), units), st.integers(0, 9)
)
def test_what_is_taken_never_turns_anybody_round(traded: Decimal, held: dict[str, Decimal], tenths: int) -> None:
    """Nor the account; no more than was traded; and none of it where the account's position has grown."""
    closable = {name: each * (10 - tenths) / 10 for name, each in held.items()}
    taken = taken_by(traded, held, closable, THING)
    net = sum(held.values(), Decimal(0))
    total = sum(taken.values(), Decimal(0))
    assert all(part * traded > 0 for part in taken.values())
    assert all(abs(part) <= abs(closable[name]) and part * held[name] < 0 for name, part in taken.items())
    assert abs(total) <= min(abs(traded), max(-net * (1 if traded > 0 else -1), Decimal(0)))
    after = held.get(EXTERNAL, Decimal(0)) + traded - total
    assert not taken or after * traded >= 0
