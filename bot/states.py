"""The few signs that stand for states, everywhere the same."""

from __future__ import annotations

from collections.abc import Iterable

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
    """The account's name, and SIMULATED in capitals when its money is not real; of several accounts each kind."""
    each = sorted(view.accounts, key=lambda one: (not one.is_real, one.mode)) or [view]
    words = dict.fromkeys(money_word(simulated=one.simulated, mode=one.mode) for one in each)
    sign, said = next(iter(words))[0], " + ".join(word for _, word in words)
    return html.text(f"{sign} ", html.bold(said), " · ", view.account or f"{len(view.accounts)} accounts")


def kind_of_money(view: Overview, among: Iterable[Overview]) -> str:
    """` · TESTNET` beside one of several accounts, where they do not all have the same kind of money."""
    if len({(each.simulated, each.mode) for each in among}) < 2:
        return ""
    return f" · {'LIVE' if view.is_real else money_word(simulated=view.simulated, mode=view.mode)[1]}"
