"""What an account would have at stake if the open orders and one more fill in the worst way (RTS 6, 15.2)."""

from __future__ import annotations

from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Side
from risk.case import Case
from risk.metrics import instrument_of, price_of, symbol_value, unit_value, worst_quantity
from risk.view import PortfolioView


def position_behind(case: Case) -> Decimal:
    """The position once the open orders on the other side than the intent's have filled."""
    return case.view.worst_quantity(case.symbol, case.intent.side.opposite)


def gross_elsewhere(case: Case) -> Decimal:
    """Worst gross exposure of all other instruments, in the account's currency. Raises `Unknown`."""
    view = case.view
    return sum((abs(worst_quantity(view, symbol)) * symbol_value(view, symbol) for symbol in case.elsewhere), ZERO)


def net_elsewhere(case: Case) -> Decimal:
    """Worst net exposure of all other instruments in the intent's direction. Raises `Unknown`."""
    view, side = case.view, case.intent.side
    worst = (view.worst_quantity(each, side) * side.sign * symbol_value(view, each) for each in case.elsewhere)
    return sum(worst, ZERO)


def committed_elsewhere(case: Case) -> Decimal:
    """Cash that open orders may take, but for those that go the intent's way in its instrument.

    Only the part that opens takes cash, long and short alike. Raises `Unknown`.
    """
    view, here = case.view, case.intent.instrument
    if not view.working:
        return ZERO
    places = {(order.symbol, order.side) for order in view.working} - {(here.symbol, case.intent.side)}
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
