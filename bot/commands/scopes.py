"""Halting and resuming a part: one account, every account on a broker, one strategy."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bot import html, states
from bot.accounts import seen
from bot.command import Call, command
from bot.framing import framed, grid
from bot.html import Html
from bot.kills import kill_lines, scope_line
from bot.screen import Act, Button, Nav, Screen
from core.access.roles import Permission
from core.trading.scopes import Scope, ScopeKind
from risk.view import TradingState

_MOST = 24


@command("scopes", "Halt or resume only a part", permission=Permission.VIEW, aliases=("parts",))
async def scopes(call: Call) -> Screen:
    """A button for every account, broker and strategy that may be halted or resumed by this person."""
    known = await call.service.restrictions(seen(call))
    settings = {each.scope: each.state for each in known}
    restricted = [each for each in known if each.state is not TradingState.ACTIVE]
    rows = [_buttons(call, kind, names, settings) for kind, names in call.service.known_scopes().items()]
    lines = [scope_line(each, call) for each in restricted[:_MOST]] or [html.text("🟢 Nothing is halted.")]
    body = html.lines(kill_lines(await call.service.kills(), call), *lines, "", _HOW)
    buttons = tuple(row for each in rows for row in grid(each))
    return framed(call, ("Risk", "Parts"), body, here=("scopes",), back=Nav("Risk", "risk"), buttons=buttons)


_HOW: Html = html.italic(
    "🛑 halts at once, without a question: nothing trades there but a flatten, and its orders are cancelled, stops too."
)


def _buttons(call: Call, kind: ScopeKind, names: Collection[str], settings: Mapping[str, TradingState]) -> list[Button]:
    found = (_button(call, Scope(kind, name), settings) for name in sorted(names)[:_MOST])
    return [each for each in found if each is not None]


def _button(call: Call, scope: Scope, settings: Mapping[str, TradingState]) -> Button | None:
    """Halt what trades, resume what is halted; None for what this person may not do."""
    accounts = call.service.accounts_of(scope)
    names = [f"strategy:{scope.name}"] if scope.kind is ScopeKind.STRATEGY else [f"account:{each}" for each in accounts]
    state = min(settings.get(name, TradingState.ACTIVE) for name in names) if names else TradingState.ACTIVE
    label = f"{scope.kind.value} {scope.name}"
    if state is TradingState.HALTED:
        may = call.actor.may_in(Permission.RESUME, accounts)
        return Act(f"▶️ {label}…", "resume", scope.words) if may else None
    if not call.service.haltable(call.actor, scope):
        return None
    return Act(f"{states.TRADING[state]}🛑 {label}", "halt", scope.words, urgent=True)
