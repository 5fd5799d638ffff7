"""Positions, orders, fills and balances; cancelling an order."""

from __future__ import annotations

from bot import html
from bot.arguments import choice, name, page_number
from bot.command import Call, command
from bot.figures import clip, money, number_of, price, quantity, signed_money, table, when
from bot.framing import entries, framed, grid, pager
from bot.html import Html
from bot.outcomes import outcome
from bot.screen import Act, Button, Nav, Screen
from brokers.order import Side
from core.access.roles import Actor, Permission
from core.views import BalanceRow, FillRow, OrderRow, Page, PositionRow

_SIDES = {Side.BUY: "🔵 Buy", Side.SELL: "🟠 Sell"}


@command("positions", "What we hold", permission=Permission.VIEW, aliases=("pos", "p"))
async def positions(call: Call) -> Screen:
    """Every position with its result so far."""
    rows = await call.service.positions()
    flatten = (Act("🧹 Flatten all…", "flatten"),) if rows and call.actor.may(Permission.OPERATE) else ()
    return framed(call, ("Positions",), render_positions(rows), here=("positions",), buttons=(flatten,))


@command(
    "orders",
    "Orders, open or all",
    permission=Permission.VIEW,
    usage="[open|all] [PAGE] [STRATEGY]",
    takes=3,
    aliases=("o",),
)
async def orders(call: Call) -> Screen:
    """Orders by page; each open one can be cancelled."""
    which = choice(call, ("open", "all"), "open")
    page = await call.service.orders(page=page_number(call, 1), open_only=which == "open", strategy=name(call, 2))
    other = "all" if which == "open" else "open"
    scope = (name(call, 2),) if name(call, 2) else ()
    buttons = (
        *grid(_cancels(page, call.actor)),
        *pager("orders", page.number, page.pages, before=(which,), after=scope),
        (Nav(f"Show {other} orders", "orders", (other, "1", *scope)),),
    )
    here = ("orders", which, str(page.number), *scope)
    return framed(call, ("Orders", *scope, which), render_orders(page, call, which), here=here, buttons=buttons)


@command("cancel", "Cancel an open order", permission=Permission.OPERATE, usage="ORDER", takes=1)
async def cancel(call: Call) -> Screen:
    """Cancel one order by its id."""
    if not name(call):
        raise call.wrong("Which order? /orders lists the open ones, each with a cancel button.")
    return outcome(await call.service.cancel_order(name(call), call.actor), Nav("🧾 Orders", "orders"))


@command(
    "fills",
    "Executions, newest first",
    permission=Permission.VIEW,
    usage="[PAGE] [SYMBOL]",
    takes=2,
    aliases=("trades",),
)
async def fills(call: Call) -> Screen:
    """Fills by page."""
    symbol = name(call, 1).upper()
    page = await call.service.fills(page=page_number(call), symbol=symbol)
    scope = (symbol,) if symbol else ()
    buttons = pager("fills", page.number, page.pages, after=scope)
    here = ("fills", str(page.number), *scope)
    return framed(call, ("Fills", *scope), render_fills(page, call), here=here, buttons=buttons)


@command("balance", "Money by currency", permission=Permission.VIEW, aliases=("balances", "b"))
async def balance(call: Call) -> Screen:
    """Cash by our ledger and by the venue's word."""
    return framed(call, ("Balance",), render_balances(await call.service.balances()), here=("balance",))


def render_positions(rows: tuple[PositionRow, ...]) -> Html:
    """Result first, then the holding."""
    if not rows:
        return html.text("No open positions. /strategies shows who may open some.")
    return entries([_position(row) for row in rows])


def _position(row: PositionRow) -> Html:
    owners = ", ".join(f"{own} {quantity(units)}" for own, units in list(row.by_strategy.items())[:6])
    return html.lines(
        html.text(html.bold(row.symbol), " ", html.bold(signed_money(row.unrealised, row.currency))),
        html.text(
            f"{quantity(row.quantity)} @ {price(row.average_price)} → {price(row.mark)}",
            f" = {money(row.value, row.currency)}",
        ),
        html.italic(owners) if owners else html.EMPTY,
    )


