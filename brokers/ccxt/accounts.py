"""The two kinds of account at the venues of the ccxt family: holdings of currencies, and positions on margin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.account import AccountInfo, Balance, Position
from brokers.ccxt.calls import Raw
from brokers.ccxt.parsing import Unreadable, decimal, needed
from brokers.instrument import Instrument
from brokers.money import ZERO

# Wallets of futures are kept to so many places, and each profit and fee is rounded to them.
_WALLET_STEP = Decimal("1e-8")
# Keys of ccxt's balances that are no currencies.
_NOT_MONEY = frozenset({"info", "timestamp", "datetime", "free", "used", "total", "debt"})


def balances_of(raw: Raw) -> dict[str, Balance]:
    """Every currency of ccxt's balances that is not at zero."""
    total, free = raw.get("total"), raw.get("free")
    if not isinstance(total, Mapping) or not isinstance(free, Mapping):
        raise Unreadable("balances without a total")
    found: dict[str, Balance] = {}
    for currency in total:
        amount = needed(total[currency], f"balance of {currency}")
        left = decimal(free.get(currency), f"free {currency}")
        locked = ZERO if left is None else amount - left
        if amount or locked:
            found[str(currency)] = Balance(str(currency), amount, locked)
    return found


def spot_account(
    name: str, raw: Raw, instruments: Mapping[str, Instrument], marks: Mapping[str, Decimal], at: datetime
) -> AccountInfo:
    """Balances of ccxt as an account: a holding of an instrument's base currency is the position in it.

    `marks` are prices by symbol. What was paid for a holding is not known there: its average price is the mark.
    """
    found = balances_of(raw)
    positions = {}
    for instrument in instruments.values():
        held = found.pop(instrument.base, None) if instrument.base else None
        if held is not None and held.total:
            mark = marks.get(instrument.symbol)
            positions[instrument.symbol] = Position(instrument.symbol, held.total, mark or ZERO, mark)
        found.setdefault(instrument.currency, Balance(instrument.currency, ZERO))
    return AccountInfo(name, at, found, positions)


def held_symbols(raw: Raw, instruments: Mapping[str, Instrument]) -> list[str]:
    """The instruments of which something is held: their marks are needed."""
    found = balances_of(raw)
    return [each.symbol for each in instruments.values() if each.base in found and found[each.base].total]


def marks_of(tickers: Mapping[str, Any]) -> dict[str, Decimal]:
    """The last prices in ccxt's tickers."""
    last = {symbol: decimal(raw.get("last")) or decimal(raw.get("close")) for symbol, raw in tickers.items()}
    return {symbol: price for symbol, price in last.items() if price is not None}


def margined_account(
    name: str,
    balances: Mapping[str, Balance],
    positions: Iterable[Raw],
    instruments: Mapping[str, Instrument],
    at: datetime,
    *,
    equity: Decimal | None = None,
    initial_margin: Decimal | None = None,
    maintenance_margin: Decimal | None = None,
) -> AccountInfo:
    """Wallet balances and ccxt's positions as an account."""
    money = dict(balances)
    for instrument in instruments.values():
        money.setdefault(instrument.currency, Balance(instrument.currency, ZERO))
    held = [position for raw in positions if (position := position_of(raw)) is not None]
    return AccountInfo(
        name,
        at,
        money,
        {position.symbol: position for position in held},
        equity=equity,
        initial_margin=initial_margin,
        maintenance_margin=maintenance_margin,
        steps=dict.fromkeys(money, _WALLET_STEP),
    )


def position_of(raw: Raw) -> Position | None:
    """A position of ccxt's, signed; None when flat."""
    contracts = decimal(raw.get("contracts"), "position") or ZERO
    if not contracts:
        return None
    side = raw.get("side")
    if side not in ("long", "short"):
        raise Unreadable(f"a position whose side is {side!r}")
    quantity = abs(contracts) if side == "long" else -abs(contracts)
    return Position(
        str(raw["symbol"]),
        quantity,
        decimal(raw.get("entryPrice"), "entry price") or ZERO,
        decimal(raw.get("markPrice"), "mark price"),
    )


def one_way(positions: Sequence[Raw]) -> bool:
    """Whether no position is one of two in the same instrument (a hedge-mode account has both sides)."""
    return not any(raw.get("hedged") for raw in positions if decimal(raw.get("contracts")))
