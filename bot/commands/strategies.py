"""Strategies: the list, a card each, and run / pause / stop / flatten."""

from __future__ import annotations

from collections.abc import Collection

from bot import html, states
from bot.accounts import seen, tabs, trail
from bot.arguments import name
from bot.command import Call, Question, command
from bot.figures import money, number_of, percent, quantity, rough_money, signed_money, table, when
from bot.framing import entries, framed, grid, notice
from bot.html import Html
from bot.outcomes import outcome
from bot.scoping import of_strategy
from bot.screen import Act, Button, Nav, Screen
from core.access.roles import Actor, Permission
from core.trading.scopes import HOUSE, Scope, ScopeKind, scope_said
from core.views import FlattenPreview, Overview, StrategyCard, StrategyRow, StrategyStatus
from risk.view import TradingState

_BACK = Nav("Strategies", "strategies")
_PLAN = "["  # begins what a question adds to the words: what exactly is to be closed
_MOST_OBSTACLES = 10
_VERBS = {
    StrategyStatus.RUNNING: ("pause", "stop"),
    StrategyStatus.PAUSED: ("run", "stop"),
    StrategyStatus.STOPPED: ("run",),
    StrategyStatus.FAILED: ("run", "stop"),
}
_NEEDS = {
    "run": Permission.OPERATE,
    "pause": Permission.REDUCE,
    "stop": Permission.REDUCE,
    "flatten": Permission.REDUCE,
}
_LABELS = {"run": "▶️ Start", "pause": "⏸ Pause", "stop": "⏹ Stop", "flatten": "🧹 Flatten…"}


@command("strategies", "All strategies and what they do", permission=Permission.VIEW, takes=1, aliases=("bots",))
async def strategies(call: Call) -> Screen:
    """The list, each strategy a button; of one account if it is named."""
    account = name(call)
    rows = await call.service.strategies(account, seen(call))
    view = await call.service.overview(account, seen(call))
    head = () if view.state is TradingState.ACTIVE else (_state(view), "")
    buttons = (*tabs(call, "strategies", account, whole=True), *_choose(rows, "strategy"))
    here = trail("strategies", account)
    return framed(call, trail("Strategies", account), *head, _list(rows), here=here, buttons=buttons)


@command("strategy", "All about one strategy", permission=Permission.VIEW, usage="NAME", takes=1, accounts=of_strategy)
async def strategy(call: Call) -> Screen:
    """The card of one strategy with its buttons."""
    if not name(call):
        return await _which(call, "strategy", "Which strategy?")
    return _card(call, await call.service.strategy(name(call), seen(call)))


@command(
    "parameters",
    "The parameters of a strategy",
    permission=Permission.VIEW,
    usage="NAME",
    takes=1,
    accounts=of_strategy,
)
async def parameters(call: Call) -> Screen:
    """Every parameter, its value and what it means."""
    if not name(call):
        return await _which(call, "parameters", "The parameters of which strategy?")
    card = await call.service.strategy(name(call), seen(call))
    steps = ("Strategies", card.row.name, "Parameters")
    return framed(call, steps, _parameters(card), here=("parameters", card.row.name), back=_to_card(card.row.name))


@command(
    "run",
    "Start a strategy",
    permission=Permission.OPERATE,
    usage="NAME",
    takes=1,
    aliases=("resume_strategy",),
    trace=("start strategy",),
    accounts=of_strategy,
)
async def run(call: Call) -> Screen:
    """Start a strategy, or go on after a pause."""
    if not name(call):
        return await _which(call, "run", "Start which strategy?")
    return outcome(await call.service.start_strategy(name(call), call.actor), _to_card(name(call)))


@command(
    "pause",
    "Open nothing new, keep positions",
    permission=Permission.REDUCE,
    usage="NAME",
    takes=1,
    trace=("pause strategy",),
    accounts=of_strategy,
)
async def pause(call: Call) -> Screen:
    """Pause a strategy."""
    if not name(call):
        return await _which(call, "pause", "Pause which strategy?")
    return outcome(await call.service.pause_strategy(name(call), call.actor), _to_card(name(call)))


async def _ask_stop(call: Call) -> Question | None:
    """Stopping while something is held needs a word first."""
    if not name(call):
        return None
    card = await call.service.strategy(name(call), seen(call))
    if not card.positions and not card.open_orders:
        return None
    held = html.join(", ", (f"{quantity(row.quantity)} {row.symbol}" for row in card.positions))
    text = html.lines(
        html.text("⏹ ", html.bold("Stop ", card.row.name, "?")),
        html.text("It holds ", held or "nothing", f" and has {number_of(card.open_orders, 'open order')}."),
        "Its positions stay; nobody manages them until you flatten or start it again.",
    )
    return Question(text, "⏹ Yes, stop it")


