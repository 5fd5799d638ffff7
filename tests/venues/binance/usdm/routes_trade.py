"""Orders over REST: order, openOrders, allOrders, userTrades, algoOrder and its lists, countdownCancelAll."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.venues.binance import errors
from tests.venues.binance.errors import Refusal
from tests.venues.binance.keys import FUTURES, READ
from tests.venues.binance.router import Call, Route
from tests.venues.binance.usdm import answers, refusals, wishes
from tests.venues.binance.usdm.account import MARKET, Account
from tests.venues.binance.usdm.refusals import refused
from tests.venues.binance.usdm.routes_market import by_symbol
from tests.venues.binance.usdm.rows import Algo, Order

if TYPE_CHECKING:
    from tests.venues.binance.usdm.product import Usdm

_FINAL = ("IOC", "FOK")
_WEEK = 7 * 86_400_000
LAG_SECONDS = 10.0


class TradeRoutes:
    """Answers that change or tell orders."""

    def __init__(self, usdm: Usdm) -> None:
        self._usdm = usdm

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("POST", "/fapi/v1/order", self.place, FUTURES, weight=0, orders=True),
            Route("POST", "/fapi/v1/order/test", self.try_order, FUTURES),
            Route("PUT", "/fapi/v1/order", self.amend, FUTURES, orders=True),
            Route("DELETE", "/fapi/v1/order", self.cancel, FUTURES),
            Route("DELETE", "/fapi/v1/allOpenOrders", self.cancel_all, FUTURES),
            Route("POST", "/fapi/v1/countdownCancelAll", self.countdown, FUTURES, weight=10),
            Route("GET", "/fapi/v1/order", self.find, READ),
            Route("GET", "/fapi/v1/openOrder", self.find_open, READ),
            Route("GET", "/fapi/v1/openOrders", self.open_orders, READ, weight=by_symbol(1, 40)),
            Route("GET", "/fapi/v1/allOrders", self.all_orders, READ, weight=5),
            Route("GET", "/fapi/v1/userTrades", self.trades, READ, weight=5),
            Route("POST", "/fapi/v1/algoOrder", self.place_algo, FUTURES, orders=True),
            Route("DELETE", "/fapi/v1/algoOrder", self.cancel_algo, FUTURES),
            Route("DELETE", "/fapi/v1/algoOpenOrders", self.cancel_algos, FUTURES),
            Route("GET", "/fapi/v1/algoOrder", self.find_algo, READ),
            Route("GET", "/fapi/v1/openAlgoOrders", self.open_algos, READ, weight=by_symbol(1, 40)),
            Route("GET", "/fapi/v1/allAlgoOrders", self.all_algos, READ, weight=5),
        ]

    # --- orders --------------------------------------------------------------------------------------

    def place(self, call: Call) -> Any:
        """A new order. RESULT tells a market, IOC or FOK order as it ended, any other as it was accepted."""
        client, contract = self._usdm.client(call), self._usdm.contract(call)
        answer = call.params.get("newOrderRespType", "ACK")
        if answer not in ("ACK", "RESULT"):
            raise Refusal(-1136, "Invalid newOrderRespType")
        try:
            wish = wishes.plain_order(call, contract, self._now())
            accepted, now = client.account.place(wish)
        except Refusal as refusal:
            self._write_refused(call, refusal, call.params.get("newClientOrderId", ""))
            raise
        tells_end = answer == "RESULT" and (now.type == "MARKET" or now.time_in_force in _FINAL)
        return answers.new_order(now if tells_end else accepted, self._usdm.writer(contract.symbol))

    def try_order(self, call: Call) -> Any:
        """Looks at an order and forgets it."""
        wish = wishes.plain_order(call, self._usdm.contract(call), self._now())
        order = Order(0, wish.client_id, wish.contract.symbol, wish.side, wish.type, wish.time_in_force, wish.quantity,
                      wish.price, 0, self._now(), original_type=wish.type)  # fmt: skip
        return answers.new_order(order, self._usdm.writer(wish.contract.symbol))

    def amend(self, call: Call) -> Any:
        """Another price and quantity of a limit order, which keeps its number."""
        order, contract = self._order(call), self._usdm.contract(call)
        account = self._usdm.client(call).account
        quantity, price = call.needed("quantity"), call.needed("price")
        if not order.is_open:
            raise errors.unknown_order()
        if order.type != "LIMIT":
            raise refused(refusals.ONLY_LIMIT)
        if call.text("side") != order.side:
            raise refused(refusals.BAD_SIDE)
        if (quantity, price) == (order.quantity, order.price):
            raise refused(refusals.NO_CHANGE)
        if quantity % contract.lot or quantity <= 0:
            raise refused(refusals.PRECISION)
        wishes.check_price(contract, price)
        if price * quantity < contract.min_notional and not order.reduce_only:
            raise refusals.notional(contract.min_notional)
        wishes.check_band(contract, price, is_buy=order.side == "BUY", mark=account.mark(contract.symbol))
        self._fill_first(call, account, order)
        if not order.is_open:
            raise errors.unknown_order()
        order.modify_id = str(call.integer("modifyId") or "")
        account.amend(order, quantity, price)
        return answers.amended_order(order, self._usdm.writer(order.symbol))

    def cancel(self, call: Call) -> Any:
        """Take an order out."""
        order = self._order(call, errors.cancel_rejected)
        account = self._usdm.client(call).account
        self._fill_first(call, account, order)
        if not order.is_open:
            raise errors.cancel_rejected()
        w = self._usdm.writer(order.symbol)
        if call.plays("false_cancel"):
            return {**answers.cancelled_order(order, w), "status": "CANCELED"}
        account.cancel(order)
        return answers.cancelled_order(order, w)

    def cancel_all(self, call: Call) -> Any:
        """All orders of a symbol; conditional ones stay."""
        self._cancel_all(call.place.mode, self._usdm.contract(call).symbol)
        return answers.ALL_CANCELLED

    def countdown(self, call: Call) -> Any:
        """All orders of a symbol are cancelled when this is not called again in time; conditional ones stay."""
        client, symbol = self._usdm.client(call), self._usdm.contract(call).symbol
        milliseconds = call.integer("countdownTime")
        if milliseconds is None:
            raise errors.missing("countdownTime")
        if timer := client.timers.pop(symbol, None):
            timer.cancel()
        if milliseconds:
            loop = asyncio.get_running_loop()
            client.timers[symbol] = loop.call_later(milliseconds / 1000, self._cancel_all, call.place.mode, symbol)
        return {"symbol": symbol, "countdownTime": str(milliseconds)}

    def find(self, call: Call) -> Any:
        """One order, whatever became of it."""
        order = self._order(call)
        if self._is_hidden(call, order.time):
            raise errors.unknown_order()
        return answers.known_order(order, self._usdm.writer(order.symbol))

    def find_open(self, call: Call) -> Any:
        """One order, if it is open."""
        order = self._order(call)
        if not order.is_open or self._is_hidden(call, order.time):
            raise errors.unknown_order()
        return answers.known_order(order, self._usdm.writer(order.symbol))

    def open_orders(self, call: Call) -> Any:
        """Open orders of a symbol, or all."""
        account, symbol = self._usdm.client(call).account, self._symbol(call)
        found = [each for each in account.open_orders(symbol) if not self._is_hidden(call, each.time)]
        return [answers.known_order(each, self._usdm.writer(each.symbol)) for each in found]

    def all_orders(self, call: Call) -> Any:
        """Orders of a symbol (or all), oldest first: of a week, or from a number on."""
        account, symbol = self._usdm.client(call).account, self._symbol(call)
        found = [each for each in account.orders.values() if symbol in {"", each.symbol}]
        found = [each for each in found if self._is_asked(call, each.id, each.time, "orderId")]
        limit = min(call.integer("limit", 500) or 500, 1000)
        found = found[:limit] if call.params.get("startTime") or call.params.get("orderId") else found[-limit:]
        return [answers.old_order(each, self._usdm.writer(each.symbol)) for each in found]

    def trades(self, call: Call) -> Any:
        """Executions of a symbol (or all), oldest first."""
        account, symbol = self._usdm.client(call).account, self._symbol(call)
        order_id, limit = call.integer("orderId"), min(call.integer("limit", 500) or 500, 1000)
        found = [each for each in account.trades if symbol in {"", each.symbol} and order_id in {None, each.order_id}]
        found = [each for each in found if self._is_asked(call, each.id, each.time, "fromId")]
        found = found[:limit] if call.params.get("startTime") or call.params.get("fromId") else found[-limit:]
        return [answers.trade(each, self._usdm.writer(each.symbol)) for each in found]

    # --- conditional orders --------------------------------------------------------------------------

    def place_algo(self, call: Call) -> Any:
        """A new conditional order."""
        client, contract = self._usdm.client(call), self._usdm.contract(call)
        try:
            algo = client.algos.place(wishes.conditional(call, contract, self._now()))
        except Refusal as refusal:
            self._write_refused(call, refusal, call.params.get("clientAlgoId", ""))
            raise
        return answers.new_algo(algo, self._usdm.writer(contract.symbol))

    def cancel_algo(self, call: Call) -> Any:
        """Take one out that still waits."""
        algo = self._algo(call, errors.cancel_rejected)
        if not algo.is_open:
            raise errors.cancel_rejected()
        if not call.plays("false_cancel"):
            self._usdm.client(call).algos.cancel(algo)
        return answers.cancelled_algo(algo)

    def cancel_algos(self, call: Call) -> Any:
        """All conditional orders of a symbol."""
        algos, symbol = self._usdm.client(call).algos, self._usdm.contract(call).symbol
        for algo in algos.open(symbol):
            algos.cancel(algo)
        return answers.ALL_CANCELLED

    def find_algo(self, call: Call) -> Any:
        """One conditional order, whatever became of it."""
        algo = self._algo(call)
        if self._is_hidden(call, algo.create_time):
            raise errors.unknown_order()
        return answers.known_algo(algo, self._usdm.writer(algo.symbol))

    def open_algos(self, call: Call) -> Any:
        """Those that wait."""
        algos, symbol = self._usdm.client(call).algos, self._symbol(call)
        found = [each for each in algos.open(symbol) if not self._is_hidden(call, each.create_time)]
        return [answers.listed_algo(each, self._usdm.writer(each.symbol)) for each in found]

    def all_algos(self, call: Call) -> Any:
        """All of a symbol, oldest first."""
        algos, symbol = self._usdm.client(call).algos, self._usdm.contract(call).symbol
        found = [each for each in algos.all.values() if each.symbol == symbol]
        found = [each for each in found if self._is_asked(call, each.id, each.create_time, "algoId")]
        return [answers.listed_algo(each, self._usdm.writer(symbol)) for each in found]

    # -------------------------------------------------------------------------------------------------

    def _order(self, call: Call, otherwise: Any = errors.unknown_order) -> Order:
        """The order that a call names. Raises -1102 when it names none, -2013 (or -2011) when it is not there."""
        contract, account = self._usdm.contract(call), self._usdm.client(call).account
        number, client_id = call.integer("orderId"), call.params.get("origClientOrderId", "")
        if number is None and not client_id:
            raise Refusal(-1102, "Either 'orderId' or 'origClientOrderId' must be sent.")
        found = account.find(contract.symbol, number, client_id)
        if found is None:
            raise otherwise()
        return found

    def _algo(self, call: Call, otherwise: Any = errors.unknown_order) -> Algo:
        number, client_id = call.integer("algoId"), call.params.get("clientAlgoId", "")
        if number is None and not client_id:
            raise Refusal(-1102, "Either 'algoId' or 'clientAlgoId' must be sent.")
        found = self._usdm.client(call).algos.find(number, client_id)
        if found is None:
            raise otherwise()
        return found

    def _symbol(self, call: Call) -> str:
        return self._usdm.contract(call).symbol if call.params.get("symbol") else ""

    def _cancel_all(self, mode: str, symbol: str) -> None:
        client = self._usdm.of(mode)
        client.timers.pop(symbol, None)
        for order in client.account.open_orders(symbol):
            client.account.cancel(order)

    def _fill_first(self, call: Call, account: Account, order: Order) -> None:
        """A fault: the order fills just before."""
        plan = call.plays("fill_first")
        if plan is not None and order.is_open:
            quantity = plan.options.get("quantity")
            account.fill(order, None if quantity is None else Decimal(str(quantity)))

    def _is_hidden(self, call: Call, since: int) -> bool:
        """A fault: the answering part of the venue lags behind."""
        plan = call.plays("lagging")
        return plan is not None and self._now() - since < plan.seconds(LAG_SECONDS) * 1000

    def _is_asked(self, call: Call, number: int, at: int, first: str) -> bool:
        if self._is_hidden(call, at):
            return False
        least = call.integer(first)
        if least is not None and number < least:
            return False
        start, end = call.integer("startTime"), call.integer("endTime")
        if start is not None and end is not None and end - start > _WEEK:
            raise Refusal(-4166, "Search window is restricted to recent 7 days only.")
        return (start is None or at >= start) and (end is None or at <= end)

    def _write_refused(self, call: Call, refusal: Refusal, client_id: str) -> None:
        symbol = call.params.get("symbol", "")
        self._usdm.frame.journal.write(
            "refused", market=MARKET, symbol=symbol, client_id=client_id, code=refusal.code, msg=refusal.msg
        )

    def _now(self) -> int:
        return self._usdm.frame.clock.now_ms()
