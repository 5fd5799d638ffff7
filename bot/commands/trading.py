"""Positions, fills and balances."""

from __future__ import annotations

from bot import html
from bot.accounts import inside, seen, tabs, trail
from bot.arguments import name, page_and_name
from bot.command import Call, command
from bot.figures import balance as balance_of
from bot.figures import clip, money, number_of, price, quantity, signed_money, table
from bot.figures import fee as fee_of
from bot.framing import entries, framed, pager
from bot.html import Html
from bot.screen import Act, Button, Nav, Screen
from bot.states import SIDES
from core.access.roles import Actor, Permission
from core.views import BalanceRow, ExitRow, FillRow, Page, PositionRow

_MOST_CLOSES = 12
_MOST_CURRENCIES = 20  # a testnet hands out hundreds
HOLDERS = {
    "venue": "at the venue",
    "engine": "by our engine",
    "both": "venue and engine",
    "nobody": "⚠️ not while halted",
}


@command("positions", "What we hold", permission=Permission.VIEW, takes=1, aliases=("pos", "p"))
async def positions(call: Call) -> Screen:
    """Every position with its result so far; of one account if it is named."""
    account = name(call)
    rows = await call.service.positions(account, seen(call))
    flatten = (Act("🧹 Flatten all…", "flatten"),) if rows and call.actor.may(Permission.REDUCE) else ()
    buttons = (*tabs(call, "positions", account, whole=True), *_closes(rows, call.actor), flatten)
    here = trail("positions", account)
    return framed(call, trail("Positions", account), render_positions(rows), here=here, buttons=buttons)


def _closes(rows: tuple[PositionRow, ...], actor: Actor) -> list[tuple[Button, ...]]:
    """What can be done about each position by hand, a row for each."""
    if not actor.may_somewhere(Permission.TRADE):
        return []
    return [
        (
            Nav(f"✖ Close {_asks(row)}", "close", (row.symbol, *inside(row.account))),
            *(Act(f"🛡 Exits {_asks(row)}", "exits", (name, row.symbol, *inside(row.account))) for name in _only(row)),
        )
        for row in [each for each in rows if not each.is_dust][:_MOST_CLOSES]
    ]


def _asks(row: PositionRow) -> str:
    """`BTC/USDT…`: the button leads to a question; of several accounts it says which: `main BTC/USDT…`."""
    shown = clip(f"{row.account} {row.symbol}".strip(), 22 if row.account else 16)
    return shown if shown.endswith("…") else f"{shown}…"


def _only(row: PositionRow) -> list[str]:
    """The one holder, if there is just one."""
    return list(row.by_strategy) if len(row.by_strategy) == 1 else []


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
    page = await call.service.fills(page=number, symbol=symbol, accounts=seen(call))
    scope = (symbol,) if symbol else ()
    buttons = pager("fills", page.number, page.pages, after=scope)
    here = ("fills", str(page.number), *scope)
    return framed(call, ("Fills", *scope), render_fills(page, call), here=here, buttons=buttons)


@command("balance", "Money by currency", permission=Permission.VIEW, takes=1, aliases=("balances", "b"))
async def balance(call: Call) -> Screen:
    """Cash by our ledger and by the venue's word; of one account if it is named."""
    account = name(call)
    rows = await call.service.balances(account, seen(call))
    buttons = tabs(call, "balance", account, whole=True)
    here = trail("balance", account)
    return framed(call, trail("Balance", account), render_balances(rows), here=here, buttons=buttons)


def render_positions(rows: tuple[PositionRow, ...]) -> Html:
    """Result first, then the holding."""
    if not rows:
        return html.text("No open positions. /strategies shows who may open some.")
    return entries([_position(row) for row in rows])


def _position(row: PositionRow) -> Html:
    owners = ", ".join(f"{own} {quantity(units)}" for own, units in list(row.by_strategy.items())[:6])
    return html.lines(
        html.text(html.bold(row.symbol), " ", html.bold(signed_money(row.unrealised, row.currency)), _in(row.account)),
        html.text(
            f"{quantity(row.quantity)} @ {price(row.average_price)} → {price(row.mark)}",
        ),
        html.text("worth ", money(row.value, row.currency), " · dust: less than can be sold" if row.is_dust else ""),
        html.italic(owners) if owners else html.EMPTY,
        *(_exits(each) for each in row.exits[:6]),
    )


def _in(account: str) -> str:
    """In which account, where there are several."""
    return f" · {account}" if account else ""


def _exits(row: ExitRow) -> Html:
    """`🛡 trend-aapl: stop 98 · target 106 · at the venue`."""
    prices = [f"{name} {price(at)}" for name, at in (("stop", row.stop), ("target", row.target)) if at is not None]
    who = "closing now" if row.closing else HOLDERS[row.holder]
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
    fee = "fee not known yet" if row.fee is None else f"fee {fee_of(row.fee, row.fee_currency or row.currency)}"
    return html.lines(
        html.text(
            SIDES[row.side],
            " ",
            html.bold(f"{quantity(row.quantity)} {row.symbol}"),
            f" @ {price(row.price)}",
            _in(row.account),
        ),
        html.text(f"{row.at.astimezone(call.time_zone):%Y-%m-%d %H:%M} · {fee} · ", ", ".join(row.strategies)),
    )


def render_balances(rows: tuple[BalanceRow, ...]) -> Html:
    """Our ledger beside the venue's word; a difference is pointed out."""
    if not rows:
        return html.text("No balances yet: the account has not been read.")
    return html.join("\n\n", [_balances(name, rows) for name in dict.fromkeys(row.account for row in rows)])


def _balances(account: str, every: tuple[BalanceRow, ...]) -> Html:
    rows = [row for row in every if row.account == account]
    differs = [row for row in rows if row.venue_total is not None and row.venue_total != row.cash]
    first = [*rows[:_MOST_CURRENCIES], *[row for row in differs if row not in rows[:_MOST_CURRENCIES]]]
    shown = first[: 2 * _MOST_CURRENCIES]
    named = [row.currency for row in differs[:_MOST_CURRENCIES]]
    return html.lines(
        html.text("Account ", html.bold(account)),
        table(
            (
                (row.currency, balance_of(row.cash, row.currency), balance_of(row.venue_total, row.currency))
                for row in shown
            ),
            head=("", "Ledger", "Venue"),
        ),
        html.text(f"and {len(rows) - len(shown)} more currencies") if len(rows) > len(shown) else html.EMPTY,
        html.text(f"⚠️ Ledger and venue differ in {', '.join(named)}.") if differs else html.EMPTY,
    )
