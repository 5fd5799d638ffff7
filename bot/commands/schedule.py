"""The schedule: what is done by the clock, and when."""

from __future__ import annotations

from collections.abc import Sequence

from bot import html
from bot.arguments import choice, name
from bot.command import Call, Question, command
from bot.figures import next_time, when
from bot.framing import entries, framed, grid
from bot.html import Html
from bot.outcomes import outcome
from bot.screen import Act, Button, Nav, Screen
from core.access.roles import Permission
from core.errors import UnknownName
from core.views import JobRow

_ACTIONS = ("run", "pause", "resume", "remove", "usual", "at")
_PERIODS = ("day", "week", "month", "all")
_DAYS = (
    ("Every day", "daily"),
    ("Mon to Fri", "mon-fri"),
    ("Mondays", "mon"),
    ("Fridays", "fri"),
    ("1st", "monthly 1"),
)
_TIMES = ("07:00", "08:00", "09:00", "12:00", "16:00", "17:00", "18:00", "21:00", "22:30")
_INTERVALS = (
    "every 1 s",
    "every 2 s",
    "every 5 s",
    "every 15 s",
    "every 30 s",
    "every 1 min",
    "every 5 min",
    "every 1 h",
)
_NEW, _WHEN = "+report", "when"  # no job is called so
_SCHEDULE = Nav("⏰ Schedule", "schedule")


@command(
    "schedule",
    "Jobs and when they run",
    permission=Permission.VIEW,
    aliases=("jobs",),
    usage="[NAME]",
    takes=4,
)
async def schedule(call: Call) -> Screen:
    """Every scheduled job, or one with what can be done to it, or the steps to a new one."""
    words = call.args
    if words[:1] == (_NEW,):
        return _steps(call, words[1:])
    if words:
        return await (_times(call) if words[1:] == (_WHEN,) else _card(call))
    return await _list(call)


async def _list(call: Call) -> Screen:
    rows = await call.service.jobs()
    chosen: list[Button] = [
        Nav(f"{'⏰' if row.enabled else '⏸'} {row.name}", "schedule", (row.name,)) for row in rows[:40]
    ]
    more = (Nav("📄 Add a report", "schedule", (_NEW,)),) if call.actor.may(Permission.ADMINISTER) else ()
    return framed(call, ("Schedule",), render_jobs(rows, call), here=("schedule",), buttons=(*grid(chosen), more))


async def _ask_job(call: Call) -> Question | None:
    """Pausing what safety depends on, and removing, are asked first."""
    action = name(call, 1).lower()
    if action not in ("pause", "remove"):
        return None
    row = await _row(call)
    if action == "remove":
        return Question(
            html.text("🗑 ", html.bold(f"Remove the job {row.name}?"), f"\n{row.title}, {row.schedule}"), "🗑 Yes, remove"
        )
    if not row.guards:
        return None
    text = html.lines(
        html.text("⏸ ", html.bold(f"Pause {row.name}?")),
        f"{row.title}, {row.schedule}. Safety depends on it and nothing replaces it.",
        "Everyone is told.",
    )
    return Question(text, "⏸ Yes, pause it")


@command(
    "job",
    "Run, pause or move a job",
    permission=Permission.ADMINISTER,
    usage="NAME run|pause|resume|usual|remove|at WHEN",
    takes=None,
    ask=_ask_job,
    trace=("run job", "paused job", "resumed job", "moved job", "removed job"),
)
async def job(call: Call) -> Screen:
    """Act on one job; what is missing is offered as buttons."""
    own, action, text = name(call), name(call, 1).lower(), " ".join(call.args[2:])
    if not text and action in ("", "at"):
        return await (_times(call) if action else _card(call) if own else _list(call))
    if action != "at":
        choice(call, _ACTIONS, "", 1)
        if text:
            raise call.wrong(f"After “{action}” nothing follows.")
    actor, back = call.actor, Nav(f"⏰ {own[:30]}", "schedule", (own,))
    if action == "run":
        return outcome(await call.service.run_job(own, actor), back)
    if action in ("pause", "resume"):
        return outcome(await call.service.set_job(own, enabled=action == "resume", actor=actor), back)
    if action == "remove":
        return outcome(await call.service.remove_job(own, actor), _SCHEDULE)
    return outcome(await call.service.move_job(own, text or action, call.time_zone.key, actor), back)


