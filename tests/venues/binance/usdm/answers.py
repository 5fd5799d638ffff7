"""What REST answers: orders, conditional orders, trades, money, positions, market data. Shapes as recorded and documented."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.venues.binance.market import Candle, Market, Symbol
from tests.venues.binance.usdm.account import MAKER, TAKER, Account
from tests.venues.binance.usdm.contracts import QUOTE, Contract
from tests.venues.binance.usdm.rows import ZERO, Algo, Income, Order, Trade, fixed, plain

FUNDING_RATE, INTEREST_RATE = "0.00010000", "0.00010000"
FUNDING_MS = 8 * 3_600_000
ACCOUNT_ALIAS = "SgsRoCSgFzXqXq"
DONE = {"code": 200, "msg": "success"}
ALL_CANCELLED = {"code": 200, "msg": "The operation of cancel all open order is done."}


class Writer:
    """Writes numbers with a contract's digits."""

    def __init__(self, contract: Contract) -> None:
        self._price_digits, self._quantity_digits = contract.price_digits, contract.quantity_digits

    def price(self, number: Decimal) -> str:
        """A price."""
        return fixed(number, self._price_digits)

    def quantity(self, number: Decimal) -> str:
        """A quantity."""
        return fixed(number, self._quantity_digits)


def new_order(order: Order, w: Writer) -> dict[str, Any]:
    """POST order. Since July 2026 without `avgPrice` and `cumQuote`: at what price it filled, queries and streams tell."""
    return _changed_order(order, w)


def cancelled_order(order: Order, w: Writer) -> dict[str, Any]:
    """DELETE order."""
    return _changed_order(order, w)


def amended_order(order: Order, w: Writer) -> dict[str, Any]:
    """PUT order."""
    named = {"modifyId": int(order.modify_id)} if order.modify_id else {}
    return {**_changed_order(order, w), "pair": order.symbol, **named}


def known_order(order: Order, w: Writer) -> dict[str, Any]:
    """GET order, openOrder, openOrders."""
    return {
        "orderId": order.id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": w.price(order.price),
        "avgPrice": fixed(order.average, 5),
        "origQty": w.quantity(order.quantity),
        "executedQty": w.quantity(order.executed),
        "cumQuote": fixed(order.quote, 5),
        **_terms(order, w),
        "time": order.time,
        "updateTime": order.update_time,
    }


def old_order(order: Order, w: Writer) -> dict[str, Any]:
    """GET allOrders."""
    return {**known_order(order, w), "cumBase": "0", "pair": order.symbol}


def _changed_order(order: Order, w: Writer) -> dict[str, Any]:
    return {
        "orderId": order.id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": w.price(order.price),
        "origQty": w.quantity(order.quantity),
        "executedQty": w.quantity(order.executed),
        "cumQty": w.quantity(order.executed),
        **_terms(order, w),
        "updateTime": order.update_time,
    }


def _terms(order: Order, w: Writer) -> dict[str, Any]:
    return {
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": "BOTH",
        "stopPrice": w.price(order.stop_price),
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": order.original_type,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.self_trade,
        "goodTillDate": order.good_till,
    }


def new_algo(algo: Algo, w: Writer) -> dict[str, Any]:
    """POST algoOrder."""
    told = {**_algo(algo, w), "callbackRate": plain(algo.callback), "activatePrice": w.price(algo.activate)}
    return told if algo.is_trailing else {**told, "callbackRate": "", "activatePrice": ""}


def known_algo(algo: Algo, w: Writer) -> dict[str, Any]:
    """GET algoOrder."""
    actual = algo.actual
    return {
        **_algo(algo, w),
        "actualOrderId": "" if actual is None else str(actual.id),
        "actualPrice": w.price(ZERO if actual is None else actual.average),
        "actualType": "" if actual is None else actual.type,
        "actualQty": w.quantity(ZERO if actual is None else actual.executed),
        "tpOrderType": "",
    }


def listed_algo(algo: Algo, w: Writer) -> dict[str, Any]:
    """GET openAlgoOrders, allAlgoOrders."""
    told = known_algo(algo, w)
    del told["actualType"], told["actualQty"]
    return {**told, "tpTriggerPrice": "0.00", "tpPrice": "0.00", "slTriggerPrice": "0.00", "slPrice": "0.00"}


