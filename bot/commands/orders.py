"""Orders: lists, one order with its history, and what a person may do about one in doubt."""

from __future__ import annotations

from dataclasses import replace

from bot import html
from bot.accounts import seen
from bot.arguments import choice, name, page_and_name
from bot.command import Call, Question, command
from bot.figures import clip, fee, number_of, price, quantity, second_time, until, when
from bot.framing import entries, framed, grid, pager
from bot.html import Html
from bot.outcomes import outcome
from bot.picking import pick_order
from bot.scoping import of_order
from bot.screen import Act, Button, Nav, Screen
from bot.states import SIDES
from core.access.roles import Actor, Permission
from core.views import OrderCard, OrderRow, Page

_WHICH = ("open", "all", "doubt")
_SHOW = {"open": "Open", "all": "All", "doubt": "❓ In doubt"}
_EMPTY = {
    "open": "No open orders. /orders all shows those that are over.",
    "all": "No orders yet. They appear once a strategy trades.",
    "doubt": "No order is in doubt: the venue has answered for every one.",
}
_ABSENT, _THERE = "absent", "there"
_MOST_STEPS = 12


@command(
    "orders",
    "Orders: open, all or in doubt",
    permission=Permission.VIEW,
    usage="[open|all|doubt] [STRATEGY] [PAGE]",
    takes=3,
    aliases=("o",),
)
async def orders(call: Call) -> Screen:
    """Orders by page; each can be opened, each open one cancelled."""
    which = next((word for word in (each.lower() for each in call.args) if word in _WHICH), "open")
    number, strategy = page_and_name(call, *_WHICH)
    page = await call.service.orders(page=number, which=which, strategy=strategy, accounts=seen(call))
    scope = (strategy,) if strategy else ()
    others = [Nav(_SHOW[each], "orders", (each, "1", *scope)) for each in _WHICH if each != which]
    buttons = (
        *grid(_opens(page), 4),
        *grid(_cancels(page, call.actor)),
        *pager("orders", page.number, page.pages, before=(which,), after=scope),
        tuple(others),
    )
    here = ("orders", which, str(page.number), *scope)
    steps = ("Strategies", strategy, "Orders", which) if strategy else ("Orders", which)
    back = Nav(strategy, "strategy", (strategy,)) if strategy else None
    return framed(call, steps, render_orders(page, call, which), here=here, back=back, buttons=buttons)


@command("order", "One order with its history", permission=Permission.VIEW, usage="ORDER", takes=1, accounts=of_order)
async def order(call: Call) -> Screen:
    """Everything that is known of one order; one in doubt can be looked for or decided."""
    if not name(call):
        return await pick_order(call, "Which order?", which="all", none=_EMPTY["all"])
    return await order_screen(call, _wanted(call))


async def order_screen(call: Call, wanted: str) -> Screen:
    """The card of one order, with what this person may do about it; while it is open it keeps itself current."""
    card = await call.service.order(wanted, seen(call))
    screen = framed(
        call,
        ("Orders", card.row.symbol),
        render_order(card, call),
        here=("order", card.row.client_order_id),
        back=Nav("Orders", "orders"),
        buttons=_choices(card, call.actor),
    )
    return replace(screen, follow=Nav("", "order", (card.row.client_order_id,)) if card.row.is_open else None)


@command(
    "look",
    "Ask the venue about an order again",
    permission=Permission.REDUCE,
    usage="ORDER",
    takes=1,
    trace=("look again",),
    accounts=of_order,
)
async def look(call: Call) -> Screen:
    """Ask now, in every way that the venue offers."""
    if not name(call):
        return await pick_order(call, "Ask the venue about which order?")
    wanted = _wanted(call)
    return outcome(await call.service.look_again(wanted, call.actor), Nav("🧾 The order", "order", (wanted,)))


async def _ask_decide(call: Call) -> Question | None:
    if len(call.args) < 2:
        return None
    card = await call.service.order(_wanted(call), seen(call))
    if not card.in_doubt:
        return None
    said = _said(call)
    effect = {
        _THERE: "It counts as working from now on, and can be cancelled.",
        _ABSENT: "It stops counting in limits; the instrument may be ordered again. It is watched for a day more.",
    }[said]
    text = html.lines(
        html.text(html.bold(f"Is the order {said} at the venue?"), " Look there first, not here."),
        order_line(card.row),
        effect,
        "The venue's own word is believed whenever it comes.",
    )
    return Question(text, f"Yes, it is {said}")


@command(
    "decide",
    "Say what became of an order in doubt",
    permission=Permission.OPERATE,
    usage="ORDER there|absent",
    takes=2,
    ask=_ask_decide,
    trace=("decide order",),
    accounts=of_order,
)
async def decide(call: Call) -> Screen:
    """A person has looked at the venue's own pages, and says so."""
    if not name(call):
        return await pick_order(call, "What has become of which order?", which="doubt", none=_EMPTY["doubt"])
    if len(call.args) < 2:
        return await order_screen(call, _wanted(call))
    wanted = _wanted(call)
    placed = _said(call) == _THERE
    result = await call.service.decide_order(wanted, placed=placed, actor=call.actor)
    return outcome(result, Nav("🧾 The order", "order", (wanted,)))


def _wanted(call: Call) -> str:
    return name(call)


def _said(call: Call) -> str:
    return choice(call, (_THERE, _ABSENT), "", 1)


def render_orders(page: Page[OrderRow], call: Call, which: str) -> Html:
    """One page of orders."""
    if not page.total:
        return html.text(_EMPTY[which])
    if not page.rows:
        return html.text(f"There is no page {page.number}; the last one is {page.pages}.")
    head = html.text(html.bold(number_of(page.total, "order")), f" · page {page.number} of {page.pages}")
    return entries([head, *(_order(number, row, call) for number, row in enumerate(page.rows, 1))])


