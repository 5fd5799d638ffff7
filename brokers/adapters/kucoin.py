"""KuCoin, spot (high-frequency trade account).

Facts (docs.kucoin.com, ccxt 4.5.90): `clientOid` has up to 40 characters of A-Z a-z 0-9 _ -. Stop orders live at
endpoints of their own and tell by `stop` on which side of the market they wake; what a woken one becomes has the same
`clientOid`. An order that is not there is answered with nothing, and ccxt makes an order without an id of it. Open
orders are listed for one symbol at a time, ended ones are kept for three days (cancelled) to seven, and a list that
is asked for since a time ends seven days later. Changing an order makes another of it: not offered. There is no test
environment. Futures are not offered: ccxt puts a leverage of one into every order there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from brokers.account import AccountInfo
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.calls import Call, Inquiry, Known, KnownOrders, Raw, Sighting
from brokers.ccxt.dialect import Answer, Dialect, Permissions
from brokers.ccxt.offers import PassphraseSettings
from brokers.ccxt.pages import older
from brokers.ccxt.parsing import decimal, moment
from brokers.ccxt.streams.wire import Standing, Wire, watch
from brokers.ccxt.wallets import spot_wallet
from brokers.ccxt.words import object_in
from brokers.errors import ConfigurationError, NotSupported, OrderNotFound, Unavailable
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from brokers.port import Capabilities, ModifyBy
from brokers.registry import adapter
from brokers.resilience.ticks import ticks

_TYPES = frozenset(set(OrderType) - {OrderType.TRAILING_STOP})
_REFUSALS = {
    **dict.fromkeys(("200004", "126013", "130203", "210021", "230003", "260100"), "INSUFFICIENT_FUNDS"),
    **dict.fromkeys(("126033", "126044", "102438"), "DUPLICATE_ORDER"),
    **dict.fromkeys(("100001", "126043"), "ORDER_NOT_FOUND"),
    **dict.fromkeys(("100004",), "ORDER_CLOSED"),
    **dict.fromkeys(("126029", "126030", "400370", "400760", "102421", "102431", "102432"), "PRICE_FILTER"),
    **dict.fromkeys(("126003", "600101"), "MIN_NOTIONAL"),
    **dict.fromkeys(("126011",), "TOO_MANY_ORDERS"),
    **dict.fromkeys(("126007", "126009", "126027", "126028", "400200", "400600"), "MARKET_CLOSED"),
    **dict.fromkeys(("126006", "400000"), "UNKNOWN_SYMBOL"),
    **dict.fromkeys(("400001", "400003", "400004", "400005"), "KEY_REFUSED"),
    **dict.fromkeys(("400006", "400007", "126005", "126047", "411100"), "NO_PERMISSION"),
}
# The same number says many things; its words say which.
_WORDS = (
    ("order_not_exist", "ORDER_NOT_FOUND"),
    ("order not exist", "ORDER_NOT_FOUND"),
    ("order does not exist", "ORDER_NOT_FOUND"),
    ("below the minimum", "LOT_SIZE"),
    ("size increment", "LOT_SIZE"),
    ("price increment", "PRICE_FILTER"),
    ("price not in the given range", "PRICE_FILTER"),
    ("funds should more then", "MIN_NOTIONAL"),
    ("balance insufficient", "INSUFFICIENT_FUNDS"),
    ("unsupported trading pair", "UNKNOWN_SYMBOL"),
    ("symbolnotavailable", "MARKET_CLOSED"),
)
_STANDINGS = {"filled": VenueOrderState.FILLED, "canceled": VenueOrderState.CANCELLED}
_STATUSES = {
    **dict.fromkeys(("received", "open", "match", "update"), "open"),
    "filled": "closed",
    "canceled": "canceled",
}
_OPEN = frozenset({"408000", "500000", "500", "503", "126038", "126039"})
_SETTLED_SECONDS = 10.0
_AT_THE_DOOR = frozenset({"429000", "429", "1015", "200002", "400002"})


class KucoinSettings(PassphraseSettings):
    """Nothing of its own."""

    why_no_other: ClassVar[str] = "KuCoin has no test environment any more; use the paper adapter to try things"


class KucoinDialect(Dialect[KucoinSettings]):
    """See the module."""

    venue: ClassVar[str] = "KuCoin"
    page: ClassVar[int] = 100
    open_page: ClassVar[int | None] = 500
    window: ClassVar[timedelta] = timedelta(days=7)

    @property
    def ccxt_id(self) -> str:
        """Spot; the same class does futures, which are not offered."""
        return "kucoin"

    @property
    def capabilities(self) -> Capabilities:
        """See the module for what is left out, and why."""
        return Capabilities(
            order_types=_TYPES,
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            post_only=True,
            order_book=True,
            bars=True,
            modify_by=ModifyBy.NOT,
            dead_man=True,
        )

    @property
    def options(self) -> dict[str, Any]:
        """Spot only, the classic account's high-frequency endpoints; `permissions` sees that it is one."""
        return {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"], "fetchTickersFees": False},
            "hf": True,
            "uta": False,
            "timeDifference": 0,
            "adjustForTimeDifference": False,
        }

    async def permissions(self, exchange: Any) -> Permissions | None:
        """`Transfer` includes withdrawals; `InnerTransfer` does not."""
        told = (await exchange.private_get_user_api_key())["data"]
        may = {each.strip().casefold() for each in str(told.get("permission") or "").split(",")}
        return Permissions(
            trading=bool(may & {"spot", "trade"}),
            withdrawals=bool(may & {"transfer", "withdraw", "withdrawal"}),
            ip_limited=bool(told.get("ipWhitelist")),
        )

    async def check_account(self, inquiry: Inquiry, place: str) -> None:
        """The endpoints that are used here are those of a classic account with a high-frequency trade account."""
        if not (await inquiry.ask(Call("private_get_hf_accounts_opened", ({},)))).get("data"):
            raise ConfigurationError(
                f"{place}: this account at KuCoin has no high-frequency trade account; open one there"
            )
        mode = (await inquiry.ask(Call("utaprivate_get_account_mode", ({},)))).get("data") or {}
        if mode.get("selfAccountMode") == "UNIFIED":
            raise ConfigurationError(
                f"{place}: this account at KuCoin is a unified one, which is not offered; use a classic one"
            )

    @property
    def wire(self) -> Wire:
        """Prices are listed of all symbols, so each is asked for by itself; an error may say that the token is over.

        What a stop order has become, and executions, are asked for: the stream tells no fees, and names stop orders by
        the venue's id only.
        """
        return Wire(
            report_calls=(watch("watch_orders"), watch("watch_orders", trigger=True)),
            ask_calls=(),
            endings=frozenset({"error"}),
            whole_orders=True,
            forget_login=_forget_token,
            needs_look=lambda info: _sleeps(info) or info.get("type") == "match",
            order=_pushed,
            execution=lambda _: None,
            standing=_standing,
        )

    def lists(self, market: Raw) -> bool:
        """Spot pairs."""
        return bool(market.get("spot"))

    def refuse(self, order: OrderRequest) -> None:
        """What the capabilities do not say."""
        if order.reduce_only:
            raise NotSupported("reduce-only orders on spot")
        if not order.type.has_limit and order.time_in_force is TimeInForce.FOK:
            raise NotSupported(f"FOK for a {order.type} order")

    def place_call(self, order: OrderRequest) -> Call:
        """`hf/orders`, or `stop-order` for what sleeps; sizes are in the base currency."""
        params: dict[str, Any] = {"clientOrderId": self.wire_id(order.client_order_id)}
        if order.post_only:
            params["postOnly"] = True
        elif order.type.has_limit:
            params["timeInForce"] = order.time_in_force.value.upper()
        if order.stop_price is not None:
            params["takeProfitPrice" if order.type.takes_profit else "stopLossPrice"] = str(order.stop_price)
        price = None if order.limit_price is None else str(order.limit_price)
        kind = "limit" if order.type.has_limit else "market"
        return Call(
            "create_order", (order.instrument.symbol, kind, order.side.value, str(order.quantity), price, params)
        )

    def find_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """In the book, and among those that sleep: in this order, for what wakes moves from the second to the first."""
        del known
        words = {"clientOrderId": self.wire_id(order)}
        stop = Call("fetch_order", (None, symbol, {**words, "trigger": True}))
        plain = Call("fetch_order", (None, symbol, words))
        return (plain, stop, plain)

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """The first that is an order; one without an id is the answer "there is none"."""
        for call in self.find_calls(order, symbol, None):
            try:
                raw = await inquiry.ask(call)
            except OrderNotFound:
                continue
            if raw.get("id"):
                return Sighting.of(raw)
        return _gone_asleep(inquiry.known, order)

    def open_calls_for(self, symbols: Sequence[str]) -> Sequence[Call]:
        """All that sleep, then the book of each symbol: what wakes in between is in both, not in none."""
        asleep = Call("fetch_open_orders", (None, None, self.open_page, {"trigger": True, "hf": False}))
        return (asleep, *(Call("fetch_open_orders", (symbol, None, None, {})) for symbol in symbols))

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """Each is an order of its own, but for one that woke while we looked; one of a person's over an amount
        of money is for what it has filled.
        """
        del inquiry
        awake = {raw.get("clientOrderId") for raw in raws if not _sleeps(raw["info"])} - {None, ""}
        once = (raw for raw in raws if not _sleeps(raw["info"]) or raw.get("clientOrderId") not in awake)
        return [Sighting.of({**raw, "amount": raw.get("amount") or raw.get("filled") or "0"}) for raw in once]

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """What has ended in the book; a stop order that was cancelled asleep is kept nowhere."""
        return (Call("fetch_closed_orders", (symbol, since, None, {"limit": self.page})),)

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """Up to a hundred at once."""
        return (Call("fetch_my_trades", (symbol, since, self.page, {})),)

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """The newest come first: what is older than the oldest of these."""
        return older(call, page)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """By the venue's id."""
        return Call("fetch_order_trades", (raw["id"], raw["symbol"], None, self.page, {}))

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """In the book by our id, or among those that sleep."""
        words = {"clientOrderId": self.wire_id(order)}
        plain = Call("cancel_order", (None, symbol, words))
        stop = Call("cancel_order", (None, symbol, {**words, "trigger": True, "symbol": symbol.replace("/", "-")}))
        return (stop, plain) if known is not None and known.conditional else (plain, stop)

    def dead_man_calls(self, seconds: float, symbols: Sequence[str]) -> Sequence[Call]:
        """`hf/orders/dead-cancel-all`, 5 to 86,400 seconds; -1 ends it. What sleeps stays."""
        del symbols
        return (Call("private_post_hf_orders_dead_cancel_all", ({"timeout": round(seconds) or -1},)),)

    def kind(self, raw: Raw) -> OrderType | None:
        """`loss` wakes at or below its price, `entry` at or above it."""
        info, limit = raw.get("info", {}), raw.get("type") == "limit"
        below = {"loss": True, "entry": False}.get(str(info.get("stop") or ""))
        if below is None:
            return None
        if below == (raw.get("side") == Side.SELL):
            return OrderType.STOP_LIMIT if limit else OrderType.STOP
        return OrderType.TAKE_PROFIT_LIMIT if limit else OrderType.TAKE_PROFIT

    def state(self, raw: Raw) -> VenueOrderState | None:
        """One that sleeps says NEW; one that has been triggered and is not in the book yet is on its way."""
        info = raw.get("info", {})
        if raw.get("status") == "cancelled":
            return VenueOrderState.CANCELLED
        return VenueOrderState.WORKING if info.get("status") in ("NEW", "TRIGGERED") else None

    def book_limit(self, depth: int) -> int:
        """The venue gives 20 levels, or 100."""
        return 20 if depth <= 20 else 100

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """The trade account."""
        return await spot_wallet(self, inquiry, name, instruments)

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """`code` and `msg`, often with HTTP 200; 200000 is good."""
        told = object_in(answer.body)
        code = str(told.get("code", ""))
        return ("", "") if code in ("", "200000") else (code, str(told.get("msg") or ""))

    def refusal(self, code: str, message: str) -> str | None:
        """By the words where a code says many things, else by the code."""
        said = message.casefold()
        return next((word for words, word in _WORDS if words in said), None) or _REFUSALS.get(code)

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """A timeout of its network leaves it open, though ccxt calls that a bad request."""
        del answer, message
        if code in _OPEN:
            return True
        return False if code in _AT_THE_DOOR else None