@command(
    "stop",
    "Stop a strategy",
    permission=Permission.REDUCE,
    usage="NAME",
    takes=1,
    ask=_ask_stop,
    trace=("stop strategy",),
    accounts=of_strategy,
)
async def stop(call: Call) -> Screen:
    """Stop a strategy."""
    if not name(call):
        return await _which(call, "stop", "Stop which strategy?")
    return outcome(await call.service.stop_strategy(name(call), call.actor), _to_card(name(call)))


async def _ask_flatten(call: Call) -> Question | None:
    """Show what would be traded; nothing to trade needs no question."""
    scope = _scope(call)
    strategy, account = _parts(scope)
    preview = await call.service.flatten_preview(strategy, account, accounts=seen(call))
    if not preview.orders:
        return None
    whose = "all positions" if scope.is_house else f"the positions of {preview.scope}"
    text = html.lines(
        html.text("🧹 ", html.bold(f"Flatten {whose}?")),
        "At market, at most what is shown:",
        preview_table(preview),
        *(html.text("🔴 Cannot be closed now: ", each) for each in preview.obstacles[:_MOST_OBSTACLES]),
        "What runs is paused, so that it does not buy again.",
    )
    sent = " ".join(
        f"{symbol} {units}" for symbol, units, _ in preview.orders
    )  # what they are worth moves all the time
    plan = await call.service.flatten_plan(strategy, account, seen(call))
    words = scope.words if scope.kind is ScopeKind.ACCOUNT else (scope.name,)
    return Question(text, "🧹 Yes, flatten", fingerprint=sent, args=(*words, plan))


def _scope(call: Call) -> Scope:
    """`account main`, `strategy trend`, or only the name of a strategy. Raises `UserError`."""
    words = [each for each in call.args if each and not each.startswith(_PLAN)]
    if not words:
        return HOUSE
    if words[0].lower() == ScopeKind.ACCOUNT.value:
        return scope_said(words, call.service.known_scopes(call.actor))
    if words[0].lower() == ScopeKind.BROKER.value:
        raise call.wrong("A broker is not flattened as a whole. Name an account or a strategy.")
    if words[0].lower() == ScopeKind.STRATEGY.value and len(words) > 1:
        words = words[1:]
    if len(words) > 1:
        raise call.wrong("Name one account or one strategy.")
    return Scope(ScopeKind.STRATEGY, words[0])  # also one that has left the settings and still holds something


def _parts(scope: Scope) -> tuple[str, str]:
    """The strategy and the account that are meant, one of them empty, or both."""
    return (scope.name, "") if scope.kind is ScopeKind.STRATEGY else ("", scope.name)


async def _flattened(call: Call) -> Collection[str]:
    """The account that is named, or those of the strategy; none: everything."""
    strategy, account = _parts(_scope(call))
    if account:
        return (account,)
    return call.service.accounts_of_strategy(strategy, call.actor) if strategy else ()


@command(
    "flatten",
    "Close positions at market",
    permission=Permission.REDUCE,
    usage="[STRATEGY | account NAME]",
    takes=3,
    aliases=("closeall",),
    ask=_ask_flatten,
    trace=("flatten",),
    accounts=_flattened,
    approval="flatten",
)
async def flatten(call: Call) -> Screen:
    """Close all positions, or those of one strategy or account."""
    strategy, account = _parts(_scope(call))
    preview = await call.service.flatten_preview(strategy, account, accounts=seen(call))
    if not preview.orders:
        who = strategy or account
        text = f"{who} holds nothing." if who else "No positions are open."
        return notice(f"There is nothing to flatten: {text}", toast="Nothing to flatten")
    shown = next((each for each in call.args if each.startswith(_PLAN)), "")
    result = await call.service.flatten(call.actor, strategy, account, shown=shown)
    return outcome(result, Nav("📦 Positions", "positions"), Nav("🧾 Orders", "orders"))


def preview_table(preview: FlattenPreview) -> Html:
    """The orders that would be sent."""
    return table(
        (symbol, f"{'buy' if units > 0 else 'sell'} {quantity(abs(units))}", rough_money(value, preview.currency))
        for symbol, units, value in preview.orders
    )


def _state(view: Overview) -> Html:
    """The gravest state, and where it is, if not everywhere."""
    there = [each.account for each in view.accounts if each.state is view.state]
    return states.trading_line(view.state, ", ".join(there) if len(there) < len(view.accounts) else "")


