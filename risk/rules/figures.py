"""Every figure that the other rules compare is exact and finite: NaN passes any limit (Helios-x #17)."""

from __future__ import annotations

from collections.abc import Iterator

from risk.boundary import reducing_part
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import is_known
from risk.reducing import only_reduces
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView

CODE = "FIGURES_UNKNOWN"

Figures = Iterator[tuple[str, object]]


@rule(CODE, "All figures are known", order=10)
def figures(intent: OrderIntent, view: PortfolioView, _limits: RiskLimits) -> Denied | None:
    """An exit needs the position and its open orders; new risk needs to know the whole account."""
    for name, figure in _position(view, intent.instrument.symbol):
        if not is_known(figure):
            return Denied(CODE, f"The {name} is unknown", "a known figure", _told(figure), intent.quantity * 0)
    if only_reduces(intent, view):
        return None
    for name, figure in _account(intent, view):
        if not is_known(figure):
            part = reducing_part(intent, view)
            return Denied(CODE, f"The {name} is unknown", "a known figure", _told(figure), part)
    return None


def _position(view: PortfolioView, symbol: str) -> Figures:
    yield f"position in {symbol}", view.quantity(symbol)
    for order in view.working:
        if order.symbol == symbol:
            yield f"rest of order {order.client_order_id}", order.remaining


def _account(intent: OrderIntent, view: PortfolioView) -> Figures:
    yield from (("cash", view.cash), ("equity", view.equity))
    yield from (("equity at day start", view.day_start_equity), ("highest equity", view.peak_equity))
    for symbol, holding in view.holdings.items():
        yield f"position in {symbol}", holding.quantity
    for order in view.working:
        yield f"rest of order {order.client_order_id}", order.remaining
        if order.price is not None:
            yield f"price of order {order.client_order_id}", order.price
    if quote := view.quotes.get(intent.instrument.symbol):
        yield from (("bid", quote.bid), ("ask", quote.ask), ("last price", quote.last))


def _told(figure: object) -> str:
    return "unknown" if figure is None else repr(figure)
