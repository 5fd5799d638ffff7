"""The account and its orders over REST. Spot and margin have the same calls, by other names."""

from __future__ import annotations

from typing import Any

from tests.venues.binance import errors, filters
from tests.venues.binance.desk import Desk
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.orders import Order
from tests.venues.binance.router import Call

MOST_ROWS = 1000
DAY = 86_400_000
USUAL_LAG = 10.0
REPLACE_FAILED = "Order cancel-replace failed."
REPLACE_HALF_FAILED = "Order cancel-replace partially failed."


class Trading:
    """Handlers over one desk."""

    def __init__(self, frame: Frame, desk: Desk) -> None:
        self._frame = frame
        self._desk = desk

    # --- new orders ----------------------------------------------------------------------------------

    def place(self, call: Call) -> Any:
        """A new order."""
        return self._answered(call, self._desk.place(call))

    def test(self, call: Call) -> Any:
        """An order that is looked at only."""
        self._desk.check(call)
        return {}

    def replace(self, call: Call) -> Any:
        """Cancel one order and place another; each half may fail for itself."""
        mode = call.text("cancelReplaceMode")
        if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
            raise Refusal(-1100, "Illegal characters found in parameter 'cancelReplaceMode'.")
        order = self._desk.check(call)  # filters come before anything is done
        client_id, number = call.params.get("cancelOrigClientOrderId"), call.integer("cancelOrderId")
        old = self._desk.find(call.text("symbol"), number, client_id)
        cancelled, failure = self._half_cancel(call, old)
        if failure is not None and mode == "STOP_ON_FAILURE":
            raise _replace_refused(failure.body, None, attempted=False)
        try:
            self._fail_new(call)
            self._desk.accept(order)
        except Refusal as refusal:
            if failure is not None:
                raise _replace_refused(failure.body, refusal.body) from None
            self._desk.tell_rejected(order, refusal)
            raise _replace_halved("SUCCESS", "FAILURE", cancelled, refusal.body) from None
        placed = self._answered(call, order)
        if failure is not None:
            raise _replace_halved("FAILURE", "SUCCESS", failure.body, placed)
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": cancelled,
            "newOrderResponse": placed,
        }

    def _half_cancel(self, call: Call, old: Order | None) -> tuple[Any, Refusal | None]:
        try:
            return self._cancelled(call, old, call.params.get("cancelNewClientOrderId", "")), None
        except Refusal as refusal:
            return None, refusal

    def _fail_new(self, call: Call) -> None:
        if plan := call.plays("new_order_fails"):
            options = plan.options
            raise Refusal(int(options.get("code", -2010)), str(options.get("msg", errors.INSUFFICIENT)))

    def _answered(self, call: Call, order: Order) -> Any:
        usual = "FULL" if order.type in {"MARKET", "LIMIT"} else "ACK"
        match call.params.get("newOrderRespType", usual):
            case "FULL":
                return order.full()
            case "RESULT":
                return order.result()
            case "ACK":
                return order.ack()
            case _:
                raise Refusal(-1100, "Illegal characters found in parameter 'newOrderRespType'.")

    def amend(self, call: Call) -> Any:
        """Make an open order smaller, in its place in the queue."""
        order = self._found(call)
        quantity = call.needed("newQty")
        filters.check_client_id("newClientOrderId", call.params)
        if order is None or not order.is_open:
            raise errors.unknown_order()
        if quantity == order.quantity:
            raise Refusal(-2038, "The requested action would change no state; rejecting.")
        if not order.executed < quantity < order.quantity or quantity % order.listing.lot:
            raise Refusal(-2038, "Order amend (quantity increase) is not supported.")
        if order.amends >= order.listing.max_amends:
            raise errors.filter_failure("MAX_NUM_ORDER_AMENDS")
        before = order.client_id
        self._desk.amend(order, quantity, call.params.get("newClientOrderId", ""))
        return {"transactTime": order.updated, "executionId": order.amends, "amendedOrder": _amended(order, before)}

    # --- cancels -------------------------------------------------------------------------------------

    def cancel(self, call: Call) -> Any:
        """Cancel one order."""
        return self._cancelled(call, self._found(call), call.params.get("newClientOrderId", ""))

    def cancel_all(self, call: Call) -> Any:
        """Cancel all open orders of a symbol; -2011 if there are none."""
        listing = self._desk.listing(call.text("symbol"))
        found = self._desk.open(listing.symbol)
        if not found:
            raise errors.cancel_rejected()
        return [self._cancelled(call, order, "") for order in found if order.is_open]

    def _cancelled(self, call: Call, order: Order | None, cancel_id: str) -> dict[str, Any]:
        filters.check_client_id("newClientOrderId", call.params)
        if order is not None and order.is_open and (plan := call.plays("fill_first")):
            self._desk.fill(order, filters.Decimal(plan.options["quantity"]) if "quantity" in plan.options else None)
        if order is None or not order.is_open:
            raise errors.cancel_rejected()
        _check_restrictions(call, order)
        cancel_id = cancel_id or f"cancel_{order.id}"
        if call.plays("false_cancel"):
            return order.cancelled(cancel_id, "CANCELED")
        self._desk.cancel(order, cancel_id)
        return order.cancelled(cancel_id)

    # --- questions -----------------------------------------------------------------------------------

    def order(self, call: Call) -> Any:
        """One order."""
        order = self._found(call)
        if order is None or not self._is_seen(call, order.created):
            raise errors.unknown_order()
        return order.query()

    def open_orders(self, call: Call) -> Any:
        """What is open, of one symbol or all."""
        symbol = call.params.get("symbol", "")
        if symbol:
            self._desk.listing(symbol)
        return [order.query() for order in self._desk.open(symbol) if self._is_seen(call, order.created)]

    def all_orders(self, call: Call) -> Any:
        """Every order of a symbol: from a number on, in a time, or the newest."""
        listing = self._desk.listing(call.text("symbol"))
        known = [order for order in self._desk.of_symbol(listing.symbol) if self._is_seen(call, order.created)]
        start = call.integer("orderId")
        if start is not None:
            known = [order for order in known if order.id >= start]
        known = [order for order in known if _in_time(call, order.created)]
        return [order.query() for order in _limited(call, known, from_the_start=start is not None)]

    def trades(self, call: Call) -> Any:
        """The executions of a symbol: of one order, from a number on, in a time, or the newest."""
        listing = self._desk.listing(call.text("symbol"))
        number, start = call.integer("orderId"), call.integer("fromId")
        pairs = [(o, t) for o in self._desk.of_symbol(listing.symbol) for t in o.trades if number in {None, o.id}]
        pairs = [
            (o, t) for o, t in pairs if t.id >= (start or 0) and _in_time(call, t.at) and self._is_seen(call, t.at)
        ]
        pairs.sort(key=lambda pair: pair[1].id)
        return [order.trade(trade) for order, trade in _limited(call, pairs, from_the_start=start is not None)]

    def _found(self, call: Call) -> Order | None:
        listing = self._desk.listing(call.text("symbol"))
        return self._desk.find(listing.symbol, call.integer("orderId"), call.params.get("origClientOrderId"))

    def _is_seen(self, call: Call, at: int) -> bool:
        """Whether a replica that lags (a fault) knows what happened at `at`."""
        plan = call.plays("lagging")
        return plan is None or self._frame.clock.now_ms() - at >= plan.seconds(USUAL_LAG) * 1000


