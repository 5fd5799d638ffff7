"""What an account would have at stake if the open orders and one more fill in the worst way (RTS 6, 15.2)."""

from __future__ import annotations

from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Side
from risk.intent import OrderIntent
from risk.metrics import (
    instrument_of,
    price_of,
    symbol_value,
    symbols_at_stake,
    unit_value,
    worst_quantity,
)
from risk.view import PortfolioView


def order_unit_value(intent: OrderIntent, view: PortfolioView) -> Decimal:
    """What one unit of `intent` may cost, in the account's currency. Raises `Unknown`.

    It is valued at the market or at the price that it names itself, whichever is higher.
    """
    own = (price for price in (intent.limit_price, intent.stop_price) if price is not None)
    return unit_value(view, intent.instrument, max((price_of(view, intent.instrument.symbol), *own)))


def position_after(intent: OrderIntent, view: PortfolioView, quantity: Decimal) -> Decimal:
    """Units held in the intent's direction once the open orders on its side and `quantity` of it fill."""
    side = intent.side
    return view.worst_quantity(intent.instrument.symbol, side) * side.sign + quantity


def largest_after(intent: OrderIntent, view: PortfolioView, quantity: Decimal) -> Decimal:
    """The largest position, long or short, that fills of open orders and `quantity` of it can lead to."""
    other_side = view.worst_quantity(intent.instrument.symbol, intent.side.opposite)
    return max(abs(position_after(intent, view, quantity)), abs(other_side))


def gross_elsewhere(intent: OrderIntent, view: PortfolioView) -> Decimal:
    """Worst gross exposure of all other instruments, in the account's currency. Raises `Unknown`."""
    others = symbols_at_stake(view) - {intent.instrument.symbol}
    return sum((abs(worst_quantity(view, symbol)) * symbol_value(view, symbol) for symbol in others), ZERO)


def net_elsewhere(intent: OrderIntent, view: PortfolioView) -> Decimal:
    """Worst net exposure of all other instruments in the intent's direction. Raises `Unknown`."""
    others = symbols_at_stake(view) - {intent.instrument.symbol}
    side = intent.side
    worst = (view.worst_quantity(symbol, side) * side.sign * symbol_value(view, symbol) for symbol in others)
    return sum(worst, ZERO)


def committed_elsewhere(intent: OrderIntent, view: PortfolioView) -> Decimal:
    """Cash that open orders may take, but for those that go the intent's way in its instrument.

    Only the part that opens takes cash, long and short alike. Raises `Unknown`.
    """
    here = intent.instrument
    places = {(order.symbol, order.side) for order in view.working} - {(here.symbol, intent.side)}
    committed = ZERO
    for symbol, side in places:
        if units := opening_units(view, symbol, side, ZERO):
            instrument = here if symbol == here.symbol else instrument_of(view, symbol)
            committed += units * dearest_unit(view, instrument, side)
    return committed


def dearest_unit(view: PortfolioView, instrument: Instrument, side: Side) -> Decimal:
    """What a unit of the open orders on `side` may cost: at the market or the highest price they name."""
    orders = (order for order in view.working if order.symbol == instrument.symbol and order.side is side)
    named = (order.price for order in orders if order.price is not None)
    return unit_value(view, instrument, max((price_of(view, instrument.symbol), *named)))


def opening_units(view: PortfolioView, symbol: str, side: Side, quantity: Decimal) -> Decimal:
    """Units on `side` beyond those that close the position: open orders and `quantity` more."""
    closable = max(-view.quantity(symbol) * side.sign, ZERO)
    return max(view.working_quantity(symbol, side) + quantity - closable, ZERO)


def short_value(view: PortfolioView) -> Decimal:
    """Value of what is sold short (>= 0), in the account's currency. Raises `Unknown`."""
    shorts = ((symbol, -holding.quantity) for symbol, holding in view.holdings.items() if holding.quantity < 0)
    return sum((quantity * symbol_value(view, symbol) for symbol, quantity in shorts), ZERO)
