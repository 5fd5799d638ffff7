"""The first screens: /start, /menu, /status, and the live status message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot import html, states
from bot.accounts import seen, tabs, trail
from bot.arguments import choice, name
from bot.attention import attention
from bot.command import Call, command
from bot.figures import market_day, money, number_of, percent, signed_money, signed_percent, table
from bot.framing import framed, grid
from bot.html import Html
from bot.kills import kill_lines
from bot.people import Caller
from bot.screen import Act, Live, Nav, Rows, Screen
from core.access.roles import Actor, Permission
from core.service import Quarterdeck
from core.views import Overview
from risk.view import TradingState

_STATUS = Nav("📊 Status", "status")
_PLACES = (  # by how often they are used, two in a row on a phone
    _STATUS,
    Nav("🧠 Strategies", "strategies"),
    Nav("📦 Positions", "positions"),
    Nav("🧾 Orders", "orders"),
    Nav("🖐 Trade", "trade"),
    Nav("🕯 Charts", "chart"),
    Nav("📈 P&L", "pnl"),
    Nav("📄 Reports", "report", ("choose",)),
    Nav("🛡 Risk", "risk"),
    Nav("🔔 Alerts", "alerts"),
    Nav("⋯ More", "more"),
    Nav("❓ Help", "help"),
)
_MORE = (
    Nav("✅ Fills", "fills"),
    Nav("💵 Balance", "balance"),
    Nav("🏁 Performance", "performance"),
    Nav("🥧 Exposure", "exposure"),
    Nav("📏 Limits", "limits"),
    Nav("🎯 Halt a part", "scopes"),
    Nav("⏰ Schedule", "schedule"),
    Nav("🔕 Mutes", "mutes"),
    Nav("👥 Approvals", "approvals"),
    Nav("👤 People", "users"),
    Nav("📜 Audit", "audit"),
    Nav("🩺 Health", "health"),
    Nav("🔌 Brokers", "brokers"),
)
_OF_THE_HOUSE = frozenset({Permission.AUDIT, Permission.ADMINISTER})


@command("start", "Say hello and open the menu", permission=Permission.VIEW, takes=None, hidden=True)
async def start(call: Call) -> Screen:
    """Greet by name and show the menu."""
    hello = html.text("👋 Hello ", html.bold(call.actor.name), f". You are {call.actor.role.label} here.")
    return await _menu(call, hello)


@command("menu", "Open the menu", permission=Permission.VIEW, aliases=("m", "home"))
async def menu(call: Call) -> Screen:
    """The menu, which edits itself as its buttons are pressed."""
    return await _menu(call, html.EMPTY)


@command("more", "What is not needed every day", permission=Permission.VIEW)
async def more(call: Call) -> Screen:
    """The rest of the menu, by role."""
    tests = (Act("📣 Test the alert channels", "testalert"),) if call.actor.may(Permission.ADMINISTER) else ()
    own = (Nav("📡 Pin a live status", "live"), Act("🕰 Time zone", "timezone"))
    buttons = (*grid([place for place in _MORE if _may(call, place)]), own, tests)
    return framed(call, ("More",), "Where to?", here=("more",), buttons=buttons)


@command("status", "How everything stands", permission=Permission.VIEW, takes=1, aliases=("overview", "s"))
async def status(call: Call) -> Screen:
    """Equity, today, state, strategies and orders on one screen."""
    account = name(call)
    view = await call.service.overview(account, seen(call))
    waits = await attention(call)
    buttons = (
        *waits.buttons,
        *tabs(call, "status", account, whole=True),
        (Nav("📦 Positions", "positions", trail(account)), Nav("🛡 Risk", "risk", trail(account))),
        control(view.state, call.actor),
    )
    kills = kill_lines(await call.service.kills(), call)
    here = trail("status", account)
    return framed(
        call, trail("Status", account), waits.text, kills, overview_text(view, call), here=here, buttons=buttons
    )


@command("live", "Keep a status message current", permission=Permission.VIEW, usage="[off]", takes=1)
async def live(call: Call) -> Screen:
    """Post the live status message, or let it rest."""
    if choice(call, ("on", "off"), "on") == "off":
        said = "The live message rests now. /live starts a new one."
        return Screen(html.text(said), ((_STATUS,),), live=Live.STOP)
    text, buttons = await draw_live(call.service, Caller(call.actor, 0, call.chat_id, call.time_zone))
    return Screen(text, buttons, live=Live.START, toast="Live status posted")


async def draw_live(service: Quarterdeck, caller: Caller) -> tuple[Html, Rows]:
    """The live status message as it should look now; without wall time, which would change it for nothing."""
    view = await service.overview("", service.seen_by(caller.actor))
    text = html.lines(html.bold("📡 Live status"), "", _overview(view, caller))
    return text, ((Nav("🏠 Menu", "menu", fresh=True), Nav("🛡 Risk", "risk", fresh=True)),)


def control(state: TradingState, actor: Actor) -> tuple[Act, ...]:
    """Halt while trading, resume while halted; only for those who may."""
    if state is TradingState.HALTED:
        return (Act("▶️ Resume trading…", "resume"),) if actor.may(Permission.RESUME) else ()
    return (Act("🛑 Halt everything", "halt", urgent=True),) if actor.may(Permission.HALT) else ()


def overview_text(view: Overview, call: Call) -> Html:
    """The overview in the reader's zone."""
    return _overview(view, Caller(call.actor, 0, 0, call.time_zone))


