"""A spot or margin order, and everything that Binance writes about one: answers, queries, execution reports, trades."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from brokers.order import Side
from tests.venues.binance.listing import Listing, eight
from tests.venues.binance.triggers import Trigger

ZERO = Decimal(0)
BIPS = Decimal(10_000)
OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
CONDITIONAL = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
LIMITED = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution of an order."""

    id: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    asset: str
    is_maker: bool
    at: int


@dataclass(slots=True)
class Order:
    """An order as the venue has it. `held` is what is locked for it of `held_asset`."""

    id: int
    client_id: str
    listing: Listing
    side: Side
    type: str
    force: str
    quantity: Decimal
    created: int
    price: Decimal = ZERO
    stop_price: Decimal = ZERO
    trailing: int | None = None
    quote_quantity: Decimal = ZERO
    iceberg: Decimal = ZERO
    prevention: str = "EXPIRE_MAKER"
    effect: str = "NO_SIDE_EFFECT"
    list_id: int = -1
    list_client_id: str = ""
    status: str = "NEW"
    updated: int = 0
    working: int = -1
    trigger: Trigger | None = None
    waits: bool = False
    held: Decimal = ZERO
    held_asset: str = ""
    amends: int = 0
    borrowed: Decimal = ZERO
    trades: list[Trade] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.status in OPEN

    @property
    def is_algo(self) -> bool:
        """Whether it counts as a conditional order in the filters."""
        return self.type in CONDITIONAL

    @property
    def has_limit(self) -> bool:
        """Whether it carries a limit price."""
        return self.type in LIMITED

    @property
    def executed(self) -> Decimal:
        """Units filled."""
        return sum((trade.quantity for trade in self.trades), ZERO)

    @property
    def cost(self) -> Decimal:
        """What the fills came to in the quote."""
        return sum((trade.quantity * trade.price for trade in self.trades), ZERO)

    @property
    def remaining(self) -> Decimal:
        """Units not filled."""
        return self.quantity - self.executed

    def awaited(self) -> Trigger | None:
        """What a conditional order waits for.

        A trailing buy wakes when the price rises from its lowest, a sell when it falls from its highest, whatever the
        type; its stop price, if it has one, is where that begins, and lies where the type's would.
        """
        if not self.is_algo:
            return None
        buys = self.side is Side.BUY
        up = buys != self.type.startswith("TAKE_PROFIT")
        if self.trailing is None:
            return Trigger(up, price=self.stop_price)
        return Trigger(buys, trail=self.trailing / BIPS, activation=self.stop_price or None, activates_up=up)

    # --- as it is written ----------------------------------------------------------------------------

    def ack(self) -> dict[str, Any]:
        """The shortest answer to a new order."""
        return {
            "symbol": self.listing.symbol,
            "orderId": self.id,
            "orderListId": self.list_id,
            "clientOrderId": self.client_id,
            "transactTime": self.updated,
        }

    def result(self) -> dict[str, Any]:
        """The answer to a new order without fills."""
        return {**self.ack(), **self._terms(), **self._conditional(), **self._work(), **self._prevention()}

    def full(self) -> dict[str, Any]:
        """The answer to a new order with its fills."""
        fills = [
            {
                "price": eight(trade.price),
                "qty": eight(trade.quantity),
                "commission": eight(trade.commission),
                "commissionAsset": trade.asset,
                "tradeId": trade.id,
            }
            for trade in self.trades
        ]
        work, prevention = self._work(), self._prevention()
        return {**self.ack(), **self._terms(), **self._conditional(), **work, "fills": fills, **prevention}

    def query(self) -> dict[str, Any]:
        """As a query tells it."""
        return {
            "symbol": self.listing.symbol,
            "orderId": self.id,
            "orderListId": self.list_id,
            "clientOrderId": self.client_id,
            "price": eight(self.price),
            "origQty": eight(self.quantity),
            "executedQty": eight(self.executed),
            "cummulativeQuoteQty": eight(self.cost),
            "status": self.status,
            "timeInForce": self.force,
            "type": self.type,
            "side": self.side.name,
            "stopPrice": eight(self.stop_price),
            "icebergQty": eight(self.iceberg),
            "time": self.created,
            "updateTime": self.updated,
            "isWorking": not self.waits,
            **self._work(),
            "origQuoteOrderQty": eight(self.quote_quantity),
            **({} if self.trailing is None else {"trailingDelta": self.trailing, "trailingTime": self.created}),
            **self._prevention(),
        }

    def cancelled(self, cancel_id: str, status: str = "") -> dict[str, Any]:
        """The answer to a cancel."""
        terms = {**self._terms(), "status": status or self.status}
        return {
            "symbol": self.listing.symbol,
            "origClientOrderId": self.client_id,
            "orderId": self.id,
            "orderListId": self.list_id,
            "clientOrderId": cancel_id,
            "transactTime": self.updated,
            **terms,
            **self._conditional(),
            **self._prevention(),
        }

    def trade(self, trade: Trade) -> dict[str, Any]:
        """One of its executions, as the list of trades has it."""
        return {
            "symbol": self.listing.symbol,
            "id": trade.id,
            "orderId": self.id,
            "orderListId": self.list_id,
            "price": eight(trade.price),
            "qty": eight(trade.quantity),
            "quoteQty": eight(trade.price * trade.quantity),
            "commission": eight(trade.commission),
            "commissionAsset": trade.asset,
            "time": trade.at,
            "isBuyer": self.side is Side.BUY,
            "isMaker": trade.is_maker,
            "isBestMatch": True,
        }

    def report(self, what: str, event: int, at: int, trade: Trade | None = None, cancel_id: str = "") -> dict[str, Any]:
        """An execution report. Of a cancel `c` is the cancel's own id and `C` the order's."""
        return {
            "e": "executionReport",
            "E": at,
            "s": self.listing.symbol,
            "c": cancel_id or self.client_id,
            "S": self.side.name,
            "o": self.type,
            "f": self.force,
            "q": eight(self.quantity),
            "p": eight(self.price),
            "P": eight(self.stop_price),
            **({} if self.trailing is None else {"d": self.trailing, "D": self.created}),
            "F": eight(self.iceberg),
            "g": self.list_id,
            "C": self.client_id if cancel_id else "",
            "x": what,
            "X": self.status,
            "r": "NONE",
            "i": self.id,
            "l": eight(ZERO if trade is None else trade.quantity),
            "z": eight(self.executed),
            "L": eight(ZERO if trade is None else trade.price),
            "n": "0" if trade is None else eight(trade.commission),
            "N": None if trade is None else trade.asset,
            "T": self.updated,
            "t": -1 if trade is None else trade.id,
            "I": event,
            "w": self.is_open and not self.waits,
            "m": trade is not None and trade.is_maker,
            "M": False,
            "O": self.created,
            "Z": eight(self.cost),
            "Y": eight(ZERO if trade is None else trade.price * trade.quantity),
            "Q": eight(self.quote_quantity),
            **({} if self.working < 0 else {"W": self.working}),
            "V": self.prevention,
        }

    def _terms(self) -> dict[str, Any]:
        return {
            "price": eight(self.price),
            "origQty": eight(self.quantity),
            "executedQty": eight(self.executed),
            "origQuoteOrderQty": eight(self.quote_quantity),
            "cummulativeQuoteQty": eight(self.cost),
            "status": self.status,
            "timeInForce": self.force,
            "type": self.type,
            "side": self.side.name,
        }

    def _conditional(self) -> dict[str, Any]:
        known: dict[str, Any] = {}
        if self.stop_price:
            known["stopPrice"] = eight(self.stop_price)
        if self.trailing is not None:
            known |= {"trailingDelta": self.trailing, "trailingTime": self.created}
        if self.iceberg:
            known["icebergQty"] = eight(self.iceberg)
        return known

    def _work(self) -> dict[str, Any]:
        return {"workingTime": self.working}

    def _prevention(self) -> dict[str, Any]:
        return {"selfTradePreventionMode": self.prevention}
