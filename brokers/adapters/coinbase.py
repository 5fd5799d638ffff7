"""Coinbase Advanced Trade, spot.

Facts (docs.cdp.coinbase.com, ccxt 4.5.90): an order may carry any `client_order_id`, and a second one of the same id
gives the first back; but the venue looks up, cancels and changes by its own id only, so an order in doubt is looked
for in lists. ccxt throws a `clientOrderId` away, it must be named as the venue names it; and it would tell a market
order to buy in the quote currency, so the venue's own words go with those. A stop or a take-profit has a limit price
here, and tells in which direction its trigger lies: those two are offered, until cancelled; stops that become market
orders and trailing ones are not there. Not offered though the venue has words for them: FOK, conditional orders with
an end date, and changing an order (it wants price and size together). The list of OPEN orders leaves out PENDING and
QUEUED ones. The sandbox answers with fixed texts and trades nothing: not offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from brokers.account import AccountInfo
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Dialect, Permissions
from brokers.ccxt.offers import OfferedSettings
from brokers.ccxt.pages import older
from brokers.ccxt.streams.wire import Wire, watch
from brokers.ccxt.wallets import spot_wallet
from brokers.ccxt.words import first_of, iso_of, number_of, object_in
from brokers.errors import NotSupported, OrderNotFound, Unavailable
from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from brokers.port import Capabilities, ModifyBy
from brokers.registry import adapter

_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_STATES = {
    "PENDING": VenueOrderState.WORKING,
    "QUEUED": VenueOrderState.WORKING,
    "CANCEL_QUEUED": VenueOrderState.WORKING,
    "EDIT_QUEUED": VenueOrderState.WORKING,
    "EXPIRED": VenueOrderState.EXPIRED,
    "FAILED": VenueOrderState.REJECTED,
}
_WORKING = ("OPEN", "PENDING", "QUEUED", "CANCEL_QUEUED")
_REFUSALS = {
    "INSUFFICIENT_FUND": "INSUFFICIENT_FUNDS",
    "INSUFFICIENT_FUNDS": "INSUFFICIENT_FUNDS",
    "INVALID_LIMIT_PRICE_POST_ONLY": "POST_ONLY_WOULD_TAKE",
    "INVALID_PRICE_PRECISION": "PRICE_FILTER",
    "INVALID_LIMIT_PRICE": "PRICE_FILTER",
    "INVALID_STOP_PRICE": "PRICE_FILTER",
    "PRICE_TOO_FAR": "PRICE_FILTER",
    "STOP_PRICE_ABOVE_LAST_TRADE_PRICE": "WOULD_TRIGGER",
    "STOP_PRICE_BELOW_LAST_TRADE_PRICE": "WOULD_TRIGGER",
    "INVALID_SIZE_PRECISION": "LOT_SIZE",
    "BASE_SIZE_TOO_SMALL": "LOT_SIZE",
    "BASE_SIZE_TOO_LARGE": "LOT_SIZE",
    "INVALID_BASE_SIZE_TOO_SMALL": "LOT_SIZE",
    "INVALID_BASE_SIZE_TOO_LARGE": "LOT_SIZE",
    "QUOTE_SIZE_TOO_SMALL": "MIN_NOTIONAL",
    "INVALID_QUOTE_SIZE_TOO_SMALL": "MIN_NOTIONAL",
    "INVALID_PRODUCT_ID": "UNKNOWN_SYMBOL",
    "UNTRADABLE_PRODUCT": "MARKET_CLOSED",
    "PRODUCT_IS_AUCTION_MODE": "MARKET_CLOSED",
    "INVALID_NO_LIQUIDITY": "MARKET_CLOSED",
    "ORDER_ENTRY_DISABLED": "MARKET_CLOSED",
    "OPEN_ORDER_LIMIT": "TOO_MANY_ORDERS",
    "PERMISSION_DENIED": "NO_PERMISSION",
    "INELIGIBLE_PAIR": "NO_PERMISSION",
    "UNAUTHENTICATED": "KEY_REFUSED",
    "Unauthorized": "KEY_REFUSED",
    "unauthorized": "KEY_REFUSED",
    "authentication_error": "KEY_REFUSED",
    "NOT_FOUND": "ORDER_NOT_FOUND",
    "UNKNOWN_CANCEL_ORDER": "ORDER_NOT_FOUND",
    "INVALID_CANCEL_REQUEST": "ORDER_NOT_FOUND",
    "COMMANDER_REJECTED_CANCEL_ORDER": "NOT_CANCELLED",
    "INVALID_ARGUMENT": "INVALID_ORDER",
}
_PREFIXES = ("PREVIEW_", "NEW_ORDER_", "ORDER_")
_OPEN = ("UNKNOWN", "INTERNAL", "DUPLICATE_CANCEL_REQUEST", "DEADLINE_EXCEEDED", "UNAVAILABLE")
_AT_THE_DOOR = frozenset({"rate_limit_exceeded", "resource_exhausted", "RESOURCE_EXHAUSTED"})
_NEWEST = 250


class CoinbaseSettings(OfferedSettings):
    """`api_key` is the name of a CDP key (organizations/…/apiKeys/…) with the signature ECDSA, `secret` its
    private key.
    """

    why_no_other: ClassVar[str] = (
        "Coinbase's sandbox answers with fixed texts and trades nothing; use the paper adapter"
    )


class CoinbaseDialect(Dialect[CoinbaseSettings]):
    """See the module."""

    venue: ClassVar[str] = "Coinbase"
    page: ClassVar[int] = 100
    open_page: ClassVar[int | None] = _NEWEST
    bar_page: ClassVar[int] = 300
    needs_venue_id: ClassVar[bool] = True

    @property
    def ccxt_id(self) -> str:
        """Advanced Trade."""
        return "coinbase"

    @property
    def capabilities(self) -> Capabilities:
        """See the module for what is left out, and why."""
        return Capabilities(
            order_types=_TYPES,
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD}),
            post_only=True,
            order_book=True,
            bars=True,
            find_by_client_id=False,
            modify_by=ModifyBy.NOT,
        )

    @property
    def options(self) -> dict[str, Any]:
        """Nothing is asked that spot does not need."""
        return {
            "defaultType": "spot",
            "fetchBalance": "v3PrivateGetBrokerageAccounts",  # the older one does not tell what orders hold back
            "timeDifference": 0,
            "adjustForTimeDifference": False,
        }

    async def permissions(self, exchange: Any) -> Permissions | None:
        """`can_transfer` is what withdrawals need. Whether addresses are listed is not told."""
        told = await exchange.v3_private_get_brokerage_key_permissions()
        return Permissions(
            trading=bool(told.get("can_trade")),
            withdrawals=bool(told.get("can_transfer")),
        )

    @property
    def wire(self) -> Wire:
        """Prices come every five seconds; the list of products has no bid and ask, so each is asked for by itself.

        The account's channel tells neither terms nor executions: what has become of an order is asked for. It is
        closed after a minute without news unless there are heartbeats.
        """
        return Wire(
            report_calls=(watch("watch_orders"), Call("subscribe", ("heartbeats", False))),
            ask_calls=(),
            endings=frozenset({"error"}),
            whole_orders=True,
            forget_login=_forget_token,
            needs_look=lambda _: True,
            order=_pushed,
            parts=_without_snapshot,
        )

    def lists(self, market: Raw) -> bool:
        """Spot products."""
        return bool(market.get("spot"))

    def refuse(self, order: OrderRequest) -> None:
        """What the capabilities do not say."""
        if order.reduce_only:
            raise NotSupported("reduce-only orders on spot")
        if order.type.is_conditional and order.time_in_force is not TimeInForce.GTC:
            raise NotSupported(f"{order.time_in_force} for a {order.type} order")
        if order.type is OrderType.MARKET and order.time_in_force is TimeInForce.GTD:
            raise NotSupported("an end date for a market order")

    def place_call(self, order: OrderRequest) -> Call:
        """`POST orders`. The size is in the base currency, of a market order to buy, too."""
        params: dict[str, Any] = {"client_order_id": self.wire_id(order.client_order_id)}
        if order.type is OrderType.MARKET and order.side is Side.BUY:
            params["order_configuration"] = {"market_market_ioc": {"base_size": str(order.quantity)}}
            params["cost"] = "1"  # ccxt wants one before it lets our words overrule its own
        if order.post_only:
            params["postOnly"] = True
        if order.type is OrderType.LIMIT:
            params["timeInForce"] = order.time_in_force.value.upper()
        if order.expires_at is not None:
            params["end_time"] = _iso(order.expires_at)
        if order.stop_price is not None:
            params["takeProfitPrice" if order.type.takes_profit else "stopLossPrice"] = str(order.stop_price)
        price = None if order.limit_price is None else str(order.limit_price)
        kind = "limit" if order.type.has_limit else "market"
        return Call(
            "create_order", (order.instrument.symbol, kind, order.side.value, str(order.quantity), price, params)
        )

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """By the venue's id if we know it, else in the newest orders of the symbol. Never "there is none": who
        knows.
        """
        known = inquiry.known.get(order)
        if known is not None and known.venue_order_id:
            try:
                return Sighting.of(await inquiry.ask(Call("fetch_order", (known.venue_order_id, symbol, {}))))
            except OrderNotFound:
                return None
        for raw in await inquiry.ask(Call("fetch_orders", (symbol, None, _NEWEST, {}))):
            if self.wire_of(raw) == order:
                return Sighting.of(raw)
        if symbol != (known.symbol if known is not None else inquiry.symbols[-1]):
            return None
        raise Unavailable(f"{self.venue} does not look orders up by our ids, and {order} is not among the newest")

    def open_calls(self) -> Sequence[Call]:
        """Each state in which an order may still fill; the venue's word for several at once is OPEN, which lacks
        some.
        """
        return tuple(Call("fetch_orders", (None, None, _NEWEST, {"order_status": state})) for state in _WORKING)

    def more_open(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """What is older than the oldest of these."""
        return older(call, page)

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """Each is an order of its own; people's may be of forms that our library does not read."""
        del inquiry
        return [Sighting.of(_of_any_form(raw)) for raw in raws]

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """All that have been placed since then."""
        return (Call("fetch_orders", (symbol, since, self.page, {})),)

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """Executions, up to a hundred at once."""
        return (Call("fetch_my_trades", (symbol, since, self.page, {})),)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """By the venue's id."""
        return Call("fetch_my_trades", (raw["symbol"], None, self.page, {"order_ids": [raw["id"]]}))

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """The newest come first: what is older than the oldest of these."""
        return older(call, page)

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """By the venue's id; without one there is no way."""
        del order
        return (
            (Call("cancel_order", (known.venue_order_id, symbol, {})),)
            if known is not None and known.venue_order_id
            else ()
        )

    def kind(self, raw: Raw) -> OrderType | None:
        """A stop that goes up wakes above its price."""
        terms = raw.get("info", {}).get("order_configuration") or {}
        stop = terms.get("stop_limit_stop_limit_gtc") or terms.get("stop_limit_stop_limit_gtd")
        if not stop:
            return None
        upwards = stop.get("stop_direction") == "STOP_DIRECTION_STOP_UP"
        return OrderType.STOP_LIMIT if upwards == (raw.get("side") == Side.BUY) else OrderType.TAKE_PROFIT_LIMIT

    def state(self, raw: Raw) -> VenueOrderState | None:
        """States that ccxt does not know, or takes for a cancel."""
        return _STATES.get(str(raw.get("info", {}).get("status") or ""))

    def time_in_force(self, raw: Raw) -> tuple[TimeInForce, datetime | None] | None:
        """When an order with an end date ends."""
        terms = raw.get("info", {}).get("order_configuration") or {}
        dated = terms.get("limit_limit_gtd") or terms.get("stop_limit_stop_limit_gtd") or {}
        ends = iso_of(dated.get("end_time"))
        return None if ends is None else (TimeInForce.GTD, ends)

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """The wallets of the key's portfolio."""
        return await spot_wallet(self, inquiry, name, instruments)

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """Refusals come with HTTP 200 and `success` false, each kind in a place of its own."""
        told = object_in(answer.body)
        refused = told.get("error_response")
        if isinstance(refused, Mapping):
            names = ("preview_failure_reason", "new_order_failure_reason", "error")
            reasons = [str(refused.get(name) or "") for name in names]
            code = next((each for each in reasons if each and not each.startswith("UNKNOWN")), reasons[-1])
            return code, str(refused.get("message") or refused.get("error_details") or "")
        cancelled = first_of(told.get("results"))
        if cancelled and cancelled.get("success") is not True:
            return str(cancelled.get("failure_reason") or ""), "the order was not cancelled"
        inner = first_of(told.get("errors"))
        code = str(told.get("error") or inner.get("id") or "")
        return code, str(told.get("message") or inner.get("message") or told.get("error_details") or "")

    def refusal(self, code: str, message: str) -> str | None:
        """By the reason, wherever it was found; a reason that we do not know is a refusal all the same."""
        if "order with this orderID was not found" in message:
            return "ORDER_NOT_FOUND"
        bare = code
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        return _REFUSALS.get(code) or _REFUSALS.get(bare) or ("REFUSED" if code.isupper() else None)

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """A failure whose reason the venue does not know itself; a cancel that is under way already."""
        del answer, message
        if code.startswith(_OPEN) and code != "UNKNOWN_CANCEL_ORDER":
            return True
        return False if code in _AT_THE_DOOR else None


