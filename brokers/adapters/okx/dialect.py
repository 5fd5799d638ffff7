"""What is special about OKX. See the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from brokers.account import AccountInfo
from brokers.adapters.okx import algos, words
from brokers.adapters.okx.settings import OkxMarket, OkxSettings
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Change, Dialect, Permissions
from brokers.ccxt.naming import Naming
from brokers.ccxt.pages import older
from brokers.ccxt.streams.wire import Wire, watch
from brokers.ccxt.wallets import cash_of, spot_wallet, swap_wallet
from brokers.ccxt.words import first_of, number_of, object_in
from brokers.errors import ConfigurationError, NotSupported, OrderNotFound
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, TimeInForce, VenueOrderState
from brokers.port import Capabilities, ModifyBy, TrailBy

_IN_HISTORY = 100


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
    def wallet(self) -> str:
        """One wallet pays for everything."""
        return f"{self.ccxt_id}:{self.settings.mode}"

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
            trails=frozenset(TrailBy),
            unchangeable=frozenset(kind for kind in OrderType if kind.is_conditional),
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
        exchange.set_sandbox_mode(True)

    async def permissions(self, exchange: Any) -> Permissions | None:
        """`account/config` tells the key's permissions, and how the account is set up."""
        told = first_of((await exchange.private_get_account_config())["data"])
        may = {each.strip() for each in str(told.get("perm") or "").split(",")}
        return Permissions(
            trading="trade" in may,
            withdrawals="withdraw" in may,
            ip_limited=bool(told.get("ip")),
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
        """The list of prices is of all symbols, so each is asked for by itself. Algo orders have a stream of their
        own; what becomes of one, and what one has become, is asked for.
        """
        kind = self.settings.market.value.upper()
        return Wire(
            report_calls=(watch("watch_orders", type=kind), watch("watch_orders", type=kind, trigger=True)),
            ask_calls=(),
            whole_orders=True,
            needs_look=lambda info: bool(info.get("algoId")),
            order=algos.told,
            execution=lambda _: None,
            executions_in=algos.executions_in,
        )

    def lists(self, market: Raw) -> bool:
        """Spot pairs, or perpetuals whose contracts are counted in the base and settled in the quote currency."""
        if not self._is_swap:
            return bool(market.get("spot"))
        counted_in = market.get("info", {}).get("ctValCcy")
        return bool(market.get("swap") and market.get("linear")) and counted_in in (None, "", market.get("baseId"))

    def instrument(self, market: Raw) -> Instrument:
        """Ccxt leaves out the multiplier of a contract's value, and how many are traded at market at once.

        On spot the latter is an amount of money, and no limit of ours.
        """
        instrument, info = super().instrument(market), market.get("info", {})
        if not self._is_swap:
            return instrument
        times, most = number_of(info.get("ctMult")) or Decimal(1), number_of(info.get("maxMktSz"))
        return replace(instrument, multiplier=instrument.multiplier * times, max_market_quantity=most)

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
            return await algos.whole(inquiry, raw)
        return None

    def open_calls(self) -> Sequence[Call]:
        """Each kind of algo order, then the book: what wakes in between is in both, not in none."""
        where = {"instType": self.settings.market.value.upper()}
        asleep = [algos.words_for(kind) for kind in algos.LISTS]
        return tuple(Call("fetch_open_orders", (None, None, self.page, {**where, **each})) for each in (*asleep, {}))

    def more_open(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """Older than the oldest of these, by the venue's id."""
        *args, asked = call.args
        oldest = min(int(raw["info"].get("algoId") or raw["info"]["ordId"]) for raw in page)
        return Call(call.method, (*args, {**asked, "after": str(oldest)}))

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
        """An order that an algo order has become, with the terms of that; the algo order itself is told with it."""
        known = [raw for raw in raws if raw.get("status") is not None]
        woken = {str(raw["info"].get("algoId") or "") for raw in known if not algos.is_algo(raw)}
        asleep = (raw for raw in known if not algos.is_algo(raw) or str(raw["info"]["algoId"]) not in woken)
        return [await algos.whole(inquiry, raw) for raw in asleep]

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
        quantity = str(change.quantity) if "quantity" in change.differs else None
        price = str(change.limit_price) if "limit_price" in change.differs else None
        params = {"clOrdId": self.wire_id(known.order)}
        return Call("edit_order", ("", known.symbol, "limit", report.side.value, quantity, price, params))

    def dead_man_calls(self, seconds: float, symbols: Sequence[str]) -> Sequence[Call]:
        """`trade/cancel-all-after`; algo orders stay."""
        del symbols
        return (Call("cancel_all_orders_after", (round(seconds * 1000),)),)

    def kind(self, raw: Raw) -> OrderType | None:
        """That of an algo order; the others are told by their prices."""
        return algos.kind_of(raw)

    def state(self, raw: Raw) -> VenueOrderState | None:
        """An algo order that has woken is not filled for that."""
        info = raw.get("info", {})
        return algos.STATES.get(str(info.get("state") or "")) if algos.is_algo(raw) else None

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
        return words.REFUSALS.get(code)

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """A timeout of the endpoint "does not indicate success or failure of order"."""
        del answer, message
        if code in words.OPEN:
            return True
        return False if code in words.AT_THE_DOOR else None

    @property
    def _is_swap(self) -> bool:
        return self.settings.market is OkxMarket.SWAP


def _is_at_once(order: OrderRequest) -> bool:
    """A market order takes what there is anyhow."""
    return order.type is OrderType.MARKET and order.time_in_force is TimeInForce.IOC
