"""Positions, fills and balances."""

from __future__ import annotations

from bot import html
from bot.arguments import page_and_name
from bot.command import Call, command
from bot.figures import money, number_of, price, quantity, signed_money, table
from bot.framing import entries, framed, pager
from bot.html import Html
from bot.screen import Act, Screen
from bot.states import SIDES
from core.access.roles import Permission
from core.views import BalanceRow, ExitRow, FillRow, Page, PositionRow

_HOLDERS = {
    "venue": "at the venue",
    "engine": "by our engine",
    "both": "venue and engine",
    "nobody": "⚠️ not while halted",
}


@command("positions", "What we hold", permission=Permission.VIEW, aliases=("pos", "p"))
async def positions(call: Call) -> Screen:
    """Every position with its result so far."""
    rows = await call.service.positions()
    flatten = (Act("🧹 Flatten all…", "flatten"),) if rows and call.actor.may(Permission.OPERATE) else ()
    return framed(call, ("Positions",), render_positions(rows), here=("positions",), buttons=(flatten,))


@command(
    "fills",
    "Executions, newest first",
    permission=Permission.VIEW,
    usage="[SYMBOL] [PAGE]",
    takes=2,
    aliases=("trades",),
)
async def fills(call: Call) -> Screen:
    """Fills by page."""
    number, symbol = page_and_name(call)
    symbol = symbol.upper()
    page = await call.service.fills(page=number, symbol=symbol)
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
        *(_exits(each) for each in row.exits[:6]),
    )


def _exits(row: ExitRow) -> Html:
    """`🛡 trend-aapl: stop 98 · target 106 · at the venue`."""
    prices = [f"{name} {price(at)}" for name, at in (("stop", row.stop), ("target", row.target)) if at is not None]
    who = "closing now" if row.closing else _HOLDERS[row.holder]
    return html.text(f"🛡 {row.strategy}: ", " · ".join([*(prices or [row.wanted]), who]))


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
            SIDES[row.side],
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
