"""The few signs that stand for states, everywhere the same."""

from __future__ import annotations

from bot import html
from bot.html import Html
from brokers.order import Side
from core.views import Overview, StrategyStatus
from risk.view import TradingState

STRATEGY = {
    StrategyStatus.RUNNING: "🟢",
    StrategyStatus.PAUSED: "⏸",
    StrategyStatus.STOPPED: "⏹",
    StrategyStatus.FAILED: "🔴",
}
SIDES = {Side.BUY: "🔵 Buy", Side.SELL: "🟠 Sell"}
TRADING = {TradingState.ACTIVE: "🟢", TradingState.REDUCING: "🟡", TradingState.HALTED: "🔴"}
WORDS = {
    TradingState.ACTIVE: "Trading",
    TradingState.REDUCING: "Reducing: nothing new is opened",
    TradingState.HALTED: "Halted: no orders",
}


def trading_line(state: TradingState, reason: str) -> Html:
    """`🔴 Halted: no orders` and, below, why."""
    shown = html.text(TRADING[state], " ", html.bold(WORDS[state]))
    return html.lines(shown, html.italic(reason)) if reason and state is not TradingState.ACTIVE else shown


def label(view: Overview) -> Html:
    """The account's name, and SIMULATED in capitals when its money is not real."""
    kind = html.text("🧪 ", html.bold("SIMULATED")) if view.simulated else html.text("💰 ", html.bold("REAL MONEY"))
    return html.text(kind, " · ", view.account or f"{len(view.accounts)} accounts")
