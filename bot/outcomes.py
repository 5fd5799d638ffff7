"""How the result of an action looks."""

from __future__ import annotations

from bot import html
from bot.framing import HOME
from bot.screen import Button, Screen
from core.views import ActionResult

_MOST_LINES = 30


def outcome(result: ActionResult, *next_steps: Button) -> Screen:
    """One clear sentence, a line for each part, and where to go from here."""
    sign = "✅" if result.ok else "⚠️"
    shown = result.lines[:_MOST_LINES]
    more = len(result.lines) - len(shown)
    text = html.lines(
        html.text(sign, " ", html.bold(result.message)),
        *(f"• {line}" for line in shown),
        html.text(f"… and {more} more") if more else html.EMPTY,
    )
    return Screen(text, (next_steps, (HOME,)) if next_steps else ((HOME,),), toast=f"{sign} {result.message}"[:180])
