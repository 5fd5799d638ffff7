"""Risk, limits, halt and resume."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot import html, states
from bot.accounts import seen, tabs, trail
from bot.arguments import name
from bot.command import Call, Question, command
from bot.commands.overview import control
from bot.figures import bar, clip, money, percent, table, when
from bot.framing import framed, notice
from bot.html import Html
from bot.kills import kill_lines, scope_line
from bot.outcomes import outcome
from bot.screen import Act, Button, Nav, Screen
from core.access.roles import Permission
from core.trading.scopes import Scope, ScopeKind, halt_said, scope_said
from core.views import LimitSet, RiskScreenView, ScopeState
from risk.view import TradingState

HALT_STALE = 120
_LONGEST_REASON = 200
_MOST_SCOPES = 10
BOUND = "="  # begins what a question adds to the words: to what exactly the yes is bound
_AFTER = (Nav("📊 Status", "status"), Nav("🛡 Risk", "risk"))


@command("risk", "How much of each limit is used", permission=Permission.VIEW, takes=1, aliases=("r",))
async def risk(call: Call) -> Screen:
    """The trading state, the baselines and the use of every limit, in one account."""
    view = await call.service.risk(name(call), seen(call))
    buttons: tuple[tuple[Button, ...], ...] = (
        *tabs(call, "risk", view.account),
        (Nav("📏 Limits", "limits", trail(view.account)), Nav("📦 Positions", "positions")),
        (*control(view.state, call.actor), Nav("🎯 Only a part…", "scopes")),
    )
    kills = kill_lines(await call.service.kills(), call)
    steps, here = trail("Risk", view.account), trail("risk", view.account)
    return framed(call, steps, kills, render_risk(view, call), here=here, buttons=buttons)


@command("limits", "All limits and rules", permission=Permission.VIEW, takes=1)
async def limits(call: Call) -> Screen:
    """Every limit of an account with its value, and every rule with what it checks."""
    view = await call.service.risk(name(call), seen(call))
    own = trail(view.account)
    change = (Act("📏 Change a limit…", "limit"),) if call.actor.may_somewhere(Permission.LIMITS) else ()
    back, buttons = Nav("Risk", "risk", own), (*tabs(call, "limits", view.account), change)
    set_here = [each for each in await call.service.limits_set(call.actor) if view.account in ("", each.account)]
    body = html.lines(render_limits(view), *_set_by_people(set_here, call))
    return framed(call, ("Risk", *own, "Limits"), body, here=("limits", *own), back=back, buttons=buttons)


async def _halts(call: Call) -> Collection[str]:
    """The accounts that a halt reaches, of those that this person may halt; none of them: the whole house."""
    said = halt_said(call.text, call.service.known_scopes())
    return call.service.haltable(call.actor, said.scope)


@command(
    "halt",
    "Stop everything now, or a part",
    permission=Permission.HALT,
    usage="[account|broker|strategy NAME] [REASON]",
    aliases=("kill", "panic"),
    stale_after=HALT_STALE,
    urgent=True,
    takes=None,
    accounts=_halts,
)
async def halt(call: Call) -> Screen:
    """Cancel orders and let no new one out, without any question."""
    said = clip(call.text, _LONGEST_REASON) or f"halted by {call.actor.name}"
    return outcome(await call.service.halt_said(call.actor, said), *_AFTER)


async def _resumes(call: Call) -> Collection[str]:
    """The accounts that a resume reaches, of those that this person may resume; none of them: the whole house."""
    return call.service.resumable(call.actor, _scope(call))


async def _ask_resume(call: Call) -> Question | None:
    scope = _scope(call)
    view = await call.service.resume_preview(call.actor, scope)
    if not view.lifts:
        return None
    head = "Resume trading?" if scope.is_house else f"Resume {scope}?"
    text = html.lines(
        html.text("▶️ ", html.bold(head)),
        *(scope_line(each, call) for each in view.lifts[:_MOST_SCOPES]),
        *_more(len(view.lifts) - _MOST_SCOPES),
        html.text("🔴 ", html.bold("Orders may still be open: "), "; ".join(view.incomplete))
        if view.incomplete
        else html.EMPTY,
        html.lines("Still held back afterwards:", *(scope_line(each, call) for each in view.stays[:_MOST_SCOPES]))
        if view.stays
        else html.EMPTY,
        "Strategies that run may send orders again at once.",
        "Daily loss and drawdown are measured anew from now on."
        if scope.kind is not ScopeKind.STRATEGY
        else html.EMPTY,
    )
    return Question(text, "▶️ Yes, resume", fingerprint=view.token, args=(*scope.words, BOUND + view.token))


async def _lifts(call: Call) -> bool:
    """Whether there is anything to resume: only then a code is asked."""
    return bool((await call.service.resume_preview(call.actor, _scope(call))).lifts)


@command(
    "resume",
    "Trade again after a halt",
    permission=Permission.RESUME,
    usage="[account|broker|strategy NAME]",
    takes=3,
    ask=_ask_resume,
    trace=("resume",),
    accounts=_resumes,
    step_up=_lifts,
    approval="resume",
)
async def resume(call: Call) -> Screen:
    """Lift the halt that was shown, and no other."""
    scope, token = _scope(call), next((each for each in call.args if each.startswith(BOUND)), "")
    view = await call.service.resume_preview(call.actor, scope)
    if not view.lifts and not token:
        what = "Trading" if scope.is_house else f"The {scope}"
        lines = (
            html.text(f"{what} is not halted: there is nothing to resume."),
            *(scope_line(each, call) for each in view.stays),
        )
        return notice(html.lines(*lines), _AFTER, toast="Not halted")
    return outcome(await call.service.resume(call.actor, scope, token.removeprefix(BOUND)), *_AFTER)


def _scope(call: Call) -> Scope:
    """What was typed after /resume, without what a question has added."""
    words = [each for each in call.args if not each.startswith(BOUND)]
    return scope_said(words, call.service.known_scopes(call.actor))


def _more(count: int) -> tuple[str, ...]:
    return (f"… and {count} more",) if count > 0 else ()


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
    return html.lines(*(scope_line(scope, call) for scope in grave[:10])) if grave else html.EMPTY


def _set_by_people(rows: Sequence[LimitSet], call: Call) -> list[Html]:
    """What is not as in the settings, by whom and since when."""
    lines = [
        html.text(
            f"{each.title}: ", html.bold(each.value), f" in place of {each.replaces}, by {each.by}, ",
            when(each.at, call.now, call.time_zone),
        )
        for each in rows[:_MOST_SCOPES]
    ]  # fmt: skip
    return [html.bold("Set by people"), *lines, *map(html.text, _more(len(rows) - _MOST_SCOPES))] if lines else []


def render_limits(view: RiskScreenView) -> Html:
    """Values in a table, rules in words."""
    values = table(view.limits.items()) if view.limits else html.text("No limits are set.")
    rules = (html.text(html.code(code), " ", words) for code, words in list(view.rules.items())[:30])
    return (
        html.lines(html.bold("Limits"), values, html.bold("Rules"), html.fold(html.join("\n", rules)))
        if view.rules
        else values
    )
