"""Cancelling and changing open orders."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal

from bot import html
from bot.arguments import name
from bot.command import Call, Question, command
from bot.commands.orders import order_line
from bot.figures import clip, number_of, price, quantity
from bot.framing import HOME, framed, grid, notice
from bot.outcomes import outcome
from bot.picking import pick_order
from bot.screen import Act, Nav, Screen
from core.access.roles import Permission
from core.errors import UserError
from core.trading.by_hand.numbers import plain
from core.trading.live_order import MANUAL

_MOST_LISTED = 20
_FIELDS = ("price", "quantity", "stop")
_AWAY = (Decimal(-1), Decimal("-0.5"), Decimal("0.5"), Decimal(1))


# --- cancelling ------------------------------------------------------------------------------------


async def _accounts_to_cancel(call: Call) -> Collection[str] | None:
    """Every account that has an order which would go."""
    if not name(call):
        return None
    try:
        return (await call.service.preview_cancel(name(call), call.actor)).accounts or None
    except UserError:
        return None


async def _ask_cancel(call: Call) -> Question | None:
    """More than one order asks first, and “all” always."""
    found = await call.service.preview_cancel(name(call), call.actor) if name(call) else None
    if found is None or not found.orders or (len(found.orders) == 1 and found.what.lower() != "all"):
        return None
    more = len(found.orders) - _MOST_LISTED
    text = html.lines(
        html.text("✖ ", html.bold(f"Cancel {number_of(len(found.orders), 'order')}?")),
        *(f"• {words}" for _, words in found.orders[:_MOST_LISTED]),
        f"… and {more} more" if more > 0 else html.EMPTY,
        "Those of strategies, too: a strategy that still wants one orders it anew. Protective stops and targets stay.",
    )
    return Question(text, "✖ Yes, cancel", fingerprint=" ".join(order for order, _ in found.orders))


@command(
    "cancel",
    "Cancel an order, all of a symbol, or all",
    permission=Permission.REDUCE,
    usage="[ORDER|SYMBOL|all]",
    takes=1,
    ask=_ask_cancel,
    trace=("cancel order",),
    accounts=_accounts_to_cancel,
)
async def cancel(call: Call) -> Screen:
    """Cancel one order by its id (or the end of it), those of a symbol, or all."""
    if not name(call):
        return await _which_to_cancel(call)
    return outcome(await call.service.cancel_orders(name(call), call.actor), Nav("🧾 Orders", "orders"))


async def _which_to_cancel(call: Call) -> Screen:
    found = await call.service.preview_cancel("", call.actor)
    if not found.orders:
        return notice("No order is open: there is nothing to cancel.", (Nav("🧾 Orders", "orders"),))
    buttons = [Act(f"✖ {clip(words, 40)}", "cancel", (order,)) for order, words in found.orders[:_MOST_LISTED]]
    every = [Act(f"✖ All {len(found.orders)}…", "cancel", ("all",))] if len(found.orders) > 1 else []
    return Screen(html.bold("Cancel which order?"), (*grid([*buttons, *every], 1), (HOME,)))


# --- changing --------------------------------------------------------------------------------------


async def _account(call: Call) -> Collection[str] | None:
    try:
        return {call.service.account_of_open_order(name(call), call.actor)} if name(call) else None
    except UserError:
        return None


@command(
    "change",
    "What can be changed of an order",
    permission=Permission.TRADE,
    usage="ORDER",
    takes=1,
    changes=False,
    hidden=True,
    accounts=_account,
)
async def change(call: Call) -> Screen:
    """Prices and quantities a press away, and how to write any other."""
    if not name(call):
        return await _which_to_change(call)
    return await _changes(call)


async def _which_to_change(call: Call) -> Screen:
    none = "No order that you placed by hand is open: there is nothing to change."
    return await pick_order(call, "Change which order?", fits=lambda row: MANUAL in row.strategies, none=none)


async def _changes(call: Call) -> Screen:
    row = (await call.service.order(name(call))).row
    near = (*_near("Limit", "price", row.limit_price), *_near("Trigger", "stop", row.stop_price))
    buttons = [
        Act(f"{label} {price(at)}", "modify", (row.client_order_id, field, plain(at))) for label, field, at in near
    ]
    forms = [html.code(f"/modify {row.client_order_id} {field} …") for field in _FIELDS]
    body = html.lines(
        order_line(row),
        f"{quantity(row.filled)} of {quantity(row.quantity)} have filled.",
        "Change it to one of these, or write it:",
        *forms,
    )
    here, back = ("change", row.client_order_id), Nav("The order", "order", (row.client_order_id,))
    return framed(call, ("Orders", row.symbol, "Change"), body, here=here, back=back, buttons=grid(buttons))


def _near(label: str, field: str, now: Decimal | None) -> Iterator[tuple[str, str, Decimal]]:
    """Prices around the present one, with as many places as it has."""
    if now is not None:
        step = Decimal(1).scaleb(-max(2, len(plain(now).partition(".")[2])))
        yield from ((label, field, (now * (1 + away / 100)).quantize(step)) for away in _AWAY)


async def _ask_modify(call: Call) -> Question | None:
    if len(call.args) < 3:
        return None
    word, field, value = call.args
    view = await call.service.preview_change(word, field.lower(), value, call.actor)
    if view.code:
        return None  # the answer says what the gate says
    text = html.lines(
        html.text("✏️ ", html.bold(f"Change {view.what}?")),
        html.text("now: ", view.before),
        html.text("then: ", html.bold(view.after)),
        "The gate would let it pass. The order keeps its id; if the venue refuses, it stays as it is.",
    )
    return Question(text, "✏️ Yes, change it", fingerprint=f"{view.order} {view.before} {view.after}")


@command(
    "modify",
    "Change an order that was placed by hand",
    permission=Permission.TRADE,
    usage="ORDER price|quantity|stop VALUE",
    takes=3,
    ask=_ask_modify,
    trace=("modify order",),
    accounts=_account,
)
async def modify(call: Call) -> Screen:
    """Change it natively at the venue, or say why not."""
    if not name(call):
        return await _which_to_change(call)
    if len(call.args) < 3:
        return await _changes(call)
    word, field, value = call.args
    return outcome(await call.service.modify_order(word, field.lower(), value, call.actor), Nav("🧾 Orders", "orders"))
