"""Alerts: what was told, answering what is grave, and keeping things back for a while."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta

from bot import html
from bot.arguments import name, page_number
from bot.channels.telegram import buttons as keys_of
from bot.channels.telegram import render
from bot.command import Call, Origin, command
from bot.figures import number_of, second_time, span, when
from bot.framing import entries, framed, grid, pager
from bot.html import Html
from bot.outcomes import outcome
from bot.screen import Act, Button, Nav, Rows, Screen
from bot.suggesting import button
from core.access.roles import Permission
from core.alerts.channel import Standing, Status
from core.views import ActionResult, AlertCard, AlertRow, Muting, Page

_SEVERITY = {"INFO": "🔹", "WARNING": "🟡", "CRITICAL": "🔴"}
_FILTERS = {"all": "All", "open": "🔴 Open", "critical": "Critical", "warning": "Warnings", "muted": "🔕 Muted"}
_EMPTY = {
    "all": "No alerts yet. Fills, breaches, halts and failures are reported here.",
    "open": "No alert waits for an answer.",
    "critical": "Nothing critical has happened yet.",
    "warning": "There were no warnings yet.",
    "muted": "Nothing was kept back. /mutes tells what is being kept back.",
}
_PART = 3_000  # characters of a long alert on one page of its details
_MOST_LINES = 12
_NUMBER = re.compile(r"#?([0-9]{1,12})\Z")
_LENGTH = re.compile(r"([0-9]{1,4})(m|min|h|d)\Z", re.IGNORECASE)
_UNITS = {"m": timedelta(minutes=1), "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SNOOZES = ("15m", "1h")
_WINDOWS = ("30m", "1h", "2h", "4h")
_MUTE_LENGTHS = ("30m", "2h", "8h", "1d")
_MUTES = Nav("🔕 Mutes", "mutes")
_LIST = Nav("🔔 Alerts", "alerts")


# --- looking -----------------------------------------------------------------------------------------


@command("alerts", "What has been reported", permission=Permission.VIEW, usage="[open|critical|…] [PAGE]", takes=2)
async def alerts(call: Call) -> Screen:
    """Alerts by page: those that wait for an answer first, then the newest."""
    words = [word.lower() for word in call.args]
    chosen = [word for word in words if word in _FILTERS]
    others = [place for place, word in enumerate(words) if word not in _FILTERS]
    if len(chosen) > 1 or len(others) > 1:
        raise call.wrong(f"I take one filter and one page, not “{call.text[:60]}”.")
    which, number = next(iter(chosen), "all"), page_number(call, others[0]) if others else 1
    page = await call.service.alerts(page=number, which=which, actor=call.actor)
    filters = tuple(Nav(label, "alerts", (word, "1")) for word, label in _FILTERS.items() if word != which)
    return framed(
        call,
        ("Alerts",) if which == "all" else ("Alerts", _FILTERS[which]),
        render_alerts(page, call, which),
        here=("alerts", which, str(page.number)),
        buttons=(*grid(_open_buttons(page)), *grid(filters), *_steps(page, which)),
    )


@command("alert", "One alert in full", permission=Permission.VIEW, usage="ID [PAGE]", takes=2)
async def alert(call: Call) -> Screen:
    """What it says, who was told and how, and who has answered."""
    if not name(call):
        return await _which(call, "Which one? These wait for an answer; /alerts lists all.")
    number = _number(call)
    card = await call.service.alert(number, call.actor)
    parts = html.split(html.fold(card.body), _PART) if card.body.strip() else [html.EMPTY]
    page = min(page_number(call, 1), len(parts))
    return framed(
        call,
        ("Alerts", f"#{number}"),
        render_card(card, parts[page - 1], call, page, len(parts)),
        here=("alert", str(number), str(page)),
        back=_LIST,
        buttons=(*pager("alert", page, len(parts), before=(str(number),)), *_card_buttons(card, call)),
    )


def _steps(page: Page[AlertRow], which: str) -> Rows:
    return pager("alerts", page.number, page.pages, before=(which,))


def _open_buttons(page: Page[AlertRow]) -> list[Button]:
    waiting = [row for row in page.rows if _needs_answer(row.standing)]
    return [Nav(f"🔎 #{row.id}", "alert", (str(row.id),)) for row in waiting[:8]]


def _needs_answer(standing: Standing | None) -> bool:
    return standing is not None and standing.status in (Status.OPEN, Status.SNOOZED)


def render_alerts(page: Page[AlertRow], call: Call, which: str = "all") -> Html:
    """One page of alerts."""
    if not page.total:
        return html.text(_EMPTY[which])
    if not page.rows:
        return html.text(f"There is no page {page.number}; the last one is {page.pages}.")
    return entries([_alert(row, call) for row in page.rows])


def _alert(row: AlertRow, call: Call) -> Html:
    waiting = f" · {row.waiting} waiting" if row.waiting else ""
    muted = f" · 🔕 by #{row.muted}" if row.muted is not None else ""
    return html.lines(
        html.text(_SEVERITY.get(row.severity, "🔹"), " ", html.bold(row.title[:150])),
        html.text(row.body[:250]),
        _how_it_stands(row.standing, call),
        html.italic(
            f"#{row.id} · {when(row.at, call.now, call.time_zone)} · ",
            f"{number_of(row.delivered, 'delivery', 'deliveries')}{waiting}{muted}",
        ),
    )


def _how_it_stands(standing: Standing | None, call: Call) -> Html:
    """One line about who has answered."""
    if standing is None:
        return html.EMPTY
    if standing.status is Status.OPEN:
        return html.bold("⏳ Nobody has acknowledged it")
    if standing.status is Status.CLOSED:
        return html.text(f"☑️ Over {when(standing.ended, call.now, call.time_zone)}: {standing.note[:100]}")
    word = "✅ Acknowledged" if standing.status is Status.ACKNOWLEDGED else "💤 Snoozed"
    until = f", until {second_time(standing.until, call.time_zone)}" if standing.until else ""
    return html.text(f"{word} by {standing.by} {when(standing.at, call.now, call.time_zone)}{until}")


def render_card(card: AlertCard, part: Html, call: Call, page: int, pages: int) -> Html:
    """One alert in full; `part` is the page of its body that is shown."""
    row = card.row
    whose = " · ".join(each for each in (row.account, row.strategy) if each)
    coming = f"Next reminder {when(card.next_at, call.now, call.time_zone)}" if card.next_at else ""
    return html.lines(
        html.text(_SEVERITY.get(row.severity, "🔹"), " ", html.bold(row.title[:300])),
        html.italic(f"{row.severity} · {second_time(row.at, call.time_zone)}{f' · {whose}' if whose else ''}"),
        part,
        html.italic(f"page {page} of {pages}") if pages > 1 else html.EMPTY,
        _how_it_stands(row.standing, call),
        html.text(coming) if coming else html.EMPTY,
        "",
        _deliveries(card, call),
    )


def _deliveries(card: AlertCard, call: Call) -> Html:
    """Who was told, the newest steps last."""
    if not card.deliveries:
        muted = f"It was muted (#{card.row.muted})." if card.row.muted is not None else "It went to nobody."
        return html.text(muted)
    left_out = len(card.deliveries) - _MOST_LINES
    lines = [
        html.text(
            f"• {each.person} by {each.channel}{f', reminder {each.step}' if each.step else ''}: {each.told}"
            f"{f' {when(each.at, call.now, call.time_zone)}' if each.at else ''}"
        )
        for each in card.deliveries[-_MOST_LINES:]
    ]
    head = html.text(f"… and {left_out} before that") if left_out > 0 else html.EMPTY
    return html.lines(html.bold("Deliveries"), head, *lines)


def _card_buttons(card: AlertCard, call: Call) -> Rows:
    """The keys of the alert itself but for Details, and where one looks next."""
    rows = tuple(
        tuple(key for key in row if not (isinstance(key, Nav) and key.command == "alert"))
        for row in keys_of(card.message, call.actor)
    )
    places = (Nav("🛡 Risk", "risk", fresh=True), Nav("📦 Positions", "positions", fresh=True))
    return (*(row for row in rows if row), *((places,) if card.row.standing else ()))


# --- answering ---------------------------------------------------------------------------------------


async def _its_account(call: Call) -> Collection[str] | None:
    """The account of the alert that is answered."""
    if not name(call):
        return None
    account = await call.service.account_of_alert(_number(call))
    return (account,) if account else ()


@command(
    "ack",
    "Acknowledge an alert",
    permission=Permission.HALT,
    usage="ID",
    takes=1,
    aliases=("acknowledge",),
    accounts=_its_account,
    trace=("acknowledged",),
)
async def ack(call: Call) -> Screen:
    """You take care of it; reminders end, and everyone's copy shows your name."""
    if not name(call):
        return await _which(call, "Which one do you take care of?", "✅")
    number = _number(call)
    return await _answered(call, number, await call.service.acknowledge(number, call.actor))


