"""What is special about Kraken. See the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field

from brokers.account import AccountInfo
from brokers.adapters.kraken import stream, words
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Change, Dialect, Permissions
from brokers.ccxt.limits import Rates, Window
from brokers.ccxt.naming import Naming
from brokers.ccxt.offers import OfferedSettings
from brokers.ccxt.pages import further
from brokers.ccxt.streams.wire import Wire, watch
from brokers.ccxt.wallets import spot_wallet
from brokers.ccxt.words import number_of, object_in, seconds_of
from brokers.errors import NotSupported
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, TimeInForce
from brokers.port import Capabilities, ModifyBy, TrailBy

_TRIGGERS = {
    OrderType.STOP: "stopLossPrice",
    OrderType.STOP_LIMIT: "stopLossPrice",
    OrderType.TAKE_PROFIT: "takeProfitPrice",
    OrderType.TAKE_PROFIT_LIMIT: "takeProfitPrice",
}
_KINDS = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop-loss": OrderType.STOP,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.TAKE_PROFIT,
    "take-profit-limit": OrderType.TAKE_PROFIT_LIMIT,
    "trailing-stop": OrderType.TRAILING_STOP,
}

_PRICES = ("price", "triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice")


class KrakenSettings(OfferedSettings):
    """Kraken counts private questions (15 to begin with, one back every three seconds), so it is asked less often."""

    why_no_other: ClassVar[str] = "Kraken has no test environment for spot; use the paper adapter to try things"

    shortest_timer: ClassVar[int] = 60

    poll_seconds: float = Field(default=10, ge=5, le=60)


class KrakenDialect(Dialect[KrakenSettings]):
    """See the module."""

    venue: ClassVar[str] = "Kraken"
    page: ClassVar[int] = 50
    needs_currencies: ClassVar[bool] = True
    dated: ClassVar[bool] = False
    shared_options: ClassVar[tuple[str, ...]] = ("marketsByAltname", "marketsByWsName")

    def __init__(self, settings: KrakenSettings) -> None:
        super().__init__(settings)
        self._naming = Naming("[A-Za-z][A-Za-z0-9_-]{0,17}", dashes=True)

    @property
    def ccxt_id(self) -> str:
        """Spot; Kraken's futures are another venue."""
        return "kraken"

    @property
    def capabilities(self) -> Capabilities:
        """What spot has; there is nothing to reduce only without margin."""
        return Capabilities(
            order_types=frozenset(OrderType),
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD}),
            modify=True,
            post_only=True,
            order_book=True,
            bars=True,
            modify_by=ModifyBy.AMEND,
            dead_man=True,
            trails=frozenset(TrailBy),
            unchangeable=frozenset({OrderType.TRAILING_STOP}),
        )

    def rates(self) -> Rates:
        """A counter of 15 that loses one in three seconds; in ccxt's costs a question is three."""
        return Rates((Window(45, 45),))

    async def permissions(self, exchange: Any) -> Permissions | None:
        """`GetApiKeyInfo` needs no permission itself."""
        told = (await exchange.private_post_getapikeyinfo())["result"]
        may = set(told.get("permissions") or ())
        return Permissions(
            trading="modify-trades" in may,
            withdrawals=any(each.startswith("withdraw") for each in may),
            ip_limited=bool(told.get("ipAllowlist")),
        )

    @property
    def wire(self) -> Wire:
        """Its ticker is told with each trade only, unless the best bid and ask are asked for. Orders and executions
        come on one channel; all but the first event of an order tell only what has happened to it.
        """
        return Wire(
            report_calls=(watch("watch_orders", snap_trades=False),),
            quote_calls=("watch_bids_asks",),
            whole_orders=True,
            forget_login=stream.forget_token,
            needs_look=stream.tells_terms,
            order=stream.pushed,
            execution=stream.executed,
            standing=stream.standing,
            parts=stream.one_by_one,
            refusal=stream.refusal,
        )

    def lists(self, market: Raw) -> bool:
        """Spot pairs."""
        return bool(market.get("spot"))

    def wire_id(self, order: ClientOrderId, revision: int = 0) -> str:
        """Up to 18 characters as they are, else a UUID."""
        del revision
        return self._naming.wire(order)

    def our_id(self, wire: str) -> ClientOrderId:
        """Empty for somebody else's, and for `userref` 0, which ccxt tells where there is no id."""
        return self._naming.ours(wire)

    def wire_of(self, raw: Raw) -> str:
        """Ccxt takes `userref` for the client id where there is none."""
        return str(raw.get("info", {}).get("cl_ord_id") or "")

    def refuse(self, order: OrderRequest) -> None:
        """Only limit orders have a time in force."""
        plain = order.type is OrderType.LIMIT
        if order.time_in_force is not TimeInForce.GTC and not (plain or order.type is OrderType.MARKET):
            raise NotSupported(f"{order.time_in_force} for a {order.type} order")
        if order.time_in_force in (TimeInForce.FOK, TimeInForce.GTD) and not plain:
            raise NotSupported(f"{order.time_in_force} for a {order.type} order")
        if order.reduce_only:
            raise NotSupported("reduce-only orders on spot")

    def place_call(self, order: OrderRequest) -> Call:
        """`AddOrder`; a limit order's `price` is its limit, a conditional one's its trigger, and `price2` its limit."""
        params: dict[str, Any] = {"clientOrderId": self.wire_id(order.client_order_id), "oflags": "fciq"}
        if order.post_only:
            params["postOnly"] = True
        if order.type is OrderType.LIMIT and order.time_in_force is not TimeInForce.GTC:
            params["timeInForce"] = order.time_in_force.value.upper()
        if order.expires_at is not None:
            params["expiretm"] = str(int(order.expires_at.timestamp()))
        if order.stop_price is not None:
            params[_TRIGGERS[order.type]] = str(order.stop_price)
        if order.trail is not None:
            params["trailingAmount"] = str(order.trail)
        if order.trail_percent is not None:
            params["trailingPercent"] = str(order.trail_percent)
        price = None if order.limit_price is None else str(order.limit_price)
        kind = "limit" if order.type.has_limit else "market"
        return Call(
            "create_order", (order.instrument.symbol, kind, order.side.value, str(order.quantity), price, params)
        )

    def find_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """The two lists, filtered by our id; whatever its symbol."""
        del symbol, known
        asked = {"clientOrderId": self.wire_id(order), "trades": "true"}
        return (
            Call("fetch_open_orders", (None, None, None, asked)),
            Call("fetch_closed_orders", (None, None, None, asked)),
        )

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """Open, else closed. An id is unique among open orders only: of several closed ones the newest counts."""
        for call in self.find_calls(order, symbol, None):
            wire = self.wire_id(order)
            found = [raw for raw in await inquiry.ask(call) if self.wire_of(raw) == wire]
            if found:
                return Sighting.of(max(found, key=lambda raw: raw["timestamp"] or 0))
        return None

    def open_calls(self) -> Sequence[Call]:
        """One list for all symbols and types."""
        return (Call("fetch_open_orders", (None, None, None, {"trades": "true"})),)

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """Each is an order of its own; what a person has set a distance for has no price."""
        del inquiry
        return [Sighting.of({**raw, **{name: number_of(raw.get(name)) for name in _PRICES}}) for raw in raws]

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """One list for all symbols; `start` is compared with the time of closing."""
        del symbol
        asked = {"trades": "true", "start": since // 1000, "closetime": "close"}
        return (Call("fetch_closed_orders", (None, None, None, asked)),)

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """The venue lists all symbols together, those after `start`: what happened just then would be missing."""
        del symbol
        return (Call("fetch_my_trades", (None, since - 1000, None, {})),)

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """The newest come first; the rest by how many there were."""
        return further(call, page, "ofs")

    def fills_of_order_call(self, raw: Raw) -> Call:
        """Executions are asked for by their own ids, which an order tells."""
        trades = [trade["id"] for trade in raw.get("trades") or ()]
        return Call("fetch_order_trades", (raw["id"], raw["symbol"], None, None, {"trades": trades}))

    async def name_fill(self, inquiry: Inquiry, symbol: str, venue_order_id: str) -> ClientOrderId | None:
        """By the order. A UUID of our kind that has not passed here may be ours from another life."""
        wire = self.wire_of(await self.executed(inquiry, symbol, venue_order_id))
        ours = self.our_id(wire)
        return None if not ours and self._naming.is_derived(wire) else ours

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """By our id."""
        del known
        return (Call("cancel_order", ("", symbol, {"clientOrderId": self.wire_id(order)})),)

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """`AmendOrder` in place; quantities are totals."""
        params: dict[str, Any] = {"clientOrderId": self.wire_id(known.order)}
        if "stop_price" in change.differs:
            params[_TRIGGERS[report.type]] = str(change.stop_price)
        if report.post_only:
            params["postOnly"] = True
        quantity = str(change.quantity) if "quantity" in change.differs else None
        price = str(change.limit_price) if "limit_price" in change.differs else None
        kind = "limit" if report.type.has_limit else "market"
        return Call("edit_order", ("", known.symbol, kind, report.side.value, quantity, price, params))

    def dead_man_calls(self, seconds: float, symbols: Sequence[str]) -> Sequence[Call]:
        """`CancelAllOrdersAfter`: everything, stops too. Kraken advises to tell every 15 to 30 seconds one of 60."""
        del symbols
        return (Call("cancel_all_orders_after", (round(seconds * 1000),)),)

    def kind(self, raw: Raw) -> OrderType | None:
        """Ccxt folds the venue's types into market and limit."""
        return _KINDS.get(str(_terms(raw).get("ordertype") or ""))

    def trail(self, raw: Raw) -> tuple[Decimal | None, Decimal | None]:
        """`+5.0%` or `+120.0` in the description."""
        distance = str(_terms(raw).get("price") or "").lstrip("+-")
        if distance.endswith("%"):
            return None, Decimal(distance[:-1])
        return (Decimal(distance), None) if distance else (None, None)

    def time_in_force(self, raw: Raw) -> tuple[TimeInForce, datetime | None] | None:
        """The venue does not tell IOC and FOK (those are over at once), but when an order expires."""
        expires_at = seconds_of(raw.get("info", {}).get("expiretm"))
        return None if expires_at is None else (TimeInForce.GTD, expires_at)

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """`BalanceEx`, which tells what orders hold back."""
        return await spot_wallet(self, inquiry, name, instruments)

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """The first of `error`: `EOrder:Insufficient funds`."""
        errors = object_in(answer.body).get("error")
        told = str(errors[0]) if isinstance(errors, list) and errors else ""
        return told, told

    def refusal(self, code: str, message: str) -> str | None:
        """By how the code begins, the longest first: there is more behind it now and then."""
        del message
        fitting = [start for start in words.REFUSALS if code.startswith(start)]
        return words.REFUSALS[max(fitting, key=len)] if fitting else None

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """An unavailable or busy service may have passed the order on; what is refused at the door was not."""
        del answer, message
        if code.startswith(words.OPEN):
            return True
        return False if code.startswith(words.AT_THE_DOOR) else None


def _terms(raw: Raw) -> Mapping[str, Any]:
    """What an order is, as Kraken describes it."""
    described = raw.get("info", {}).get("descr")
    return described if isinstance(described, Mapping) else {}