def _order(number: int, row: OrderRow, call: Call) -> Html:
    filled = f", {quantity(row.filled)} filled" if row.filled and row.is_open else ""
    owners = f"{', '.join(row.strategies)}{_where(row, call)}"
    return html.lines(
        html.text(f"{number}. ", order_line(row)),
        html.text(
            html.bold(_state(row.state)), filled, f" · {when(row.at, call.now, call.time_zone)} · {owners}"
        ),
        html.italic(row.reason[:200]) if row.reason else html.EMPTY,
        html.code(row.client_order_id),
    )  # fmt: skip


def render_order(card: OrderCard, call: Call) -> Html:
    """State first, then what happens next, then the history."""
    row = card.row
    steps = [
        html.text(
            f"{second_time(step.at, call.time_zone)} ", html.bold(_state(step.after)), _noted(step.note, row.reason)
        )
        for step in card.steps[-_MOST_STEPS:]
    ]
    fills = [
        f"{quantity(fill.quantity)} @ {price(fill.price)}, "
        + ("fee not known yet" if fill.fee is None else f"fee {fee(fill.fee, fill.fee_currency)}")
        + ("" if fill.status == "booked" else f" · {fill.status}")
        for fill in card.fills
    ]
    more = len(card.steps) - len(steps)
    return html.lines(
        order_line(row),
        html.text(
            "❓ " if card.in_doubt else "", html.bold(_state(row.state)),
            f", {quantity(row.filled)} of {quantity(row.quantity)} filled",
        ),
        html.text(card.next_step) if card.next_step else html.EMPTY,
        html.text(f"good {until(row.expires_at, call.time_zone)}") if row.expires_at else html.EMPTY,
        html.text(" · ".join(_whose(card)), _where(row, call), f" · {row.reason[:200]}" if row.reason else ""),
        html.text("ours ", html.code(row.client_order_id)),
        html.text("theirs ", html.code(card.venue_order_id)) if card.venue_order_id else html.EMPTY,
        html.bold("Fills") if fills else html.EMPTY,
        *fills[-_MOST_STEPS:],
        html.bold("History"),
        html.text(f"… {more} earlier") if more else html.EMPTY,
        *steps,
    )  # fmt: skip


def _whose(card: OrderCard) -> tuple[str, ...]:
    """Whose order it is, and what has asked for it; an order by hand is both in one word."""
    return tuple(dict.fromkeys((", ".join(card.row.strategies), card.origin)))


def _where(row: OrderRow, call: Call) -> str:
    """` · main`, where there are several accounts."""
    return f" · {row.account}" if call.service.visible(seen(call)) else ""


def _noted(note: str, known: str) -> str:
    return f" · {note[:120]}" if note and note != known else ""


def _state(state: str) -> str:
    return state.replace("_", " ")


def order_line(row: OrderRow) -> Html:
    """`🔵 Buy 10 AAPL limit 25.50, post-only`."""
    what = html.bold(f"{quantity(row.quantity)} {row.symbol}")
    return html.text(f"{SIDES[row.side]} ", what, " ", ", ".join((_terms(row), *_manner(row))))


def _manner(row: OrderRow) -> list[str]:
    """What is unusual about it."""
    known = (
        ("post-only", row.post_only),
        ("reduce-only", row.reduce_only),
        ("immediate or cancel", row.time_in_force == "ioc"),
        ("fill or kill", row.time_in_force == "fok"),
    )
    return [word for word, on in known if on]


def _terms(row: OrderRow) -> str:
    """`market`, `limit 25.50`, `stop 24.00 limit 23.90`, `trailing stop 2 %`."""
    parts = [f"{row.type.value.replace('_', ' ')}" if row.type.takes_profit or row.type.is_trailing else ""]
    parts += [price(row.stop_price) if row.type.takes_profit else f"stop {price(row.stop_price)}"] * row.type.has_stop
    parts += [f"limit {price(row.limit_price)}"] * row.type.has_limit
    parts += [f"{row.trail_percent.normalize():f} %"] if row.trail_percent is not None else []
    parts += [price(row.trail)] if row.trail is not None else []
    return " ".join(part for part in parts if part) or row.type.value


def _opens(page: Page[OrderRow]) -> list[Button]:
    return [Nav(f"🔎 {number}", "order", (row.client_order_id,)) for number, row in enumerate(page.rows, 1)]


def _cancels(page: Page[OrderRow], actor: Actor) -> list[Button]:
    if not actor.may_somewhere(Permission.REDUCE):
        return []
    return [
        Act(f"✖ Cancel {number}: {clip(row.symbol, 16)}", "cancel", (row.client_order_id,))
        for number, row in enumerate(page.rows, 1)
        if row.is_open
    ]


def _choices(card: OrderCard, actor: Actor) -> tuple[tuple[Button, ...], ...]:
    if not actor.may_somewhere(Permission.REDUCE):
        return ()
    wanted = card.row.client_order_id
    again = (Act("🔎 Look again", "look", (wanted,)),) if card.next_step or card.row.is_open else ()
    decisions = (
        Act("It is there…", "decide", (wanted, _THERE)),
        Act("It is not there…", "decide", (wanted, _ABSENT)),
    )
    stop: tuple[Button, ...] = (Act("✖ Cancel", "cancel", (wanted,)),) if card.row.is_open else ()
    if card.row.is_open and card.origin == "manual" and actor.may_somewhere(Permission.TRADE):
        stop = (Nav("✏️ Change…", "change", (wanted,)), *stop)
    decides = card.in_doubt and actor.may_somewhere(Permission.OPERATE)
    return ((*again, *stop), decisions if decides else ())