def _check_restrictions(call: Call, order: Order) -> None:
    restriction = call.params.get("cancelRestrictions")
    if restriction not in {None, "", "ONLY_NEW", "ONLY_PARTIALLY_FILLED"}:
        raise Refusal(-1145, "Invalid cancelRestrictions.")
    wanted = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}
    if restriction and wanted.get(restriction) != order.status:
        raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")


def _replace_refused(cancel: Any, new: Any, *, attempted: bool = True) -> Refusal:
    """Both halves failed, or the second was not tried: -2022."""
    results = {"cancelResult": "FAILURE", "newOrderResult": "FAILURE" if attempted else "NOT_ATTEMPTED"}
    data = {**results, "cancelResponse": cancel, "newOrderResponse": new}
    return Refusal(-2022, REPLACE_FAILED, status=400, data=data)


def _replace_halved(cancel: str, new: str, cancel_response: Any, new_response: Any) -> Refusal:
    """One half worked: -2021."""
    data = {
        "cancelResult": cancel,
        "newOrderResult": new,
        "cancelResponse": cancel_response,
        "newOrderResponse": new_response,
    }
    return Refusal(-2021, REPLACE_HALF_FAILED, status=409, data=data)


def _amended(order: Order, before: str) -> dict[str, Any]:
    known = order.query()
    names = ("symbol", "orderId", "orderListId", "price", "executedQty", "status", "timeInForce", "type", "side")
    told = {name: known[name] for name in names}
    return {
        **told,
        "origClientOrderId": before,
        "clientOrderId": order.client_id,
        "qty": known["origQty"],
        "preventedQty": "0.00000000",
        "quoteOrderQty": known["origQuoteOrderQty"],
        "cumulativeQuoteQty": known["cummulativeQuoteQty"],
        "workingTime": order.working,
        "selfTradePreventionMode": order.prevention,
    }


def _in_time(call: Call, at: int) -> bool:
    start, end = call.integer("startTime"), call.integer("endTime")
    if start is not None and end is not None and end - start > DAY:
        raise Refusal(-1127, "More than 24 hours between startTime and endTime.")
    return (start is None or at >= start) and (end is None or at <= end)


def _limited(call: Call, rows: list[Any], *, from_the_start: bool) -> list[Any]:
    """The first of what was asked for from somewhere on, or the newest."""
    limit = min(call.integer("limit", 500) or 500, MOST_ROWS)
    first = from_the_start or call.integer("startTime") is not None
    return rows[:limit] if first else rows[-limit:]
