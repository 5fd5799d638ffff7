"""The fee of one fill: how much, and in which currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from brokers.money import ZERO
from brokers.simulation.fees import FEE_STEP, Fees
from brokers.simulation.offer import Match
from brokers.simulation.state import BookOrder, Draft
from brokers.simulation.terms import Terms


@dataclass(frozen=True, slots=True)
class Bill:
    """The account pays `fee` in `currency`; `due` and `charged` are the order's, in the instrument's currency."""

    fee: Decimal
    currency: str
    due: Decimal
    charged: Decimal


def bill(draft: Draft, terms: Terms, fees: Fees, order: BookOrder, found: Match, quantity: Decimal) -> Bill:
    """What a fill costs. The venue's own orders (liquidations) cost the liquidation fee besides."""
    instrument = order.request.instrument
    notional = instrument.notional(quantity, found.price)
    due = order.fees_due + fees.due(notional, quantity, found.liquidity)
    if order.is_venues_own:
        due += notional * terms.margin.liquidation_fee
    charged = fees.charge(due, order.fees, order.traded + notional)
    paid = _in_own_currency(draft, fees, charged)
    if paid is not None and fees.pay_in is not None:
        return Bill(paid, fees.pay_in.currency, due, charged)
    return Bill(charged, instrument.currency, due, charged)


def _in_own_currency(draft: Draft, fees: Fees, charged: Decimal) -> Decimal | None:
    """The fee in the venue's own currency, or None when it is not to be paid or cannot be paid so."""
    pay_in = fees.pay_in
    tick = None if pay_in is None else draft.latest(pay_in.symbol)
    if pay_in is None or tick is None or charged <= 0:
        return None
    amount = charged * (1 - pay_in.discount) / tick.last
    amount = amount.quantize(FEE_STEP, rounding=ROUND_CEILING)
    return amount if ZERO < amount <= draft.cash.get(pay_in.currency, ZERO) else None
