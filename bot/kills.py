"""Halts in words: what is restricted and why, and kills that no venue has confirmed yet."""

from __future__ import annotations

from collections.abc import Sequence

from bot import html, states
from bot.command import Call
from bot.figures import number_of, when
from bot.html import Html
from core.trading.switch import GLOBAL
from core.views import KillView, ScopeState

_MOST_KILLS = 5
_LONGEST = 200


def scope_line(scope: ScopeState, call: Call) -> Html:
    """`🔴 account:main, 3 min ago by Ada: too hot`."""
    return html.text(
        states.TRADING[scope.state],
        " ",
        html.bold("everything" if scope.scope == GLOBAL else scope.scope),
        f", {when(scope.since, call.now, call.time_zone)} by ",
        scope.by,
        ": ",
        html.italic(scope.reason[:_LONGEST]),
    )


def kill_lines(kills: Sequence[KillView], call: Call) -> Html:
    """A line for each kill that is not complete, where the reader sees the account; nothing if all are."""
    seen = [each for each in kills if call.actor.sees(each.account)]
    shown = [_kill(each, call) for each in seen[:_MOST_KILLS]]
    more = len(seen) - len(shown)
    if more > 0:
        shown.append(html.text(f"… and {more} more"))
    return html.lines(*shown) if shown else html.EMPTY


def _kill(kill: KillView, call: Call) -> Html:
    where = f"{kill.account} · {kill.strategy}" if kill.strategy else kill.account
    since = when(kill.since, call.now, call.time_zone)
    if not kill.tries:
        return html.text("🔴 ", html.bold("Killing: ", where), f", begun {since}")
    problem = kill.problems[0].removeprefix("🔴 ")[:_LONGEST] if kill.problems else "not verified yet"
    tried = number_of(kill.tries, "sweep")
    return html.text("🔴 ", html.bold("KILL INCOMPLETE: ", where), f" since {since}, {tried}: ", html.italic(problem))
