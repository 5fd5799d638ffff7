"""We do not trade with ourselves at the venue: that pays fees for nothing, and looks like manipulation."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Side
from risk.case import Case
from risk.intent import OrderIntent
from risk.metrics import is_price
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView, WorkingOrder
from risk.wording import plain

CODE = "SELF_MATCH"


@rule(CODE, "No trade with ourselves", order=135)
def self_match(case: Case) -> Denied | None:
    """Nothing new meets an open limit order of ours on the other side. An exit is never kept in for it."""
    intent, view = case.intent, case.view
    if intent.type.is_conditional or case.only_reduces:
        return None
    price = intent.limit_price if intent.type.has_limit else _touch(intent, view)
    meets = [each for each in _opposite(intent, view) if price is None or _reaches(intent.side, price, each.price)]
    if not meets:
        return None
    limit = f"no open {intent.side.opposite} at {plain(meets[0].price or ZERO)}"
    reason = f"It would trade with our own order {meets[0].client_order_id}"
    return Denied(CODE, reason, limit, "at market" if price is None else plain(price), case.reducing_part)


def _opposite(intent: OrderIntent, view: PortfolioView) -> Iterator[WorkingOrder]:
    """Our open limit orders on the other side; a stop that sleeps meets nothing."""
    for order in view.working:
        other = order.symbol == intent.instrument.symbol and order.side is intent.side.opposite
        if other and order.price is not None and not order.resting_exit and not order.conditional:
            yield order


def _touch(intent: OrderIntent, view: PortfolioView) -> Decimal | None:
    """The price at which a market order begins to trade; None while it is not known: it may reach anything."""
    quote = view.quotes.get(intent.instrument.symbol)
    price = None if quote is None else quote.ask if intent.side is Side.BUY else quote.bid
    return price if price is not None and is_price(price) else None


def _reaches(side: Side, price: Decimal, resting: Decimal | None) -> bool:
    return resting is not None and (price - resting) * side.sign >= 0
