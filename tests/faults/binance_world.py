"""The same harness with Binance in the loop: the venue server in the test's process, the program in one that dies."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from tests.faults.binance_truth import QUOTE, SPOT, SYMBOLS, USDM, BinanceTruth
from tests.faults.limits import WIDE
from tests.faults.lives import Lives, Template
from tests.faults.oracle import Oracle
from tests.venues.binance.app import BinanceServer

# No real money: nobody has to confirm anything.
MODES = {SPOT: "testnet", USDM: "demo"}
UNITS = Decimal("0.1")
PRICE = Decimal(50_000)
# What the venue makes of an order, as the matrix calls it.
_FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "refused": ("error", {"code": -2010, "msg": "Account has insufficient balance for requested action."}),
    "never": ("drop_before", {}),
    "lost": ("drop_after", {}),
    "filled": ("html_502_after", {}),
}
# Between two comparisons; more of them are not within the venue's limits.
_A_WHILE = 15
# How often it is tried again to compare, where the venue refuses for a while.
_PATIENT_ROUNDS = 20
# Twenty seconds: a stream that was lost again and again is opened ever more rarely.
_LOOKS_FOR_PRICES = 1000
_A_WHILE_OF_LOOKS = 50
# What is less of bitcoin cannot be traded at the spot market: it stays when something is sold.
SPOT_LOT = Decimal("0.00001")
WISHES = {"kind": "told", "sizing": {"method": "fixed", "units": str(UNITS)}}


class BinanceWorld(Lives):
    """One account at Binance, and a strategy that wants `UNITS` times what it is told.

    The program's clock, ccxt's and the venue's are one, and moved together; bars are minutes. `bnb`: fees are paid in
    BNB, which nobody trades here; otherwise in what was bought. `born` is a data directory that was started once;
    `broken` what is wrong with the program on purpose, see `tests.faults.breakages`.
    """

    patience = 60.0  # a start connects, and waits for its own prices

    def __init__(
        self,
        folder: Path,
        template: Template,
        *,
        market: str = SPOT,
        exits: bool = False,
        bnb: bool = False,
        born: Path | None = None,
        broken: str = "",
    ) -> None:
        super().__init__(folder, template)
        self.broken = broken
        if born is not None:
            shutil.copytree(born, self.data)
        self.market = market
        self.symbol = SYMBOLS[market]
        place = folder / "venue"
        place.mkdir(exist_ok=True)
        self.venue = BinanceServer(folder=place)
        if market == SPOT:
            self._fill_purse(bnb=bnb)
        self.truth = BinanceTruth(self.venue.journal, market, self._wallet, UNITS)
        self.price = PRICE
        self.resting = {"symbol": self.symbol, "quantity": "0.02", "limit": "49000"}
        self._is_thin = False
        self._is_in_vain = False  # the next order does not come to be, whatever is answered
        self.skew = 0.0  # by how much the venue's clock is ahead of ours
        self.smaller = "0.015"
        stop = {"exits": {"stop_loss": {"percent": 20}}} if exits else {}
        self._strategies = ({"name": "told", "symbols": [self.symbol], **WISHES, **stop},)

    def _fill_purse(self, *, bnb: bool) -> None:
        """What the account has at the beginning."""
        desk = self.venue.spot.desk
        desk.bnb_fees = bnb
        desk.wallet.balances.clear()
        for asset, amount in {QUOTE: 100_000, "BTC": 1, "BNB": 100 if bnb else 0}.items():
            desk.wallet.add(asset, Decimal(amount))
        desk.wallet.changed()

    def _wallet(self) -> dict[str, Decimal]:
        """What the venue says that the account has."""
        if self.market == USDM:
            return {QUOTE: self.venue.usdm.of(MODES[USDM]).account.wallet.quantize(Decimal("1e-8"))}
        return {asset: each.total for asset, each in self.venue.spot.desk.wallet.balances.items() if each.total}

    # --- life --------------------------------------------------------------------------------------

    async def open(self) -> Self:
        await self.venue.start()
        self.move()
        return await super().open()

    async def close(self) -> None:
        await super().close()
        await self.venue.stop()

    def oracle(self) -> Oracle:
        return self._oracle(self.truth)

    def _venue_folder(self) -> str:
        return str(self.folder / "venue")

    # --- what happens ------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Where orders are placed."""
        return "/api/v3/order" if self.market == SPOT else "/fapi/v1/order"

    def move(self, price: Decimal | None = None, volume: Decimal | None = None) -> None:
        """The market is there; with a volume, no more of what rests is filled than that."""
        self.price = self.price if price is None else price
        self.venue.move("BTCUSDT", self.price, volume=volume)

    def heal(self) -> None:
        self.venue.script.clear()

    def beat(self) -> None:
        """The venue says again what it says every second, though nothing has moved."""
        for beat in self.venue.beaters:
            beat()

    def plan(self, outcome: str) -> None:
        self._is_in_vain = outcome in ("refused", "never")
        if outcome == "partial":
            self.thin_book()
        elif outcome != "ok":
            fault, options = _FAULTS[outcome]
            self.venue.script.plan(f"POST {self.path}", fault, **options)

    def hush(self) -> None:
        self.venue.script.clear(f"POST {self.path}")
        self.venue.script.plan(f"POST {self.path}", "hang_before" if self._is_in_vain else "hang_after", times=None)
        self.venue.script.plan("STREAM user *", "miss", times=None)

    def has_arrived(self) -> bool:
        return bool(self.truth.of("received"))

    def count(self) -> int:
        return len(self.truth.orders)

    def missing(self) -> str:
        oracle = self.oracle()
        unmet = oracle.unmet(SPOT_LOT) if oracle.has("goals") else ["no goals yet"]
        held = self.truth.positions().get(self.symbol, Decimal(0)) - (1 if self.market == SPOT else 0)
        if not unmet and UNITS * Decimal("0.998") <= held <= UNITS:
            return ""
        return f"wanted {UNITS}, the venue has {held}; {unmet}"

    def without_stops(self) -> list[str]:
        sizes = [order.left for order in self.truth.open_orders() if order.request.type.is_conditional]
        held = self.truth.positions().get(self.symbol, Decimal(0)) - (1 if self.market == SPOT else 0)
        return [] if sizes == [held] else [f"the stops at the venue are {sizes}, {held} is held"]

    def thin_book(self) -> None:
        """Half of what is wanted is there, until the next order comes."""
        self._is_thin = True
        product = self.venue.spot if self.market == SPOT else self.venue.usdm
        product.book("BTCUSDT", bids=[(self.price, UNITS / 2)], asks=[(self.price + 1, UNITS / 2)])

    async def nudge(self) -> None:
        await self.priced()
        before = len(self.truth.of("received"))
        moving = asyncio.create_task(self.to_the_next_minute(still=self._is_thin))
        try:
            await self.until(lambda: moving.done() or len(self.truth.of("received")) > before)
        finally:
            self._is_thin = False
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)

    async def pass_time(self, seconds: float, *, still: bool = False) -> None:
        """For everybody: the venue's clock first, for what is signed a little in the past is taken. `still`: the market
        stays as it is.
        """
        self.set_venue_clock(self.offset + seconds)
        await self.ask("advance", seconds=seconds)
        (self.beat if still else self.move)()

    def be_away(self, seconds: float) -> None:
        """Time passes while the program does not run."""
        self.offset += seconds
        self.set_venue_clock(self.offset)

    def set_venue_clock(self, offset: float) -> None:
        """It shows our time, but for what it is wrong by."""
        self.venue.clock.offset_ms = int((offset + self.skew) * 1000)

    async def priced(self) -> None:
        """The program has prices; while it has none time goes on, for it may obey a ban."""
        for number in range(_LOOKS_FOR_PRICES):
            if (await self.ask("state"))["prices"]:
                return
            if number % _A_WHILE_OF_LOOKS == _A_WHILE_OF_LOOKS - 1:
                await self.pass_time(_A_WHILE)
            self.move()
            await asyncio.sleep(0.02)
        raise AssertionError(f"there are no prices: {self.log()[-2000:]}")

    async def to_the_next_minute(self, *, still: bool = False) -> None:
        """A bar ends, and whoever wants something says so."""
        now = self.now()
        left = timedelta(minutes=1) - (now - now.replace(second=0, microsecond=0))
        before = (await self.ask("state"))["bars"]
        await self.pass_time(left.total_seconds() + 0.2, still=still)
        for _ in range(100):
            if (await self.ask("state"))["bars"] > before:
                return
            (self.beat if still else self.move)()
            await asyncio.sleep(0.05)

    async def settle(self, rounds: int = 8) -> None:
        self.heal()
        await self.compare(rounds)

    async def compare(self, rounds: int) -> None:
        """So often a while passes and books and venue are compared; while they cannot be, time goes on."""
        done = 0
        for _ in range(rounds + _PATIENT_ROUNDS):
            if done == rounds:
                return
            await self.pass_time(_A_WHILE)
            with suppress(RuntimeError):  # a refusal is told by the oracle, if it lasts
                await self.ask("look")
                await self.ask("reconcile")
                done += 1

    def _settings(self) -> dict[str, Any]:
        mode = MODES[self.market]
        key = self.venue.keys.of(mode)
        broker = {
            "adapter": "binance", "market": self.market, "mode": mode, "api_key": key.api_key, "secret": key.secret,
            "timeout_seconds": 1, "recv_window_ms": 60_000, "silence_seconds": 5,
        }  # fmt: skip
        return {
            "data_dir": str(self.data),
            "telegram": {"token": "123456789:" + "A" * 35},
            "users": [{"id": 1, "name": "Ada", "role": "admin"}],
            "market": {"source": "live", "symbols": [self.symbol], "feeds": [{"account": "main"}]},
            "accounts": {"main": {"broker": broker, "limits": WIDE}},
            "strategies": self._wishing(self._strategies),
            "reconcile_seconds": 300,
        }


@asynccontextmanager
async def at_binance(folder: Path, template: Template, **options: Any) -> AsyncIterator[BinanceWorld]:
    """A world that is closed at the end."""
    opened = await BinanceWorld(folder, template, **options).open()
    try:
        yield opened
    finally:
        await opened.close()


async def give_birth(folder: Path, template: Template, market: str) -> Path:
    """A data directory that was started once and stopped: later lives are copies of it."""
    async with at_binance(folder, template, market=market) as here:
        await here.start()
        await here.priced()
        await here.kill(signal.SIGTERM)
    return folder / "data"