async def _menu(call: Call, hello: Html) -> Screen:
    view, waits = await call.service.overview("", seen(call)), await attention(call)
    body = (
        hello,
        waits.text,
        states.label(view),
        states.trading_line(view.state, view.state_reason),
        _only_reducing(view),
        "",
        _accounts(view),
        _money_line(view),
    )
    places = [_counted(place, view) for place in _PLACES if _may(call, place)]
    buttons = (*waits.buttons, *grid(places), control(view.state, call.actor))
    screen = framed(call, ("Menu",), *(part for part in body if part != html.EMPTY), here=("menu",), buttons=buttons)
    return Screen(screen.text, (*screen.buttons[:-1], screen.buttons[-1][:1]), menu=True)


def _may(call: Call, place: Nav) -> bool:
    """Whether a place is for this reader: of what concerns the whole house only if they hold it there."""
    found = call.registry.find(place.command)
    if found is None:
        return False
    whole = found.permission in _OF_THE_HOUSE
    return call.actor.may(found.permission) if whole else call.actor.may_somewhere(found.permission)


def _counted(place: Nav, view: Overview) -> Nav:
    """`🧾 Orders (3)`, so that nobody has to look in vain."""
    count = {"positions": view.positions, "orders": view.open_orders}.get(place.command, 0)
    return replace(place, label=f"{place.label} ({count})") if count else place


def _money_line(view: Overview) -> Html:
    if not view.currency:
        kept = sorted({each.currency for each in view.accounts})
        if len(kept) == 1:
            return html.text("No total: real money and other money are not added up.")
        return html.text(f"No total: the accounts are kept in {', '.join(kept)}.")
    equity = html.bold(money(view.equity, view.currency))
    return html.text(
        equity,
        " · today ",
        signed_money(view.today, view.currency),
        f" ({signed_percent(view.today_fraction)})",
    )


def _accounts(view: Overview) -> Html:
    """A line for each account, where there are several."""
    return html.lines(*(_account(each, view.accounts) for each in view.accounts)) if view.accounts else html.EMPTY


def _account(view: Overview, among: Sequence[Overview]) -> Html:
    sign = "⚪️" if not view.connected else states.TRADING[view.state]
    worth = money(view.equity, view.currency)
    today = f"{signed_money(view.today, view.currency)} ({signed_percent(view.today_fraction)})"
    kind = states.kind_of_money(view, among)
    return html.text(f"{sign} ", html.bold(view.account), f"{kind}\n" if kind else " ", f"{worth} · {today}")


def _overview(view: Overview, caller: Caller) -> Html:
    rows = (
        _figures_of_all(view)
        if view.accounts
        else (
            ("Cash", money(view.cash, view.currency)),
            ("Invested", percent(view.gross_fraction)),
            ("Below peak since resume" if view.measured_since else "Below peak", percent(view.drawdown_fraction)),
            ("Positions", str(view.positions)),
            ("Open orders", str(view.open_orders)),
        )
    )
    accounts = (_accounts(view), "") if view.accounts else ()
    return html.lines(
        states.label(view),
        states.trading_line(view.state, view.state_reason),
        _only_reducing(view),
        "",
        *accounts,
        _money_line(view),
        table(rows),
        _strategies_line(view),
        _worries(view),
        "",
        html.text("🕰 ", view.feed or market_day(view.market_time, caller.zone)),
    )


def _figures_of_all(view: Overview) -> tuple[tuple[str, str], ...]:
    """What can be added up, or counted, over all accounts."""
    cash = (("Cash", money(view.cash, view.currency)),) if view.currency else ()
    return (*cash, ("Positions", str(view.positions)), ("Open orders", str(view.open_orders)))


def _strategies_line(view: Overview) -> Html:
    counts = (("🟢", view.running, "running"), ("⏸", view.paused, "paused"), ("⏹", view.stopped, "stopped"))
    shown = [f"{sign} {count} {word}" for sign, count, word in (*counts, ("🔴", view.failed, "failed")) if count]
    return html.text(" · ".join(shown) or "No strategies are set up yet.")


def _worries(view: Overview) -> Html:
    worries = []
    if not view.connected:
        away = ", ".join(each.account for each in view.accounts if not each.connected)
        worries.append(f"⚠️ The broker of {away} is not connected." if away else "⚠️ The broker is not connected.")
    worries += [f"⛔ {each}" for each in view.troubles]
    if view.uncertain_orders:
        worries.append(f"⚠️ {number_of(view.uncertain_orders, 'order')} of unknown outcome: /orders doubt")
    if view.pending_alerts:
        worries.append(f"🔔 {number_of(view.pending_alerts, 'alert')} not delivered yet.")
    return html.lines(*worries) if worries else html.EMPTY


def _only_reducing(view: Overview) -> Html:
    """Instruments on which books and venue disagree, or that were overfilled."""
    return html.text("🟡 Only reducing: ", ", ".join(view.restricted)) if view.restricted else html.EMPTY