@command(
    "snooze",
    "Silence an alert for a while",
    permission=Permission.HALT,
    usage="ID [15m|1h]",
    takes=2,
    accounts=_its_account,
    trace=("snoozed",),
)
async def snooze(call: Call) -> Screen:
    """It comes back when the time is over."""
    if not name(call):
        return await _which(call, "Which one is to be silent for 15 minutes?", "💤")
    number, length = _number(call), _length(call, name(call, 1) or _SNOOZES[0])
    return await _answered(call, number, await call.service.snooze(number, length, call.actor))


async def _answered(call: Call, number: int, result: ActionResult) -> Screen:
    """A pressed alert stays what it is and shows how it stands; who typed gets a sentence."""
    if call.origin is not Origin.PRESS:
        return outcome(result, Nav("🔎 Details", "alert", (str(number),)), _LIST)
    card = await call.service.alert(number, call.actor)
    text, rows = render(card.message, call.time_zone), keys_of(card.message, call.actor)
    sign = "✅" if result.ok else "⚠️"
    return Screen(text, rows, toast=f"{sign} {result.message}"[:180], alert=not result.ok)


async def _which(call: Call, question: str, sign: str = "🔎") -> Screen:
    """Every alert that waits for an answer, as buttons."""
    page = await call.service.alerts(which="open", actor=call.actor)
    body = html.text(question) if page.rows else html.text(_EMPTY["open"])
    keys = [button(call.command, (str(row.id),), f"{sign} #{row.id} {row.title}") for row in page.rows]
    return framed(call, ("Alerts", "Open"), body, here=("alerts", "open", "1"), back=_LIST, buttons=grid(keys, 1))


