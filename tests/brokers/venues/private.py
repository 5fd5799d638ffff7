"""What each venue pushes about an order of 0.02 (or 2 contracts) at 50,000: documented messages, nothing recorded.

A chapter is what happens to the order, in the order in which it happens, each with the fill that it brings.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.brokers.venues import test_bybit, test_coinbase, test_kraken, test_kucoin, test_okx
from tests.brokers.venues.rig import NOW, OURS, Account

Message = tuple[str, dict[str, Any]]
"""A message, and the address of the socket that it comes on."""


@dataclass(frozen=True)
class Chapter:
    """`state` by name; how much of the order has filled by then; the id of the execution that this was, and its fee."""

    state: str
    filled: Decimal = Decimal(0)
    trade: str = ""


@dataclass(frozen=True)
class Talk:
    """One venue: what must have been said to subscribe; the messages of a chapter; and answers that say the same."""

    asks: Sequence[tuple[str, Mapping[str, Any]]]
    push: Callable[[Account, Chapter], list[Message]]
    answer: Callable[[Account, Chapter], None]
    fee: tuple[Decimal, str]
    signature: Callable[[Account, Mapping[str, Any]], bool]


def quantity(here: Account) -> Decimal:
    """What was ordered."""
    return here.order().quantity


def _hmac(here: Account, text: str) -> bytes:
    secret = here.dialect.settings.secret.get_secret_value()
    return hmac.digest(secret.encode(), text.encode(), "sha256")


# --- Bybit --------------------------------------------------------------------------------------------

BYBIT = "stream.bybit.com/v5/private"
_BYBIT_STATES = {"working": "New", "partly": "PartiallyFilled", "filled": "Filled", "cancelled": "Cancelled"}


def _bybit_order(here: Account, chapter: Chapter) -> dict[str, Any]:
    size = quantity(here)
    return {
        **here.cases["working"],
        "category": here.dialect.settings.market.value,
        "orderStatus": _BYBIT_STATES[chapter.state],
        "qty": str(size),
        "cumExecQty": str(chapter.filled),
        "cumExecValue": str(chapter.filled * 50000),
        "leavesQty": "0" if chapter.state == "cancelled" else str(size - chapter.filled),
        "avgPrice": "50000" if chapter.filled else "",
        "marketUnit": "",
        "tpslMode": "UNKNOWN",
    }


def _bybit_trade(here: Account, trade: str) -> dict[str, Any]:
    more = {"category": here.dialect.settings.market.value, "execId": trade, "isLeverage": "0", "createType": ""}
    return {**here.cases["trade"], **more, "execQty": str(quantity(here) / 2), "execFee": "0.00001"}


def _bybit_push(here: Account, chapter: Chapter) -> list[Message]:
    """The executions may come before the order, or behind it."""
    head = {"id": "5923240c6880ab-c59f-420b-9adb-3639adc9dd90", "creationTime": 1780315201500}
    told: list[Message] = [(BYBIT, {**head, "topic": "order", "data": [_bybit_order(here, chapter)]})]
    if chapter.trade:
        execution = {**head, "topic": "execution", "data": [_bybit_trade(here, chapter.trade)]}
        told.insert(int(chapter.state == "partly"), (BYBIT, execution))
    return told


def _bybit_answer(here: Account, chapter: Chapter) -> None:
    here.cases = {**here.cases, "now": _bybit_order(here, chapter)}
    here.cases["T1"], here.cases["T2"] = _bybit_trade(here, "T1"), _bybit_trade(here, "T2")
    is_open = chapter.state in ("working", "partly")
    test_bybit.lists(here, "order/realtime", *(["now"] if is_open else []))
    test_bybit.lists(here, "order/history", *([] if is_open else ["now"]))
    test_bybit.lists(here, "execution/list", *(["T1", "T2"] if chapter.state == "filled" else []))


def _bybit_signed(here: Account, message: Mapping[str, Any]) -> bool:
    key, expires, signature = message["args"]
    signed = _hmac(here, f"GET/realtime{expires}").hex()
    return bool(key == "key" and int(expires) > NOW.timestamp() * 1000 and signature == signed)


_BYBIT = Talk(
    asks=[(BYBIT, {"op": "auth"}), (BYBIT, {"args": ["order"]}), (BYBIT, {"args": ["execution"]})],
    push=_bybit_push,
    answer=_bybit_answer,
    fee=(Decimal("0.00001"), "BTC"),
    signature=_bybit_signed,
)

# --- OKX ----------------------------------------------------------------------------------------------

OKX, OKX_ALGOS = "ws.okx.com/ws/v5/private", "ws.okx.com/ws/v5/business"
_OKX_STATES = {"working": "live", "partly": "partially_filled", "filled": "filled", "cancelled": "canceled"}


def okx_row(here: Account, chapter: Chapter) -> dict[str, Any]:
    """An order as an answer has it."""
    is_swap = here.instrument.symbol.endswith(":USDT")
    return {
        **here.cases["working"],
        **({"instId": "BTC-USDT-SWAP", "instType": "SWAP", "tdMode": "cross"} if is_swap else {}),
        "state": _OKX_STATES[chapter.state],
        "sz": str(quantity(here)),
        "accFillSz": str(chapter.filled),
        "avgPx": "50000" if chapter.filled else "",
        "fee": str(chapter.filled / quantity(here) * Decimal("-0.00002")),
    }


def _okx_push(here: Account, chapter: Chapter) -> list[Message]:
    """`fee` is what the whole order has cost so far, `fillFee` this execution. The last one is told again when an
    order ends.
    """
    execution = {
        "tradeId": chapter.trade,
        "fillSz": str(quantity(here) / 2),
        "fillPx": "50000",
        "fillTime": "1780315201400",
        "fillFee": "-0.00001",
        "fillFeeCcy": "BTC",
        "execType": "T",
    }
    nothing = {**dict.fromkeys(execution, ""), "fillSz": "0", "fillFee": "0"}
    more = {"amendResult": "", "reqId": "", "code": "0", "msg": "", "notionalUsd": "1000", "lastPx": "50000"}
    row = {**okx_row(here, chapter), **more, **(execution if chapter.trade else nothing)}
    return [(OKX, {"arg": {"channel": "orders", "instType": row["instType"], "uid": "7"}, "data": [row]})]


def _okx_fill(here: Account, trade: str) -> dict[str, Any]:
    row = okx_row(here, Chapter("filled"))
    more = {"instId": row["instId"], "instType": row["instType"], "fillSz": str(quantity(here) / 2), "tradeId": trade}
    return {**here.cases["fill"], **more, "fee": "-0.00001"}


def _okx_answer(here: Account, chapter: Chapter) -> None:
    fills = [_okx_fill(here, trade) for trade in ("T1", "T2")] if chapter.state == "filled" else []
    rows = [okx_row(here, chapter)] if chapter.state in ("working", "partly") else []
    here.answer("GET /api/v5/trade/order", test_okx.ok(okx_row(here, chapter)))
    here.answer("GET /api/v5/trade/orders-pending", test_okx.ok(*rows))
    here.answer("GET /api/v5/trade/fills-history", test_okx.ok(*fills))


def _okx_signed(here: Account, message: Mapping[str, Any]) -> bool:
    (said,) = message["args"]
    signed = b64encode(_hmac(here, f"{said['timestamp']}GET/users/self/verify")).decode()
    return (said["apiKey"], said["passphrase"], said["sign"]) == ("key", "phrase", signed)


def _okx(kind: str) -> Talk:
    return Talk(
        asks=[
            (OKX, {"op": "login"}),
            (OKX_ALGOS, {"op": "login"}),
            (OKX, {"op": "subscribe", "args": [{"channel": "orders", "instType": kind}]}),
            (OKX_ALGOS, {"op": "subscribe", "args": [{"channel": "orders-algo", "instType": kind}]}),
        ],
        push=_okx_push,
        answer=_okx_answer,
        fee=(Decimal("0.00001"), "BTC"),
        signature=_okx_signed,
    )


# --- Kraken -------------------------------------------------------------------------------------------

KRAKEN = "ws-auth.kraken.com/v2"


def kraken_events(here: Account, chapter: Chapter) -> list[dict[str, Any]]:
    """Only the first event has the terms; numbers are numbers. An execution of the whole says "partially filled", too."""
    at = {"timestamp": "2026-06-01T12:00:01.500000Z", "order_id": test_kraken.TXID, "cl_ord_id": test_kraken.WIRE}
    sums = {"cum_qty": float(chapter.filled), "cum_cost": float(chapter.filled * 50000), "avg_price": 50000.0}
    if chapter.state == "working":
        terms = {"symbol": "BTC/USDT", "side": "buy", "order_type": "limit", "limit_price": 50000.0, "order_qty": 0.02}
        more = {"time_in_force": "GTC", "limit_price_type": "static", "stop_price": 0.0, "fee_ccy_pref": "fciq"}
        pending = {**at, **terms, **more, "cum_cost": 0.0, "exec_type": "pending_new", "order_status": "pending_new"}
        return [pending, {**at, "exec_type": "new", "order_status": "new"}]
    if chapter.state == "cancelled":
        why = {"cancel_reason": "User requested", "reason": "User requested"}
        return [{**at, **sums, **why, "exec_type": "canceled", "order_status": "canceled"}]
    execution = {
        "exec_id": chapter.trade,
        "trade_id": 365573,
        "symbol": "BTC/USDT",
        "side": "buy",
        "order_type": "limit",
        "last_qty": 0.01,
        "last_price": 50000.0,
        "cost": 500.0,
        "liquidity_ind": "t",
        "fee_usd_equiv": 1.25,
        "fees": [{"asset": "USDT", "qty": 1.25}],
    }
    traded = {**at, **sums, **execution, "exec_type": "trade", "order_status": "partially_filled"}
    done = {**at, **sums, "exec_type": "filled", "order_status": "filled"}
    return [traded, done] if chapter.state == "filled" else [traded]


def _kraken_push(here: Account, chapter: Chapter) -> list[Message]:
    events = kraken_events(here, chapter)
    return [(KRAKEN, {"channel": "executions", "type": "update", "data": events, "sequence": 8})]


def _kraken_answer(here: Account, chapter: Chapter) -> None:
    """Orders name their executions, which are asked for by these names."""
    status = {"cancelled": "canceled", "filled": "closed"}.get(chapter.state, "open")
    trades = ["T1", "T2"] if chapter.state == "filled" else []
    here.cases = {**here.cases, "now": here.cases["working"]}
    test_kraken.listed(here, "now", status=status, vol_exec=str(chapter.filled), trades=trades)
    here.answer(
        "POST /0/private/QueryTrades",
        {"error": [], "result": {trade: {**here.cases["trade"], "maker": False} for trade in trades}},
    )


_KRAKEN = Talk(
    asks=[(KRAKEN, {"method": "subscribe", "params": {"channel": "executions"}})],
    push=_kraken_push,
    answer=_kraken_answer,
    fee=(Decimal("1.25"), "USDT"),
    signature=lambda _, message: message["params"]["token"] == "xeAQ/RCChBYNVh53sTv1yZ5H4wIbwDF20PiHtTF+4UI",
)

# --- KuCoin -------------------------------------------------------------------------------------------

KUCOIN = "ws-api-spot.kucoin.com/private"
_KUCOIN_TYPES = {"working": "open", "partly": "match", "filled": "filled", "cancelled": "canceled"}


def kucoin_event(here: Account, chapter: Chapter, kind: str) -> dict[str, Any]:
    """Times are in nanoseconds, that of the order in milliseconds; an execution tells no fee."""
    size = quantity(here)
    event = {
        "symbol": "BTC-USDT",
        "orderType": "limit",
        "side": "buy",
        "orderId": here.cases["working"]["id"],
        "type": kind,
        "orderTime": 1780315200500,
        "size": str(size),
        "filledSize": str(chapter.filled),
        "price": "50000",
        "clientOid": OURS,
        "remainSize": str(size - chapter.filled),
        "status": {"open": "open", "match": "match"}.get(kind, "done"),
        "ts": 1780315201500000000,
    }
    if kind == "match":
        more = {"matchPrice": "50000", "matchSize": str(size / 2), "liquidity": "taker", "feeType": "takerFee"}
        event |= {**more, "tradeId": f"of another list: {chapter.trade}"}
    return event


def _kucoin_push(here: Account, chapter: Chapter) -> list[Message]:
    """The last execution is told, and then that it was the last."""
    kinds = ["match", "filled"] if chapter.state == "filled" else [_KUCOIN_TYPES[chapter.state]]
    head = {"type": "message", "topic": "/spotMarket/tradeOrders", "subject": "orderChange", "channelType": "private"}
    return [(KUCOIN, {**head, "data": kucoin_event(here, chapter, kind)}) for kind in kinds]


def _kucoin_answer(here: Account, chapter: Chapter) -> None:
    is_open = chapter.state in ("working", "partly")
    more = {"dealSize": str(chapter.filled), "active": is_open, "inOrderBook": is_open}
    row = {**here.cases["working"], **more, "cancelExist": chapter.state == "cancelled"}
    trades = ("T1", "T2") if chapter.state == "filled" else ()
    fills = [{**here.cases["fill"], "tradeId": trade, "id": trade} for trade in trades]
    here.answer(test_kucoin.FIND, test_kucoin.ok(row))
    here.answer("GET /api/v1/hf/orders/active", test_kucoin.ok([row] if is_open else []))
    here.answer("GET /api/v1/hf/fills", test_kucoin.ok({"lastId": 1, "items": fills}))


_KUCOIN = Talk(
    asks=[
        (KUCOIN, {"type": "subscribe", "topic": "/spotMarket/tradeOrders", "privateChannel": True}),
        (KUCOIN, {"type": "subscribe", "topic": "/spotMarket/advancedOrders", "privateChannel": True}),
    ],
    push=_kucoin_push,
    answer=_kucoin_answer,
    fee=(Decimal("0.5"), "USDT"),
    signature=lambda here, _: here.venue.queries[KUCOIN]["token"] == "2neAiuYvAU5cbMXpmsXD5OVG",
)

# --- Coinbase -----------------------------------------------------------------------------------------

COINBASE = "advanced-trade-ws.coinbase.com/"
_COINBASE_STATES = {"working": "OPEN", "partly": "OPEN", "filled": "FILLED", "cancelled": "CANCELLED"}


def coinbase_event(here: Account, chapter: Chapter) -> dict[str, Any]:
    """An order that has ended has nothing left: how large it was is not to be seen."""
    is_open = chapter.state in ("working", "partly")
    return {
        "order_id": test_coinbase.VENUE_ID,
        "client_order_id": OURS,
        "cumulative_quantity": str(chapter.filled),
        "leaves_quantity": str(quantity(here) - chapter.filled) if is_open else "0",
        "avg_price": "50000" if chapter.filled else "0",
        "total_fees": "3",
        "status": _COINBASE_STATES[chapter.state],
        "product_id": "BTC-USDT",
        "creation_time": "2026-06-01T12:00:00.500000Z",
        "order_side": "BUY",
        "order_type": "Limit",
        "limit_price": "50000",
        "number_of_fills": "1",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
    }


def _coinbase_push(here: Account, chapter: Chapter) -> list[Message]:
    head = {"channel": "user", "client_id": "", "timestamp": "2026-06-01T12:00:01.500000Z", "sequence_num": 2}
    return [(COINBASE, {**head, "events": [{"type": "update", "orders": [coinbase_event(here, chapter)]}]})]


def _coinbase_answer(here: Account, chapter: Chapter) -> None:
    is_open = chapter.state in ("working", "partly")
    sizes = {"filled_size": str(chapter.filled), "status": _COINBASE_STATES[chapter.state]}
    row = {**here.cases["working"], **sizes}
    trades = ("T1", "T2") if chapter.state == "filled" else ()
    fills = [{**here.cases["fill"], "trade_id": trade, "entry_id": trade} for trade in trades]
    orders = {"orders": [row] if is_open else [], "sequence": "0", "has_next": False, "cursor": ""}
    none: dict[str, Any] = {**orders, "orders": []}
    every = {**orders, "orders": [row]}
    here.answer(
        f"GET {test_coinbase.API}/orders/historical/batch",
        lambda said: orders if said.get("order_status") == "OPEN" else none if "order_status" in said else every,
    )
    here.answer(test_coinbase.ONE, {"order": row})
    here.answer(test_coinbase.FILLS, {"fills": fills, "cursor": ""})


_COINBASE = Talk(
    asks=[
        (COINBASE, {"type": "subscribe", "channel": "user", "product_ids": []}),
        (COINBASE, {"type": "subscribe", "channel": "heartbeats"}),
    ],
    push=_coinbase_push,
    answer=_coinbase_answer,
    fee=(Decimal(3), "USDT"),
    signature=lambda _, message: message["jwt"].count(".") == 2,
)

TALKS: dict[str, Talk] = {
    "bybit spot": _BYBIT,
    "bybit linear": _BYBIT,
    "okx spot": _okx("SPOT"),
    "okx swap": _okx("SWAP"),
    "kraken": _KRAKEN,
    "kucoin": _KUCOIN,
    "coinbase": _COINBASE,
}