def _forget_token(exchange: Any) -> None:
    """The address of the account's stream carries a token, which ends with the stream."""
    exchange.options["urls"] = {**exchange.options.get("urls", {}), "private": None}


def _sleeps(info: Raw) -> bool:
    """Whether an event is one of a stop order."""
    return bool(info.get("stop"))


def _pushed(raw: Raw) -> Raw:
    """An order by the words that an answer has. Of one that sleeps too little is told: it has no status here."""
    info = raw["info"]
    status = None if _sleeps(info) else _STATUSES.get(info.get("type"))
    return {**raw, "status": status, "timestamp": None, "lastUpdateTimestamp": _milliseconds(info.get("ts"))}


def _standing(info: Raw) -> Standing | None:
    """What an event says of an order; an answer tells the rest."""
    filled = decimal(info.get("filledSize"))
    if _sleeps(info) or info.get("type") not in _STATUSES or filled is None:
        return None
    state = _STANDINGS.get(str(info["type"]))
    if state is None:
        state = VenueOrderState.PARTIALLY_FILLED if filled else VenueOrderState.WORKING
    return Standing(state, filled, moment(_milliseconds(info.get("ts"))))


def _milliseconds(nanoseconds: Any) -> int | None:
    return None if nanoseconds is None else int(nanoseconds) // 1_000_000


