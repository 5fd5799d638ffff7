"""What is told of money that came or went without a trade: what an owner or a venue did, with its amount. Pure.

Funding, interest, dividends and fees are results, and stand in the reports; they come often.
"""

from __future__ import annotations

from decimal import Decimal

from brokers.account import CashFlow, FlowKind
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.ledger import EXACT, FillFacts

_QUIET = frozenset({FlowKind.FUNDING, FlowKind.INTEREST, FlowKind.DIVIDEND, FlowKind.FEE})


def alert_of_flow(flow: CashFlow, trade: FillFacts | None) -> Alert | None:
    """What is told of `flow`, as the venue told it; None for results. `trade` made a position of coins, or took it."""
    if flow.kind in _QUIET or not flow.amount:
        return None
    return Alert(
        "external", Severity.WARNING, f"{_what(flow)}: {_plain(abs(flow.amount))} {flow.currency}", _body(flow, trade)
    )


def _what(flow: CashFlow) -> str:
    """By its sign: a deposit that is taken back goes out."""
    came = flow.amount > 0
    if not flow.kind.is_capital:
        return "Money came without a trade" if came else "Money went without a trade"
    is_usual = came == (flow.kind is FlowKind.DEPOSIT)
    plain = "Deposit" if came else "Withdrawal"
    return plain if is_usual else f"{flow.kind.value.capitalize()} taken back"


def _body(flow: CashFlow, trade: FillFacts | None) -> str:
    measured = "It is no profit and no loss." if flow.kind.is_capital else "It counts as a result."
    return f"At the venue, {flow.at:%d %b %H:%M} UTC.{_position(trade)} {measured}"


def _position(trade: FillFacts | None) -> str:
    """Whose the coins are now, or were, and at what worth."""
    if trade is None:
        return ""
    names = ", ".join(part.strategy for part in trade.allocations)
    units = abs(sum((part.quantity for part in trade.allocations), Decimal(0)))
    worth = EXACT.multiply(EXACT.multiply(units, trade.price), trade.multiplier)
    came = any(part.quantity > 0 for part in trade.allocations)
    whose = f"They are the position of {names} now" if came else f"They were taken from {names}"
    return f" {whose}, at {_plain(trade.price)}: {_plain(worth)} {trade.currency}."


def _plain(number: Decimal) -> str:
    return f"{number.normalize():,f}"
