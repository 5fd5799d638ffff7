"""Coins that come, go, or were there before, where their units are a position: at what they are worth at that moment.

Pure but for reading the portfolio. Coins that nobody trades here are money in a foreign currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, localcontext

from brokers.account import AccountInfo, CashFlow, Position
from brokers.instrument import Instrument
from brokers.money import ZERO
from core.trading.flows import flow_ref
from core.trading.in_kind import holding_of, payers
from core.trading.ledger import EXACT, Allocation, Entry, FillFacts, Posting, adoption, opening_ref
from core.trading.live_order import MANUAL
from core.trading.portfolio import Portfolio


def worth_of(position: Position, portfolio: Portfolio) -> Decimal | None:
    """The price at which a position is taken over: what was paid for it, else its mark; None if nobody knows."""
    for price in (position.average_price, position.mark_price, portfolio.marks.get(position.symbol)):
        if price is not None and price.is_finite() and price > 0:
            return price
    return None


def in_money(flow: CashFlow, portfolio: Portfolio) -> tuple[CashFlow, FillFacts | None]:
    """A flow of coins whose units are a position as one of money, and the trade that makes coins of the money.

    Coins that come are MANUAL's; those that go are taken from whoever holds them. Any other flow is as it is.
    """
    holding = holding_of(flow.currency, Instrument("", ""), portfolio)
    price = None if holding is None else _price(holding, portfolio)
    if holding is None or price is None or not flow.amount:
        return flow, None
    held = {name: lot.quantity for name, lot in portfolio.lots(holding.symbol)}
    with localcontext(EXACT):
        given = payers({MANUAL: -flow.amount}, held)
        money = flow.amount * price * holding.multiplier
    parts = tuple(Allocation(name, -given[name], ZERO) for name in sorted(given))
    trade = FillFacts(
        ref=f"coins:{flow_ref(portfolio.account, flow)}",
        account=portfolio.account,
        symbol=holding.symbol,
        price=price,
        multiplier=holding.multiplier,
        currency=holding.currency,
        fee_currency=holding.currency,
        allocations=parts,
        settlement=holding.settlement,
    )
    return replace(flow, currency=holding.currency, amount=money), trade


def _price(holding: Instrument, portfolio: Portfolio) -> Decimal | None:
    held = Position(holding.symbol, ZERO, ZERO)
    return worth_of(held, portfolio)


def newly_traded(portfolio: Portfolio, info: AccountInfo) -> Iterable[Posting]:
    """Coins that the books have as money, and whose pair has come into the market since: they become MANUAL's position.

    Not where the pair was traded before: then somebody must look.
    """
    account, cash = portfolio.account, portfolio.cash_by_currency
    for symbol, position in info.positions.items():
        instrument = portfolio.instruments.get(symbol)
        if instrument is None or not portfolio.holds_coins or not instrument.base:
            continue
        coins, price = cash.get(instrument.base, ZERO), worth_of(position, portfolio)
        if coins <= 0 or price is None or instrument.base in info.balances or any(portfolio.lots(symbol)):
            continue
        adopted = adoption(account, MANUAL, instrument, coins, price)
        gone = (
            Entry(f"cash/{account}", instrument.base, -coins),
            Entry(f"deposits/{account}", instrument.base, coins),
        )
        yield Posting(opening_ref(account, symbol), "deposit", (*adopted.entries, *gone))
