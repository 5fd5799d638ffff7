"""What an order would cost, by walking the venue's order book as far as it is shown. Pure.

A book says what waits now. The order arrives a moment later: the figures are an estimate, and say what they rest on.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.market import BookLevel, OrderBook, Quote
from brokers.money import ZERO
from brokers.order import OrderType, Side
from risk.intent import OrderIntent

_BPS = Decimal(10_000)


class Basis(StrEnum):
    """What a price rests on."""

    BOOK = "book"
    SHALLOW = "shallow"  # the book does not show enough for all of it
    QUOTE = "quote"  # there is no book
    OWN = "own"  # the order's own price: it waits for that
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Estimate:
    """`average` is what a unit would cost, `worst` the last one; `slippage` is against the mid in basis points, above
    zero where it costs us. `shown` is how much the book shows at these prices. None is unknown.
    """

    basis: Basis
    average: Decimal | None = None
    worst: Decimal | None = None
    slippage: Decimal | None = None
    shown: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """What to reckon with."""
        return self.average


def estimate(intent: OrderIntent, quote: Quote | None, book: OrderBook | None) -> Estimate:
    """How the order would fill if it arrived now; one that waits fills at its own price, or after its trigger there."""
    if intent.type.is_conditional:
        return _at(Basis.OWN, intent.price)
    touch = _touch(intent.side, quote)
    if intent.limit_price is not None and (touch is None or _waits(intent, touch)):
        return _at(Basis.OWN, intent.limit_price)
    if touch is None or quote is None:
        return Estimate(Basis.NOTHING)
    walked = _walk(intent, book)
    if walked is None:
        return Estimate(Basis.QUOTE, touch, touch, slippage(intent.side, touch, quote.mid))
    average, worst, shown = walked
    basis = Basis.BOOK if shown >= intent.quantity else Basis.SHALLOW
    return Estimate(basis, average, worst, slippage(intent.side, average, quote.mid), shown)


def slippage(side: Side, price: Decimal, mid: Decimal) -> Decimal | None:
    """How much worse than the mid a price is, in basis points of the mid."""
    return None if mid <= 0 else (price - mid) * side.sign / mid * _BPS


def _at(basis: Basis, price: Decimal | None) -> Estimate:
    return Estimate(Basis.NOTHING) if price is None else Estimate(basis, price, price)


def _touch(side: Side, quote: Quote | None) -> Decimal | None:
    price = None if quote is None else quote.ask if side is Side.BUY else quote.bid
    return price if price is not None and price.is_finite() and price > 0 else None


def _waits(intent: OrderIntent, touch: Decimal) -> bool:
    """Whether a limit order does not meet the market as it stands."""
    assert intent.limit_price is not None
    return (intent.limit_price - touch) * intent.side.sign < 0 or intent.post_only


def _walk(intent: OrderIntent, book: OrderBook | None) -> tuple[Decimal, Decimal, Decimal] | None:
    """Average price, last price and units of what the book shows for it; None where it shows nothing.

    What is beyond the book is reckoned at its last price; a market order may get worse.
    """
    levels = () if book is None else book.asks if intent.side is Side.BUY else book.bids
    left, spent, worst = intent.quantity, ZERO, None
    for level in levels:
        if not left or not _reaches(intent, level):
            break
        taken = min(left, level.quantity)
        if taken > 0:
            spent, left, worst = spent + taken * level.price, left - taken, level.price
    if worst is None:
        return None
    return (spent + left * worst) / intent.quantity, worst, intent.quantity - left


def _reaches(intent: OrderIntent, level: BookLevel) -> bool:
    return intent.type is OrderType.MARKET or (
        intent.limit_price is not None and (intent.limit_price - level.price) * intent.side.sign >= 0
    )