def render_orders(page: Page[OrderRow], call: Call, which: str) -> Html:
    """One page of orders."""
    if not page.total:
        return html.text("No open orders." if which == "open" else "No orders yet. They appear once a strategy trades.")
    if not page.rows:
        return html.text(f"There is no page {page.number}; the last one is {page.pages}.")
    head = html.text(html.bold(number_of(page.total, "order")), f" · page {page.number} of {page.pages}")
    return entries([head, *(_order(number, row, call) for number, row in enumerate(page.rows, 1))])


def _order(number: int, row: OrderRow, call: Call) -> Html:
    filled = f", {quantity(row.filled)} filled" if row.filled and row.is_open else ""
    owners = ", ".join(row.strategies)
    return html.lines(
        html.text(
            f"{number}. {_SIDES[row.side]} ", html.bold(f"{quantity(row.quantity)} {row.symbol}"), " ", _terms(row)
        ),
        html.text(
            html.bold(row.state.replace("_", " ")), filled, f" · {when(row.at, call.now, call.time_zone)} · {owners}"
        ),
        html.italic(row.reason[:200]) if row.reason else html.EMPTY,
        html.code(row.client_order_id),
    )


def _terms(row: OrderRow) -> str:
    """`market`, `limit 25.50`, `stop 24.00 limit 23.90`."""
    stop = [f"stop {price(row.stop_price)}"] if row.type.has_stop else []
    limit = [f"limit {price(row.limit_price)}"] if row.type.has_limit else []
    return " ".join((*stop, *limit)) or row.type.value


def _cancels(page: Page[OrderRow], actor: Actor) -> list[Button]:
    if not actor.may(Permission.OPERATE):
        return []
    return [
        Act(f"✖ Cancel {number}: {clip(row.symbol, 12)}", "cancel", (row.client_order_id,))
        for number, row in enumerate(page.rows, 1)
        if row.is_open
    ]


def render_fills(page: Page[FillRow], call: Call) -> Html:
    """One page of fills."""
    if not page.total:
        return html.text("No fills yet. They appear once an order executes.")
    if not page.rows:
        return html.text(f"There is no page {page.number}; the last one is {page.pages}.")
    head = html.text(html.bold(number_of(page.total, "fill")), f" · page {page.number} of {page.pages}")
    return entries([head, *(_fill(row, call) for row in page.rows)])


def _fill(row: FillRow, call: Call) -> Html:
    fee = "fee not known yet" if row.fee is None else f"fee {money(row.fee, row.currency)}"
    return html.lines(
        html.text(
            _SIDES[row.side],
            " ",
            html.bold(f"{quantity(row.quantity)} {row.symbol}"),
            f" @ {price(row.price)}",
        ),
        html.text(f"{row.at.astimezone(call.time_zone):%Y-%m-%d %H:%M} · {fee} · ", ", ".join(row.strategies)),
    )


def render_balances(rows: tuple[BalanceRow, ...]) -> Html:
    """Our ledger beside the venue's word; a difference is pointed out."""
    if not rows:
        return html.text("No balances yet: the account has not been read.")
    shown = table(
        ((row.currency, money(row.cash, row.currency), money(row.venue_total, row.currency)) for row in rows),
        head=("", "Ledger", "Venue"),
    )
    accounts = ", ".join(dict.fromkeys(row.account for row in rows))
    differs = [row.currency for row in rows if row.venue_total is not None and row.venue_total != row.cash]
    return html.lines(
        html.text("Account ", html.bold(accounts)),
        shown,
        html.text(f"⚠️ Ledger and venue differ in {', '.join(differs)}.") if differs else html.EMPTY,
    )
