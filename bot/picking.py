"""What is still missing of a command, offered as buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot import html
from bot.accounts import inside, seen
from bot.command import Call
from bot.figures import clip, quantity
from bot.framing import framed, grid
from bot.screen import Nav, Screen
from bot.states import SIDES
from bot.suggesting import button
from core.views import OrderRow, PersonView

_MOST = 20
_LONGEST = 34
_NEWEST = 8


async def pick_order(
    call: Call, question: str, *, which: str = "open", fits: Callable[[OrderRow], bool] = lambda _: True, none: str = ""
) -> Screen:
    """Orders that the command could be about, the newest first."""
    page = await call.service.orders(page=1, size=_NEWEST, which=which, accounts=seen(call))
    rows = [row for row in page.rows if fits(row)]
    chosen = [button(call.command, (row.client_order_id,), _order(row)) for row in rows]
    text = (
        html.bold(question) if rows else html.text(none or "No order is open. /orders all shows those that are over.")
    )
    back = Nav("Orders", "orders")
    return framed(call, ("Orders", "Which one?"), text, here=("orders",), back=back, buttons=grid(chosen, 1))


def _order(row: OrderRow) -> str:
    return clip(f"{SIDES[row.side]} {quantity(row.quantity)} {row.symbol} · {row.state.replace('_', ' ')}", _LONGEST)


def pick_person(call: Call, people: Sequence[PersonView], question: str) -> Screen:
    """Everyone, by number: two may go by one name."""
    chosen = [button(call.command, (str(each.id),), f"{each.name} · {each.role}") for each in people[:_MOST]]
    back = Nav("People", "users")
    return framed(call, ("People",), html.bold(question), here=("users",), back=back, buttons=grid(chosen))


def pick_account(call: Call, accounts: Sequence[str], above: str, command: str) -> Screen:
    """The same words in one of the accounts, each with its kind of money."""
    modes = call.service.modes(call.actor)
    named = {name: f"{name} · {mode.upper()}" if (mode := modes.get(name)) else name for name in accounts}
    chosen = [button(call.command, (*call.args, *inside(name)), label) for name, label in named.items()]
    trail, back = (above, "Which account?"), Nav(above, command)
    return framed(call, trail, html.bold("In which account?"), here=(command,), back=back, buttons=grid(chosen))
