"""What an account holds, asked for in the ways that most venues have: currencies, and linear swaps on margin."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.account import AccountInfo
from brokers.ccxt.accounts import balances_of, held_symbols, margined_account, one_way, spot_account
from brokers.ccxt.calls import Call, Inquiry, Raw
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.parsing import Unreadable, decimal
from brokers.instrument import Instrument
from brokers.money import ZERO

_AT_MOST_TIMES = 2


async def spot_wallet(
    dialect: Dialect[Any],
    inquiry: Inquiry,
    name: str,
    instruments: Mapping[str, Instrument],
    wallet: Raw | None = None,
) -> AccountInfo:
    """All currencies; what is held of an instrument is valued at its last price. `wallet`: if ccxt's is wrong."""
    raw = wallet or await inquiry.ask(Call("fetch_balance", ({},)))
    marks: dict[str, Decimal] = {}
    for symbol in held_symbols(raw, instruments):
        if inquiry.is_gone(symbol):
            continue
        ticker = await dialect.quote(inquiry, symbol)
        last = decimal(ticker.get("last")) or decimal(ticker.get("close"))
        if last is not None:
            marks[symbol] = last
    return spot_account(name, raw, instruments, marks, inquiry.now())


async def swap_wallet(
    inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument], wallet: Raw | None = None
) -> AccountInfo:
    """Wallet balances, and positions in contracts. `wallet`: where ccxt's is not right."""
    raw = wallet or await inquiry.ask(Call("fetch_balance", ({},)))
    positions = await inquiry.ask(Call("fetch_positions", (None, {})))
    if not one_way(positions):
        raise Unreadable(
            "the account has long and short positions of one instrument apart (hedge mode); set it to one-way"
        )
    for position in positions:
        check_size(position, instruments)
    return margined_account(name, balances_of(raw), positions, instruments, inquiry.now())


def check_size(position: Raw, instruments: Mapping[str, Instrument]) -> None:
    """Raise `Unreadable` if a position is worth something else by our contract size than the venue says.

    Contract sizes that were wrong by powers of ten have cost people their accounts. A venue may value at the price of
    entry, so only a factor says anything.
    """
    instrument = instruments.get(str(position.get("symbol")))
    contracts, mark = decimal(position.get("contracts")) or ZERO, decimal(position.get("markPrice"))
    theirs = abs(decimal(position.get("notional")) or ZERO)
    if instrument is None or not contracts or not mark or not theirs:
        return
    ours = instrument.notional(contracts, mark)
    if not theirs / _AT_MOST_TIMES <= ours <= theirs * _AT_MOST_TIMES:
        raise Unreadable(
            f"a position in {instrument.symbol} is worth {theirs:f} there and {ours:f} by our contract size"
        )


def cash_of(rows: Any, *, currency: str, cash: str, free: str) -> Raw:
    """Balances as ccxt tells them, out of a venue's own rows by the names of its fields: cash alone."""
    if not isinstance(rows, list):
        raise Unreadable("balances that are no list")
    total, left = {}, {}
    for row in rows:
        held = decimal(row.get(cash), cash) or ZERO
        loose = decimal(row.get(free), free)
        total[str(row[currency])] = str(held)
        left[str(row[currency])] = str(held if loose is None else min(held, loose))
    return {"total": total, "free": left}
