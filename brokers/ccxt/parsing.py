"""ccxt's unified structures in our vocabulary. Pure; numbers are strings there (`exchange.number = str`), exact
here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.ccxt.calls import KnownOrders, Raw, Sighting
from brokers.ccxt.dialect import Dialect
from brokers.errors import Unavailable
from brokers.market import Bar, BookLevel, OrderBook, Quote
from brokers.money import ZERO, exact
from brokers.order import (
    ClientOrderId,
    Fill,
    Liquidity,
    OrderReport,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    VenueOrderState,
)

_STATES = {
    "canceled": VenueOrderState.CANCELLED,
    "expired": VenueOrderState.EXPIRED,
    "rejected": VenueOrderState.REJECTED,
}
_TIMES = {"GTC": TimeInForce.GTC, "PO": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


# How venues call what an order is for.
_QUANTITIES = ("origQty", "quantity", "q", "qty", "sz", "size", "vol")
_CLOSES_ALL = ("closePosition", "cp")
_NONSENSE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError)


class Unreadable(ValueError):
    """An answer that makes no sense to us: a query has failed, and the fate of a request is open."""


@contextmanager
def making_sense() -> Iterator[None]:
    """Whatever reading an answer stumbles over (a list for an object, a word for a number) is `Unreadable`."""
    try:
        yield
    except Unreadable:
        raise
    except _NONSENSE as error:
        raise Unreadable(repr(error)) from error


@contextmanager
def readable() -> Iterator[None]:
    """What cannot be read is a query that failed: `Unavailable`."""
    try:
        with making_sense():
            yield
    except Unreadable as error:
        raise Unavailable(f"an answer that makes no sense: {error}") from None


def decimal(value: Any, what: str = "number") -> Decimal | None:
    """An exact number out of ccxt's; None stays None. A float is told as it is written, which is what was meant."""
    if value is None or value == "":
        return None
    try:
        return exact(repr(value) if isinstance(value, float) else value, what)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"{what} is {value!r}") from error


def needed(value: Any, what: str) -> Decimal:
    """As `decimal`, for what must be there."""
    found = decimal(value, what)
    if found is None:
        raise Unreadable(f"there is no {what}")
    return found


def positive(value: Any, what: str) -> Decimal:
    """As `needed`, for a price: zero is how venues write that there is none."""
    found = needed(value, what)
    if found <= 0:
        raise Unreadable(f"there is no {what}")
    return found


def moment(milliseconds: Any) -> datetime | None:
    """A time of ccxt's; None stays None."""
    return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def milliseconds(at: datetime) -> int:
    """A time of ours as venues count it."""
    return int(at.timestamp() * 1000)