def _gone_asleep(orders: KnownOrders, order: ClientOrderId) -> Sighting | None:
    """A stop order that we know of, and that is in neither place for a while, was cancelled: nobody tells it otherwise.

    One that was placed just now may not be there yet, and one that is waking has left the one place and has not come
    to the other. Only who has cancelled it asleep need not look again.
    """
    known = orders.get(order)
    report = known.report if known is not None and known.conditional else None
    if known is None or report is None or not report.venue_order_id:
        return None
    if not _was_cancelled_asleep(known):
        now = ticks()
        since = now if known.missed is None else known.missed
        orders.change(order, known.symbol, missed=since)
        if now - since < _SETTLED_SECONDS:
            raise Unavailable("a stop order is not to be seen: it may be waking, or not be there yet; ask again")
    was: dict[str, Any] = {
        "id": report.venue_order_id,
        "clientOrderId": report.client_order_id,
        "symbol": report.symbol,
        "side": report.side.value,
        "type": "limit" if report.type.has_limit else "market",
        "amount": str(report.quantity),
        "filled": str(report.filled),
        "price": None if report.limit_price is None else str(report.limit_price),
        "triggerPrice": None if report.stop_price is None else str(report.stop_price),
        "takeProfitPrice": str(report.stop_price) if report.type.takes_profit else None,
        "status": "canceled",
        "info": {},
    }
    return Sighting.of(was)


def _was_cancelled_asleep(known: Known) -> bool:
    return known.cancelled is not None and bool(known.cancelled.args[-1].get("trigger"))


@adapter("kucoin", settings=KucoinSettings)
class KucoinBroker(CcxtBroker):
    """A spot account at KuCoin."""

    dialect = KucoinDialect