# --- keeping back ------------------------------------------------------------------------------------


@command("mutes", "What is kept back, and until when", permission=Permission.VIEW, usage="[new [WHAT]]", takes=2)
async def mutes(call: Call) -> Screen:
    """Mutes and maintenance windows in force; `new` leads to another."""
    if name(call).lower() == "new":
        return await (_lengths(call, name(call, 1)) if name(call, 1) else _choices(call))
    rows = await call.service.mutes(call.actor)
    may = call.actor.may_somewhere(Permission.HALT)
    ends = [Act(f"End #{row.id}", "unmute", (str(row.id),)) for row in rows[:20]] if may else []
    more = (Nav("🔕 Mute something…", "mutes", ("new",)),) if may else ()
    return framed(call, ("Mutes",), render_mutes(rows, call), here=("mutes",), back=_LIST, buttons=(*grid(ends), more))


async def _choices(call: Call) -> Screen:
    """What can be muted, as buttons."""
    known = await call.service.mutable(call.actor)
    keys = [Nav(each.replace(":", " ", 1), "mutes", ("new", each)) for each in known[:60]]
    body = html.text("What is to be kept back? CRITICAL alerts come all the same.")
    return framed(call, ("Mutes", "New"), body, here=("mutes", "new"), back=_MUTES, buttons=grid(keys))


async def _lengths(call: Call, what: str) -> Screen:
    """For how long, as buttons."""
    scope = await call.service.scope_of(what, call.actor)
    keys = [Act(f"🔕 {each}", "mute", (scope, each, "chosen", "by", "button")) for each in _MUTE_LENGTHS]
    own = html.text("With a reason of your own: ", html.code(f"/mute {scope} 2h REASON"))
    body = html.lines(html.text("How long is ", html.bold(scope.replace(":", " ", 1)), " kept back?"), "", own)
    return framed(call, ("Mutes", "New", scope), body, here=("mutes", "new", scope), back=_MUTES, buttons=grid(keys))


def render_mutes(rows: Sequence[Muting], call: Call) -> Html:
    """Each with its reason, its owner, its end and what it has kept back so far."""
    if not rows:
        return html.text("Nothing is kept back. /mute keeps a kind, a strategy or an account back for a while.")
    return entries([_muting(row, call) for row in rows])