def _algo(algo: Algo, w: Writer) -> dict[str, Any]:
    return {
        "algoId": algo.id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "side": algo.side,
        "positionSide": "BOTH",
        "timeInForce": algo.time_in_force,
        "quantity": w.quantity(algo.quantity),
        "algoStatus": algo.status,
        "triggerPrice": w.price(algo.trigger),
        "price": w.price(algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.self_trade,
        "workingType": algo.working_type,
        "priceMatch": algo.price_match,
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.create_time,
        "updateTime": algo.update_time,
        "triggerTime": algo.trigger_time,
        "goodTillDate": algo.good_till,
    }


def cancelled_algo(algo: Algo) -> dict[str, Any]:
    """DELETE algoOrder."""
    return {"algoId": algo.id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


def trade(trade: Trade, w: Writer) -> dict[str, Any]:
    """GET userTrades."""
    return {
        "symbol": trade.symbol,
        "pair": trade.symbol,
        "id": trade.id,
        "orderId": trade.order_id,
        "side": trade.side,
        "price": w.price(trade.price),
        "qty": w.quantity(trade.quantity),
        "realizedPnl": fixed(trade.realised, 8),
        "quoteQty": plain(trade.price * trade.quantity),
        "baseQty": "0",
        "commission": fixed(trade.fee, 8),
        "commissionAsset": QUOTE,
        "marginAsset": QUOTE,
        "time": trade.time,
        "positionSide": "BOTH",
        "buyer": trade.side == "BUY",
        "maker": trade.is_maker,
    }


def income(income: Income) -> dict[str, Any]:
    """GET income."""
    return {
        "symbol": income.symbol,
        "incomeType": income.kind,
        "income": fixed(income.amount, 8),
        "asset": QUOTE,
        "time": income.time,
        "info": income.info or income.trade_id,
        "tranId": income.id,
        "tradeId": income.trade_id,
    }


# --- the account -------------------------------------------------------------------------------------


def account(account: Account) -> dict[str, Any]:
    """GET /fapi/v3/account."""
    initial = sum((account.initial_margin(each) for each in account.contracts), ZERO)
    keeping = sum((account.maintenance(each) for each in account.contracts), ZERO)
    unrealised = account.equity - account.wallet
    orders = account.order_margin()
    totals = {
        "InitialMargin": initial + orders,
        "MaintMargin": keeping,
        "WalletBalance": account.wallet,
        "UnrealizedProfit": unrealised,
        "MarginBalance": account.equity,
        "PositionInitialMargin": initial,
        "OpenOrderInitialMargin": orders,
        "CrossWalletBalance": account.wallet,
        "CrossUnPnl": unrealised,
    }
    asset = {name[0].lower() + name[1:]: fixed(amount, 8) for name, amount in totals.items()}
    free = {
        "availableBalance": fixed(account.available, 8),
        "maxWithdrawAmount": fixed(max(min(account.available, account.wallet), ZERO), 8),
    }
    return {
        **{f"total{name}": fixed(amount, 8) for name, amount in totals.items()},
        **free,
        "assets": [{"asset": QUOTE, **asset, **free, "updateTime": _changed(account)}],
        "positions": [_account_position(account, each) for each in _held(account)],
    }


def balances(account: Account) -> list[dict[str, Any]]:
    """GET /fapi/v3/balance."""
    return [
        {
            "accountAlias": ACCOUNT_ALIAS,
            "asset": QUOTE,
            "balance": fixed(account.wallet, 8),
            "crossWalletBalance": fixed(account.wallet, 8),
            "crossUnPnl": fixed(account.equity - account.wallet, 8),
            "availableBalance": fixed(account.available, 8),
            "maxWithdrawAmount": fixed(max(min(account.available, account.wallet), ZERO), 8),
            "marginAvailable": True,
            "updateTime": _changed(account),
        }
    ]


def position(account: Account, symbol: str) -> dict[str, Any]:
    """GET /fapi/v3/positionRisk: one position."""
    margin, notional = account.initial_margin(symbol), account.notional(symbol)
    orders = account.order_margin(symbol)
    bids, asks = (_resting(account, symbol, side) for side in ("BUY", "SELL"))
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": Writer(account.contracts[symbol]).quantity(account.holding(symbol).quantity),
        "entryPrice": plain(account.holding(symbol).average_price),
        "breakEvenPrice": plain(break_even(account, symbol)),
        "markPrice": fixed(account.mark(symbol), 8),
        "unRealizedProfit": fixed(account.unrealised(symbol), 8),
        "liquidationPrice": plain(account.liquidation_price(symbol).quantize(Decimal("1e-8"))),
        "isolatedMargin": "0",
        "notional": fixed(notional, 8),
        "marginAsset": QUOTE,
        "isolatedWallet": "0",
        "initialMargin": fixed(margin + orders, 8),
        "maintMargin": fixed(account.maintenance(symbol), 8),
        "positionInitialMargin": fixed(margin, 8),
        "openOrderInitialMargin": plain(orders.quantize(Decimal("1e-8"))),
        "adl": 2 if notional else 0,
        "bidNotional": plain(bids),
        "askNotional": plain(asks),
        "updateTime": account.positions.changed.get(symbol, 0),
    }


def old_position(account: Account, symbol: str) -> dict[str, Any]:
    """GET /fapi/v2/positionRisk: one position."""
    names = ("entryPrice", "breakEvenPrice", "liquidationPrice", "markPrice", "positionAmt", "notional", "symbol",
             "unRealizedProfit", "positionSide", "updateTime", "isolatedMargin", "isolatedWallet")  # fmt: skip
    known = position(account, symbol)
    leverage = account.leverage[symbol]
    return {
        **{name: known[name] for name in names},
        "marginType": "isolated" if account.margin_type[symbol] == "ISOLATED" else "cross",
        "isAutoAddMargin": "false",
        "leverage": str(leverage),
        "maxNotionalValue": str(account.contracts[symbol].cap_at(leverage)),
    }


def shown_positions(account: Account) -> list[str]:
    """The symbols that the account has a position or an order in."""
    return [each for each in account.contracts if account.holding(each).quantity or account.open_orders(each)]


def symbol_config(account: Account, symbol: str) -> dict[str, Any]:
    """GET symbolConfig."""
    leverage = account.leverage[symbol]
    return {
        "symbol": symbol,
        "marginType": account.margin_type[symbol],
        "isAutoAddMargin": False,
        "leverage": leverage,
        "maxNotionalValue": str(account.contracts[symbol].cap_at(leverage)),
    }


def commission_rate(symbol: str) -> dict[str, Any]:
    """GET commissionRate."""
    return {
        "symbol": symbol,
        "makerCommissionRate": fixed(MAKER, 6),
        "takerCommissionRate": fixed(TAKER, 6),
        "rpiCommissionRate": "0.000050",
    }


def break_even(account: Account, symbol: str) -> Decimal:
    """Where a position has earned the fee of opening it."""
    held = account.holding(symbol)
    return held.average_price * (1 + TAKER.copy_sign(held.quantity)) if held.quantity else ZERO


def _account_position(account: Account, symbol: str) -> dict[str, Any]:
    known = position(account, symbol)
    same = ("symbol", "positionSide", "positionAmt", "isolatedMargin", "notional", "isolatedWallet", "initialMargin",
            "maintMargin", "updateTime")  # fmt: skip
    return {**{name: known[name] for name in same}, "unrealizedProfit": known["unRealizedProfit"]}


def _held(account: Account) -> list[str]:
    return [each for each in account.contracts if account.holding(each).quantity]


def _changed(account: Account) -> int:
    return max(account.positions.changed.values(), default=0)


def _resting(account: Account, symbol: str, side: str) -> Decimal:
    orders = (each for each in account.open_orders(symbol) if each.side == side)
    return sum(((each.quantity - each.executed) * each.price for each in orders), ZERO)


# --- the market --------------------------------------------------------------------------------------


def candle(candle: Candle, w: Writer) -> list[Any]:
    """One row of klines."""
    half, half_quote = candle.volume / 2, candle.quote_volume / 2
    prices = [w.price(each) for each in (candle.open, candle.high, candle.low, candle.close)]
    volumes = [w.quantity(candle.volume), candle.ended, fixed(candle.quote_volume, 5), candle.count]
    return [candle.began, *prices, *volumes, w.quantity(half), fixed(half_quote, 5), "0"]


def depth(symbol: Symbol, w: Writer, limit: int, now: int) -> dict[str, Any]:
    """GET depth."""
    bids, asks = (
        [[w.price(each.price), w.quantity(each.quantity)] for each in symbol.levels(bids=side)[:limit]]
        for side in (True, False)
    )
    return {"lastUpdateId": symbol.update, "E": now, "T": now, "bids": bids, "asks": asks}


def book_ticker(symbol: Symbol, w: Writer, now: int) -> dict[str, Any]:
    """GET ticker/bookTicker."""
    bid, ask = symbol.levels(bids=True)[0], symbol.levels(bids=False)[0]
    return {
        "symbol": symbol.name,
        "bidPrice": w.price(bid.price),
        "bidQty": w.quantity(bid.quantity),
        "askPrice": w.price(ask.price),
        "askQty": w.quantity(ask.quantity),
        "time": now,
    }


def price_ticker(symbol: Symbol, w: Writer, now: int) -> dict[str, Any]:
    """GET ticker/price."""
    return {"symbol": symbol.name, "price": w.price(symbol.last), "time": now}


def day_ticker(market: Market, name: str, w: Writer) -> dict[str, Any]:
    """GET ticker/24hr."""
    day = market.day(name)
    change = day.close - day.open
    last = market.of(name).prints[-1].quantity if market.of(name).prints else ZERO
    return {
        "symbol": name,
        "priceChange": w.price(change),
        "priceChangePercent": fixed(change / day.open * 100, 3),
        "weightedAvgPrice": w.price(day.quote_volume / day.volume if day.volume else day.close),
        "lastPrice": w.price(day.close),
        "lastQty": w.quantity(last),
        "openPrice": w.price(day.open),
        "highPrice": w.price(day.high),
        "lowPrice": w.price(day.low),
        "volume": w.quantity(day.volume),
        "quoteVolume": fixed(day.quote_volume, 2),
        "openTime": day.began,
        "closeTime": day.ended,
        "firstId": day.first,
        "lastId": day.first + day.count - 1,
        "count": day.count,
    }


def premium(symbol: Symbol, now: int) -> dict[str, Any]:
    """GET premiumIndex."""
    price = fixed(symbol.last, 8)
    return {
        "symbol": symbol.name,
        "markPrice": price,
        "indexPrice": price,
        "estimatedSettlePrice": price,
        "lastFundingRate": FUNDING_RATE,
        "interestRate": INTEREST_RATE,
        "nextFundingTime": next_funding(now),
        "time": now,
    }


def next_funding(now: int) -> int:
    """The next of the day's three times."""
    return now - now % FUNDING_MS + FUNDING_MS
