"""Where orders of one account live: they come in, hold money back, wake, fill, end, and every step is told and written.

Spot and margin each have a desk on the same market. What goes over the wire is `orders`; matching is `matching`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Decimal
from itertools import count
from typing import Any

from brokers.order import Side, TimeInForce
from tests.venues.binance import errors, filters
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import Listing, eight
from tests.venues.binance.market import Market
from tests.venues.binance.matching import Ended, Execution, Matching, Outcome
from tests.venues.binance.orders import ZERO, Order, Trade
from tests.venues.binance.router import Call
from tests.venues.binance.wallet import Wallet

COMMISSION_STEP = Decimal("0.00000001")
BNB_DISCOUNT = Decimal("0.75")

REASONS = {
    errors.INSUFFICIENT: "INSUFFICIENT_BALANCES",
    errors.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
    errors.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
}

Teller = Callable[[dict[str, Any]], None]


class Desk:
    """Orders and money of one account. `bnb_fees`: commissions are paid in BNB, cheaper, while there are some.

    `lender` lends what an order on credit lacks (margin only).
    """

    def __init__(
        self, frame: Frame, market: Market, name: str, listings: dict[str, Listing], numbers: count[int]
    ) -> None:
        self.name = name
        self.wallet = Wallet()
        self.bnb_fees = False
        self.commission = Decimal("0.001")
        self.tellers: list[Teller] = []
        self.lender: Callable[[str, Decimal], None] | None = None
        self.orders: dict[int, Order] = {}
        self._frame = frame
        self._market = market
        self._listings = listings
        self._numbers = numbers
        self._events = count(1)
        self._matching = Matching(frame.clock.moment)
        for listing in listings.values():
            self._matching.list(listing.symbol, listing.tick, listing.lot)
            self.meet(listing.symbol, None)
        market.listeners.append(lambda moved: self.meet(moved.symbol.name, moved.volume))

    # --- finding -------------------------------------------------------------------------------------

    def listing(self, symbol: str) -> Listing:
        """What is listed. Raises -1121."""
        found = self._listings.get(symbol)
        if found is None:
            raise errors.bad_symbol()
        return found

    def open(self, symbol: str = "") -> list[Order]:
        """The open orders, oldest first."""
        return [order for order in self.orders.values() if order.is_open and symbol in {"", order.listing.symbol}]

    def of_symbol(self, symbol: str) -> list[Order]:
        """Every order of a symbol that there ever was, oldest first."""
        return [order for order in self.orders.values() if order.listing.symbol == symbol]

    def find(self, symbol: str, number: int | None, client_id: str | None) -> Order | None:
        """An order by its number, or the newest with a client id."""
        if number is None and not client_id:
            raise Refusal(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return next(
            (
                order
                for order in reversed(self.orders.values())
                if order.listing.symbol == symbol
                and number in {None, order.id}
                and client_id in {None, "", order.client_id}
            ),
            None,
        )

    # --- coming in -----------------------------------------------------------------------------------

    def place(self, call: Call) -> Order:
        """Take an order in, and let it meet the market. Raises `Refusal`."""
        order = self.check(call)
        self.accept(order)
        return order

    def check(self, call: Call) -> Order:
        """The order that `call` asks for, which fits the filters. Raises `Refusal`."""
        listing = self.listing(call.text("symbol"))
        try:
            filters.check_parameters(call)
            order = self._made(call, listing)
            last = self._market.of(listing.symbol).last
            filters.check_filters(order, last, self.open(listing.symbol))
        except Refusal as refusal:
            self._refused(call.params.get("newClientOrderId", ""), listing.symbol, refusal)
            raise
        return order

    def accept(self, order: Order) -> None:
        """Let a checked order into the book. Raises -2010."""
        symbol = self._market.of(order.listing.symbol)
        try:
            if any(each.client_id == order.client_id for each in self.open()):
                raise errors.rejected(errors.DUPLICATE)
            if order.type == "LIMIT_MAKER" and _crosses(order, symbol.bid, symbol.ask):
                raise errors.rejected(errors.WOULD_TAKE)
            filters.check_trigger(order, symbol.last)
            self._hold(order)
        except Refusal as refusal:
            self._refused(order.client_id, symbol.name, refusal)
            raise
        self.orders[order.id] = order
        self._write(
            "accepted", order, side=order.side.name, type=order.type, quantity=order.quantity, price=order.price
        )
        if order.trigger is None:
            order.working = order.updated
            self._tell(order, "NEW")
            self._submit(order)
        else:
            order.waits = True
            order.trigger.begin(symbol.last)
            self._tell(order, "NEW")

    def _made(self, call: Call, listing: Listing) -> Order:
        now, number = self._frame.clock.now_ms(), next(self._numbers)
        side, kind = Side[call.text("side")], call.text("type")
        order = Order(
            id=number,
            client_id=call.params.get("newClientOrderId") or f"web_{number:032x}",
            listing=listing,
            side=side,
            type=kind,
            force=call.params.get("timeInForce") or "GTC",
            quantity=call.number("quantity") or ZERO,
            price=call.number("price") or ZERO,
            stop_price=call.number("stopPrice") or ZERO,
            trailing=call.integer("trailingDelta"),
            quote_quantity=call.number("quoteOrderQty") or ZERO,
            iceberg=call.number("icebergQty") or ZERO,
            prevention=call.params.get("selfTradePreventionMode") or "EXPIRE_MAKER",
            effect=call.params.get("sideEffectType") or "NO_SIDE_EFFECT",
            created=now,
            updated=now,
        )
        if order.quote_quantity:
            order.quantity = self._worth(order)
        order.trigger = order.awaited()
        return order

    def _worth(self, order: Order) -> Decimal:
        """How many units the amount of the quote is now."""
        symbol = self._market.of(order.listing.symbol)
        touch = symbol.ask if order.side is Side.BUY else symbol.bid
        return order.quote_quantity / touch // order.listing.lot * order.listing.lot

    def _hold(self, order: Order) -> None:
        """Hold back what the order may cost."""
        if order.side is Side.SELL:
            order.held_asset, order.held = order.listing.base, order.quantity
        else:
            order.held_asset, order.held = order.listing.quote, self._cost(order)
        short = order.held - self.wallet.of(order.held_asset).free
        if short > 0 and self.lender is not None and order.effect in {"MARGIN_BUY", "AUTO_BORROW_REPAY"}:
            self.lender(order.held_asset, short)
            order.borrowed = short
        self.wallet.lock(order.held_asset, order.held)

    def _cost(self, order: Order) -> Decimal:
        if order.has_limit:
            return order.price * order.quantity
        if order.trigger is not None:
            return (order.stop_price or self._market.of(order.listing.symbol).ask) * order.quantity
        return self._taken(order)

    def _taken(self, order: Order) -> Decimal:
        """What an order costs that takes from the displayed book now; beyond that nothing is there."""
        cost, left = ZERO, order.remaining
        symbol = self._market.of(order.listing.symbol)
        if symbol.book is None:
            return symbol.ask * left
        for level in symbol.levels(bids=False):
            cost += min(left, level.quantity) * level.price
            left -= min(left, level.quantity)
        return cost

    # --- living --------------------------------------------------------------------------------------

    def meet(self, symbol: str, volume: Decimal | None) -> None:
        """The market has moved: what rests may fill, and what waits may wake."""
        at = self._market.of(symbol)
        self._follow(self._matching.tick(symbol, at.bid, at.ask, at.last, volume, at.book))
        for order in self.open(symbol):
            if order.is_open and order.waits and order.trigger is not None and order.trigger.look(at.last):
                self._wake(order)

    def _wake(self, order: Order) -> None:
        order.waits = False
        order.updated = order.working = self._frame.clock.now_ms()
        self._write("triggered", order)
        if not order.has_limit and order.side is Side.BUY:
            missing = self._taken(order) - order.held
            if missing > self.wallet.of(order.held_asset).free:
                self.end(order, "EXPIRED", "EXPIRED")
                return
            self.wallet.lock(order.held_asset, max(missing, ZERO))
            order.held += max(missing, ZERO)
        self._tell(order, "NEW")
        self._others_of_list(order)
        self._submit(order)

    def _submit(self, order: Order) -> None:
        limit = order.price if order.has_limit else None
        force = TimeInForce[order.force] if order.has_limit else TimeInForce.GTC
        symbol, quantity = order.listing.symbol, order.quantity
        self._follow(self._matching.submit(order.id, symbol, order.side, quantity, limit, force, order.prevention))

    def _follow(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            order = self.orders[outcome.order]
            match outcome:
                case Execution():
                    self._fill(order, outcome)
                case Ended() if outcome.is_self_trade:
                    self.end(order, "EXPIRED_IN_MATCH", "TRADE_PREVENTION")
                case Ended():
                    self.end(order, "EXPIRED", "EXPIRED")

    def fill(self, order: Order, quantity: Decimal | None = None) -> None:
        """Somebody meets a resting order: it fills by `quantity` (or all that is left) at its price."""
        quantity = min(quantity or order.remaining, order.remaining)
        price = order.price or self._market.of(order.listing.symbol).last
        if quantity == order.remaining:
            self._matching.cancel(order.id)
        else:
            self._matching.change(order.id, order.quantity - quantity)
        self._fill(order, Execution(order.id, quantity, price, is_maker=True))

    def _fill(self, order: Order, execution: Execution) -> None:
        listing, quantity, price = order.listing, execution.quantity, execution.price
        buys = order.side is Side.BUY
        self._settle(order, quantity, price)
        symbol = self._market.of(listing.symbol)
        number = self._market.print(symbol, price, quantity, buyer_is_maker=buys == execution.is_maker)
        commission, asset = self._charge(order, quantity, price)
        order.updated = self._frame.clock.now_ms()
        trade = Trade(number, price, quantity, commission, asset, execution.is_maker, order.updated)
        order.trades.append(trade)
        done = order.remaining == 0
        order.status = "FILLED" if done else "PARTIALLY_FILLED"
        if done:
            self._release(order)
        self._write(
            "execution",
            order,
            trade_id=number,
            side=order.side.name,
            quantity=quantity,
            price=price,
            maker=execution.is_maker,
            fee=commission,
            fee_asset=asset,
        )
        self._tell(order, "TRADE", trade)
        self._others_of_list(order)

    def _settle(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        """Move the money of one execution."""
        listing = order.listing
        if order.side is Side.SELL:
            self._spend(order, quantity, quantity)
            self.wallet.add(listing.quote, quantity * price)
        else:
            held = order.price * quantity if order.has_limit else quantity * price
            self._spend(order, held, quantity * price)
            self.wallet.add(listing.base, quantity)
        if order.effect in {"AUTO_REPAY", "AUTO_BORROW_REPAY"}:
            received = listing.quote if order.side is Side.SELL else listing.base
            self.wallet.repay(received, self.wallet.of(received).free)

    def _spend(self, order: Order, held: Decimal, paid: Decimal) -> None:
        """Of what is held back for the order, `held` is no longer, and `paid` is gone."""
        held = min(held, order.held)
        self.wallet.unlock(order.held_asset, held)
        self.wallet.add(order.held_asset, -paid)
        order.held -= held

    def _charge(self, order: Order, quantity: Decimal, price: Decimal) -> tuple[Decimal, str]:
        """Take the commission: in BNB if so chosen and there, else of what was received."""
        notional, bnb = quantity * price, self._market.symbols.get("BNBUSDT")
        if self.bnb_fees and bnb is not None and order.listing.quote == "USDT":
            amount = _cut(notional * self.commission * BNB_DISCOUNT / bnb.last)
            if ZERO < amount <= self.wallet.of("BNB").free:
                self.wallet.add("BNB", -amount)
                return amount, "BNB"
        asset = order.listing.base if order.side is Side.BUY else order.listing.quote
        amount = _cut((quantity if order.side is Side.BUY else notional) * self.commission)
        self.wallet.add(asset, -amount)
        return amount, asset

    # --- ending --------------------------------------------------------------------------------------

    def cancel(self, order: Order, cancel_id: str) -> None:
        """Cancel an open order."""
        self.end(order, "CANCELED", "CANCELED", cancel_id)

    def end(self, order: Order, status: str, what: str, cancel_id: str = "") -> None:
        """An open order is over."""
        if self._matching.holds(order.id):
            self._matching.cancel(order.id)
        order.status, order.waits = status, False
        order.updated = self._frame.clock.now_ms()
        self._release(order)
        self._write("cancelled" if status == "CANCELED" else "expired", order, status=status, executed=order.executed)
        self._tell(order, what, cancel_id=cancel_id)
        self._others_of_list(order)

    def amend(self, order: Order, quantity: Decimal, client_id: str) -> None:
        """Make an open order smaller; it keeps its place."""
        if self._matching.holds(order.id):
            self._matching.change(order.id, quantity)
        unit = (order.price or order.stop_price) if order.side is Side.BUY else Decimal(1)
        freed = (order.quantity - quantity) * unit
        self.wallet.unlock(order.held_asset, freed)
        order.held -= freed
        before, order.amends = order.client_id, order.amends + 1
        order.quantity, order.client_id = quantity, client_id or f"amended_{order.id}_{order.amends}"
        order.updated = self._frame.clock.now_ms()
        self._write("amended", order, quantity=quantity, was=before)
        self._say(order.report("REPLACED", next(self._events), order.updated) | {"C": before})
        self._tell_money(order.updated)

    def _release(self, order: Order) -> None:
        self.wallet.unlock(order.held_asset, order.held)
        order.held = ZERO

    def _others_of_list(self, order: Order) -> None:
        """Of orders that cancel each other, one that wakes, fills or ends, ends the others."""
        if order.list_id < 0:
            return
        for other in self.open(order.listing.symbol):
            if other.list_id == order.list_id and other is not order:
                status = "CANCELED" if order.status == "CANCELED" else "EXPIRED"
                self.end(other, status, status)

    # --- telling -------------------------------------------------------------------------------------

    def deposit(self, asset: str, amount: Decimal) -> None:
        """Money comes in (or goes, below zero) from outside."""
        self.wallet.add(asset, amount)
        self.wallet.changed()
        now = self._frame.clock.now_ms()
        self._frame.journal.write("deposit", market=self.name, asset=asset, amount=amount)
        self._say({"e": "balanceUpdate", "E": now, "a": asset, "d": eight(amount), "T": now})

    def _tell(self, order: Order, what: str, trade: Trade | None = None, cancel_id: str = "") -> None:
        now = self._frame.clock.now_ms()
        self._say(order.report(what, next(self._events), now, trade, cancel_id))
        self._tell_money(now)

    def tell_rejected(self, order: Order, refusal: Refusal) -> None:
        """The new order of a cancel-replace was refused after the cancel: only then is a refusal an event."""
        reason = REASONS.get(refusal.msg, "UNKNOWN_ERROR")
        order.status = "REJECTED"
        self._say(order.report("REJECTED", next(self._events), self._frame.clock.now_ms()) | {"r": reason})

    def _tell_money(self, now: int) -> None:
        if assets := self.wallet.changed():
            balances = [(asset, self.wallet.of(asset)) for asset in assets]
            told = [{"a": asset, "f": eight(each.free), "l": eight(each.locked)} for asset, each in balances]
            self._say({"e": "outboundAccountPosition", "E": now, "u": now, "B": told})

    def _say(self, event: dict[str, Any]) -> None:
        for teller in self.tellers:
            teller(event)

    def _write(self, kind: str, order: Order, **facts: Any) -> None:
        self._frame.journal.write(
            kind, market=self.name, symbol=order.listing.symbol, order_id=order.id, client_id=order.client_id, **facts
        )

    def _refused(self, client_id: str, symbol: str, refusal: Refusal) -> None:
        facts = {"client_id": client_id, "code": refusal.code, "msg": refusal.msg}
        self._frame.journal.write("refused", market=self.name, symbol=symbol, **facts)


def _crosses(order: Order, bid: Decimal, ask: Decimal) -> bool:
    return order.price >= ask if order.side is Side.BUY else order.price <= bid


def _cut(amount: Decimal) -> Decimal:
    return amount.quantize(COMMISSION_STEP, rounding=ROUND_DOWN)
