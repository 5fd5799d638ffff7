"""New risk needs a market price of now, whatever the order's type (hummingbot #7823)."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

from brokers.money import ZERO
from brokers.order import OrderType
from risk.case import Case
from risk.metrics import quote_price
from risk.rule import rule
from risk.verdict import Denied
from risk.wording import plain

CODE = "PRICE_UNKNOWN"
_TENTH = Decimal("0.1")


@rule(CODE, "The market price is known", order=50)
def price_known(case: Case) -> Denied | None:
    """There is a quote, and it is fresh. A mark does not do: nobody knows how old it is."""
    names_a_price = case.intent.type is OrderType.LIMIT
    if case.only_reduces and not names_a_price:
        return None

    def denied(reason: str, limit: str, value: str) -> Denied:
        return Denied(CODE, reason, limit, value, ZERO if names_a_price else case.reducing_part)

    view, symbol = case.view, case.symbol
    quote = view.quotes.get(symbol)
    if quote is None or quote_price(quote) is None:
        return denied(f"No market price for {symbol}", "a quote", "none")
    age, oldest = abs(Decimal(str((view.at - quote.at).total_seconds()))), case.limits.stale_quote_seconds
    if oldest is None or age <= oldest:
        return None
    limit, value = f"{plain(oldest)} s", f"{plain(age.quantize(_TENTH, ROUND_UP))} s"
    when = f"{value} old" if quote.at < view.at else f"{value} ahead of our clock"
    return denied(f"The price of {symbol} is {when}", limit, value)
