"""Profit and loss, performance and reports, with pictures."""

from __future__ import annotations

import asyncio

from bot import charts, html
from bot.accounts import seen, tabs, trail
from bot.arguments import choice, name
from bot.command import Call, command
from bot.figures import (
    market_day,
    money,
    number_of,
    percent,
    ratio,
    signed_money,
    signed_percent,
    table,
)
from bot.framing import framed, grid
from bot.html import Html
from bot.screen import Document, Nav, Screen
from core.access.roles import Permission
from core.analytics.summary import Performance
from core.views import PerformanceView, PnlView, ReportView

_PERIODS = ("day", "week", "month", "all")
_NAMES = {"day": "Today", "week": "The week", "month": "The month", "all": "Since the start"}
_CHOOSE = "choose"  # the word behind the menu's button; no period is called so
_REPORTS = Nav("Reports", "report", (_CHOOSE,))
_ACCOUNT = "account"
_MOST_STRATEGIES = 20


@command("pnl", "Profit and loss by strategy", permission=Permission.VIEW, takes=1, aliases=("profit",))
async def pnl(call: Call) -> Screen:
    """Today, and by strategy since the start, in one account."""
    view = await call.service.pnl(name(call), seen(call))
    own = view.account
    links = (
        Nav("🏁 Performance", "performance", _subject(own)),
        Nav("📄 Report", "report", ("all", own) if own else ()),
    )
    buttons = (*tabs(call, "pnl", own), links)
    return framed(call, trail("P&L", own), render_pnl(view), here=trail("pnl", own), buttons=buttons)


@command(
    "performance",
    "Return, risk and drawdown, with a picture",
    permission=Permission.VIEW,
    usage="[STRATEGY]",
    takes=1,
    aliases=("perf",),
    draws=True,
)
async def performance(call: Call) -> Screen:
    """Equity and drawdown of an account or one strategy."""
    view = await call.service.performance(name(call) or _ACCOUNT, seen(call))
    whole, own = view.subject == _ACCOUNT, view.account
    steps = trail("Performance", own) if whole else ("Strategies", view.subject, "Performance")
    back = None if whole else Nav(view.subject, "strategy", (view.subject,))
    buttons = (*tabs(call, "performance", own), *grid(await _subjects(call, own))) if whole else ()
    here = ("performance", *_subject(own)) if whole else ("performance", view.subject)
    screen = framed(call, steps, render_performance(view, call), here=here, back=back, buttons=buttons)
    return Screen(screen.text, screen.buttons, photo=await _picture(view))


@command(
    "report",
    "A report with picture and CSV",
    permission=Permission.VIEW,
    usage="[day|week|month|all]",
    takes=2,
    draws=True,
)
async def report(call: Call) -> Screen:
    """Figures and P&L of a period in one account; the fills as a file."""
    if name(call) == _CHOOSE:
        return _choose(call)
    period = choice(call, _PERIODS, "all")
    view = await call.service.report(period, name(call, 1), seen(call))
    own = (view.account,) if view.account else ()
    others = tuple(Nav(other.capitalize(), "report", (other, *own)) for other in _PERIODS if other != period)
    buttons = (*tabs(call, "report", view.account, period), others)
    here = ("report", period, *own)
    screen = framed(
        call, ("Reports", *own, period), render_report(view, call), here=here, back=_REPORTS, buttons=buttons
    )
    return Screen(screen.text, screen.buttons, photo=await report_picture(view), document=report_file(view))


def _choose(call: Call) -> Screen:
    """Of which period, and where the reports come from that come by themselves."""
    periods = grid([Nav(f"📄 {_NAMES[each]}", "report", (each,)) for each in _PERIODS])
    text = "Figures, a picture and every fill as a CSV file. Of which period?"
    regular = (Nav("⏰ Reports that come by themselves", "schedule"),)
    return framed(call, ("Reports",), text, here=("report", _CHOOSE), buttons=(*periods, regular))


def render_pnl(view: PnlView) -> Html:
    """Today first, then each strategy, then the total."""
    rows = [(row.strategy, signed_money(row.net, view.currency)) for row in view.strategies[:_MOST_STRATEGIES]]
    total = view.total
    income = () if total.income == 0 else (("Income", signed_money(total.income, view.currency)),)
    parts = (
        ("Realised", signed_money(total.realised, view.currency)),
        ("Unrealised", signed_money(total.unrealised, view.currency)),
        *income,
        ("Fees", money(total.fees, view.currency)),
        ("Net", signed_money(total.net, view.currency)),
    )
    return html.lines(
        html.text(
            "Today ",
            html.bold(signed_money(view.today, view.currency)),
            f" ({signed_percent(view.today_fraction)})",
        ),
        html.text("Day began at ", money(view.day_start_equity, view.currency)),
        "",
        html.bold("Since the start"),
        table(parts),
        html.bold("By strategy") if rows else html.text("No strategy has traded yet."),
        table(rows),
    )