class Reader:
    """Reads orders and fills of one account. What a venue leaves out is taken from the order as we sent it."""

    def __init__(self, dialect: Dialect[Any], known: KnownOrders, now: Callable[[], datetime]) -> None:
        self._dialect = dialect
        self._known = known
        self._now = now

    @making_sense()
    def order_of(self, raw: Raw) -> ClientOrderId:
        """Our id of an order of ccxt's, empty if it has none: by what it says, else by what we know of the venue's."""
        wire = self._dialect.wire_of(raw)
        known = self._known.owner(str(raw.get("symbol") or ""), str(raw.get("id") or ""))
        return known or (self._dialect.our_id(wire) if wire else ClientOrderId(""))

    @making_sense()
    def report(self, raw: Raw, fills: Iterable[Fill] = ()) -> OrderReport:
        """One order of ccxt's as it is at the venue. Raises `Unreadable`."""
        side = self._side(raw)
        order = self.order_of(raw)
        known = self._known.get(order) if order else None
        sent = known.request if known is not None else None
        kind = self._dialect.kind(raw) or (sent.type if sent is not None else kind_of(raw))
        filled = self._filled(raw)
        quantity = quantity_of(raw, filled)
        time_in_force, expires_at = self._time_in_force(raw)
        trail, trail_percent = self._dialect.trail(raw) if kind.is_trailing else (None, None)
        report = OrderReport(
            order,
            venue_id(raw),
            str(raw.get("symbol") or ""),
            side,
            quantity,
            self._dialect.state(raw) or state_of(raw, filled, quantity),
            self._at(raw),
            filled,
            tuple(fills),
            kind,
            limit_price=price_of(raw, "price") if kind.has_limit else None,
            stop_price=trigger_of(raw) if kind.has_stop or kind.is_trailing else None,
            time_in_force=time_in_force,
            reduce_only=bool(raw.get("reduceOnly")),
            post_only=bool(raw.get("postOnly")),
            trail=trail,
            trail_percent=trail_percent,
            expires_at=expires_at,
        )
        if sent is None:
            return report
        return replace(
            report,
            type=sent.type,
            time_in_force=sent.time_in_force,
            expires_at=sent.expires_at,
            reduce_only=sent.reduce_only,
            post_only=sent.post_only,
            trail=sent.trail,
            trail_percent=sent.trail_percent,
        )

    @making_sense()
    def acceptance(self, order: OrderRequest, answer: Any) -> OrderReport:
        """The venue's answer to `order`: its report, or what we asked for if it tells only an id. May be
        `Unreadable`.
        """
        if not isinstance(answer, Mapping):
            raise Unreadable("no order in it")
        raw = {**answer, "symbol": answer.get("symbol") or order.instrument.symbol}
        if answer.get("amount") is not None and answer.get("status") is not None and answer.get("side"):
            report = self.report(raw)
            if report.client_order_id not in ("", order.client_order_id):
                raise Unreadable(f"it is about {report.client_order_id}")
            self._known.own(report.symbol, report.venue_order_id, order.client_order_id)
            return replace(report, client_order_id=order.client_order_id, fills=self.own_fills(raw) or ())
        return OrderReport(
            order.client_order_id,
            venue_id(raw),
            order.instrument.symbol,
            order.side,
            order.quantity,
            VenueOrderState.WORKING,
            self._at(raw),
            type=order.type,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            time_in_force=order.time_in_force,
            reduce_only=order.reduce_only,
            post_only=order.post_only,
            trail=order.trail,
            trail_percent=order.trail_percent,
            expires_at=order.expires_at,
        )

    @making_sense()
    def sighting(self, seen: Sighting, fills: Iterable[Fill] = (), order: ClientOrderId | None = None) -> OrderReport:
        """One order of ours, whatever it has become at the venue."""
        terms = self.report(seen.terms, fills)
        if order is not None:
            terms = replace(terms, client_order_id=order)
        if seen.now is seen.terms and not seen.earlier:
            return terms
        before = sum((self._filled(raw) for raw in seen.earlier), ZERO)
        filled = before + self._filled(seen.now)
        quantity = (terms.quantity or quantity_of(seen.now, filled)) + before
        return replace(
            terms,
            venue_order_id=venue_id(seen.now),
            quantity=quantity,
            filled=filled,
            state=self._dialect.state(seen.now) or state_of(seen.now, filled, quantity),
            at=self._at(seen.now),
        )

    @making_sense()
    def fill(self, raw: Raw) -> Fill:
        """One execution of ccxt's; whose it is, is known from the order that it names. Raises `Unreadable`."""
        symbol, venue_order_id = str(raw.get("symbol") or ""), str(raw.get("order") or "")
        if not raw.get("id") or not symbol:
            raise Unreadable("an execution without an id or a symbol")
        fee = self._dialect.fee(raw)
        owner = self._known.owner(symbol, venue_order_id)
        if owner is None and (wire := self._dialect.wire_of(raw)):
            owner = self._dialect.our_id(wire)
        return Fill(
            str(raw["id"]),
            owner or ClientOrderId(""),
            symbol,
            self._side(raw),
            needed(raw.get("amount"), "quantity"),
            needed(raw.get("price"), "price"),
            decimal(fee.get("cost"), "fee"),
            str(fee.get("currency") or ""),
            Liquidity.MAKER if raw.get("takerOrMaker") == "maker" else Liquidity.TAKER,
            moment(raw.get("timestamp")) or self._now(),
            venue_order_id=venue_order_id,
        )

    @making_sense()
    def own_fills(self, raw: Raw) -> tuple[Fill, ...] | None:
        """The executions that an order of ccxt's brings along; None unless they are all there."""
        filled = self._filled(raw)
        trades = raw.get("trades") or ()
        if not all(trade.get("id") and trade.get("amount") for trade in trades):  # some tell ids only
            return None
        names = {"order": raw.get("id"), "symbol": raw.get("symbol"), "side": raw.get("side")}
        names["timestamp"] = raw.get("lastTradeTimestamp") or raw.get("timestamp")
        whole = [{**trade, **{name: trade.get(name) or value for name, value in names.items()}} for trade in trades]
        fills = tuple(self.fill(trade) for trade in whole)
        return fills if sum((fill.quantity for fill in fills), ZERO) == filled else None

    def _filled(self, raw: Raw) -> Decimal:
        if raw.get("filled") is None and self._dialect.never_fills(raw):
            return ZERO
        return filled_of(raw)

    def _side(self, raw: Raw) -> Side:
        side = raw.get("side")
        if side not in tuple(Side):
            raise Unreadable(f"a side of {side!r}")
        return Side(side)

    def _at(self, raw: Raw) -> datetime:
        times = ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp")
        return next((at for name in times if (at := moment(raw.get(name)))), None) or self._now()

    def _time_in_force(self, raw: Raw) -> tuple[TimeInForce, datetime | None]:
        found = self._dialect.time_in_force(raw)
        return found if found is not None else (_TIMES.get(raw.get("timeInForce") or "", TimeInForce.GTC), None)


