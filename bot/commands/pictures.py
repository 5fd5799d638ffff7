"""Pictures where people would rather look: prices with our executions, and what is invested."""

from __future__ import annotations

import asyncio

from bot import charts, html
from bot.accounts import seen, tabs, trail
from bot.arguments import name
from bot.command import Call, command
from bot.figures import money, percent, price, quantity, signed_percent, table
from bot.framing import framed, grid
from bot.html import Html
from bot.screen import Nav, Screen
from core.access.roles import Permission
from core.views import CandlesView, ExposureView

_MOST_SYMBOLS = 30
_MOST_ROWS = 8


@command(
    "chart",
    "Prices with our executions",
    permission=Permission.VIEW,
    usage="[SYMBOL]",
    takes=2,
    aliases=("candles",),
    draws=True,
)
async def chart(call: Call) -> Screen:
    """Candles of one symbol; without one, the symbols to choose from, those that are held first."""
    if not name(call):
        held = list(dict.fromkeys([row.symbol for row in await call.service.positions(accounts=seen(call))]))
        known = [*held, *(each for each in await call.service.symbols() if each not in held)]
        chosen = [Nav(f"🕯 {each}", "chart", (each,)) for each in known[:_MOST_SYMBOLS]]
        text = "Prices of which symbol? What is held comes first." if chosen else "There are no prices yet."
        whole = (Nav("🥧 Exposure", "exposure"), Nav("🏁 Performance", "performance"))
        return framed(call, ("Charts",), text, here=("chart",), buttons=(*grid(chosen, 3), whole))
    symbol, account = name(call).upper(), name(call, 1)
    view = await call.service.candles(symbol, account, seen(call))
    more = (Nav("📦 Positions", "positions"), Nav("✅ Fills", "fills", (symbol,)))
    buttons = (*tabs(call, "chart", view.account, symbol), more)
    screen = framed(
        call,
        trail("Charts", view.account, symbol),
        render_candles(view),
        here=trail("chart", symbol, account),
        back=Nav("Charts", "chart"),
        buttons=buttons,
    )
    return Screen(
        screen.text, screen.buttons, photo=await asyncio.to_thread(charts.candle_chart, view) if view.bars else None
    )


@command(
    "exposure",
    "What is invested, with a picture",
    permission=Permission.VIEW,
    takes=1,
    aliases=("allocation",),
    draws=True,
)
async def exposure(call: Call) -> Screen:
    """By symbol and by strategy, in percent of equity."""
    view = await call.service.exposure(name(call), seen(call))
    buttons = (*tabs(call, "exposure", view.account), (Nav("📦 Positions", "positions"), Nav("🛡 Risk", "risk")))
    here, steps = trail("exposure", name(call)), trail("Exposure", view.account)
    screen = framed(call, steps, render_exposure(view), here=here, buttons=buttons)
    drawn = bool(view.equity and view.equity > 0 and view.gross is not None)
    return Screen(
        screen.text, screen.buttons, photo=await asyncio.to_thread(charts.exposure_chart, view) if drawn else None
    )


def render_candles(view: CandlesView) -> Html:
    """The last price, and what we have in it."""
    if not view.bars:
        return html.text("There are no prices of it yet. They come with the first bar.")
    first, last = view.bars[0], view.bars[-1]
    change = signed_percent(float(last.close / first.open - 1)) if first.open else "n/a"
    held = f"{quantity(view.quantity)} @ {price(view.average_price)}" if view.quantity else "flat"
    rows = (
        ("We hold", held),
        ("Stop", ", ".join(map(price, view.stops[:2])) or "none"),
        ("Target", ", ".join(map(price, view.targets[:2])) or "none"),
        ("Executions shown", str(len(view.fills))),
    )
    sim = html.text("🧪 ", html.bold("SIMULATED"), " · ") if view.simulated else html.EMPTY
    return html.lines(html.text(sim, html.bold(price(last.close)), f" {view.currency} · {change}"), table(rows))


def render_exposure(view: ExposureView) -> Html:
    """Gross and net first, then the largest."""
    if view.equity is None or view.equity <= 0 or view.gross is None or view.net is None:
        why = f"no price of {', '.join(view.unpriced[:5])}" if view.unpriced else "equity is not known yet"
        return html.text(f"The exposure cannot be computed: {why}.")
    equity = view.equity
    largest = sorted(view.by_symbol.items(), key=lambda row: -abs(row[1]))
    rows = [
        (symbol, money(value, view.currency), percent(float(value / equity))) for symbol, value in largest[:_MOST_ROWS]
    ]
    more = len(largest) - len(rows)
    return html.lines(
        html.text(
            html.bold(percent(float(view.gross / equity))),
            f" invested · net {signed_percent(float(view.net / equity), 1)}",
        ),
        table(rows) if rows else html.text("Nothing is invested. Positions appear here once an order fills."),
        html.text(f"… and {more} more") if more else html.EMPTY,
    )
