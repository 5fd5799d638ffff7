"""Fees that are paid out of a holding: a crypto venue takes them in BTC, and BTC is a position of ours.

Such a fee is a sale: units leave the holding at the price of the moment, and what they are worth pays the fee. So a
buy of 1 BTC at 50,000 with a fee of 0.001 BTC is one of 0.999 BTC at 50,000 with a fee of 50. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from brokers.order import Fill
from core.trading.allocation import fee_shares
from core.trading.ledger import COST_STEP, EXACT, EXTERNAL, ROUNDING, Allocation, FillFacts, sale_ref
from core.trading.portfolio import Portfolio


@dataclass(frozen=True, slots=True)
class Spending:
    """The holding that a fee is paid out of, what one unit of it is worth, and who has how much after the trade."""

    instrument: Instrument
    price: Decimal
    held: Mapping[str, Decimal]


def holding_of(currency: str, instrument: Instrument, portfolio: Portfolio) -> Instrument | None:
    """The instrument whose units are `currency`: the traded one, or another of the account; None if it is money."""
    if not currency or not portfolio.holds_coins:
        return None
    every = (instrument, *portfolio.instruments.values())
    return next((each for each in every if each.base == currency and each.settlement is Settlement.FULL), None)


def spending_of(fill: Fill, instrument: Instrument, portfolio: Portfolio, held: Mapping[str, Decimal]) -> Spending:
    """The spending that pays the fee of `fill` out of what is `held` of the instrument whose units it is told in.

    `instrument` is that one. Its price is the fill's own; else its mark, or if there is none what it has cost.
    """
    if fill.symbol == instrument.symbol:
        return Spending(instrument, fill.price, held)
    mark = portfolio.marks.get(instrument.symbol)
    if mark is None or not mark.is_finite() or mark <= 0:
        mark = _average(instrument, portfolio)
    return Spending(instrument, mark, held)


def _average(instrument: Instrument, portfolio: Portfolio) -> Decimal:
    """What a unit of a holding has cost; what nobody can say is nothing, and so is a fee in it."""
    lots = [lot for _, lot in portfolio.lots(instrument.symbol) if lot.quantity > 0]
    units = sum((lot.quantity for lot in lots), ZERO)
    cost = sum((lot.cost for lot in lots), ZERO)
    with localcontext(ROUNDING):
        return (cost / (units * instrument.multiplier)).quantize(COST_STEP) if units else ZERO


def payers(shares: Mapping[str, Decimal], held: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Who gives the units for a fee of `shares`, if `held` is what everyone has once the trade is done.

    Everyone pays his own share out of what he has; what he has not is given by whoever holds most, as at the venue,
    where there is one holding. What nobody has he owes.
    """
    left = {name: units for name, units in held.items() if units > 0}
    given: dict[str, Decimal] = {}
    with localcontext(EXACT):
        for name in sorted(shares):
            owed = shares[name]
            own = owed if name == EXTERNAL else min(owed, left.get(name, ZERO))
            others = sorted((each for each in left if each != name), key=lambda each: (-left[each], each))
            for giver in [name, *others]:
                part = own if giver == name else min(owed, left[giver])
                if part:
                    given[giver] = given.get(giver, ZERO) + part
                    left[giver] = left.get(giver, ZERO) - part
                    owed -= part
            if owed:
                given[name] = given.get(name, ZERO) + owed
    return {name: units for name, units in given.items() if units}


def paid_in_kind(facts: FillFacts, fee: Decimal, spending: Spending) -> tuple[FillFacts, FillFacts | None]:
    """The facts of a fill whose `fee` is paid out of a holding, and of the sale if that is another instrument's.

    `facts` are those of the fill with no fee.
    """
    parts = {part.strategy: part.quantity for part in facts.allocations}
    shares = fee_shares(fee, parts)
    own = spending.instrument.symbol == facts.symbol
    with localcontext(EXACT):
        unit_price = spending.price * spending.instrument.multiplier
        worth = {name: units * unit_price for name, units in shares.items()}
    given = payers(shares, spending.held)
    in_fill = given if own else {}
    allocations = tuple(
        Allocation(
            name,
            EXACT.subtract(parts.get(name, ZERO), in_fill.get(name, ZERO)),
            worth.get(name, ZERO),
            shares.get(name, ZERO),
            in_fill.get(name, ZERO),
        )
        for name in sorted({*parts, *in_fill})
    )
    paid = replace(facts, fee_currency=spending.instrument.currency, allocations=allocations)
    return paid, None if own else _sale(facts, spending, given)


def _sale(facts: FillFacts, spending: Spending, given: Mapping[str, Decimal]) -> FillFacts | None:
    instrument = spending.instrument
    parts = tuple(Allocation(name, -given[name], ZERO, None, given[name]) for name in sorted(given))
    if not parts:
        return None
    return FillFacts(
        ref=sale_ref(facts.ref),
        account=facts.account,
        symbol=instrument.symbol,
        price=spending.price,
        multiplier=instrument.multiplier,
        currency=instrument.currency,
        fee_currency=instrument.currency,
        allocations=parts,
        settlement=instrument.settlement,
    )
