"""Every figure that the other rules compare is exact and finite: NaN passes any limit (Helios-x #17)."""

from __future__ import annotations

from collections.abc import Iterator

from risk.case import Case
from risk.metrics import is_known
from risk.rule import rule
from risk.verdict import Denied
from risk.view import PortfolioView

CODE = "FIGURES_UNKNOWN"

Figures = Iterator[tuple[str, str, object]]


@rule(CODE, "All figures are known", order=10)
def figures(case: Case) -> Denied | None:
    """An exit needs the position and its open orders; new risk needs to know the whole account."""
    for name, of, figure in _position(case.view, case.symbol):
        if not is_known(figure):
            return Denied(CODE, f"The {name}{of} is unknown", "a known figure", _told(figure), case.intent.quantity * 0)
    if case.only_reduces:
        return None
    for name, of, figure in _account(case.view, case.symbol):
        if not is_known(figure):
            return Denied(CODE, f"The {name}{of} is unknown", "a known figure", _told(figure), case.reducing_part)
    return None


def _position(view: PortfolioView, symbol: str) -> Figures:
    yield "position in ", symbol, view.quantity(symbol)
    for order in view.working:
        if order.symbol == symbol:
            yield "rest of order ", order.client_order_id, order.remaining


def _account(view: PortfolioView, symbol: str) -> Figures:
    yield "cash", "", view.cash
    yield "equity", "", view.equity
    yield "equity at day start", "", view.day_start_equity
    yield "highest equity", "", view.peak_equity
    for held, holding in view.holdings.items():
        yield "position in ", held, holding.quantity
    for order in view.working:
        yield "rest of order ", order.client_order_id, order.remaining
        if order.price is not None:
            yield "price of order ", order.client_order_id, order.price
    if quote := view.quotes.get(symbol):
        yield "bid", "", quote.bid
        yield "ask", "", quote.ask
        yield "last price", "", quote.last


def _told(figure: object) -> str:
    return "unknown" if figure is None else repr(figure)
