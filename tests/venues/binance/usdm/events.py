"""What streams say: the user's events, and the market's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.venues.binance.market import Candle, Market, Moved
from tests.venues.binance.usdm.account import Account
from tests.venues.binance.usdm.answers import FUNDING_RATE, Writer, break_even, next_funding
from tests.venues.binance.usdm.contracts import QUOTE
from tests.venues.binance.usdm.rows import ZERO, Algo, Order, Trade, fixed, plain


def order_update(
    order: Order, execution: str, trade: Trade | None, now: int, notional: tuple[Decimal, Decimal]
) -> dict[str, Any]:
    """ORDER_TRADE_UPDATE. Fee and its asset are told with an execution only."""
    bids, asks = notional
    told = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "ap": plain(order.average.quantize(Decimal("1e-5"))),
        "sp": plain(order.stop_price),
        "x": execution,
        "X": order.status,
        "i": order.id,
        **({"M": order.modify_id} if order.modify_id and execution == "AMENDMENT" else {}),
        "l": "0" if trade is None else plain(trade.quantity),
        "z": plain(order.executed),
        "L": "0" if trade is None else plain(trade.price),
        **({} if trade is None else {"n": plain(trade.fee), "N": QUOTE}),
        "T": order.update_time if trade is None else trade.time,
        "t": 0 if trade is None else trade.id,
        "b": plain(bids),
        "a": plain(asks),
        "m": trade is not None and trade.is_maker,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.original_type,
        "ps": "BOTH",
        "cp": order.close_position,
        "rp": "0" if trade is None else plain(trade.realised),
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.self_trade,
        "pm": order.price_match,
        "gtd": order.good_till,
        "er": "0",
    }
    return {"e": "ORDER_TRADE_UPDATE", "T": told["T"], "E": now, "o": told}


def trade_lite(order: Order, trade: Trade, now: int) -> dict[str, Any]:
    """TRADE_LITE, sent before the full event of an execution."""
    return {
        "e": "TRADE_LITE",
        "E": now,
        "T": trade.time,
        "s": order.symbol,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "m": trade.is_maker,
        "c": order.client_id,
        "S": order.side,
        "L": plain(trade.price),
        "l": plain(trade.quantity),
        "t": trade.id,
        "i": order.id,
    }


def account_update(account: Account, reason: str, change: Decimal, symbol: str, now: int) -> dict[str, Any]:
    """ACCOUNT_UPDATE: the wallet, and the position that it is about."""
    wallet = fixed(account.wallet, 8)
    has_position = symbol and reason == "ORDER"
    positions = [_position(account, symbol)] if has_position else []
    balance = {"a": QUOTE, "wb": wallet, "cw": wallet, "bc": plain(change)}
    about = {"S": symbol} if reason == "FUNDING_FEE" else {}
    told = {"B": [balance], "P": positions, "m": reason, **about}
    return {"e": "ACCOUNT_UPDATE", "T": now, "E": now, "a": told}


def _position(account: Account, symbol: str) -> dict[str, Any]:
    held = account.holding(symbol)
    return {
        "s": symbol,
        "pa": plain(held.quantity),
        "ep": plain(held.average_price),
        "cr": plain(account.positions.realised.get(symbol, ZERO)),
        "up": plain(account.unrealised(symbol).quantize(Decimal("1e-8"))),
        "mt": "isolated" if account.margin_type[symbol] == "ISOLATED" else "cross",
        "iw": "0",
        "ps": "BOTH",
        "bep": plain(break_even(account, symbol)),
    }


def algo_update(algo: Algo, now: int) -> dict[str, Any]:
    """ALGO_UPDATE. What it became is told once it is placed, why it could not be once it failed."""
    actual = algo.actual
    told = {
        "caid": algo.client_id,
        "aid": algo.id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": algo.symbol,
        "S": algo.side,
        "ps": "BOTH",
        "f": algo.time_in_force,
        "q": plain(algo.quantity),
        "X": algo.status,
        "ai": "" if actual is None else str(actual.id),
        "ap": "0" if actual is None else plain(actual.average.quantize(Decimal("1e-5"))),
        "aq": "0" if actual is None else plain(actual.executed),
        "act": "0" if actual is None else actual.type,
        "tp": plain(algo.trigger),
        "p": plain(algo.price),
        "V": algo.self_trade,
        "wt": algo.working_type,
        "pm": algo.price_match,
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.trigger_time,
        "gtd": algo.good_till,
        "ia": algo.is_trailing and algo.best is not None,
        **({"rm": algo.failure} if algo.failure else {}),
    }
    return {"e": "ALGO_UPDATE", "T": now, "E": now, "o": told}


def leverage_update(symbol: str, leverage: int, now: int) -> dict[str, Any]:
    """ACCOUNT_CONFIG_UPDATE."""
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now, "T": now, "ac": {"s": symbol, "l": leverage}}


def key_expired(key: str, now: int) -> dict[str, Any]:
    """The listen key's time is over: nothing comes after this."""
    return {"e": "listenKeyExpired", "E": now, "listenKey": key}


