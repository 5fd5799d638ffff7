"""When an order meets a tick, and at which price. Pure; the quantity is the engine's matter."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.order import Liquidity, OrderRequest, Side
from brokers.simulation.slippage import Slippage
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder


@dataclass(frozen=True, slots=True)
class Match:
    """The price at which an order may fill now, and the role it plays."""

    price: Decimal
    liquidity: Liquidity


def triggers(request: OrderRequest, tick: Tick) -> bool:
    """Whether the last price has reached the stop."""
    stop = request.stop_price
    assert stop is not None
    return tick.last >= stop if request.side is Side.BUY else tick.last <= stop


def is_through(request: OrderRequest, tick: Tick) -> bool:
    """Whether the market is strictly beyond the limit; always for an order without one.

    At the limit is not beyond it: others may have been in the queue before us.
    """
    limit = request.limit_price
    if limit is None:
        return True
    return tick.ask < limit if request.side is Side.BUY else tick.bid > limit


def match(order: BookOrder, tick: Tick, slippage: Slippage) -> Match | None:
    """How a live order fills at a tradable tick, or None.

    An order that arrives takes the touch, worsened by slippage; one that rests gives its limit price, also
    when the market opens far beyond it: no fill is ever better than the limit that was traded through.
    """
    request = order.request
    if not is_through(request, tick):
        return None
    if order.is_resting and request.limit_price is not None:
        return Match(request.limit_price, Liquidity.MAKER)
    touch = tick.ask if request.side is Side.BUY else tick.bid
    price = slippage.taken(touch, request.side, request.instrument, request.limit_price)
    return Match(price, Liquidity.TAKER)
