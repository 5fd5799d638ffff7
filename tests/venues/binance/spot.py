"""The spot product: its market, its account with money, its REST calls and streams."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from typing import Any

from brokers.market import BookLevel
from tests.venues.binance import keys
from tests.venues.binance.desk import Desk
from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import USUAL, Listing, eight
from tests.venues.binance.market import Market
from tests.venues.binance.matching import book_of
from tests.venues.binance.quotes import Quotes
from tests.venues.binance.router import Call, Route
from tests.venues.binance.streams import MarketStreams
from tests.venues.binance.trading import Trading
from tests.venues.binance.wsapi import SPOT, WsApi

FIRST_ORDER = 1_000_001
USUAL_MONEY = {"USDT": Decimal(100_000), "BTC": Decimal(1), "ETH": Decimal(10), "BNB": Decimal(10)}

Levels = Iterable[tuple[Decimal | str, Decimal | str]]


class Spot:
    """`desk.wallet` is the account's money, `desk.orders` its orders."""

    def __init__(self, frame: Frame, ws_api: WsApi, listings: Iterable[Listing] = USUAL) -> None:
        self._frame = frame
        self.numbers = count(FIRST_ORDER)
        self.listings = {listing.symbol: listing for listing in listings}
        self.market = Market(frame.clock)
        for listing in self.listings.values():
            self.market.list(listing.symbol, listing.tick, listing.lot, listing.price)
        self.desk = Desk(frame, self.market, "spot", self.listings, self.numbers)
        self.desk.tellers.append(ws_api.teller(SPOT))
        for asset, amount in USUAL_MONEY.items():
            self.desk.wallet.add(asset, amount)
        self.desk.wallet.changed()
        Quotes(frame, self.market, self.listings)
        MarketStreams(frame, self.market)
        self._route(Trading(frame, self.desk))
        frame.movers.append(self._move)

    def book(self, symbol: str, bids: Levels, asks: Levels) -> None:
        """Display this book, until the next move: a taker walks it level by level."""
        sides = ([BookLevel(Decimal(price), Decimal(amount)) for price, amount in side] for side in (bids, asks))
        shown = book_of(symbol, next(sides), next(sides), self._frame.clock.moment())
        self.market.move(symbol, shown.bids[0].price, None, shown)

    def _move(self, symbol: str, price: Decimal, volume: Decimal | None) -> None:
        if symbol in self.listings:
            self.market.move(symbol, price, volume)

    def _route(self, trading: Trading) -> None:
        order, listed = "/api/v3/order", "/api/v3/openOrders"
        self._frame.router.add(
            Route("POST", order, trading.place, keys.SPOT, orders=True),
            Route("POST", f"{order}/test", trading.test, keys.SPOT),
            Route("GET", order, trading.order, keys.READ, weight=4),
            Route("DELETE", order, trading.cancel, keys.SPOT),
            Route("POST", f"{order}/cancelReplace", trading.replace, keys.SPOT, orders=True),
            Route("PUT", f"{order}/amend/keepPriority", trading.amend, keys.SPOT, weight=4),
            Route("GET", listed, trading.open_orders, keys.READ, weight=_open_weight),
            Route("DELETE", listed, trading.cancel_all, keys.SPOT),
            Route("GET", "/api/v3/allOrders", trading.all_orders, keys.READ, weight=20),
            Route("GET", "/api/v3/myTrades", trading.trades, keys.READ, weight=20),
            Route("GET", "/api/v3/account", self.account, keys.READ, weight=20),
            Route("GET", "/api/v3/account/commission", self.commission, keys.READ, weight=20),
            Route("GET", "/api/v3/rateLimit/order", self.order_limits, keys.READ, weight=40),
        )

    def account(self, call: Call) -> Any:
        """Balances and permissions."""
        hides = call.params.get("omitZeroBalances") == "true"
        balances = self.desk.wallet.balances.items()
        rate = eight(self.desk.commission)
        points = int(self.desk.commission * 10_000)
        return {
            "makerCommission": points,
            "takerCommission": points,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": rate, "taker": rate, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._frame.clock.now_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": eight(each.free), "locked": eight(each.locked)}
                for asset, each in balances
                if each.total or not hides
            ],
            "permissions": ["SPOT"],
            "uid": 354937868,
        }

    def commission(self, call: Call) -> Any:
        """The rates of one symbol."""
        listing = self.desk.listing(call.text("symbol"))
        rate, none = eight(self.desk.commission), "0.00000000"
        nothing = {"maker": none, "taker": none, "buyer": none, "seller": none}
        return {
            "symbol": listing.symbol,
            "standardCommission": {"maker": rate, "taker": rate, "buyer": none, "seller": none},
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": {
                "enabledForAccount": self.desk.bnb_fees,
                "enabledForSymbol": True,
                "discountAsset": "BNB",
                "discount": "0.75000000",
            },
        }

    def order_limits(self, call: Call) -> Any:
        """How many orders were placed of those allowed."""
        del call
        budget = self._frame.limits.of("api")
        rows = (("SECOND", 10, budget.orders_10s), ("DAY", 1, budget.orders_1d))
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": interval,
                "intervalNum": number,
                "limit": window.limit,
                "count": window.count,
            }
            for interval, number, window in rows
        ]


def _open_weight(call: Call) -> int:
    return 6 if call.params.get("symbol") else 80
