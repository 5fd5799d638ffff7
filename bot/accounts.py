"""Screens where there are several accounts: which one is meant, and the buttons for the others. With one: nothing."""

from __future__ import annotations

from bot import html
from bot.command import Call
from bot.framing import grid
from bot.html import Html
from bot.screen import Nav, Rows

_ALL = "All"


def seen(call: Call) -> tuple[str, ...] | None:
    """The accounts that the reader may see; None: there are no others."""
    return call.service.seen_by(call.actor)


def tabs(call: Call, command: str, chosen: str, *before: str, whole: bool = False) -> Rows:
    """A button for each account, the chosen one marked; `whole`: one for all of them, too."""
    names = call.service.visible(seen(call))
    if len(names) < 2:
        return ()
    shown = [Nav(_marked(name, chosen), command, (*before, name)) for name in names]
    return grid([*([Nav(_marked("", chosen), command, before)] if whole else []), *shown], 3)


def _marked(name: str, chosen: str) -> str:
    return f"• {name or _ALL}" if name == chosen else name or _ALL


def whose(account: str) -> Html:
    """`💼 main` above what is shown of one account; nothing where there is only one."""
    return html.text("💼 ", html.bold(account)) if account else html.EMPTY


def inside(account: str) -> tuple[str, ...]:
    """The words that name an account behind a command; none where it goes without saying."""
    return ("in", account) if account else ()


def trail(*steps: str) -> tuple[str, ...]:
    """Breadcrumbs without those that need not be said."""
    return tuple(step for step in steps if step)