async def _which(call: Call, verb: str, question: str) -> Screen:
    rows = await call.service.strategies("", seen(call))
    if not rows:
        return notice("No strategies are set up yet. They are described in the settings file.")
    able = [row for row in rows if verb not in _NEEDS or verb in _VERBS[row.status]]
    text = html.bold(question) if able else html.text(f"There is none to {verb}: see what each of them does.")
    steps = ("Strategies", call.command.name.capitalize())
    return framed(call, steps, text, here=(call.command.name,), back=_BACK, buttons=_choose(tuple(able), verb))


def _choose(rows: tuple[StrategyRow, ...], verb: str) -> tuple[tuple[Button, ...], ...]:
    looks = verb in ("strategy", "parameters", "performance")
    kind = Nav if looks else Act
    return grid([kind(f"{states.STRATEGY[row.status]} {row.name}", verb, (row.name,)) for row in rows[:40]])


def _list(rows: tuple[StrategyRow, ...]) -> Html:
    if not rows:
        return html.text("No strategies are set up yet. Describe them in the settings file and start again.")
    return entries([_entry(row) for row in rows])


def _entry(row: StrategyRow) -> Html:
    return html.lines(
        html.text(states.STRATEGY[row.status], " ", html.bold(row.name), " ", signed_money(row.pnl, row.currency)),
        html.text(", ".join(row.symbols), f" · signal {row.exposure:+.2f}", _in(row.account)),
    )


def _in(account: str) -> str:
    """In which account, where there are several."""
    return f" · in {account}" if account else ""


def _to_card(strategy_name: str) -> Nav:
    return Nav(strategy_name, "strategy", (strategy_name,))


def _card(call: Call, card: StrategyCard) -> Screen:
    own = card.row.name
    buttons = (
        _control(card, call.actor),
        (Nav("⚙️ Parameters", "parameters", (own,)), Nav("🏁 Performance", "performance", (own,))),
        (Nav("🧾 Orders", "orders", ("all", "1", own)),),
    )
    return framed(call, ("Strategies", own), _facts(call, card), here=("strategy", own), back=_BACK, buttons=buttons)


def _control(card: StrategyCard, actor: Actor) -> tuple[Button, ...]:
    verbs = (*_VERBS[card.row.status], *(("flatten",) if card.positions else ()))
    return tuple(Act(_LABELS[verb], verb, (card.row.name,)) for verb in verbs if actor.may_somewhere(_NEEDS[verb]))


def _facts(call: Call, card: StrategyCard) -> Html:
    row = card.row
    net = row.pnl
    figures = (
        ("Realised", signed_money(card.realised, row.currency)),
        ("Unrealised", signed_money(card.unrealised, row.currency)),
        ("Fees", money(card.fees, row.currency)),
    )
    return html.lines(
        html.text(
            states.STRATEGY[row.status],
            " ",
            html.bold(row.status.value.capitalize()),
            " · P&L ",
            html.bold(signed_money(net, row.currency)),
        ),
        html.text("🔴 ", html.bold(card.held_back)) if card.held_back else html.EMPTY,
        html.text(card.title, " on ", ", ".join(row.symbols), _in(row.account)),
        html.italic(card.summary),
        html.text("🔴 ", html.bold("Error: "), html.code(card.error[:300])) if card.error else html.EMPTY,
        table(figures),
        html.text("Holds ", _holdings(card), f" · {number_of(card.open_orders, 'open order')}"),
        html.text(
            "Signal: ",
            card.last_signal or "none yet",
            f" ({when(card.last_signal_at, call.now, call.time_zone)})" if card.last_signal_at else "",
        ),
        html.text(
            f"{number_of(card.bars_seen, 'bar')} seen, {number_of(card.signals, 'signal')}, ",
            number_of(card.restarts, "restart"),
        ),
        html.text("Sizing: ", card.sizing),
    )


def _holdings(card: StrategyCard) -> str:
    return ", ".join(f"{quantity(row.quantity)} {row.symbol}" for row in card.positions) or "nothing"


def _parameters(card: StrategyCard) -> Html:
    if not card.parameters:
        return html.text("This strategy has no parameters.")
    return html.lines(
        *(
            html.lines(
                html.text(html.code(key), " = ", html.bold(value)),
                html.italic(card.parameter_help.get(key, "")),
            )
            for key, value in card.parameters.items()
        ),
        "",
        html.text("Exposure now: ", percent(card.row.exposure)),
    )
