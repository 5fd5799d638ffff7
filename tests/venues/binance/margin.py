"""Cross margin: an account of its own on the spot market, with loans, over `sapi/v1/margin`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.venues.binance import keys
from tests.venues.binance.desk import Desk
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import eight
from tests.venues.binance.orders import Order
from tests.venues.binance.router import KEY_ONLY, Call, Route
from tests.venues.binance.spot import Spot
from tests.venues.binance.trading import DAY, Trading
from tests.venues.binance.wsapi import MARGIN, WsApi

LEVERAGE = 3
MOST_ORDERS = 500
MARGIN_LEVEL_WITHOUT_DEBT = Decimal(999)
USUAL_MONEY = {"USDT": Decimal(50_000), "BTC": Decimal(0), "ETH": Decimal(0), "BNB": Decimal(0)}
_EFFECTS = frozenset({"NO_SIDE_EFFECT", "MARGIN_BUY", "AUTO_REPAY", "AUTO_BORROW_REPAY"})


class MarginTrading(Trading):
    """As on spot, with what margin answers besides."""

    def place(self, call: Call) -> Any:
        """A new order, perhaps on credit."""
        _check(call)
        return super().place(call)

    def _answered(self, call: Call, order: Order) -> Any:
        told = {**super()._answered(call, order), "isIsolated": False}
        if order.borrowed:
            told |= {"marginBuyBorrowAmount": eight(order.borrowed), "marginBuyBorrowAsset": order.held_asset}
        return told

    def order(self, call: Call) -> Any:
        """One order."""
        return _marked(super().order(call))

    def open_orders(self, call: Call) -> Any:
        """What is open."""
        return [_marked(order) for order in super().open_orders(call)]

    def all_orders(self, call: Call) -> Any:
        """Orders of a day, 500 at most; from a number on, of any time."""
        if not call.params.get("orderId"):
            call = self._of_a_day(call)
        limit = min(call.integer("limit", 500) or 500, MOST_ORDERS)
        return [_marked(order) for order in super().all_orders(_with(call, limit=limit))]

    def trades(self, call: Call) -> Any:
        """Executions of a day; of an order or from a number on, of any time."""
        if not call.params.get("fromId") and not call.params.get("orderId"):
            call = self._of_a_day(call)
        return [{**trade, "isIsolated": False} for trade in super().trades(call)]

    def _of_a_day(self, call: Call) -> Call:
        """Less than 24 hours: those that are asked for, or behind or before the one time that is told, or the last."""
        start, end = call.integer("startTime"), call.integer("endTime")
        if start is not None and end is not None:
            if end - start >= DAY:
                raise Refusal(-1127, "More than 24 hours between startTime and endTime.")
            return call
        if start is None:
            end = self._frame.clock.now_ms() if end is None else end
            return _with(call, startTime=end - DAY + 1, endTime=end)
        return _with(call, endTime=start + DAY - 1)

    def cancel(self, call: Call) -> Any:
        """Cancel one."""
        return {**super().cancel(call), "isIsolated": False}

    def cancel_all(self, call: Call) -> Any:
        """Cancel all of a symbol."""
        return [{**order, "isIsolated": False} for order in super().cancel_all(call)]


def _with(call: Call, **params: int) -> Call:
    return replace(call, params={**call.params, **{name: str(value) for name, value in params.items()}})


class Margin:
    """`desk.wallet` has loans, too; their sum may come to twice the equity."""

    def __init__(self, frame: Frame, ws_api: WsApi, spot: Spot) -> None:
        self._frame = frame
        self._spot = spot
        self._tokens = ws_api.tokens
        self.desk = Desk(frame, spot.market, "margin", spot.listings, spot.numbers)
        self.desk.lender = self._lend
        self.desk.tellers.append(ws_api.teller(MARGIN))
        for asset, amount in USUAL_MONEY.items():
            self.desk.wallet.add(asset, amount)
        self.desk.wallet.changed()
        self._route(MarginTrading(frame, self.desk))

    def _route(self, trading: MarginTrading) -> None:
        sapi = "/sapi/v1/margin"
        order, listed = f"{sapi}/order", f"{sapi}/openOrders"
        self._frame.router.add(
            Route("POST", order, trading.place, keys.MARGIN, weight=6, orders=True),
            Route("GET", order, trading.order, keys.READ, weight=10),
            Route("DELETE", order, trading.cancel, keys.MARGIN, weight=10),
            Route("GET", listed, trading.open_orders, keys.READ, weight=10),
            Route("DELETE", listed, trading.cancel_all, keys.MARGIN),
            Route("GET", f"{sapi}/allOrders", trading.all_orders, keys.READ, weight=200),
            Route("GET", f"{sapi}/myTrades", trading.trades, keys.READ, weight=10),
            Route("GET", f"{sapi}/account", self.account, keys.READ, weight=10),
            Route("POST", "/sapi/v1/userListenToken", self.token, KEY_ONLY),
        )

    def _lend(self, asset: str, amount: Decimal) -> None:
        """Lend, or raise -3006."""
        debts = self._worth("borrowed") + amount * self._price(asset)
        if debts > (LEVERAGE - 1) * (self._worth("total") - self._worth("borrowed")):
            raise Refusal(-3006, "Your borrow amount has exceed maximum borrow amount.")
        self.desk.wallet.borrow(asset, amount)
        self._frame.journal.write("borrowed", market="margin", asset=asset, amount=amount)

    def _price(self, asset: str) -> Decimal:
        symbol = self._spot.market.symbols.get(f"{asset}USDT")
        return Decimal(1) if asset == "USDT" or symbol is None else symbol.last

    def _worth(self, what: str) -> Decimal:
        """All balances in USDT: their `total`, or what of them is `borrowed`."""
        balances = self.desk.wallet.balances.items()
        return sum((getattr(each, what) * self._price(asset) for asset, each in balances), Decimal(0))

    def token(self, call: Call) -> Any:
        """A listen token for the stream of this account."""
        return self._tokens.make(call.integer("validity"))

    def account(self, call: Call) -> Any:
        """Balances and loans."""
        del call
        bitcoin = self._price("BTC")
        total, owed = self._worth("total"), self._worth("borrowed")
        level = f"{total / owed:.8f}" if owed else str(MARGIN_LEVEL_WITHOUT_DEBT)
        return {
            "created": True,
            "borrowEnabled": True,
            "marginLevel": level,
            "collateralMarginLevel": level,
            "totalAssetOfBtc": eight(total / bitcoin),
            "totalLiabilityOfBtc": eight(owed / bitcoin),
            "totalNetAssetOfBtc": eight((total - owed) / bitcoin),
            "TotalCollateralValueInUSDT": eight(total),
            "totalOpenOrderLossInUSDT": "0.00000000",
            "tradeEnabled": True,
            "transferInEnabled": True,
            "transferOutEnabled": True,
            "accountType": "MARGIN_1",
            "userAssets": [
                {
                    "asset": asset,
                    "borrowed": eight(each.borrowed),
                    "free": eight(each.free),
                    "interest": eight(each.interest),
                    "locked": eight(each.locked),
                    "netAsset": eight(each.total - each.borrowed - each.interest),
                }
                for asset, each in self.desk.wallet.balances.items()
            ],
        }


def _check(call: Call) -> None:
    if call.params.get("isIsolated", "FALSE").upper() == "TRUE":
        raise Refusal(-3003, "Margin account does not exist.")
    if call.params.get("sideEffectType", "NO_SIDE_EFFECT") not in _EFFECTS:
        raise Refusal(-1102, "Mandatory parameter 'sideEffectType' was not sent, was empty/null, or malformed.")


def _marked(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "isIsolated": False, "accountId": 354937868}
