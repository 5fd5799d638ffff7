"""Pictures for chat: pure functions from values to PNG bytes, drawn for a phone.

matplotlib is imported by the first chart, never before: a bot that draws nothing does not pay for it. The
functions share nothing and may run in any thread; each takes about 0.1 s, so not in the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.candles import candles
from bot.panels import Events, bars, curve, header, heading, span
from bot.picture import DARK, INCHES, LARGE, LIGHT, SMALL, Picture, Theme
from core.views import CandlesView, EquityPoint, ExposureView

__all__ = ["DARK", "LIGHT", "Theme", "candle_chart", "equity_chart", "exposure_chart", "report_chart"]


def equity_chart(
    series: Sequence[EquityPoint],
    *,
    title: str,
    currency: str,
    simulated: bool = False,
    events: Events = (),
    theme: Theme = DARK,
) -> bytes:
    """Equity (or a strategy's P&L) above its drawdown, as a PNG of 1080 x 1080 pixels.

    `events` (halts, breaches) are marked on the line. With no or one point the picture says so.
    """
    picture = Picture(theme, inches=INCHES)
    header(picture, title, currency, series, simulated=simulated)
    curve(picture, series, events, equity=(1.95, 4.65), drawdown=(5.2, 6.65))
    return picture.png()


def report_chart(
    series: Sequence[EquityPoint],
    pnl_by_strategy: Mapping[str, Decimal],
    *,
    title: str,
    currency: str,
    simulated: bool = False,
    events: Events = (),
    theme: Theme = DARK,
) -> bytes:
    """Equity, drawdown, and the profit or loss of each strategy below, as a PNG of 1080 x 1350 pixels.

    The strategies with the largest amounts are shown one by one, the rest as one bar; without any strategy it
    is the equity chart.
    """
    if not pnl_by_strategy:
        return equity_chart(series, title=title, currency=currency, simulated=simulated, events=events, theme=theme)
    picture = Picture(theme, inches=1.25 * INCHES)
    header(picture, title, currency, series, simulated=simulated)
    curve(picture, series, events, equity=(1.95, 4.35), drawdown=(4.9, 6.0))
    bars(picture, pnl_by_strategy, top=6.95, bottom=8.75)
    return picture.png()


def candle_chart(view: CandlesView, *, theme: Theme = DARK) -> bytes:
    """Candles with our executions, the cost of the position, stops and targets, as a PNG of 1080 x 1350 pixels.

    `view` has one bar or more.
    """
    picture = Picture(theme, inches=1.25 * INCHES)
    heading(picture, view.symbol, simulated=view.simulated)
    first, last = view.bars[0], view.bars[-1]
    picture.write(f"{last.close:,f} {view.currency}", 0.95, size=LARGE, weight="bold")
    span(picture, (first.at, last.at), first.open, last.close)
    candles(picture, view, prices=(1.95, 6.6), volume=(6.9, 7.8), legend=8.55)
    return picture.png()


def exposure_chart(view: ExposureView, *, theme: Theme = DARK) -> bytes:
    """What is invested by symbol and by strategy, in percent of equity, as a PNG of 1080 x 1080 pixels.

    `view` has an equity above zero.
    """
    picture = Picture(theme, inches=INCHES)
    equity = view.equity or Decimal(1)
    heading(picture, "Exposure", simulated=view.simulated)
    gross, net = (f"{amount / equity:+.1%}" if amount is not None else "n/a" for amount in (view.gross, view.net))
    picture.write(f"{gross.lstrip('+')} invested", 0.95, size=LARGE, weight="bold")
    picture.write(f"net {net} of {equity:,.0f} {view.currency}", 1.38, color=theme.muted)
    parts = {
        "By symbol, of equity": (view.by_symbol, 2.15, 4.05),
        "By strategy, of equity": (view.by_strategy, 4.85, 6.75),
    }
    for title, (amounts, top, bottom) in parts.items():
        shares = {name: 100 * amount / equity for name, amount in amounts.items()}
        bars(picture, shares, top=top, bottom=bottom, heading=title, told=lambda share: f"{share:+.1f} %")
    if not view.by_symbol:
        picture.write("Nothing is invested.", 3.0, color=theme.muted)
        picture.write("Positions appear here once an order fills.", 3.35, size=SMALL, color=theme.muted)
    return picture.png()