def render_performance(view: PerformanceView, call: Call) -> Html:
    """The figures below the picture."""
    sim = html.text("🧪 ", html.bold("SIMULATED"), " · ") if view.simulated else html.EMPTY
    shown = view.performance
    if shown.start is None or shown.end is None:
        return html.lines(sim + html.text(view.subject), "Nothing to measure yet. It starts with the first bar.")
    span = f"{market_day(shown.start, call.time_zone)} to {market_day(shown.end, call.time_zone)}"
    return html.lines(
        html.text(sim, html.bold(signed_percent(shown.total_return)), " total return"),
        span,
        table(_figures(shown, view.currency)),
    )


def _figures(shown: Performance, currency: str) -> tuple[tuple[str, str], ...]:
    trades = shown.trades
    fall = shown.drawdown
    return (
        ("Return a year", signed_percent(shown.annualised_return, 1)),
        ("Volatility", percent(shown.volatility)),
        ("Sharpe", ratio(shown.sharpe)),
        ("Sortino", ratio(shown.sortino)),
        ("Calmar", ratio(shown.calmar)),
        ("Deepest drawdown", percent(shown.max_drawdown)),
        ("Drawdown now", percent(shown.current_drawdown)),
        ("Longest drawdown", f"{fall.longest_days:,.0f} d" if fall else "n/a"),
        ("Trades", f"{trades.count:,}"),
        ("Won", percent(trades.win_rate)),
        ("Profit factor", ratio(trades.profit_factor)),
        ("Average trade", signed_money(trades.average, currency)),
    )


def render_report(view: ReportView, call: Call) -> Html:
    """Short enough for a caption: the picture and the file hold the rest."""
    busy = ", ".join(
        (
            number_of(view.orders, "order"),
            number_of(view.fills, "fill"),
            number_of(view.denials, "denial"),
            number_of(view.halts, "halt"),
        )
    )
    total = view.pnl.total
    rows = (
        ("P&L", signed_money(total.net, view.pnl.currency)),
        ("Fees", money(total.fees, view.pnl.currency)),
        ("Deepest drawdown", percent(view.performance.performance.max_drawdown)),
        ("Sharpe", ratio(view.performance.performance.sharpe)),
    )
    sim = html.text("🧪 ", html.bold("SIMULATED"), " · ") if view.performance.simulated else html.EMPTY
    shown = view.performance.performance.total_return
    return html.lines(
        html.bold(view.title[:100]),
        html.text(sim, html.bold(signed_percent(shown)), f" · {market_day(view.pnl.at, call.time_zone)}"),
        table(rows),
        f"{busy}.",
    )


def _subject(account: str) -> tuple[str, ...]:
    """The word for an account's own performance, where there are several."""
    return (f"{_ACCOUNT}:{account}",) if account else ()


async def _subjects(call: Call, account: str) -> list[Nav]:
    rows = await call.service.strategies(account, seen(call))
    return [Nav(row.name, "performance", (row.name,)) for row in rows[:20]]


async def _picture(view: PerformanceView) -> bytes | None:
    if not view.series:
        return None
    title = view.account or "Account" if view.subject == _ACCOUNT else view.subject
    return await asyncio.to_thread(
        charts.equity_chart,
        view.series,
        title=title,
        currency=view.currency,
        simulated=view.simulated,
        events=view.events,
    )


async def report_picture(view: ReportView) -> bytes | None:
    """The picture of a report, drawn in a worker thread; None when there is nothing to draw."""
    shown = view.performance
    if not shown.series:
        return None
    return await asyncio.to_thread(
        charts.report_chart,
        shown.series,
        {row.strategy: row.net for row in view.pnl.strategies if row.net is not None},
        title=f"{view.account}: {view.title}" if view.account else view.title,
        currency=shown.currency,
        simulated=shown.simulated,
        events=shown.events,
    )


def report_file(view: ReportView) -> Document | None:
    """The CSV of a report."""
    return Document(view.csv_name, view.csv) if view.csv else None