@command(
    "addreport",
    "Have a report come by itself",
    permission=Permission.ADMINISTER,
    usage="day|week|month|all WHEN",
    takes=None,
    trace=("added job",),
)
async def addreport(call: Call) -> Screen:
    """A report by schedule; what is missing is offered as buttons."""
    text = " ".join(call.args[1:])
    if ":" not in text and "every" not in text.lower():
        return _steps(call, call.args)
    period = choice(call, _PERIODS, "")
    return outcome(await call.service.add_job("report", period, text, call.time_zone.key, call.actor), _SCHEDULE)


def _steps(call: Call, words: tuple[str, ...]) -> Screen:
    """What is still missing of a new report: its period, its days, its time."""
    period, days = "".join(words[:1]).lower(), words[1:]
    if period and period not in _PERIODS:
        raise UnknownName("period", period, _PERIODS)
    if not period:
        text, chosen = "Of which period?", [_further(each.capitalize(), each) for each in _PERIODS]
    elif not days:
        text = f"On which days shall the report of the {period} come?"
        chosen = [_further(label, period, *word.split()) for label, word in _DAYS]
    else:
        text = f"At what time ({call.time_zone.key})?\nOr type /addreport {' '.join((period, *days))} 17:30"
        chosen = [Act(time, "addreport", (period, *days, time)) for time in _TIMES]
    return framed(
        call,
        ("Schedule", "Add a report"),
        text,
        here=("schedule", _NEW, *words),
        back=Nav("Schedule", "schedule"),
        buttons=grid(chosen, 3),
    )


def _further(label: str, *words: str) -> Button:
    return Nav(label, "schedule", (_NEW, *words))


async def _row(call: Call) -> JobRow:
    rows = {row.name: row for row in await call.service.jobs()}
    if name(call) not in rows:
        raise UnknownName("job", name(call), rows)
    return rows[name(call)]


async def _card(call: Call) -> Screen:
    """One job with everything that the reader can do to it."""
    row = await _row(call)
    acts = grid(_acts(row)) if call.actor.may(Permission.ADMINISTER) else ()
    back = Nav("Schedule", "schedule")
    return framed(call, ("Schedule", row.name), _job(row, call), here=("schedule", row.name), back=back, buttons=acts)


def _acts(row: JobRow) -> list[Button]:
    own = row.name
    acts: list[Button] = [
        Act("▷ Run now", "job", (own, "run")),
        Act("⏸ Pause", "job", (own, "pause")) if row.enabled else Act("▶️ Resume", "job", (own, "resume")),
        Nav("🕰 Change when…", "schedule", (own, _WHEN)),
    ]
    if row.usual:
        acts.append(Act("↩️ As usual", "job", (own, "usual")))
    if row.added_by:
        acts.append(Act("🗑 Remove…", "job", (own, "remove")))
    return acts


async def _times(call: Call) -> Screen:
    """When else a job could run."""
    row = await _row(call)
    offered = _INTERVALS if row.interval else [f"daily {time}" for time in _TIMES]
    chosen = [Act(text, "job", (row.name, "at", *text.split())) for text in offered]
    example = "every 10 s" if row.interval else "mon-fri 08:30"
    return framed(
        call,
        ("Schedule", row.name, "When"),
        html.text("Now ", html.bold(row.schedule), "."),
        html.text("Press, or type ", html.code(f"/job {row.name} at {example}")),
        html.italic(f"Times are in {call.time_zone.key}."),
        here=("schedule", row.name, _WHEN),
        back=Nav(row.name, "schedule", (row.name,)),
        buttons=grid(chosen, 3) if call.actor.may(Permission.ADMINISTER) else (),
    )


def render_jobs(rows: Sequence[JobRow], call: Call) -> Html:
    """Each job with its next and last run."""
    if not rows:
        return html.text("No jobs are scheduled.")
    return entries([_job(row, call) for row in rows])


def _job(row: JobRow, call: Call) -> Html:
    coming = f"next {next_time(row.next_at, call.now, call.time_zone)}" if row.enabled and row.next_at else "paused"
    moved = f"moved by {row.changed_by[:30]}, usually {row.usual}" if row.usual else ""
    added = f"added by {row.added_by[:30]}" if row.added_by else ""
    return html.lines(
        html.text("🟢 " if row.enabled else "⏸ ", html.bold(row.title), " ", html.code(row.name)),
        html.text(row.schedule, f" · {coming}"),
        html.italic(moved or added) if moved or added else html.EMPTY,
        html.italic(
            ("" if row.last_at else "has not run yet")
            or f"last {when(row.last_at, call.now, call.time_zone)}"
            + (f": {row.last_outcome[:100]}" if row.last_outcome else "")
        ),
    )
