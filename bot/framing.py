"""The frame around every screen: breadcrumbs on top, Back, Refresh and Menu below, and the time it shows."""

from __future__ import annotations

from collections.abc import Sequence

from bot import html
from bot.command import Call
from bot.figures import clock_time
from bot.html import Html, Part
from bot.screen import Button, Nav, Rows, Screen

HOME = Nav("🏠 Menu", "menu")
_MORE = Nav("More", "more")
_CHARTS = Nav("Charts", "chart")
_UNDER = {  # what is not on the menu itself, by its first breadcrumb
    "Fills": _MORE,
    "Balance": _MORE,
    "Schedule": _MORE,
    "Health": _MORE,
    "Brokers": _MORE,
    "People": _MORE,
    "Approvals": _MORE,
    "Audit": _MORE,
    "Mutes": Nav("Alerts", "alerts"),
    "Exposure": _CHARTS,
    "Performance": _CHARTS,
}
REFRESH = "↻ Refresh"
BODY_ROOM = 3_600  # characters for a list, so that frame and list fit one message


def title(*trail: str) -> Html:
    """Breadcrumbs: `🏠 ▸ Strategies ▸ trend`, the last in bold."""
    return html.join(" ▸ ", ("🏠", *trail[:-1], html.bold(trail[-1])))


def badge(call: Call, trail: Sequence[str]) -> str:
    """` · LIVE`: whose money a screen is about, in a word; nothing where all of it is simulated."""
    modes = call.service.modes(call.actor)
    shown = {modes[step] for step in trail if step in modes} or set(modes.values())
    words = [mode if mode == "paper" else mode.upper() for mode in sorted(shown)]
    return "" if set(modes.values()) <= {"paper"} else f" · {' + '.join(words)}"


def framed(
    call: Call,
    trail: Sequence[str],
    *body: Part,
    here: tuple[str, ...],
    back: Nav | None = None,
    buttons: Sequence[Sequence[Button]] = (),
    toast: str = "",
) -> Screen:
    """A screen of the menu; `here` is the command and arguments that show it again.

    What lies a level below the menu says so in its breadcrumbs, and leads back there.
    """
    above = _UNDER.get(trail[0])
    steps = (above.label, *trail) if above else tuple(trail)
    stamp = html.italic(f"as of {clock_time(call.now, call.time_zone)}")
    return Screen(
        html.lines(html.text(title(*steps), badge(call, trail)), "", *body, "", stamp),
        (*_rows(buttons), footer(here, back or above)),
        toast=toast,
    )


def footer(here: tuple[str, ...], back: Nav | None = None) -> tuple[Button, ...]:
    """Back (if there is somewhere to go but home), Refresh, Menu."""
    refresh = Nav(REFRESH, here[0], here[1:])
    return (Nav(f"◂ {_bare(back.label)}", back.command, back.args), refresh, HOME) if back else (refresh, HOME)


def _bare(label: str) -> str:
    """A label without its sign, as the breadcrumbs have it."""
    sign, _, rest = label.partition(" ")
    return rest if rest and not any(char.isalnum() for char in sign) else label


def pager(command: str, number: int, pages: int, *, before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Rows:
    """Newer and older buttons of a long list, the page between `before` and `after`."""
    steps = [(f"◂ {number - 1}", number - 1)] if number > 1 else []
    steps += [(f"{number + 1} ▸", number + 1)] if number < pages else []
    return (tuple(Nav(label, command, (*before, str(page), *after)) for label, page in steps),)


def entries(items: Sequence[Html], separator: str = "\n\n") -> Html:
    """Whole entries for as long as they fit one message, then how many more there are."""
    shown: list[Html] = []
    room = BODY_ROOM
    for item in items:
        room -= html.length(item) + len(separator)
        if room < 0:
            break
        shown.append(item)
    more = len(items) - len(shown)
    return html.join(separator, [*shown, html.text(f"… and {more} more")] if more else shown)


def grid(buttons: Sequence[Button], columns: int = 2) -> Rows:
    """Buttons in rows of `columns`."""
    return tuple(tuple(buttons[start : start + columns]) for start in range(0, len(buttons), columns))


def notice(text: Part, *rows: Sequence[Button], toast: str = "") -> Screen:
    """A short message with a way back to the menu."""
    return Screen(html.text(text), (*_rows(rows), (HOME,)), toast=toast)


def _rows(rows: Sequence[Sequence[Button]]) -> Rows:
    return tuple(tuple(row) for row in rows if row)
