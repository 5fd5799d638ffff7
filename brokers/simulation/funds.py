"""Equity, exposure, margin and what they still allow.

::

    equity       = cash + Σ quantity x mark x multiplier     (margined: Σ quantity x (mark - entry) x multiplier)
    exposure     = Σ per symbol of the larger of what we hold if all working buys fill, or all sells
    buying power = equity x leverage - exposure

all in the account's currency. A position counts with its initial margin x leverage, which is once unless the
instrument has a margin rule of its own. Orders count at their reserve price (the limit, else the stop, else the
touch with slippage) and with the highest of the fees; reduce-only orders do not count, and of a group of orders
that cancel each other only the dearest does. With leverage 1 and no shorting, buying power is the cash that open
buys leave. Paying in full in another currency than the account's needs a balance of that currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from brokers.order import Side
from brokers.simulation.fees import FEE_STEP, Fees
from brokers.simulation.offer import Match
from brokers.simulation.state import BookOrder, Draft, Holding
from brokers.simulation.terms import Terms


@dataclass(frozen=True, slots=True)
class Standing:
    """What the positions of an account need, beside what it is worth; all in its own currency."""

    equity: Decimal
    initial: Decimal
    maintenance: Decimal


def rate(draft: Draft, terms: Terms, currency: str) -> Decimal:
    """What one unit of `currency` is worth in the account's."""
    if currency == terms.currency:
        return Decimal(1)
    other = terms.other_cash[currency]
    tick = draft.latest(other.symbol) if other.symbol else None
    return other.rate if tick is None else tick.last


def equity(draft: Draft, terms: Terms) -> Decimal:
    """Cash and what holdings add to it at their marks."""
    cash = sum((amount * rate(draft, terms, currency) for currency, amount in draft.cash.items()), ZERO)
    held = draft.all_holdings().values()
    return cash + sum((h.value(draft.mark(h)) * rate(draft, terms, h.instrument.currency) for h in held), ZERO)


def held_exposure(draft: Draft, terms: Terms) -> Decimal:
    """Weighted gross value of all holdings, without orders."""
    return sum((_exposure(draft, terms, held) for held in draft.all_holdings().values()), ZERO)


def exposure(draft: Draft, terms: Terms, orders: Iterable[BookOrder]) -> Decimal:
    """Weighted gross value that the account comes to if `orders` fill in the worst way."""
    by_instrument: dict[str, list[BookOrder]] = {symbol: [] for symbol in draft.all_holdings()}
    for order in dearest(terms, orders):
        by_instrument.setdefault(order.symbol, []).append(order)
    return sum((_worst(draft, terms, symbol, group) for symbol, group in by_instrument.items()), ZERO)


def standing(draft: Draft, terms: Terms) -> Standing:
    """Equity and margins now."""
    initial = held_exposure(draft, terms) / terms.leverage
    return Standing(equity(draft, terms), _up(initial), _up(maintenance(draft, terms)))


def maintenance(draft: Draft, terms: Terms) -> Decimal:
    """The equity that keeps all holdings."""
    held = (holding for holding in draft.all_holdings().values() if holding.quantity)
    return sum((_maintenance(draft, terms, holding) for holding in held), ZERO)


def locked(draft: Draft, terms: Terms, currency: str) -> Decimal:
    """Money of `currency` that open orders hold back, and the initial margin of margined positions."""
    orders = [o for o in dearest(terms, draft.open_orders()) if o.request.instrument.currency == currency]
    buys = (o for o in orders if _locks(o))
    cost = sum((_cost(terms, order) for order in buys), ZERO)
    held = (h for h in draft.all_holdings().values() if h.instrument.settlement is Settlement.MARGINED)
    cost += sum((_weighted(draft, terms, h) for h in held if h.instrument.currency == currency), ZERO)
    return cost if terms.leverage == 1 else _up(cost / terms.leverage)


def dearest(terms: Terms, orders: Iterable[BookOrder]) -> list[BookOrder]:
    """Those that count: not reduce-only, and one (side) of each group of orders that cancel each other."""
    counted: dict[tuple[str, str], BookOrder] = {}
    for order in orders:
        if order.request.reduce_only:
            continue
        group = order.request.oco_group
        key = (f"group {group}", order.request.side.value) if group else (f"order {order.id}", "")
        if key not in counted or _cost(terms, order) > _cost(terms, counted[key]):
            counted[key] = order
    return list(counted.values())


def affordable(draft: Draft, terms: Terms, fees: Fees, order: BookOrder, found: Match) -> Decimal:
    """The most units of `order` that may fill at the price `found`: all that close, and what the equity carries.

    This holds at every fill, so that an account without leverage never has negative cash, however far the
    price moved between the order and its fill.
    """
    instrument, leverage = order.request.instrument, terms.leverage
    holding = draft.holding(instrument)
    mark, closing = draft.mark(holding), closable(draft, instrument, order.request.side)
    weight = terms.margin.weight(instrument.symbol, leverage)
    worth = instrument.multiplier * rate(draft, terms, instrument.currency)
    loss = order.request.side.sign * (found.price - mark) * leverage
    room = equity(draft, terms) * leverage - held_exposure(draft, terms)
    room += closing * (mark * weight - loss) * worth
    unit = (mark * weight + loss) * worth
    by_unit = fees.due(instrument.notional(Decimal(1), found.price), Decimal(1), found.liquidity)
    fee = max(by_unit, ZERO) * leverage * rate(draft, terms, instrument.currency)
    if unit <= 0:
        return _paid_in_full(draft, terms, fees, order, found)
    minimum = max(fees.minimum - order.fees, ZERO) * leverage * rate(draft, terms, instrument.currency)
    by_minimum = (room - minimum) / unit
    by_rate = (room - closing * fee) / (unit + fee)
    opening = instrument.floor_quantity(max(min(by_minimum, by_rate), ZERO))
    opening = _less_a_lot(room, unit, order, found, fees, terms, closing, opening, worth / instrument.multiplier)
    return min(closing + opening, _paid_in_full(draft, terms, fees, order, found))


