"""Risk, limits, halt and resume."""

from __future__ import annotations

from bot import html, states
from bot.command import Call, Question, command
from bot.commands.overview import control
from bot.figures import bar, clip, money, percent, table, when
from bot.framing import framed, notice
from bot.html import Html
from bot.outcomes import outcome
from bot.screen import Nav, Screen
from core.access.roles import Permission
from core.views import RiskScreenView, ScopeState
from risk.view import TradingState

HALT_STALE = 120
_LONGEST_REASON = 200
_AFTER = (Nav("📊 Status", "status"), Nav("🛡 Risk", "risk"))


@command("risk", "How much of each limit is used", permission=Permission.VIEW, aliases=("r",))
async def risk(call: Call) -> Screen:
    """The trading state, the baselines and the use of every limit."""
    view = await call.service.risk()
    buttons = (
        (Nav("📏 Limits", "limits"), Nav("📦 Positions", "positions")),
        control(view.state, call.actor),
    )
    return framed(call, ("Risk",), render_risk(view, call), here=("risk",), buttons=buttons)


@command("limits", "All limits and rules", permission=Permission.VIEW)
async def limits(call: Call) -> Screen:
    """Every limit with its value, and every rule with what it checks."""
    view = await call.service.risk()
    return framed(call, ("Risk", "Limits"), render_limits(view), here=("limits",), back=Nav("Risk", "risk"))


@command(
    "halt",
    "Stop everything now",
    permission=Permission.HALT,
    usage="[REASON]",
    aliases=("kill", "panic"),
    stale_after=HALT_STALE,
    urgent=True,
    takes=None,
)
async def halt(call: Call) -> Screen:
    """Cancel all orders and let no new one out, without any question."""
    reason = clip(call.text, _LONGEST_REASON) or f"halted by {call.actor.name}"
    return outcome(await call.service.halt(call.actor, reason), *_AFTER)


async def _ask_resume(call: Call) -> Question | None:
    view = await call.service.risk()
    if not _restricted(view):
        return None
    text = html.lines(
        html.text("▶️ ", html.bold("Resume trading?")),
        _scopes(view, call),
        "Strategies that run may send orders again at once.",
        "Daily loss and drawdown are measured anew from now on.",
    )
    return Question(text, "▶️ Yes, resume")


@command("resume", "Trade again after a halt", permission=Permission.ADMINISTER, ask=_ask_resume, trace=("resume",))
async def resume(call: Call) -> Screen:
    """Lift the halt."""
    if not _restricted(await call.service.risk()):
        return notice("Trading is not halted: there is nothing to resume.", _AFTER, toast="Not halted")
    return outcome(await call.service.resume(call.actor), *_AFTER)


def render_risk(view: RiskScreenView, call: Call) -> Html:
    """State first, then equity and its baselines, then the fullest limits."""
    rows = sorted(view.usage, key=lambda row: -1.0 if row.fraction is None else row.fraction, reverse=True)
    baselines = (
        ("Equity", money(view.equity, view.currency)),
        ("Day began", money(view.day_start_equity, view.currency)),
        ("Peak since resume" if view.measured_since else "Peak", money(view.peak_equity, view.currency)),
    )
    used = [f"{bar(row.fraction)} {percent(row.fraction, 0):>4} {clip(row.title, 20)}" for row in rows[:20]]
    return html.lines(
        states.trading_line(view.state, ""),
        _scopes(view, call),
        table(baselines),
        html.italic(f"Losses are measured since the resume, {when(view.measured_since, call.now, call.time_zone)}.")
        if view.measured_since
        else html.EMPTY,
        html.bold("Limits in use") if used else html.EMPTY,
        html.pre(used) if used else html.text("No limit has anything to measure yet."),
    )


def _restricted(view: RiskScreenView) -> list[ScopeState]:
    """Whatever may not trade freely: the house, the account, a strategy, an instrument."""
    return [scope for scope in view.scopes if scope.state is not TradingState.ACTIVE]


def _scopes(view: RiskScreenView, call: Call) -> Html:
    grave = _restricted(view)
    return html.lines(*(_scope(scope, call) for scope in grave[:10])) if grave else html.EMPTY


def _scope(scope: ScopeState, call: Call) -> Html:
    return html.text(
        states.TRADING[scope.state],
        " ",
        html.bold(scope.scope),
        f" since {when(scope.since, call.now, call.time_zone)} by ",
        scope.by,
        ": ",
        html.italic(scope.reason[:200]),
    )


def render_limits(view: RiskScreenView) -> Html:
    """Values in a table, rules in words."""
    values = table(view.limits.items()) if view.limits else html.text("No limits are set.")
    rules = (html.text(html.code(code), " ", words) for code, words in list(view.rules.items())[:30])
    return (
        html.lines(html.bold("Limits"), values, html.bold("Rules"), html.fold(html.join("\n", rules)))
        if view.rules
        else values
    )
