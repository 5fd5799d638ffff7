"""Bybit, unified trading account: spot, and USDT perpetuals in one-way mode.

Facts (bybit-exchange.github.io/docs/v5, ccxt 4.5.90): `orderLinkId` has up to 36 characters of A-Z a-z 0-9 _ -; one
that the venue remembers is not taken again (it may be after 360 days). An acknowledged order may be refused a moment
later. Open orders (with the newest closed ones) and history are two questions, and both take our id. On perpetuals a
conditional order tells in which direction its trigger lies and keeps its id when it wakes; on spot the venue infers
the direction from the market of that moment, so a stop that comes too late would sleep on the wrong side: conditional
orders are not offered there. A trailing stop belongs to the position and has no id of ours: not offered. The timer
that cancels orders is for institutions only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar

from brokers.account import AccountInfo
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Change, Dialect, Permissions
from brokers.ccxt.offers import OfferedSettings
from brokers.ccxt.pages import cursor, onward
from brokers.ccxt.settings import Mode
from brokers.ccxt.streams.wire import Wire
from brokers.ccxt.wallets import spot_wallet, swap_wallet
from brokers.ccxt.words import number_of, object_in
from brokers.errors import ConfigurationError, NotSupported
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from brokers.port import Capabilities, ModifyBy
from brokers.registry import adapter

_PLAIN = frozenset({OrderType.MARKET, OrderType.LIMIT})
_CONDITIONAL = _PLAIN | {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
_STATES = {
    "Untriggered": VenueOrderState.WORKING,
    "Triggered": VenueOrderState.WORKING,
    "Created": VenueOrderState.WORKING,
    "Rejected": VenueOrderState.REJECTED,
}
_REFUSALS = {
    **dict.fromkeys(("110001", "170213", "170143"), "ORDER_NOT_FOUND"),
    **dict.fromkeys(("110008", "110010", "170139", "170142", "170190"), "ORDER_CLOSED"),
    **dict.fromkeys(("110072", "170141", "110030"), "DUPLICATE_ORDER"),
    **dict.fromkeys(
        ("110004", "110007", "110012", "110044", "110045", "110051", "110052", "110053"), "INSUFFICIENT_FUNDS"
    ),
    **dict.fromkeys(("170131", "170033"), "INSUFFICIENT_FUNDS"),
    **dict.fromkeys(("110003", "170132", "170133", "170134", "170192", "170193", "170194"), "PRICE_FILTER"),
    **dict.fromkeys(("170135", "170136", "170137", "170148", "170124"), "LOT_SIZE"),
    **dict.fromkeys(("110094", "170140"), "MIN_NOTIONAL"),
    **dict.fromkeys(("110092", "110093"), "WOULD_TRIGGER"),
    **dict.fromkeys(("110017",), "REDUCE_ONLY"),
    **dict.fromkeys(("170217", "170218"), "POST_ONLY_WOULD_TAKE"),
    **dict.fromkeys(("110009", "110020", "170005"), "TOO_MANY_ORDERS"),
    **dict.fromkeys(("110023", "110042", "110063", "110066", "170151", "170157", "170159"), "MARKET_CLOSED"),
    **dict.fromkeys(("170121",), "UNKNOWN_SYMBOL"),
    **dict.fromkeys(("10003", "10004", "10007", "33004"), "KEY_REFUSED"),
    **dict.fromkeys(("10005", "10010", "10024", "10027", "10029", "110065", "110067", "170201"), "NO_PERMISSION"),
}
# Timeouts and failures inside, said with HTTP 200; a request with the id of one that is still under way.
_OPEN = frozenset({"10000", "10014", "10016", "170001", "170007", "170032", "170146", "170147", "170234"})
_AT_THE_DOOR = frozenset({"10002", "10006", "10018", "170222"})


class BybitMarket(StrEnum):
    """What an account trades."""

    SPOT = "spot"
    LINEAR = "linear"


class BybitSettings(OfferedSettings):
    """`market` is spot, or linear: USDT perpetuals."""

    modes: ClassVar[tuple[Mode, ...]] = tuple(Mode)

    market: BybitMarket = BybitMarket.SPOT


class BybitDialect(Dialect[BybitSettings]):
    """See the module."""

    venue: ClassVar[str] = "Bybit"
    page: ClassVar[int] = 50
    window: ClassVar[timedelta] = timedelta(days=7)

    @property
    def ccxt_id(self) -> str:
        """One class for everything; `options` tells which part."""
        return "bybit"

    @property
    def scope(self) -> str:
        """Each market's metadata is loaded for itself."""
        return f"{self.ccxt_id}:{self.settings.mode}:{self.settings.market}"

    @property
    def wallet(self) -> str:
        """One wallet pays for everything."""
        return f"{self.ccxt_id}:{self.settings.mode}"

    @property
    def capabilities(self) -> Capabilities:
        """See the module for what is left out, and why."""
        linear = self._is_linear
        return Capabilities(
            order_types=frozenset(_CONDITIONAL if linear else _PLAIN),
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            modify=True,
            reduce_only=linear,
            post_only=True,
            shorting=linear,
            order_book=True,
            bars=True,
            modify_by=ModifyBy.AMEND,
            test_money=True,
        )

    @property
    def options(self) -> dict[str, Any]:
        """One market only, and no question which kind of account it is: `permissions` has seen to that."""
        return {
            "defaultType": "swap" if self._is_linear else "spot",
            "defaultSubType": "linear",
            "fetchMarkets": {"types": [self.settings.market.value]},
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
            "recvWindow": self.settings.recv_window_ms,
            "adjustForTimeDifference": False,
            "watchMyTrades": {"execType": list(self._executions)},
        }

    async def permissions(self, exchange: Any) -> Permissions | None:
        """`query-api` needs no permission itself. The demo does not have it."""
        if self.settings.mode is Mode.DEMO:
            return None
        told = (await exchange.private_get_v5_user_query_api())["result"]
        may = told.get("permissions") or {}
        spot, derivatives = "SpotTrade" in (may.get("Spot") or ()), "Order" in (may.get("ContractTrade") or ())
        return Permissions(
            trading=not int(told.get("readOnly") or 0) and (derivatives if self._is_linear else spot),
            withdrawals="Withdraw" in (may.get("Wallet") or ()),
            ip_limited=bool(told.get("ips")) and "*" not in told["ips"],
        )

    async def check_account(self, inquiry: Inquiry, place: str) -> None:
        """A classic account counts market orders to buy in the quote currency, and has other endpoints."""
        if self.settings.mode is Mode.DEMO:
            return
        told = await inquiry.ask(Call("private_get_v5_user_query_api", ({},)))
        if str(told["result"].get("uta")) != "1":
            raise ConfigurationError(
                f"{place}: this account at Bybit is a classic one; upgrade it to unified trading there"
            )

    @property
    def wire(self) -> Wire:
        """Tickers of spot have no bid and ask: those are a book of one level, which spoils ccxt's other books.

        Orders and executions are told of all markets of the account together.
        """
        wire = Wire(whole_orders=True, order=self._of_this_market, execution=self._of_this_market)
        if self._is_linear:
            return wire
        return replace(wire, quote_calls=("watch_bids_asks", "watch_tickers"), books=False, needs_look=_lacks_unit)

    def _of_this_market(self, raw: Raw) -> Raw | None:
        """What is told of the account's other markets has the names of ours."""
        return raw if raw.get("info", {}).get("category") == self.settings.market else None

    def lists(self, market: Raw) -> bool:
        """Spot pairs, or perpetuals that are settled in USDT."""
        if not self._is_linear:
            return bool(market.get("spot"))
        return bool(market.get("swap") and market.get("linear")) and market.get("settle") == "USDT"

    def instrument(self, market: Raw) -> Instrument:
        """Ccxt leaves out how much may be traded at market at once."""
        lots = market.get("info", {}).get("lotSizeFilter") or {}
        most = number_of(lots.get("maxMktOrderQty") or lots.get("maxMarketOrderQty"))
        return replace(super().instrument(market), max_market_quantity=most)

    def wire_of(self, raw: Raw) -> str:
        """Executions have it as well."""
        return str(raw.get("clientOrderId") or raw.get("info", {}).get("orderLinkId") or "")

    def refuse(self, order: OrderRequest) -> None:
        """What the capabilities do not say."""
        if order.reduce_only and not self._is_linear:
            raise NotSupported("reduce-only orders on spot")
        if order.type is OrderType.MARKET and order.time_in_force is TimeInForce.FOK:
            raise NotSupported("FOK for a market order: it takes what there is")

    def place_call(self, order: OrderRequest) -> Call:
        """`POST /v5/order/create`; a spot market order is told in the base coin."""
        params: dict[str, Any] = {"clientOrderId": self.wire_id(order.client_order_id)}
        if order.post_only:
            params["postOnly"] = True
        elif order.type.has_limit:
            params["timeInForce"] = order.time_in_force.value.upper()
        if order.reduce_only:
            params["reduceOnly"] = True
        if order.stop_price is not None:
            params |= {"triggerPrice": str(order.stop_price), "triggerDirection": _direction(order.side, order.type)}
        price = None if order.limit_price is None else str(order.limit_price)
        kind = "limit" if order.type.has_limit else "market"
        return Call(
            "create_order", (order.instrument.symbol, kind, order.side.value, str(order.quantity), price, params)
        )

    def find_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """What works, what ended just now, what ended: an order is in one of them, and moves only forward."""
        del known
        words = {"orderLinkId": self.wire_id(order)}
        return (
            Call("fetch_open_orders", (symbol, None, None, words)),
            Call("fetch_open_orders", (symbol, None, None, {**words, "openOnly": 1})),
            Call("fetch_canceled_and_closed_orders", (symbol, None, None, words)),
        )

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """The first list that has it."""
        for call in self.find_calls(order, symbol, None):
            found = [raw for raw in await inquiry.ask(call) if self.wire_of(raw) == order]
            if found:
                return Sighting.of(found[0])
        return None

    def open_calls(self) -> Sequence[Call]:
        """All kinds at once, by pages: our library's own way through them ends after ten, and cuts what it found."""
        return (Call("fetch_open_orders", (None, None, self.page, {})),)

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """Each is an order of its own; one of a person's over an amount of money is for what it has filled."""
        del inquiry
        return [Sighting.of({**raw, "amount": raw.get("filled") or "0"} if _in_money(raw) else raw) for raw in raws]

    def is_last(self, page: Sequence[Raw]) -> bool:
        """Every list tells whether it goes on."""
        return not cursor(page)

    def more_open(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """From where the page ends."""
        return onward(call, page)

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """The same."""
        return onward(call, page)

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """Whatever has ended; the venue goes seven days on from `since`."""
        return (Call("fetch_canceled_and_closed_orders", (symbol, None, self.page, {"startTime": since})),)

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """Trades; on perpetuals liquidations and deleveraging, too."""
        words = [{"execType": kind, "startTime": since} for kind in self._executions]
        return tuple(Call("fetch_my_trades", (symbol, None, 100, each)) for each in words)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """By the venue's id."""
        return Call("fetch_order_trades", (raw["id"], raw["symbol"], None, 100, {}))

    async def name_fill(self, inquiry: Inquiry, symbol: str, venue_order_id: str) -> ClientOrderId | None:
        """Every execution tells our id, so one without it is not ours."""
        del inquiry, symbol, venue_order_id
        return ClientOrderId("")

    def fee(self, raw: Raw) -> Raw:
        """The documentation calls the currency `feeCurrency`, ccxt's examples `feeCoin`; ccxt guesses without the
        latter.
        """
        told, info = super().fee(raw), raw.get("info", {})
        currency = info.get("feeCurrency") or info.get("feeCoin")
        return {**told, "currency": currency} if told and currency else told

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """By our id, whatever kind it is."""
        del known
        return (Call("cancel_order", (None, symbol, {"orderLinkId": self.wire_id(order)})),)

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """`POST /v5/order/amend` in place; quantities are totals."""
        params: dict[str, Any] = {"orderLinkId": self.wire_id(known.order)}
        if "stop_price" in change.differs:
            params["triggerPrice"] = str(change.stop_price)
        quantity = str(change.quantity) if "quantity" in change.differs else None
        price = str(change.limit_price) if "limit_price" in change.differs else None
        kind = "limit" if report.type.has_limit else "market"
        return Call("edit_order", ("", known.symbol, kind, report.side.value, quantity, price, params))

    def kind(self, raw: Raw) -> OrderType | None:
        """Which side of the market the trigger lies on makes a stop or a take-profit."""
        info = raw.get("info", {})
        direction, limit = str(info.get("triggerDirection") or "0"), raw.get("type") == "limit"
        if direction not in ("1", "2") or not raw.get("triggerPrice"):
            return None
        stops = (direction == "1") == (raw.get("side") == Side.BUY)
        if stops:
            return OrderType.STOP_LIMIT if limit else OrderType.STOP
        return OrderType.TAKE_PROFIT_LIMIT if limit else OrderType.TAKE_PROFIT

    def state(self, raw: Raw) -> VenueOrderState | None:
        """An order that was acknowledged may be rejected afterwards."""
        return _STATES.get(str(raw.get("info", {}).get("orderStatus") or ""))

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """The unified wallet."""
        if self._is_linear:
            return await swap_wallet(inquiry, name, instruments)
        return await spot_wallet(self, inquiry, name, instruments)

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """`retCode` and `retMsg`, with HTTP 200."""
        told = object_in(answer.body)
        code = str(told.get("retCode", ""))
        return ("", "") if code in ("", "0") else (code, str(told.get("retMsg") or ""))

    def refusal(self, code: str, message: str) -> str | None:
        """By the code alone."""
        del message
        return _REFUSALS.get(code)

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """Timeouts inside the venue leave it open, though ccxt calls some of them an invalid order."""
        del answer, message
        if code in _OPEN:
            return True
        return False if code in _AT_THE_DOOR else None

    @property
    def _executions(self) -> tuple[str, ...]:
        """What counts as an execution; funding and deliveries are told with them."""
        return ("Trade", "BustTrade", "AdlTrade") if self._is_linear else ("Trade",)

    @property
    def _is_linear(self) -> bool:
        return self.settings.market is BybitMarket.LINEAR


def _in_money(raw: Raw) -> bool:
    """Whether what is left of it is an amount of the quote currency; ccxt adds that to what was filled."""
    return bool(raw.get("info", {}).get("marketUnit") == "quoteCoin")


def _lacks_unit(info: Raw) -> bool:
    """Whether the quantity of a market order to buy may be one of the quote currency: ccxt takes it for that then."""
    return info.get("orderType") == "Market" and info.get("side") == "Buy" and not info.get("marketUnit")


def _direction(side: Side, kind: OrderType) -> str:
    """Where the price comes from when it wakes the order: a stop to buy lies above the market."""
    return "ascending" if (side is Side.BUY) != kind.takes_profit else "descending"


@adapter("bybit", settings=BybitSettings)
class BybitBroker(CcxtBroker):
    """A unified trading account at Bybit."""

    dialect = BybitDialect
