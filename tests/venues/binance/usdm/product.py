"""USDT-M futures on the venue's frame: `venue.usdm`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from brokers.market import BookLevel
from tests.venues.binance.frame import Frame
from tests.venues.binance.hosts import LIVE, MODES
from tests.venues.binance.market import Market
from tests.venues.binance.matching import book_of
from tests.venues.binance.router import Call
from tests.venues.binance.usdm.account import Account
from tests.venues.binance.usdm.algos import Algos
from tests.venues.binance.usdm.answers import Writer
from tests.venues.binance.usdm.contracts import LISTED, Contract
from tests.venues.binance.usdm.routes_account import AccountRoutes
from tests.venues.binance.usdm.routes_market import MarketRoutes
from tests.venues.binance.usdm.routes_trade import TradeRoutes
from tests.venues.binance.usdm.streams import Fstream, ListenKeys, Teller

Levels = Iterable[tuple[Decimal | str, Decimal | str]]


@dataclass(slots=True)
class Client:
    """What belongs to the clients of one mode."""

    account: Account
    algos: Algos
    teller: Teller
    timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)


class Usdm:
    """The product. `account` and `algos` are those of the live mode; `of(mode)` those of another."""

    def __init__(self, frame: Frame, contracts: tuple[Contract, ...] = LISTED) -> None:
        self.frame = frame
        self.contracts = {each.symbol: each for each in contracts}
        self.market = Market(frame.clock)
        for each in contracts:
            self.market.list(each.symbol, each.tick, each.lot, each.price)
        self.keys = ListenKeys(frame)
        self.fstream = Fstream(frame, self.market, self.contracts, self.keys)
        self._clients = {mode: self._client(mode) for mode in MODES}
        frame.movers.append(self._price_moved)
        frame.doors["fstream"] = self.fstream
        for routes in (MarketRoutes(self), TradeRoutes(self), AccountRoutes(self)):
            frame.router.add(*routes.routes())

    @property
    def account(self) -> Account:
        """The live account."""
        return self.of(LIVE).account

    @property
    def algos(self) -> Algos:
        """The live account's conditional orders."""
        return self.of(LIVE).algos

    def of(self, mode: str) -> Client:
        """What belongs to the clients of a mode."""
        return self._clients[mode]

    def client(self, call: Call) -> Client:
        """Whom a call concerns, after time has passed for it."""
        self.pass_time()
        return self.of(call.place.mode)

    def contract(self, call: Call) -> Contract:
        """The contract that a call names. Raises -1102 and -1121."""
        self.market.of(call.text("symbol"))
        return self.contracts[call.text("symbol")]

    def writer(self, symbol: str) -> Writer:
        """Writes that contract's numbers."""
        return Writer(self.contracts[symbol])

    # --- for tests -----------------------------------------------------------------------------------

    def book(self, symbol: str, bids: Levels, asks: Levels) -> None:
        """Display this book, until the next move: a taker walks it level by level."""
        sides = ([BookLevel(Decimal(price), Decimal(amount)) for price, amount in side] for side in (bids, asks))
        shown = book_of(symbol, next(sides), next(sides), self.frame.clock.moment())
        self.market.move(symbol, shown.bids[0].price, None, shown)
        self._look(symbol, None)

    def fund(self, symbol: str, rate: Decimal | str = "0.0001", mode: str = LIVE) -> Decimal:
        """A time of funding; what the account got or paid."""
        return self.of(mode).account.fund(symbol, Decimal(rate))

    def pass_time(self) -> None:
        """What is due by the venue's clock happens: listen keys, GTD orders."""
        self.fstream.expire()
        for client in self._clients.values():
            client.account.pass_time()
            client.algos.pass_time()

    # -------------------------------------------------------------------------------------------------

    def _client(self, mode: str) -> Client:
        frame, teller = self.frame, Teller(self.frame, mode)
        account = Account(self.contracts, self.market, frame.clock, frame.journal, teller)
        teller.account = account
        return Client(account, Algos(account, frame.clock, frame.journal, teller), teller)

    def _price_moved(self, symbol: str, price: Decimal, volume: Decimal | None) -> None:
        if symbol not in self.contracts:
            return
        tick = self.contracts[symbol].tick
        self.market.move(symbol, (price / tick).to_integral_value() * tick, volume)
        self._look(symbol, volume)

    def _look(self, symbol: str, volume: Decimal | None) -> None:
        self.pass_time()
        for client in self._clients.values():
            client.account.tick(symbol, volume)
            client.algos.look(symbol)
