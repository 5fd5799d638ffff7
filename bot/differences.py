"""How a difference between books and venue looks on a phone: the sum first, then each figure, then whose it becomes."""

from __future__ import annotations

from bot import html
from bot.figures import number_of, price, quantity, signed_money
from bot.framing import entries
from bot.html import Html
from core.trading.adjustment import Treatment
from core.trading.ledger import EXTERNAL
from core.views import AdjustView, DifferenceRow, UnitsMoved

_MOST = 10


def headline(view: AdjustView) -> str:
    """`The venue has $1,234.50 less`: the one number that counts."""
    if not view.worth:
        return "The venue has what nobody can value" if view.unpriced else "The venue has the same worth, otherwise"
    amount = signed_money(abs(view.worth), view.currency).removeprefix("+")
    return f"The venue has {amount} {'more' if view.worth > 0 else 'less'}"


def render_difference(view: AdjustView) -> Html:
    """Each thing that differs, the largest first; what has no price; who gives units and who gets them."""
    more = len(view.rows) - _MOST
    orders = number_of(view.presumed, "order is", "orders are")
    return html.lines(
        entries([_row(each, view.currency) for each in view.rows[:_MOST]], "\n"),
        f"… and {more} more" if more > 0 else html.EMPTY,
        _unpriced(view),
        *(html.text(_move(each)) for each in view.moves[:_MOST]),
        f"⚠️ {orders} presumed never placed and looked for: /orders doubt" if view.presumed else html.EMPTY,
    )


def told_as(view: AdjustView, treatment: Treatment) -> Html:
    """What it does to reports and limits."""
    if treatment is Treatment.CAPITAL:
        return html.text("As ", html.bold("capital"), ": nobody's profit and nobody's loss.")
    amount = signed_money(view.worth, view.currency)
    return html.text("As ", html.bold("a result"), f" of {EXTERNAL}: {amount}, in reports and in limits of loss.")


def _row(row: DifferenceRow, currency: str) -> Html:
    units = row.theirs - row.ours
    of = " of exposure" if row.is_exposure else ""
    value = "" if row.value is None or row.what == currency else f" ({signed_money(row.value, currency)}{of})"
    sign = "+" if units > 0 else ""
    return html.text(
        html.bold(f"{sign}{quantity(units)} {row.what}"),
        f"{value}\nours {quantity(row.ours)} · venue {quantity(row.theirs)}",
    )


def _unpriced(view: AdjustView) -> Html:
    if not view.unpriced:
        return html.EMPTY
    more = len(view.unpriced) - _MOST
    names = ", ".join(view.unpriced[:_MOST]) + (f" and {more} more" if more > 0 else "")
    return html.text(f"Not in the sum, for nobody knows a price: {names}")


def _move(move: UnitsMoved) -> str:
    """By how much somebody's position changes: `→ trend: -0.3 BTC/USDT at 60,000.00`."""
    sign = "+" if move.units > 0 else ""
    return f"→ {move.holder}: {sign}{quantity(move.units)} {move.symbol} at {price(move.price)}"