def _forget_token(exchange: Any) -> None:
    """A token is good for two minutes, and ccxt would use it again at the last moment."""
    exchange.options["wsToken"] = None


def _without_snapshot(message: Any) -> Sequence[Any]:
    """What is open when the channel opens is asked for, not looked up one by one."""
    if not isinstance(message, Mapping) or message.get("channel") != "user":
        return (message,)
    events = [each for each in message.get("events") or () if each.get("type") != "snapshot"]
    return ({**message, "events": events},) if events else ()


def _of_any_form(raw: Raw) -> Raw:
    """An order with the size and the limit that its form tells; one over an amount of money is for what it has filled.

    ccxt reads five forms, and of a bracket, as the app sets them for exits, nothing.
    """
    forms = (raw.get("info") or {}).get("order_configuration") or {}
    terms = next((each for each in forms.values() if isinstance(each, Mapping)), {})
    if raw.get("amount") is not None or not terms:
        return raw
    size, limit = terms.get("base_size") or raw.get("filled"), terms.get("limit_price")
    return {**raw, "amount": size, **({"price": limit, "type": "limit"} if limit else {})}


def _pushed(raw: Raw) -> Raw:
    """An order by the words that an answer has. How large it was is told only while it is open."""
    info = raw["info"]
    is_open = info.get("status") in _WORKING
    sizes = [number_of(info.get(name)) or ZERO for name in ("cumulative_quantity", "leaves_quantity")]
    return {**raw, "filled": str(sizes[0]), "amount": str(sum(sizes, ZERO)) if is_open else None}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@adapter("coinbase", settings=CoinbaseSettings)
class CoinbaseBroker(CcxtBroker):
    """A spot portfolio at Coinbase."""

    dialect = CoinbaseDialect