def _muting(row: Muting, call: Call) -> Html:
    kept = ", ".join(f"{kind} {count}" for kind, count in sorted(row.kept.items())) or "nothing yet"
    sign = "🔧" if row.is_window else "🔕"
    return html.lines(
        html.text(f"{sign} #{row.id} ", html.bold(row.what)),
        html.text(f"{row.reason[:200]} ({row.owner})"),
        html.italic(f"{span(row.ends_at - call.now)} more, until {second_time(row.ends_at, call.time_zone)}"),
        html.text(f"Kept back: {kept}"),
    )


async def _muted_account(call: Call) -> Collection[str] | None:
    if len(call.args) < 3:
        return None
    account = await call.service.account_of_scope(await call.service.scope_of(name(call), call.actor))
    return (account,) if account else ()


@command(
    "mute",
    "Keep alerts back for a while",
    permission=Permission.HALT,
    usage="KIND|STRATEGY|ACCOUNT 2h REASON",
    takes=None,
    accounts=_muted_account,
    trace=("begin mute",),
)
async def mute(call: Call) -> Screen:
    """Of a kind, a strategy or an account; never what is critical."""
    if not name(call):
        return await _choices(call)
    if len(call.args) < 3:
        return await _lengths(call, name(call))
    length, reason = _length(call, name(call, 1)), " ".join(call.args[2:])
    return outcome(await call.service.mute(name(call), length, reason, call.actor), _MUTES)


async def _ended_account(call: Call) -> Collection[str] | None:
    if not name(call):
        return None
    account = await call.service.account_of_mute(_number(call))
    return (account,) if account else ()


@command(
    "unmute",
    "End a mute or a maintenance window",
    permission=Permission.HALT,
    usage="ID",
    takes=1,
    accounts=_ended_account,
    trace=("end mute", "end maintenance"),
)
async def unmute(call: Call) -> Screen:
    """Now, whatever its end was; what it kept back is told."""
    if not name(call):
        return await mutes(call)
    return outcome(await call.service.unmute(_number(call), call.actor), _MUTES)


async def _maintained(call: Call) -> Collection[str] | None:
    if len(call.args) < 2:
        return None
    account = _reason_and_account(call)[1]
    return (account,) if account else tuple(call.service.account_names())  # it holds back what happens in all of them


@command(
    "maintenance",
    "Hold what a venue's maintenance brings",
    permission=Permission.HALT,
    usage="30m REASON [ACCOUNT]",
    takes=None,
    accounts=_maintained,
    trace=("begin maintenance",),
)
async def maintenance(call: Call) -> Screen:
    """Lost connections and differences are told in one when it is over; what is critical comes at once."""
    if len(call.args) < 2:
        return _windows(call)
    reason, account = _reason_and_account(call)
    result = await call.service.maintain(_length(call, name(call)), reason, call.actor, account)
    return outcome(result, _MUTES)


def _windows(call: Call) -> Screen:
    """How long, and where, as buttons."""
    seen = [each for each in call.service.account_names() if call.actor.sees(each)]
    places = [("", ())] if len(seen) < 2 else [(f" {each}", (each,)) for each in seen[:10]]
    keys = [
        Act(f"🔧 {length}{label}", "maintenance", (length, "planned", "maintenance", *account))
        for label, account in places
        for length in _WINDOWS
    ]
    body = html.lines(
        "Lost connections and differences are held until the end and then told in one; what is critical comes at once.",
        "",
        html.text("With a reason of your own: ", html.code("/maintenance 30m REASON")),
    )
    return framed(call, ("Mutes", "Maintenance"), body, here=("mutes",), back=_MUTES, buttons=grid(keys, 4))


def _reason_and_account(call: Call) -> tuple[str, str]:
    """The reason, and the account if the last word names one."""
    words = call.args[1:]
    named = len(words) > 1 and words[-1] in call.service.account_names()
    return (" ".join(words[:-1]), words[-1]) if named else (" ".join(words), "")


def _number(call: Call) -> int:
    """The number of an alert or a mute: `12` or `#12`. Raises `UserError`."""
    found = _NUMBER.match(name(call))
    if found is None:
        raise call.wrong(f"A number like 12 is needed, not “{name(call)[:30]}”.")
    return int(found[1])


def _length(call: Call, word: str) -> timedelta:
    """`15m`, `2h` or `1d` as a length of time. Raises `UserError`."""
    found = _LENGTH.match(word)
    if found is None:
        raise call.wrong(f"A length is written like 15m, 2h or 1d, not “{word[:30]}”.")
    return int(found[1]) * _UNITS[found[2].lower()]