def venue_id(raw: Raw) -> str:
    """The venue's own id of an order. An order without one is no order that we know to exist."""
    found = raw.get("id")
    if not found:
        raise Unreadable("an order without an id")
    return str(found)


def quantity_of(raw: Raw, filled: Decimal) -> Decimal:
    """How much an order is for. One that its venue says to be for none (it closes whatever is there then, or spends an
    amount of money) is for what it has filled: nothing of it is known to be left.
    """
    if raw.get("amount") is None and _says_none(raw.get("info")):
        return filled
    return needed(raw.get("amount"), "quantity")


def _says_none(info: Any) -> bool:
    """Whether the venue tells the quantity of an order, and tells that it is zero; our library leaves that out. Or that
    it closes all there is.
    """
    if not isinstance(info, Mapping):
        return False
    told = [str(info[name]) for name in _QUANTITIES if info.get(name) is not None]
    is_zero = bool(told) and all(re.fullmatch(r"0*\.?0*", each) for each in told)
    return is_zero or (not told and any(str(info.get(name)).lower() == "true" for name in _CLOSES_ALL))


def filled_of(raw: Raw) -> Decimal:
    """How much of an order was filled. One that is over must tell: "nothing" would be a guess."""
    filled = decimal(raw.get("filled"), "filled quantity")
    if filled is None and raw.get("status") in ("closed", "canceled", "expired"):
        raise Unreadable(f"an order that is {raw.get('status')}, and not how much of it was filled")
    return filled or ZERO


def price_of(raw: Raw, name: str) -> Decimal | None:
    """A price of an order; zero is how venues write none."""
    return decimal(raw.get(name), name) or None


def trigger_of(raw: Raw) -> Decimal | None:
    """The price that wakes an order."""
    names = ("triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice")
    return next((price for name in names if (price := price_of(raw, name))), None)


def kind_of(raw: Raw) -> OrderType:
    """The type of an order, by the prices that it has."""
    is_limit = "limit" in str(raw.get("type") or "")
    if trigger_of(raw) is None:
        return OrderType.LIMIT if is_limit else OrderType.MARKET
    if price_of(raw, "takeProfitPrice") is not None:
        return OrderType.TAKE_PROFIT_LIMIT if is_limit else OrderType.TAKE_PROFIT
    return OrderType.STOP_LIMIT if is_limit else OrderType.STOP


def state_of(raw: Raw, filled: Decimal, quantity: Decimal) -> VenueOrderState:
    """The state of an order. What is over and was not filled whole was cancelled, whatever the venue calls it."""
    status = raw.get("status")
    if filled >= quantity > 0 and status != "rejected":
        return VenueOrderState.FILLED
    if status in ("open", "canceling"):
        return VenueOrderState.PARTIALLY_FILLED if filled else VenueOrderState.WORKING
    if status == "closed":
        return VenueOrderState.CANCELLED
    if status not in _STATES:
        raise Unreadable(f"a status of {status!r}")
    return _STATES[status]


@making_sense()
def quote_of(raw: Raw, now: Callable[[], datetime]) -> Quote:
    """A ticker of ccxt's. Raises `Unreadable` if a side is missing or empty."""
    last = decimal(raw.get("last")) or decimal(raw.get("close"))
    bid, ask = positive(raw.get("bid"), "bid"), positive(raw.get("ask"), "ask")
    return Quote(str(raw["symbol"]), bid, ask, last or (bid + ask) / 2, moment(raw.get("timestamp")) or now())


@making_sense()
def book_of(raw: Raw, symbol: str, depth: int, now: Callable[[], datetime]) -> OrderBook:
    """An order book of ccxt's, no deeper than asked."""

    def levels(side: Sequence[Sequence[Any]]) -> tuple[BookLevel, ...]:
        return tuple(BookLevel(needed(row[0], "price"), needed(row[1], "quantity")) for row in side[:depth])

    return OrderBook(symbol, levels(raw["bids"]), levels(raw["asks"]), moment(raw.get("timestamp")) or now())


@making_sense()
def bar_of(symbol: str, row: Sequence[Any], period: timedelta) -> Bar:
    """A candle of ccxt's: it tells when the period began, a bar when it ended."""
    began = moment(row[0])
    if began is None:
        raise Unreadable("a candle without a time")
    opened, high, low, close = (needed(each, "price") for each in row[1:5])
    return Bar(symbol, began + period, opened, high, low, close, decimal(row[5]) or ZERO)
