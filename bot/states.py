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


def money_word(*, simulated: bool, mode: str) -> tuple[str, str]:
    """The sign and word for whose money it is; what nobody calls something else is real."""
    if simulated:
        return "🧪", "SIMULATED"
    return ("💰", "LIVE: REAL MONEY") if mode in ("", "live") else ("🧪", mode.upper())


def label(view: Overview) -> Html:
    """The account's name, and SIMULATED in capitals when its money is not real."""
    sign, word = money_word(simulated=view.simulated, mode=view.mode)
    return html.text(f"{sign} ", html.bold(word), " · ", view.account or f"{len(view.accounts)} accounts")
