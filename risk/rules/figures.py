"""Every figure that the other rules compare is exact and finite: NaN passes any limit (Helios-x #17)."""

from __future__ import annotations

from collections.abc import Iterator

from risk.case import Case
from risk.metrics import is_known
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView

CODE = "FIGURES_UNKNOWN"

Figures = Iterator[tuple[str, object]]


@rule(CODE, "All figures are known", order=10)
def figures(case: Case) -> Denied | None:
    """An exit needs the position and its open orders; new risk needs to know the whole account."""
    for name, figure in _position(case.view, case.symbol):
        if not is_known(figure):
            return Denied(CODE, f"The {name} is unknown", "a known figure", _told(figure), case.intent.quantity * 0)
    if case.only_reduces:
        return None
    for name, figure in _account(case.view, case.symbol):
        if not is_known(figure):
            return Denied(CODE, f"The {name} is unknown", "a known figure", _told(figure), case.reducing_part)
    return None


def _position(view: PortfolioView, symbol: str) -> Figures:
    yield f"position in {symbol}", view.quantity(symbol)
    for order in view.working:
        if order.symbol == symbol:
            yield f"rest of order {order.client_order_id}", order.remaining


def _account(view: PortfolioView, symbol: str) -> Figures:
    yield from (("cash", view.cash), ("equity", view.equity))
    yield from (("equity at day start", view.day_start_equity), ("highest equity", view.peak_equity))
    for held, holding in view.holdings.items():
        yield f"position in {held}", holding.quantity
    for order in view.working:
        yield f"rest of order {order.client_order_id}", order.remaining
        if order.price is not None:
            yield f"price of order {order.client_order_id}", order.price
    if quote := view.quotes.get(symbol):
        yield from (("bid", quote.bid), ("ask", quote.ask), ("last price", quote.last))


def _told(figure: object) -> str:
    return "unknown" if figure is None else repr(figure)
