"""What an account has at stake: small pure functions that rules, monitor and the risk screen share.

A figure that cannot be known raises `Unknown`. It is an `ArithmeticError`, on which the gate denies:
forgetting to catch it is safe, and nothing unknown is ever counted as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeGuard

from brokers.instrument import Instrument
from brokers.market import Quote
from brokers.money import ZERO
from brokers.order import Side
from risk.view import PortfolioView

_HUNDRED = Decimal(100)


class Unknown(ArithmeticError):
    """A figure that a judgement needs is missing or not a number."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Signed market value of each instrument in the account's currency: longs above zero, shorts below."""

    by_symbol: Mapping[str, Decimal]

    @property
    def gross(self) -> Decimal:
        """Longs plus shorts, both counted positive."""
        return sum((abs(value) for value in self.by_symbol.values()), ZERO)

    @property
    def net(self) -> Decimal:
        """Longs minus shorts."""
        return sum(self.by_symbol.values(), ZERO)


def is_known(number: object) -> bool:
    """Whether `number` is exact and finite: a `Decimal` that is neither NaN nor infinite."""
    return isinstance(number, Decimal) and number.is_finite()


def is_price(number: object) -> TypeGuard[Decimal]:
    """Whether `number` is a known figure above zero."""
    return isinstance(number, Decimal) and number.is_finite() and number > 0


def equity_of(view: PortfolioView) -> Decimal:
    """The account's equity, above zero. Raises `Unknown`."""
    if view.equity is None or not is_price(view.equity):
        raise Unknown(f"the equity of {view.account} is {_told(view.equity)}")
    return view.equity


def quote_price(quote: Quote) -> Decimal | None:
    """The mid of `quote`, else its last price; None if neither is a price."""
    if is_price(quote.bid) and is_price(quote.ask):
        return quote.mid
    return quote.last if is_price(quote.last) else None


def price_of(view: PortfolioView, symbol: str) -> Decimal:
    """The price that `symbol` is valued at: its quote, else the holding's mark. Raises `Unknown`."""
    quote = view.quotes.get(symbol)
    price = quote_price(quote) if quote else None
    if price is None and (holding := view.holdings.get(symbol)):
        price = holding.mark
    if price is None or not is_price(price):
        raise Unknown(f"{symbol} has no price")
    return price


def unit_value(view: PortfolioView, instrument: Instrument, price: Decimal) -> Decimal:
    """What one unit at `price` is worth in the account's currency. Raises `Unknown` without a rate."""
    rate = view.rate(instrument.currency)
    if rate is None or not is_price(rate):
        raise Unknown(f"the rate of {instrument.currency} in {view.currency} is unknown")
    return price * instrument.multiplier * rate


def instrument_of(view: PortfolioView, symbol: str) -> Instrument:
    """The instrument behind `symbol`, from a holding or an open order. Raises `Unknown`."""
    if holding := view.holdings.get(symbol):
        return holding.instrument
    for order in view.working:
        if order.symbol == symbol and order.instrument is not None:
            return order.instrument
    raise Unknown(f"{symbol} is in no holding and its open order does not say what it is")


def symbol_value(view: PortfolioView, symbol: str) -> Decimal:
    """What one unit of `symbol` is worth now, in the account's currency. Raises `Unknown`."""
    return unit_value(view, instrument_of(view, symbol), price_of(view, symbol))


def exposure(view: PortfolioView) -> Exposure:
    """What the account holds now. Raises `Unknown` when a held instrument has no price or exchange rate."""
    held = {symbol: holding.quantity for symbol, holding in view.holdings.items() if holding.quantity != 0}
    return Exposure({symbol: quantity * symbol_value(view, symbol) for symbol, quantity in held.items()})


def worst_quantity(view: PortfolioView, symbol: str) -> Decimal:
    """The largest position in `symbol`, long or short, that fills of any of its open orders can lead to."""
    return max((view.worst_quantity(symbol, side) for side in Side), key=abs)


def symbols_at_stake(view: PortfolioView) -> frozenset[str]:
    """Every instrument with a position or an open order."""
    held = {symbol for symbol, holding in view.holdings.items() if holding.quantity != 0}
    return frozenset(held | {order.symbol for order in view.working})


def unpriced(view: PortfolioView) -> tuple[str, ...]:
    """The held instruments whose value in the account's currency is unknown, in name order."""
    held = (symbol for symbol, holding in view.holdings.items() if holding.quantity != 0)
    return tuple(sorted(symbol for symbol in held if not _has_value(view, symbol)))


def leverage(view: PortfolioView) -> Decimal:
    """Gross exposure divided by equity. Raises `Unknown`."""
    return exposure(view).gross / equity_of(view)


def daily_pnl(view: PortfolioView) -> Decimal:
    """Equity now minus equity at the start of the day: realised and unrealised. Raises `Unknown`."""
    return equity_of(view) - view.day_start_equity


def daily_loss_percent(view: PortfolioView) -> Decimal:
    """Loss since the start of the day in % of the equity then; zero while there is none. Raises `Unknown`."""
    return _fall_percent(view.day_start_equity, equity_of(view), "the equity at the start of the day")


def drawdown_percent(view: PortfolioView) -> Decimal:
    """Fall from the highest equity in % of it; zero at or above it. Raises `Unknown`."""
    return _fall_percent(view.peak_equity, equity_of(view), "the highest equity")


def of_equity_percent(view: PortfolioView, value: Decimal) -> Decimal:
    """`value` in % of equity. Raises `Unknown`."""
    return value / equity_of(view) * _HUNDRED


def share_of_equity(view: PortfolioView, percent: Decimal) -> Decimal:
    """`percent` % of equity, in money. Raises `Unknown`."""
    return equity_of(view) * percent / _HUNDRED


def _fall_percent(start: Decimal, now: Decimal, what: str) -> Decimal:
    if not is_price(start):
        raise Unknown(f"{what} is {_told(start)}")
    return max((start - now) / start * _HUNDRED, ZERO)


def _has_value(view: PortfolioView, symbol: str) -> bool:
    try:
        symbol_value(view, symbol)
    except Unknown:
        return False
    return True


def _told(number: object) -> str:
    return str(number) if is_known(number) else "unknown"
