"""Pictures for chat: pure functions from values to PNG bytes, drawn for a phone.

matplotlib is imported by the first chart, never before: a bot that draws nothing does not pay for it. The
functions share nothing and may run in any thread; each takes about 0.1 s, so not in the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.picture import DARK, INCHES, LIGHT, Events, Picture, Theme
from core.views import EquityPoint

__all__ = ["DARK", "LIGHT", "Theme", "equity_chart", "report_chart"]


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
    picture.header(title, currency, series, simulated=simulated)
    picture.curve(series, events, equity=(1.95, 4.65), drawdown=(5.2, 6.65))
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
    picture.header(title, currency, series, simulated=simulated)
    picture.curve(series, events, equity=(1.95, 4.35), drawdown=(4.9, 6.0))
    picture.bars(pnl_by_strategy, top=6.95, bottom=8.75)
    return picture.png()
