"""OKX: spot, and linear perpetual swaps in net mode.

Facts (OKX API v5, ccxt 4.5.90): a client id has up to 32 letters and digits, nothing else. Conditional and trailing
orders are algo orders: endpoints, lists and ids of their own (`algoClOrdId`); one that wakes becomes `effective` and
puts an ordinary order into the book, which names it. Cancelled orders that were never filled are forgotten by the
venue after two hours. Swaps are counted in contracts; the size of one is `ctVal` times `ctMult` of the base currency.
A trigger on the wrong side of the market is refused. There is no word for cancelling everything, and the timer that
cancels orders leaves algo orders alone. Mode demo is OKX's simulated trading: same address, keys of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import field_validator

from brokers.account import AccountInfo
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Change, Dialect, Permissions, unlisted_mode
from brokers.ccxt.naming import Naming
from brokers.ccxt.offers import PassphraseSettings
from brokers.ccxt.pages import older
from brokers.ccxt.parsing import moment
from brokers.ccxt.settings import Mode
from brokers.ccxt.streams.wire import Wire
from brokers.ccxt.wallets import cash_of, spot_wallet, swap_wallet
from brokers.ccxt.words import first_of, number_of, object_in
from brokers.errors import ConfigurationError, NotSupported, OrderNotFound, Unavailable
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, TimeInForce, VenueOrderState
from brokers.port import Capabilities, ModifyBy
from brokers.registry import adapter

_REFUSALS = {
    **dict.fromkeys(("51008", "51119", "51127", "51131", "51502"), "INSUFFICIENT_FUNDS"),
    **dict.fromkeys(("51016", "51011"), "DUPLICATE_ORDER"),
    **dict.fromkeys(("51400", "51401", "51402", "51405", "51503", "51509", "51510", "51603"), "ORDER_NOT_FOUND"),
    **dict.fromkeys(("51006", "51116", "51122", "51250", "51252"), "PRICE_FILTER"),
    **dict.fromkeys(("51135", "51136", "51137", "51138"), "PRICE_FILTER"),
    **dict.fromkeys(("51004", "51005", "51007", "51100", "51120", "51121", "51202", "51203"), "LOT_SIZE"),
    **dict.fromkeys(("51020", "51118"), "MIN_NOTIONAL"),
    **dict.fromkeys(("51277", "51278", "51279", "51280", "51258", "51259"), "WOULD_TRIGGER"),
    **dict.fromkeys(("51169", "51205", "51112"), "REDUCE_ONLY"),
    **dict.fromkeys(("51025", "51101", "51102", "51103", "51174", "51260", "51261"), "TOO_MANY_ORDERS"),
    **dict.fromkeys(("51021", "51022", "51027", "51028", "51029", "51030", "51124"), "MARKET_CLOSED"),
    **dict.fromkeys(("51001", "51014", "51015"), "UNKNOWN_SYMBOL"),
    **dict.fromkeys(("50101", "50103", "50105", "50111", "50113", "50119"), "KEY_REFUSED"),
    **dict.fromkeys(("50027", "50110", "50120", "51009", "51010", "51155"), "NO_PERMISSION"),
}
# "Does not indicate success or failure of order, please check order status", and what else happens inside.
_OPEN = frozenset({"50001", "50004", "50005", "50013", "50026", "51054", "51149"})
_AT_THE_DOOR = frozenset({"50011", "50040", "50061", "50102", "51113"})
_ALGO_STATES = {
    "live": VenueOrderState.WORKING,
    "pause": VenueOrderState.WORKING,
    "effective": VenueOrderState.WORKING,
    "partially_effective": VenueOrderState.WORKING,
    "canceled": VenueOrderState.CANCELLED,
    "order_failed": VenueOrderState.REJECTED,
}
_ALGO_LISTS = ("conditional", "oco", "trigger", "move_order_stop")
_IN_HISTORY = 100
_LONGEST_TIMER = 120
_FORGOTTEN_AFTER = timedelta(hours=2)


class OkxMarket(StrEnum):
    """What an account trades."""

    SPOT = "spot"
    SWAP = "swap"


class OkxSettings(PassphraseSettings):
    """`market` is spot, or swap: linear perpetuals, with the whole account behind them (cross)."""

    modes: ClassVar[tuple[Mode, ...]] = (Mode.LIVE, Mode.DEMO)
    why_no_other: ClassVar[str] = "OKX calls its simulated trading demo, and has no testnet besides"

    market: OkxMarket = OkxMarket.SPOT

    @field_validator("dead_man_seconds")
    @classmethod
    def _is_a_timer(cls, seconds: int) -> int:
        if seconds > _LONGEST_TIMER:
            raise ValueError(f"OKX takes {_LONGEST_TIMER} at most, or 0 for none")
        return seconds


class OkxDialect(Dialect[OkxSettings]):
    """See the module."""

    venue: ClassVar[str] = "OKX"
    page: ClassVar[int] = 100
    open_page: ClassVar[int | None] = 100
    bar_page: ClassVar[int] = 100

    def __init__(self, settings: OkxSettings) -> None:
        super().__init__(settings)
        self._naming = Naming("[A-Za-z0-9]{1,32}", dashes=False)

    @property
    def ccxt_id(self) -> str:
        """The global venue; those of the EEA and the US are other addresses, which are not offered."""
        return "okx"

    @property
    def scope(self) -> str:
        """Each market's metadata is loaded for itself."""
        return f"{self.ccxt_id}:{self.settings.mode}:{self.settings.market}"

    @property
    def capabilities(self) -> Capabilities:
        """Everything but an end date."""
        swap = self._is_swap
        return Capabilities(
            order_types=frozenset(OrderType),
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            modify=True,
            reduce_only=swap,
            post_only=True,
            shorting=swap,
            order_book=True,
            bars=True,
            modify_by=ModifyBy.AMEND,
            dead_man=True,
            report_stream=False,
            test_money=True,
        )

    @property
    def options(self) -> dict[str, Any]:
        """One market only; orders one by one, so that an error is an error and not half a success."""
        kind = self.settings.market.value
        return {
            "defaultType": kind,
            "fetchMarkets": {"types": [kind]},
            "createOrder": "privatePostTradeOrder",
            "timeDifference": 0,
            "adjustForTimeDifference": False,
        }

    def enter_mode(self, exchange: Any) -> None:
        """Simulated trading: a header, and other stream addresses."""
        if self.settings.mode is not Mode.DEMO:
            raise unlisted_mode(self.settings.mode, self.venue, self.settings.modes)
        exchange.set_sandbox_mode(True)

    async def permissions(self, exchange: Any) -> Permissions | None:
        """`account/config` tells the key's permissions, and how the account is set up."""
        told = first_of((await exchange.private_get_account_config())["data"])
        may = {each.strip() for each in str(told.get("perm") or "").split(",")}
        return Permissions(
            trading="trade" in may,
            withdrawals="withdraw" in may,
            ip_limited=bool(told.get("ip")),
            identity=str(told.get("uid") or ""),
        )

    async def check_account(self, inquiry: Inquiry, place: str) -> None:
        """Swaps need an account that may have them, and one position for each."""
        if not self._is_swap:
            return
        told = first_of((await inquiry.ask(Call("private_get_account_config", ({},))))["data"])
        if str(told.get("acctLv")) == "1":
            raise ConfigurationError(
                f"{place}: this account at OKX is in spot mode and has no swaps; change its mode there"
            )
        if told.get("posMode") != "net_mode":
            raise ConfigurationError(
                f"{place}: this account at OKX holds long and short apart; set its position mode to net (one-way) there"
            )

    @property
    def wire(self) -> Wire:
        """The list of prices is of all symbols, so each is asked for by itself."""
        return Wire(ask_calls=())

    def lists(self, market: Raw) -> bool:
        """Spot pairs, or perpetuals whose contracts are counted in the base and settled in the quote currency."""
        if market.get("active") is False:
            return False
        if not self._is_swap:
            return bool(market.get("spot"))
        counted_in = market.get("info", {}).get("ctValCcy")
        return bool(market.get("swap") and market.get("linear")) and counted_in in (None, "", market.get("baseId"))

    def instrument(self, market: Raw) -> Instrument:
        """Ccxt leaves the multiplier of a contract's value out of `contractSize`."""
        instrument = super().instrument(market)
        times = number_of(market.get("info", {}).get("ctMult")) or Decimal(1)
        return replace(instrument, multiplier=instrument.multiplier * times) if self._is_swap else instrument

    def wire_id(self, order: ClientOrderId, revision: int = 0) -> str:
        """Letters and digits as they are, else 32 hex digits."""
        del revision
        return self._naming.wire(order)

    def our_id(self, wire: str) -> ClientOrderId:
        """The way back."""
        return self._naming.ours(wire)

    def wire_of(self, raw: Raw) -> str:
        """An algo order's own id, in it and in the order that it has become; else the ordinary one."""
        info = raw.get("info", {})
        return str(info.get("algoClOrdId") or info.get("clOrdId") or raw.get("clientOrderId") or "")

    def refuse(self, order: OrderRequest) -> None:
        """What the capabilities do not say."""
        if order.reduce_only and not self._is_swap:
            raise NotSupported("reduce-only orders on spot")
        if order.type is not OrderType.LIMIT and order.time_in_force is not TimeInForce.GTC and not _is_at_once(order):
            raise NotSupported(f"{order.time_in_force} for a {order.type} order")

    def place_call(self, order: OrderRequest) -> Call:
        """`trade/order`, or `trade/order-algo` for what sleeps; there the id has another name."""
        wire = self.wire_id(order.client_order_id)
        params: dict[str, Any] = {"clientOrderId": wire}
        if order.type.is_conditional:
            params["algoClOrdId"] = wire
        if self._is_swap:
            params["tdMode"] = "cross"
            if order.reduce_only:
                params["reduceOnly"] = True
        else:
            params["tdMode"] = "cash"
        if order.post_only:
            params["postOnly"] = True
        elif order.type is OrderType.LIMIT:
            params["timeInForce"] = order.time_in_force.value.upper()
        if order.stop_price is not None:
            params["takeProfitPrice" if order.type.takes_profit else "stopLossPrice"] = str(order.stop_price)
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
        """The ordinary book and the algo orders are two worlds; what we know to be conditional is asked for
        there first.
        """
        wire = self.wire_id(order)
        plain = Call("fetch_order", ("", symbol, {"clientOrderId": wire}))
        algo = Call("fetch_order", ("", symbol, {"clientOrderId": wire, "trigger": True}))
        return (algo, plain) if known is not None and known.conditional else (plain, algo)

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """Either; an algo order that has woken is followed to what it has become."""
        for call in self.find_calls(order, symbol, inquiry.known.get(order)):
            try:
                raw = await inquiry.ask(call)
            except OrderNotFound:
                continue
            return await self._whole(inquiry, raw)
        return None

    def open_calls(self) -> Sequence[Call]:
        """The book, and each kind of algo order."""
        where = {"instType": self.settings.market.value.upper()}
        algos = [_algo_words(kind) for kind in _ALGO_LISTS]
        return tuple(Call("fetch_open_orders", (None, None, self.page, {**where, **each})) for each in ({}, *algos))

    def more_open(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """Older than the oldest of these, by the venue's id."""
        *args, words = call.args
        oldest = min(int(raw["info"].get("algoId") or raw["info"]["ordId"]) for raw in page)
        return Call(call.method, (*args, {**words, "after": str(oldest)}))

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """Filled, cancelled, and algo orders that never woke; one that has woken is among the first two as what
        it became.
        """
        return (
            Call("fetch_closed_orders", (symbol, since, _IN_HISTORY, {})),
            Call("fetch_canceled_orders", (symbol, since, _IN_HISTORY, {})),
            Call("fetch_canceled_orders", (symbol, None, _IN_HISTORY, {"trigger": True, "ordType": "conditional"})),
            Call("fetch_canceled_orders", (symbol, None, _IN_HISTORY, {"trailing": True})),
        )

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """An order that an algo order has become, with the terms of that."""
        return [await self._whole(inquiry, raw) for raw in raws if raw.get("status") is not None]

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """The newest come first: what is older than the oldest of these."""
        return older(call, page)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """By the venue's id of the ordinary order."""
        return Call("fetch_order_trades", (raw["id"], raw["symbol"], None, _IN_HISTORY, {}))

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """In the book by our id, among the algo orders, and what one has become by the venue's id."""
        wire = self.wire_id(order)
        plain = Call("cancel_order", ("", symbol, {"clientOrderId": wire}))
        algo = Call("cancel_order", ("", symbol, {"clientOrderId": wire, "trigger": True}))
        if known is None or not known.conditional:
            return (plain, algo)
        woken = [Call("cancel_order", (known.venue_order_id, symbol, {}))] if known.venue_order_id else []
        return (algo, *woken, plain)

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """`trade/amend-order` in place; quantities are totals. What sleeps cannot be changed."""
        if report.type.is_conditional:
            raise NotSupported("changing a conditional order: cancel it and place another")
        quantity = str(change.quantity) if "quantity" in change.differs else None
        price = str(change.limit_price) if "limit_price" in change.differs else None
        params = {"clOrdId": self.wire_id(known.order)}
        return Call("edit_order", ("", known.symbol, "limit", report.side.value, quantity, price, params))

    def dead_man_calls(self, seconds: float, symbols: Sequence[str]) -> Sequence[Call]:
        """`trade/cancel-all-after`; algo orders stay."""
        del symbols
        return (Call("cancel_all_orders_after", (round(seconds * 1000),)),)

    def kind(self, raw: Raw) -> OrderType | None:
        """An algo order by its trigger, and by whether it has a price for afterwards (-1 is the market's)."""
        info = raw.get("info", {})
        if info.get("ordType") == "move_order_stop":
            return OrderType.TRAILING_STOP
        if info.get("ordType") != "conditional":
            return None
        if number_of(info.get("slTriggerPx")):
            return OrderType.STOP_LIMIT if number_of(info.get("slOrdPx")) else OrderType.STOP
        return OrderType.TAKE_PROFIT_LIMIT if number_of(info.get("tpOrdPx")) else OrderType.TAKE_PROFIT

    def state(self, raw: Raw) -> VenueOrderState | None:
        """An algo order that has woken is not filled for that."""
        info = raw.get("info", {})
        return _ALGO_STATES.get(str(info.get("state") or "")) if _is_algo(raw) else None

    def trail(self, raw: Raw) -> tuple[Decimal | None, Decimal | None]:
        """A spread in price, or a ratio."""
        info = raw.get("info", {})
        ratio = number_of(info.get("callbackRatio"))
        return number_of(info.get("callbackSpread")), None if ratio is None else ratio * 100

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """The trading account. ccxt takes the equity, with what positions have gained, for the balance."""
        told = await inquiry.ask(Call("private_get_account_balance", ({},)))
        rows = first_of(told.get("data")).get("details")
        wallet = cash_of(rows, currency="ccy", cash="cashBal", free="availEq" if self._is_swap else "availBal")
        if self._is_swap:
            return await swap_wallet(inquiry, name, instruments, wallet)
        return await spot_wallet(self, inquiry, name, instruments, wallet)

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """What is said of the order itself comes before what is said of the request."""
        told = object_in(answer.body)
        inner = first_of(told.get("data"))
        if inner.get("sCode") not in (None, "", "0"):
            return str(inner["sCode"]), str(inner.get("sMsg") or "")
        code = str(told.get("code", ""))
        return ("", "") if code in ("", "0") else (code, str(told.get("msg") or ""))

    def refusal(self, code: str, message: str) -> str | None:
        """By the code alone."""
        del message
        return _REFUSALS.get(code)

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """A timeout of the endpoint "does not indicate success or failure of order"."""
        del answer, message
        if code in _OPEN:
            return True
        return False if code in _AT_THE_DOOR else None

    async def _whole(self, inquiry: Inquiry, raw: Raw) -> Sighting:
        """An order with what it was (an algo order) and what it has become."""
        if not _is_algo(raw):
            algo_id = str(raw.get("info", {}).get("algoId") or "")
            return await self._with_terms(inquiry, _ordinary(raw), algo_id) if algo_id else Sighting.of(raw)
        terms, child = _priced(raw), _child_of(raw)
        if not child:
            return Sighting.of(terms)
        try:
            now = await inquiry.ask(Call("fetch_order", (child, raw["symbol"], {})))
        except OrderNotFound:  # it has been cancelled without a fill, more than two hours ago; or it is not there yet
            woke = moment(raw["info"].get("triggerTime") or None)
            if woke is not None and inquiry.now() - woke < _FORGOTTEN_AFTER:
                unseen = f"{terms['id']} was triggered; what it has become is not to be seen yet"
                raise Unavailable(unseen) from None
            return Sighting(terms, {**terms, "info": {**terms["info"], "state": "canceled"}})
        return Sighting(terms, _ordinary(now))

    async def _with_terms(self, inquiry: Inquiry, now: Raw, algo_id: str) -> Sighting:
        try:
            algo = await inquiry.ask(Call("fetch_order", (algo_id, now["symbol"], {"trigger": True})))
        except OrderNotFound:
            return Sighting.of(now)
        return Sighting(_priced(algo), now)

    @property
    def _is_swap(self) -> bool:
        return self.settings.market is OkxMarket.SWAP


def _is_at_once(order: OrderRequest) -> bool:
    """A market order takes what there is anyhow."""
    return order.type is OrderType.MARKET and order.time_in_force is TimeInForce.IOC


def _is_algo(raw: Raw) -> bool:
    """Whether an order of ccxt is an algo order itself, and not one that it has become."""
    info = raw.get("info", {})
    return bool(info.get("algoId")) and info.get("ordType") in _ALGO_LISTS


def _algo_words(kind: str) -> dict[str, Any]:
    return {"trailing": True} if kind == "move_order_stop" else {"trigger": True, "ordType": kind}


def _child_of(raw: Raw) -> str:
    """The venue's id of the order that an algo order has become."""
    info = raw.get("info", {})
    if info.get("state") not in ("effective", "partially_effective"):
        return ""
    listed = info.get("ordIdList") or []
    return str(listed[-1]) if listed else str(info.get("ordId") or "")


def _ordinary(raw: Raw) -> Raw:
    """An ordinary order under its own id: ccxt names one that was an algo order by the id of that."""
    return {**raw, "id": str(raw.get("info", {}).get("ordId") or raw.get("id") or "")}


def _priced(raw: Raw) -> Raw:
    """An algo order with its prices where those of ordinary orders are."""
    info = raw.get("info", {})
    limit = number_of(info.get("slOrdPx")) or number_of(info.get("tpOrdPx"))
    trigger = (
        number_of(info.get("slTriggerPx")) or number_of(info.get("tpTriggerPx")) or number_of(info.get("moveTriggerPx"))
    )
    prices = {"price": None if limit is None else str(limit), "triggerPrice": None if trigger is None else str(trigger)}
    return {**raw, **prices, "filled": "0"}  # it is what it becomes that is filled; ccxt takes woken for filled


@adapter("okx", settings=OkxSettings)
class OkxBroker(CcxtBroker):
    """An account at OKX."""

    dialect = OkxDialect
