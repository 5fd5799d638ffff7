"""USDT-margined futures of Binance.

Conditional orders live in the Algo service: an id space of their own, with our id as `clientAlgoId`. When its trigger
is reached, an algo order becomes a normal order with another id; that one's fills are reported under our id. A plain
limit order is changed in place; a conditional one cannot be changed. Positions are one-way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from brokers.account import AccountInfo, CashFlow
from brokers.adapters.binance import usdm_money, words
from brokers.adapters.binance.margin import forget_login
from brokers.adapters.binance.settings import BinanceSettings
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Change, Dialect, Permissions
from brokers.ccxt.limits import BINANCE_FUTURES, Rates
from brokers.ccxt.pages import by_number, within
from brokers.ccxt.parsing import decimal, milliseconds, moment
from brokers.ccxt.streams.wire import Wire, watch
from brokers.errors import ConfigurationError, NotSupported, OrderNotFound, Rejected, Unavailable
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, TimeInForce, VenueOrderState
from brokers.port import Capabilities, ModifyBy, TrailBy

_KINDS = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "STOP": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
}
_ALGO: Mapping[str, Any] = {"trigger": True}
_TRIGGERED = frozenset({"TRIGGERING", "TRIGGERED", "FINISHED"})
_ALGO_OVER = frozenset({"TRIGGERING", "TRIGGERED", "FINISHED", "REJECTED", "EXPIRED"})
_ENDINGS = frozenset({"listenKeyExpired", "serverShutdown", "eventStreamTerminated"})
_DEFINITE = ("Service Unavailable", "unable to process your request")
_BOOK_LIMITS = (5, 10, 20, 50, 100, 500, 1000)

RENEWAL_SECONDS = 1200.0
"""A listen key lasts for an hour."""


class UsdmDialect(Dialect[BinanceSettings]):
    """Binance's USDT-M futures."""

    venue: ClassVar[str] = "Binance"
    page: ClassVar[int] = 1000
    order_page: ClassVar[int | None] = 1000
    bar_page: ClassVar[int] = 1000
    window: ClassVar[timedelta] = timedelta(days=6, hours=23)
    market_words: ClassVar[frozenset[str] | None] = words.MARKET_WORDS

    # --- who we are --------------------------------------------------------------------------------

    @property
    def ccxt_id(self) -> str:
        """Ccxt's class for these futures."""
        return "binanceusdm"

    @property
    def capabilities(self) -> Capabilities:
        """Everything; changes in place, of plain limit orders only."""
        return Capabilities(
            order_types=frozenset(OrderType),
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD}),
            modify=True,
            reduce_only=True,
            post_only=True,
            shorting=True,
            order_book=True,
            bars=True,
            cash_flows=True,
            modify_by=ModifyBy.AMEND,
            dead_man=True,
            test_money=True,
            trails=frozenset({TrailBy.PERCENT}),
            unchangeable=frozenset(OrderType) - {OrderType.LIMIT},
        )

    @property
    def options(self) -> dict[str, Any]:
        """One request for the markets, nothing else."""
        return {
            "fetchMarkets": {"types": ["linear"]},
            "fetchMargins": False,
            "fetchCurrencies": False,
            "recvWindow": self.settings.recv_window_ms,
            "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
            "watchBalance": {"awaitBalanceSnapshot": False},
        }

    @property
    def wire(self) -> Wire:
        """User data by listen key."""
        return Wire(
            report_calls=(watch("watch_orders"),),
            quote_calls=("watch_bids_asks", "watch_tickers"),
            ask_calls=("fetch_bids_asks", "fetch_last_prices"),
            endings=_ENDINGS,
            whole_orders=True,
            final_bars=True,
            renewal=Call("fapiPrivatePutListenKey", ({},)),
            renewal_seconds=RENEWAL_SECONDS,
            gone="(-1125)",
            forget_login=log_in_anew,
            needs_look=lambda info: "aid" in info and info.get("X") in _ALGO_OVER,
            becomes=lambda info: str(info.get("ai") or ""),
        )

    def rates(self) -> Rates:
        """The weights of fapi."""
        return BINANCE_FUTURES

    async def permissions(self, exchange: Any) -> Permissions | None:
        """What the key may do; the demo mode does not tell."""
        return await words.permissions(exchange, self.settings.mode, lambda raw: raw.get("enableFutures"))

    async def check_account(self, inquiry: Inquiry, place: str) -> None:
        """An account that keeps long and short apart is not one that we can reconcile with."""
        raw = await inquiry.ask(Call("fetch_position_mode", (None, {})))
        if raw.get("hedged"):
            raise ConfigurationError(
                f"{place}: this futures account keeps long and short positions apart (hedge mode); "
                "change it to one-way mode at Binance"
            )

    def lists(self, market: Raw) -> bool:
        """Perpetual contracts settled in what they are margined with."""
        return bool(market.get("swap") and market.get("linear"))

    # --- placing -----------------------------------------------------------------------------------

    def refuse(self, order: OrderRequest) -> None:
        """What Binance has no words for."""
        if order.post_only and (order.type is not OrderType.LIMIT or order.time_in_force is not TimeInForce.GTC):
            raise NotSupported("post-only orders other than plain limit orders that stay")
        if order.time_in_force is TimeInForce.GTD and order.type is not OrderType.LIMIT:
            raise NotSupported(f"{order.type} orders that end at a time")
        if order.trail_percent is not None and (order.trail_percent * 10 % 1 or not 0 < order.trail_percent <= 10):
            raise Rejected("INVALID_ORDER", "a trailing distance is 0.1 to 10 percent here, in steps of 0.1")

    def place_call(self, order: OrderRequest) -> Call:
        """POST order, or algoOrder for one that waits for a price."""
        params: dict[str, Any] = {"clientOrderId": str(order.client_order_id)}
        if order.type.has_limit and not order.post_only:
            params["timeInForce"] = order.time_in_force.upper()
        if order.expires_at is not None:
            params["goodTillDate"] = milliseconds(order.expires_at)
        if order.post_only:
            params["postOnly"] = True
        if order.reduce_only:
            params["reduceOnly"] = True
        if order.stop_price is not None:
            params["takeProfitPrice" if order.type.takes_profit else "stopLossPrice"] = _plain(order.stop_price)
        if order.trail_percent is not None:
            params["trailingPercent"] = _plain(order.trail_percent)
        kind = "limit" if order.type.has_limit else "market"
        price = None if order.limit_price is None else _plain(order.limit_price)
        symbol = order.instrument.symbol
        return Call("create_order", (symbol, kind, str(order.side), _plain(order.quantity), price, params))

    # --- finding -----------------------------------------------------------------------------------

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """Among the orders and among the algo orders, the likelier first."""
        known = inquiry.known.get(order)
        places = (False, True) if known is None or not known.conditional else (True, False)
        for is_algo in places:
            params = {"clientOrderId": str(order), **(_ALGO if is_algo else {})}
            try:
                raw = await inquiry.ask(Call("fetch_order", ("", symbol, params)))
            except OrderNotFound:
                continue
            if not is_algo and _is_triggered(raw) and (algo := await self._algo_of(inquiry, order, symbol)):
                raw = algo
            return await self._become(inquiry, raw)
        return None

    async def _algo_of(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Raw | None:
        """The algo order of our id that an order of our id has come from."""
        try:
            return await inquiry.ask(Call("fetch_order", ("", symbol, {"clientOrderId": str(order), **_ALGO})))  # type: ignore[no-any-return]
        except OrderNotFound:
            return None

    async def _become(self, inquiry: Inquiry, raw: Raw) -> Sighting:
        """An algo order with the order that it has become, if it has."""
        actual = actual_id(raw)
        if not actual and (raw.get("info") or {}).get("algoStatus") in ("TRIGGERED", "FINISHED"):
            raise Unavailable(f"{raw.get('clientOrderId')} was triggered; what it has become is not told yet")
        if not actual:
            return Sighting.of(raw)
        try:
            now = await inquiry.ask(Call("fetch_order", (actual, raw["symbol"], {})))
        except OrderNotFound:
            text = f"{raw.get('clientOrderId')} was triggered; what it has become is not to be seen yet"
            raise Unavailable(text) from None
        return Sighting(raw, now)

    def open_calls(self) -> Sequence[Call]:
        """GET openAlgoOrders, then openOrders of the whole account: what wakes in between is in both, not in none."""
        return (
            Call("fetch_open_orders", (None, None, None, dict(_ALGO))),
            Call("fetch_open_orders", (None, None, None, {})),
        )

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """GET allOrders and allAlgoOrders, less than a week at once."""
        week = within(self.window, since)
        return (
            Call("fetch_orders", (symbol, since, self.order_page, week)),
            Call("fetch_orders", (symbol, since, self.order_page, {**_ALGO, **week})),
        )

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """Algo orders with the orders that they have become; what has become one but is not in the list is asked
        for.
        """
        plain = {str(raw.get("id")): raw for raw in raws if not is_algo(raw)}
        seen: list[Sighting] = []
        for raw in raws:
            if is_algo(raw):
                now = plain.pop(actual_id(raw), None)
                seen.append(Sighting(raw, now) if now is not None else await self._become(inquiry, raw))
        others = [
            await self._come_from(inquiry, raw) if _is_triggered(raw) else Sighting.of(raw) for raw in plain.values()
        ]
        woken = {each.terms["id"] for each in others if is_algo(each.terms)}
        return [each for each in seen if each.terms["id"] not in woken] + others

    async def _come_from(self, inquiry: Inquiry, raw: Raw) -> Sighting:
        """An order that a trigger has made, with its algo order where that can be known."""
        owner = inquiry.known.owner(str(raw["symbol"]), str(raw["id"])) or self.our_id(self.wire_of(raw))
        algo = await self._algo_of(inquiry, owner, str(raw["symbol"])) if owner else None
        return Sighting(algo, raw) if algo is not None and actual_id(algo) == str(raw["id"]) else Sighting.of(raw)

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """GET userTrades."""
        return (Call("fetch_my_trades", (symbol, since, self.order_page, {})),)

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """Onwards in time, but for executions of which there are more in one moment than come at once."""
        return by_number(call, page)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """GET userTrades of one order."""
        return Call("fetch_my_trades", (raw["symbol"], None, self.order_page, {"orderId": raw["id"]}))

    # --- cancelling and changing -------------------------------------------------------------------

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """DELETE algoOrder, DELETE order: a conditional order may have been triggered by now."""
        plain = Call("cancel_order", ("", symbol, {"clientOrderId": str(order)}))
        algo = Call("cancel_order", ("", symbol, {"clientOrderId": str(order), **_ALGO}))
        if known is None or not known.conditional:
            return (plain,) if known is not None and known.request is not None else (plain, algo)
        became = (Call("cancel_order", (known.venue_order_id, symbol, {})),) if known.triggered else ()
        return (algo, plain, *became)

    def dead_man_calls(self, seconds: float, symbols: Sequence[str]) -> Sequence[Call]:
        """POST countdownCancelAll, one symbol at a time; algo orders stay."""
        times = round(seconds * 1000)
        return [
            Call("fapiPrivatePostCountdownCancelAll", ({"symbol": usdm_money.id_of(each), "countdownTime": times},))
            for each in symbols
        ]

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """PUT order: quantity and price, whole."""
        del known
        price = None if change.limit_price is None else _plain(change.limit_price)
        args: tuple[Any, ...] = (
            report.venue_order_id,
            report.symbol,
            "limit",
            str(report.side),
            _plain(change.quantity),
            price,
            {},
        )
        return Call("edit_order", args)

    # --- reading answers ---------------------------------------------------------------------------

    def never_fills(self, raw: Raw) -> bool:
        """An algo order, in an answer or an event."""
        return is_algo(raw) or "aid" in (raw.get("info") or {})

    def kind(self, raw: Raw) -> OrderType | None:
        """By Binance's own type; what a trigger has made is still what it was."""
        info = raw.get("info") or {}
        names = ("orderType", "origType", "ot", "type", "o")
        return next(
            (_KINDS[info[name]] for name in names if isinstance(info.get(name), str) and info[name] in _KINDS), None
        )

    def trail(self, raw: Raw) -> tuple[Decimal | None, Decimal | None]:
        """The callback rate is in percent."""
        info = raw.get("info") or {}
        rate = next((info[name] for name in ("callbackRate", "priceRate", "cr") if info.get(name)), None)
        return None, decimal(rate)

    def time_in_force(self, raw: Raw) -> tuple[TimeInForce, Any] | None:
        """GTD with its time; everything else as ccxt says."""
        info = raw.get("info") or {}
        if info.get("timeInForce", info.get("f")) != "GTD":
            return None
        return TimeInForce.GTD, moment(info.get("goodTillDate") or info.get("gtd"))

    def state(self, raw: Raw) -> VenueOrderState | None:
        """An algo order whose trigger was reached may still fill; how it ended, the order says that it has become."""
        info = raw.get("info") or {}
        status = info.get("algoStatus") or (info.get("X") if "aid" in info else None)
        return VenueOrderState.WORKING if status in _TRIGGERED else None

    # --- market data -------------------------------------------------------------------------------

    async def quote(self, inquiry: Inquiry, symbol: str) -> Raw:
        """Bid and ask, and the last price: the ticker here has no bid and ask."""
        touch = (await inquiry.ask(Call("fetch_bids_asks", ([symbol],)))).get(symbol) or {}
        last = await inquiry.ask(Call("fetch_ticker", (symbol,)))
        return {**touch, "symbol": symbol, "last": last.get("last"), "timestamp": touch.get("timestamp")}

    def book_limit(self, depth: int) -> int | None:
        """One of Binance's sizes."""
        return next((each for each in _BOOK_LIMITS if each >= depth), _BOOK_LIMITS[-1])

    # --- account -----------------------------------------------------------------------------------

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """GET account and positionRisk."""
        return await usdm_money.account(inquiry, name, instruments)

    async def cash_flows(self, inquiry: Inquiry, since: int) -> Sequence[CashFlow]:
        """GET income: everything but what trades bring."""
        return await usdm_money.cash_flows(inquiry, since, size=self.page, window=self.window)

    # --- outcomes ----------------------------------------------------------------------------------

    def refusal(self, code: str, message: str) -> str | None:
        """See `brokers.adapters.binance.words`."""
        return words.of_usdm(code, message)

    def tells_a_list(self, answer: Answer) -> bool:
        """Lists come as they are, in no object."""
        return answer.body.lstrip().startswith("[")

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """By the code, and for 503 by the text: "Unknown error" was sent on, "Service Unavailable" was not."""
        del message
        is_page = answer.body.lstrip().startswith("<")  # of something between us and Binance
        if answer.status == 503 and not is_page and any(text in answer.body for text in _DEFINITE):
            return False
        if code in words.UNKNOWN:
            return True
        return False if code in words.LATER else None


def is_algo(raw: Raw) -> bool:
    """Whether an order of ccxt is one of the Algo service."""
    return "algoId" in (raw.get("info") or {})


def actual_id(raw: Raw) -> str:
    """The venue's id of what an algo order has become; empty if nothing yet."""
    found = (raw.get("info") or {}).get("actualOrderId")
    return str(found) if found and str(found) != "0" else ""


def _is_triggered(raw: Raw) -> bool:
    """Whether an order says of itself that a trigger has made it."""
    info = raw.get("info") or {}
    original = info.get("origType")
    return bool(original) and original != info.get("type") and original in _KINDS


def _plain(number: Decimal) -> str:
    """As a venue takes it: no exponent."""
    return f"{number:f}"


def log_in_anew(exchange: Any) -> None:
    """With a new listen key, which `Wire.renewal` lets last, and ccxt does not."""
    forget_login(exchange)
    exchange.keep_alive_listen_key = _leave_it


async def _leave_it(params: Any = None) -> None:
    """In the place of ccxt's own."""
    del params
