"""The spot market of Binance.

An order is changed by another in its place (`cancelReplace`), with our id and a number behind it: `ID_r1`, `ID_r2`.
The number is on disk before it is sent (`Inquiry.replaced`), so after a crash at any moment the newest order of the
chain can be asked for. Only an order of which nothing has been filled is changed (`cancelRestrictions=ONLY_NEW`): the
venue checks that in the same moment, so a fill that comes meanwhile can never be ordered twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from brokers.account import AccountInfo, CashFlow, FlowKind
from brokers.adapters.binance import words
from brokers.adapters.binance.settings import BinanceSettings
from brokers.ccxt import accounts
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.dialect import Answer, Change, Dialect, Permissions
from brokers.ccxt.limits import BINANCE_SPOT, Rates
from brokers.ccxt.outcomes import code_in_json
from brokers.ccxt.pages import by_number
from brokers.ccxt.parsing import Unreadable, decimal, moment
from brokers.ccxt.settings import Mode
from brokers.ccxt.streams.wire import Wire, watch
from brokers.errors import NotSupported, OrderNotFound, Rejected, Unavailable
from brokers.instrument import Instrument
from brokers.order import (
    ClientOrderId,
    OrderReport,
    OrderRequest,
    OrderType,
    TimeInForce,
    VenueOrderState,
)
from brokers.port import Capabilities, ModifyBy, TrailBy

TYPES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
    OrderType.TRAILING_STOP: "STOP_LOSS",
}
_KINDS = {name: kind for kind, name in TYPES.items() if not kind.is_trailing} | {"LIMIT_MAKER": OrderType.LIMIT}

_REVISION = re.compile(r"(?P<order>.{1,32})_r(?P<number>[0-9a-z]{2})\Z")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MOST_REVISIONS = len(_DIGITS) ** 2 - 1
# How long the venue's lists may lag behind what its engine has done.
_SETTLED = timedelta(seconds=10)
_ENDINGS = frozenset({"eventStreamTerminated", "serverShutdown"})


class SpotDialect(Dialect[BinanceSettings]):
    """Binance's spot market."""

    venue: ClassVar[str] = "Binance"
    page: ClassVar[int] = 1000
    order_page: ClassVar[int | None] = 1000
    bar_page: ClassVar[int] = 1000
    market_words: ClassVar[frozenset[str] | None] = words.MARKET_WORDS

    # --- who we are --------------------------------------------------------------------------------

    @property
    def ccxt_id(self) -> str:
        """Ccxt's class for everything but futures."""
        return "binance"

    @property
    def scope(self) -> str:
        """Spot and margin share their markets."""
        return f"binance:{self.settings.mode}:spot"

    @property
    def capabilities(self) -> Capabilities:
        """Everything but short sales, and no time in force that ends by itself."""
        return Capabilities(
            order_types=frozenset(OrderType),
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            modify=True,
            post_only=True,
            order_book=True,
            bars=True,
            cash_flows=self.settings.mode is Mode.LIVE,
            modify_by=ModifyBy.REPLACE,
            test_money=True,
            trails=frozenset({TrailBy.PERCENT}),
            unchangeable=frozenset({OrderType.TRAILING_STOP}),
        )

    @property
    def options(self) -> dict[str, Any]:
        """One request for the markets, nothing else."""
        return {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchMargins": False,
            "fetchCurrencies": False,
            "recvWindow": self.settings.recv_window_ms,
            "watchBalance": {"awaitBalanceSnapshot": False},
        }

    @property
    def wire(self) -> Wire:
        """User data come over the WebSocket API, market data over stream.binance.com."""
        return Wire(
            report_calls=(watch("watch_orders", type="spot"),),
            quote_calls=("watch_bids_asks", "watch_tickers"),
            endings=_ENDINGS,
            whole_orders=True,
            final_bars=True,
        )

    def rates(self) -> Rates:
        """The weights of api and sapi."""
        return BINANCE_SPOT

    async def permissions(self, exchange: Any) -> Permissions | None:
        """What the key may do; the testnet and the demo mode do not tell."""
        return await words.permissions(exchange, self.settings.mode, self.may_trade)

    def may_trade(self, raw: Raw) -> bool | None:
        """Whether a key with these permissions trades in this market."""
        return raw.get("enableSpotAndMarginTrading")

    # --- instruments and ids -----------------------------------------------------------------------

    def lists(self, market: Raw) -> bool:
        """Spot markets."""
        return bool(market.get("spot"))

    def wire_id(self, order: ClientOrderId, revision: int = 0) -> str:
        """Our id, and behind it which order of the chain it is."""
        if not revision:
            return str(order)
        return f"{order}_r{_DIGITS[revision // len(_DIGITS)]}{_DIGITS[revision % len(_DIGITS)]}"

    def our_id(self, wire: str) -> ClientOrderId:
        """Our id without what is behind it."""
        found = _REVISION.match(wire)
        return ClientOrderId(found["order"] if found else wire)

    def revision(self, wire: str) -> int:
        """Which order of the chain it is."""
        found = _REVISION.match(wire)
        return int(found["number"], len(_DIGITS)) if found else 0

    # --- placing -----------------------------------------------------------------------------------

    def refuse(self, order: OrderRequest) -> None:
        """What Binance has no words for."""
        if _REVISION.match(order.client_order_id):
            raise Rejected("INVALID_ORDER", "an id must not end like the id of a changed order (_r01)")
        if order.post_only and (order.type is not OrderType.LIMIT or order.time_in_force is not TimeInForce.GTC):
            raise NotSupported("post-only orders other than plain limit orders that stay")
        if order.trail_percent is not None and order.trail_percent * 100 % 1:
            raise Rejected("INVALID_ORDER", "a trailing distance is a whole number of hundredths of a percent here")

    def place_call(self, order: OrderRequest) -> Call:
        """POST order, with our id."""
        params = {"clientOrderId": self.wire_id(order.client_order_id), **self.place_params(order)}
        if order.type.has_limit and not order.post_only:
            params["timeInForce"] = order.time_in_force.upper()
        if order.post_only:
            params["postOnly"] = True
        if order.stop_price is not None:
            params["takeProfitPrice" if order.type.takes_profit else "stopLossPrice"] = _plain(order.stop_price)
        if order.trail_percent is not None:
            params.update(trailingPercent=_plain(order.trail_percent), stopLossOrTakeProfit="stopLoss")
        kind = "limit" if order.type.has_limit else "market"
        price = None if order.limit_price is None else _plain(order.limit_price)
        symbol = order.instrument.symbol
        return Call("create_order", (symbol, kind, str(order.side), _plain(order.quantity), price, params))

    def place_params(self, order: OrderRequest) -> dict[str, Any]:
        """What a new order carries besides."""
        del order
        return {}

    # --- finding -----------------------------------------------------------------------------------

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """The newest order of the chain."""
        known = inquiry.known.get(order)
        newest = max(inquiry.replaced.attempts(order), known.revision if known is not None else 0)
        numbers = inquiry.replaced.numbers(order, newest)
        for revision in numbers:
            raw = await self._find_one(inquiry, order, symbol, revision)
            if raw is None:
                continue
            if revision < numbers[0] and not (known is not None and known.ends):
                self._check_settled(inquiry, order, raw)
            return Sighting.of(raw)
        return None

    async def _find_one(self, inquiry: Inquiry, order: ClientOrderId, symbol: str, revision: int) -> Raw | None:
        params = {"clientOrderId": self.wire_id(order, revision), **self.side_params}
        try:
            return await inquiry.ask(Call("fetch_order", ("", symbol, params)))  # type: ignore[no-any-return]
        except OrderNotFound:
            return None

    def _check_settled(self, inquiry: Inquiry, order: ClientOrderId, raw: Raw) -> None:
        """An order that was to be replaced and has just ended: its successor may not be seen yet."""
        ended = moment(raw.get("lastUpdateTimestamp") or raw.get("timestamp"))
        if raw.get("status") == "canceled" and (ended is None or inquiry.now() - ended < _SETTLED):
            raise Unavailable(f"whether {order} was replaced when it was cancelled is not to be seen yet")

    def open_calls(self) -> Sequence[Call]:
        """GET openOrders of the whole account; stop orders are among them."""
        return (Call("fetch_open_orders", (None, None, None, dict(self.side_params))),)

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """GET allOrders."""
        return (Call("fetch_orders", (symbol, since, self.order_page, self._span_from(since))),)

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """Of each chain its newest order."""
        del inquiry
        newest: dict[tuple[Any, str], Raw] = {}
        for raw in raws:
            wire = self.wire_of(raw)
            key = raw.get("symbol"), self.our_id(wire) or f"#{raw.get('id')}"
            was = newest.get(key)
            if was is None or self.revision(wire) > self.revision(self.wire_of(was)):
                newest[key] = raw
            elif self.revision(wire) == self.revision(self.wire_of(was)):
                newest[key[0], f"{key[1]}#{raw.get('id')}"] = raw  # an id that somebody has used twice
        return [Sighting.of(raw) for raw in newest.values()]

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """GET myTrades."""
        return (Call("fetch_my_trades", (symbol, since, self.order_page, self._span_from(since))),)

    def _span_from(self, since: int) -> dict[str, Any]:
        """How lists say that they begin at `since`: on spot from there on, as many as come at once."""
        del since
        return dict(self.side_params)

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """Onwards in time, but for executions of which there are more in one moment than come at once."""
        return by_number(call, page)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """GET myTrades of one order."""
        params = {"orderId": raw["id"], **self.side_params}
        return Call("fetch_my_trades", (raw["symbol"], None, self.order_page, params))

    # --- cancelling and changing -------------------------------------------------------------------

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """DELETE order; the newest of the chain first."""
        newest = known.revision if known is not None else 0
        return tuple(
            Call("cancel_order", ("", symbol, {"clientOrderId": self.wire_id(order, revision), **self.side_params}))
            for revision in range(newest, max(-1, newest - 2), -1)
        )

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """POST cancelReplace with the next id of the chain."""
        if report.filled:
            raise Rejected(
                "PARTIALLY_FILLED", "Binance cannot change an order that is filled in part: cancel it instead"
            )
        revision = known.attempts + 1
        if revision > _MOST_REVISIONS:
            raise Rejected("NOT_CHANGED", f"an order is changed {_MOST_REVISIONS} times at most")
        params: dict[str, Any] = {
            "clientOrderId": self.wire_id(known.order, revision),
            "cancelRestrictions": "ONLY_NEW",
            **self.side_params,
        }
        if report.type.has_limit and not report.post_only:
            params["timeInForce"] = report.time_in_force.upper()
        if change.stop_price is not None:
            params["stopPrice"] = _plain(change.stop_price)
        kind = "LIMIT_MAKER" if report.post_only else TYPES[report.type]
        price = None if change.limit_price is None else _plain(change.limit_price)
        quantity = _plain(change.quantity)
        args = (report.venue_order_id, report.symbol, kind, str(report.side), quantity, price, params)
        return Call("edit_order", args)

    def half_done(self, answer: Answer) -> bool:
        """-2021: cancelled, and then the new order was refused."""
        code, _ = code_in_json(answer.body)
        cancel, _, _ = words.half_of(answer.body, "cancel")
        new, inner, _ = words.half_of(answer.body, "newOrder")
        done = (cancel, new) == ("SUCCESS", "FAILURE")
        return code == "-2021" and done and bool(inner) and inner not in words.UNKNOWN

    # --- reading answers ---------------------------------------------------------------------------

    def kind(self, raw: Raw) -> OrderType | None:
        """By Binance's own type; a stop with a delta trails."""
        info = raw.get("info") or {}
        if decimal(info.get("trailingDelta") or info.get("d")):
            return OrderType.TRAILING_STOP
        return _KINDS.get(str(info.get("type") or info.get("o")))

    def trail(self, raw: Raw) -> tuple[Decimal | None, Decimal | None]:
        """The delta is in hundredths of a percent."""
        info = raw.get("info") or {}
        delta = decimal(info.get("trailingDelta") or info.get("d"))
        return None, delta / 100 if delta else None

    def state(self, raw: Raw) -> VenueOrderState | None:
        """An order that waits for another of its list is open."""
        info = raw.get("info") or {}
        return VenueOrderState.WORKING if info.get("status", info.get("X")) == "PENDING_NEW" else None

    # --- account -----------------------------------------------------------------------------------

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """GET account, and the prices of what is held."""
        raw = await inquiry.ask(Call("fetch_balance", ({"type": "spot"},)))
        if "balances" not in (raw.get("info") or ()):  # our library makes an empty account of any object
            raise Unreadable("an account without balances")
        marks = await self.marks(inquiry, accounts.held_symbols(raw, instruments))
        return accounts.spot_account(name, raw, instruments, marks, inquiry.now())

    async def marks(self, inquiry: Inquiry, symbols: Sequence[str]) -> dict[str, Decimal]:
        """The last prices of what is held, and listed: one strange symbol, and none of them is told."""
        listed = [symbol for symbol in symbols if not inquiry.is_gone(symbol)]
        if not listed:
            return {}
        return accounts.marks_of(await inquiry.ask(Call("fetch_tickers", (listed,))))

    async def cash_flows(self, inquiry: Inquiry, since: int) -> Sequence[CashFlow]:
        """Deposits and withdrawals of any currency; transfers within Binance are not told."""
        deposits = await inquiry.ask(Call("fetch_deposits", (None, since, None)))
        withdrawals = await inquiry.ask(Call("fetch_withdrawals", (None, since, None)))
        flows = [_flow(raw, FlowKind.DEPOSIT) for raw in deposits]
        flows += [_flow(raw, FlowKind.WITHDRAWAL) for raw in withdrawals]
        flows += [_fee(raw) for raw in withdrawals]
        return [flow for flow in flows if flow is not None]

    # --- outcomes ----------------------------------------------------------------------------------

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """Binance's code; of a cancel-replace of which nothing was done, that of the cancel."""
        code, message = code_in_json(answer.body)
        if code != "-2022":
            return code, message
        _, inner, told = words.half_of(answer.body, "cancel")
        return (inner, told) if inner else (code, message)

    def refusal(self, code: str, message: str) -> str | None:
        """See `brokers.adapters.binance.words`."""
        return words.of_spot(code, message)

    def tells_a_list(self, answer: Answer) -> bool:
        """Lists come as they are, in no object."""
        return answer.body.lstrip().startswith("[")

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """By the code where there is one, else by the general rule."""
        del message
        if code in words.UNKNOWN or (code == "-2021" and any(words.half_of(answer.body, "cancel"))):
            return True
        return False if code in words.LATER else None


def _plain(number: Decimal) -> str:
    """As a venue takes it: no exponent."""
    return f"{number:f}"


def _flow(raw: Raw, kind: FlowKind) -> CashFlow | None:
    """A deposit or withdrawal that is done."""
    amount, at = decimal(raw.get("amount")), moment(raw.get("timestamp"))
    if raw.get("status") != "ok" or not amount or at is None:
        return None
    signed = amount if kind is FlowKind.DEPOSIT else -amount
    return CashFlow(f"{kind}:{raw.get('id') or raw.get('txid')}", kind, str(raw["currency"]), signed, at)


def _fee(raw: Raw) -> CashFlow | None:
    """What a withdrawal has cost besides."""
    flow, fee = _flow(raw, FlowKind.WITHDRAWAL), raw.get("fee") or {}
    cost = decimal(fee.get("cost"))
    if flow is None or not cost:
        return None
    return CashFlow(f"{flow.flow_id}:fee", FlowKind.FEE, str(fee.get("currency") or flow.currency), -cost, flow.at)