# --- the market --------------------------------------------------------------------------------------


def kline(candle: Candle, symbol: str, interval: str, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@kline_INTERVAL."""
    bar = {
        "t": candle.began,
        "T": candle.ended,
        "s": symbol,
        "i": interval,
        "f": candle.first,
        "L": candle.first + candle.count - 1,
        "o": w.price(candle.open),
        "c": w.price(candle.close),
        "h": w.price(candle.high),
        "l": w.price(candle.low),
        "v": w.quantity(candle.volume),
        "n": candle.count,
        "x": candle.ended < now,
        "q": fixed(candle.quote_volume, 5),
        "V": w.quantity(candle.volume / 2),
        "Q": fixed(candle.quote_volume / 2, 5),
        "B": "0",
    }
    return {"e": "kline", "E": now, "s": symbol, "k": bar}


def mini_ticker(market: Market, symbol: str, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@miniTicker."""
    day = market.day(symbol)
    return {
        "e": "24hrMiniTicker",
        "E": now,
        "s": symbol,
        "ps": symbol,
        "c": w.price(day.close),
        "o": w.price(day.open),
        "h": w.price(day.high),
        "l": w.price(day.low),
        "v": w.quantity(day.volume),
        "q": fixed(day.quote_volume, 2),
        "st": 1,
    }


def ticker(market: Market, symbol: str, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@ticker."""
    day, prints = market.day(symbol), market.of(symbol).prints
    change = day.close - day.open
    return {
        "e": "24hrTicker",
        "E": now,
        "s": symbol,
        "ps": symbol,
        "p": w.price(change),
        "P": fixed(change / day.open * 100, 3),
        "w": w.price(day.quote_volume / day.volume if day.volume else day.close),
        "c": w.price(day.close),
        "Q": w.quantity(prints[-1].quantity if prints else ZERO),
        "o": w.price(day.open),
        "h": w.price(day.high),
        "l": w.price(day.low),
        "v": w.quantity(day.volume),
        "q": fixed(day.quote_volume, 2),
        "O": day.began,
        "C": day.ended,
        "F": day.first,
        "L": day.first + day.count - 1,
        "n": day.count,
        "st": 1,
    }


def book_ticker(moved: Moved, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@bookTicker."""
    symbol = moved.symbol
    bid, ask = symbol.levels(bids=True)[0], symbol.levels(bids=False)[0]
    return {
        "e": "bookTicker",
        "u": symbol.update,
        "s": symbol.name,
        "ps": symbol.name,
        "b": w.price(bid.price),
        "B": w.quantity(bid.quantity),
        "a": w.price(ask.price),
        "A": w.quantity(ask.quantity),
        "T": now,
        "E": now,
        "st": 1,
    }


def depth_update(moved: Moved, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@depth: the changed levels; `pu` chains it to the one before."""
    bids, asks = (
        [[w.price(price), w.quantity(quantity)] for price, quantity in side] for side in (moved.bids, moved.asks)
    )
    return {
        "e": "depthUpdate",
        "E": now,
        "T": now,
        "s": moved.symbol.name,
        "ps": moved.symbol.name,
        "U": moved.first,
        "u": moved.symbol.update,
        "pu": moved.previous,
        "b": bids,
        "a": asks,
        "st": 1,
    }


def mark_price(moved: Moved, now: int) -> dict[str, Any]:
    """SYMBOL@markPrice."""
    price = fixed(moved.symbol.last, 8)
    return {
        "e": "markPriceUpdate",
        "E": now,
        "s": moved.symbol.name,
        "p": price,
        "ap": price,
        "P": price,
        "i": price,
        "r": FUNDING_RATE,
        "T": next_funding(now),
        "st": 1,
    }


def public_trade(moved: Moved, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@trade."""
    last = moved.symbol.prints[-1]
    return {
        "e": "trade",
        "E": now,
        "T": last.at,
        "s": moved.symbol.name,
        "t": last.id,
        "p": w.price(last.price),
        "q": w.quantity(last.quantity),
        "X": "MARKET",
        "m": last.buyer_is_maker,
        "st": 1,
    }


def aggregate_trade(moved: Moved, w: Writer, now: int) -> dict[str, Any]:
    """SYMBOL@aggTrade."""
    last = moved.symbol.prints[-1]
    return {
        "e": "aggTrade",
        "E": now,
        "s": moved.symbol.name,
        "a": last.id,
        "p": w.price(last.price),
        "q": w.quantity(last.quantity),
        "nq": w.quantity(last.quantity),
        "f": last.id,
        "l": last.id,
        "T": last.at,
        "m": last.buyer_is_maker,
        "st": 1,
    }