def closable(draft: Draft, instrument: Instrument, side: Side) -> Decimal:
    """How many units an order of `side` can close of the holding."""
    return max(-draft.holding(instrument).quantity * side.sign, ZERO)


def cost_in_full(terms: Terms, order: BookOrder) -> Decimal:
    """What is left of an order costs at its reserve price with its fee, in the instrument's currency."""
    return _cost(terms, order, weighted=False)


def _less_a_lot(
    room: Decimal,
    unit: Decimal,
    order: BookOrder,
    found: Match,
    fees: Fees,
    terms: Terms,
    closing: Decimal,
    opening: Decimal,
    exchange: Decimal,
) -> Decimal:
    """`opening`, or a lot less when the fee, rounded up, is too much."""
    instrument, quantity = order.request.instrument, closing + opening
    notional = instrument.notional(quantity, found.price)
    due = order.fees_due + fees.due(notional, quantity, found.liquidity)
    fee = fees.charge(due, order.fees, order.traded + notional)
    if opening * unit + fee * terms.leverage * exchange > room:
        return max(opening - instrument.lot, ZERO)
    return opening


def _paid_in_full(draft: Draft, terms: Terms, fees: Fees, order: BookOrder, found: Match) -> Decimal:
    """What the balance of another currency than the account's pays; no bound elsewhere."""
    request, instrument = order.request, order.request.instrument
    pays = request.side is Side.BUY and instrument.settlement is Settlement.FULL
    if not pays or instrument.currency == terms.currency:
        return order.remaining
    notional = instrument.notional(Decimal(1), found.price)
    unit = notional + max(fees.due(notional, Decimal(1), found.liquidity), ZERO)
    kept = max(fees.minimum - order.fees, ZERO)
    cash = draft.cash.get(instrument.currency, ZERO) - kept
    return min(max(instrument.floor_quantity(cash / unit), ZERO), order.remaining)


def _up(amount: Decimal) -> Decimal:
    """Rounded up to 8 decimals: what is needed is never told too small."""
    return amount.quantize(FEE_STEP, rounding=ROUND_CEILING)


def _locks(order: BookOrder) -> bool:
    margined = order.request.instrument.settlement is Settlement.MARGINED
    return margined or order.request.side is Side.BUY


def _weighted(draft: Draft, terms: Terms, holding: Holding) -> Decimal:
    """The value of a holding as it counts in exposure, in the instrument's currency."""
    value = holding.instrument.notional(holding.quantity, draft.mark(holding))
    return value * terms.margin.weight(holding.instrument.symbol, terms.leverage)


def _exposure(draft: Draft, terms: Terms, holding: Holding) -> Decimal:
    return _weighted(draft, terms, holding) * rate(draft, terms, holding.instrument.currency)


def _maintenance(draft: Draft, terms: Terms, holding: Holding) -> Decimal:
    instrument = holding.instrument
    notional = instrument.notional(holding.quantity, draft.mark(holding)) * rate(draft, terms, instrument.currency)
    return terms.margin.maintenance(instrument.symbol, notional, terms.leverage)


def _cost(terms: Terms, order: BookOrder, *, weighted: bool = True) -> Decimal:
    instrument, fees = order.request.instrument, terms.fees
    notional = instrument.notional(order.remaining, order.reserve)
    fee = max(notional * fees.highest + order.remaining * fees.per_unit, fees.minimum - order.fees)
    weight = terms.margin.weight(instrument.symbol, terms.leverage) if weighted else Decimal(1)
    return notional * weight + fee


def _worst(draft: Draft, terms: Terms, symbol: str, orders: list[BookOrder]) -> Decimal:
    holding = draft.all_holdings().get(symbol) or Holding(orders[0].request.instrument)
    held, value = holding.quantity, _weighted(draft, terms, holding)
    buys = [order for order in orders if order.request.side is Side.BUY]
    sells = [order for order in orders if order.request.side is Side.SELL]
    long = (value if held > 0 else ZERO) + _opening(terms, buys, closing=max(-held, ZERO))
    short = (value if held < 0 else ZERO) + _opening(terms, sells, closing=max(held, ZERO))
    return max(long, short) * rate(draft, terms, holding.instrument.currency)


def _opening(terms: Terms, orders: list[BookOrder], *, closing: Decimal) -> Decimal:
    """The cost of the part of `orders` that goes beyond closing `closing` units."""
    quantity = sum((order.remaining for order in orders), ZERO)
    if quantity <= closing:
        return ZERO
    cost = sum((_cost(terms, order) for order in orders), ZERO)
    return cost * (quantity - closing) / quantity
