"""The program attacked by those whom it serves: what a person could send who speaks Telegram's language themselves."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.answer import Answer, Outcome
from bot.command import REGISTRY
from bot.console_server import ConsoleClient, ConsoleServer, halt, socket_path
from bot.dispatch import Dispatcher
from bot.keyboard import URGENT_PREFIX
from bot.kills import kill_lines
from bot.logging import configure
from bot.people import People
from bot.safeguards import Safeguards
from core.access.rates import Rates
from core.access.roles import Actor, Role
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.errors import SettingsError
from core.halt_flag import HaltFlag
from core.settings.security import SecuritySettings, Totp
from core.store.database import Database
from core.store.models import AlertRow, OrderRow
from core.views import KillView
from tests.bot.guarded import ADA, TOM, VI, Guarded, text
from tests.bot.stage import Stage, key_data
from tests.core.test_floor import OFTEN, TRADER, House, house, settings
from tests.databases import database_url

EVIL = (
    "<b>x", "</code>", "\u202egnp", "A" * 900, "-1", "0", "9" * 30, "\u0661\u0662", "\u00b2", "1e9", "nan", "-inf",
    "../../etc/passwd", "%s{0}", "a|b", "\x00", "=x", "'; drop table audit;--", "\U0001f600" * 50, "99999999d", "2h", "account",
)  # fmt: skip
FAST = SecuritySettings(totp=Totp.OFF, commands_per_minute=600, looks_per_minute=600)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Guarded]:
    database = Database(database_url(tmp_path / "test.sqlite3"), require_durable=False)
    await database.open()
    try:
        made = await Guarded(tmp_path).open()
        await made.enrol(ADA)
        yield made
    finally:
        await database.close()


# --- presses that no button of ours makes ---------------------------------------------------------------


async def test_an_urgent_mark_on_another_button_runs_nothing(stage: Guarded) -> None:
    """It would go past its age, the limit of the person and a group that only looks."""
    message_id, keyboard = await stage.show(await stage.say("/resume"))
    nonce = key_data(keyboard, "Yes").partition("|")[2]
    answer = await stage.press(URGENT_PREFIX + nonce, message_id)
    assert answer.outcome is Outcome.REFUSED
    assert stage.done == []
    assert (await stage.trail())[-1][1:] == ("press", "an urgent mark on another button", "refused")
    assert "Already used" in text(await stage.press("a1|" + nonce, message_id))


@pytest.mark.parametrize("data", ["n1|halt", "n1|flatten", "p1|resume", "n1|role|Vi|admin", "n1|approve|1"])
async def test_a_press_without_a_ticket_changes_nothing_and_stands_in_the_trail(stage: Guarded, data: str) -> None:
    """Whoever makes up such data is at work on us."""
    answer = await stage.press(data, 1)
    assert answer.outcome is Outcome.REFUSED
    assert stage.done == []
    name = data.split("|")[1]
    assert (await stage.trail())[-1][1:] == ("press", f"/{name} without a ticket", "refused")


@pytest.mark.parametrize("data", ["h1|x", "/halt", "n1|halt"])
async def test_who_may_not_halt_cannot_flood_the_trail_with_halts(stage: Guarded, data: str) -> None:
    """The exemption of a halt from every limit is for those who may halt."""
    for _ in range(300):
        await (stage.say(data, VI) if data.startswith("/") else stage.press(data, 1, VI))
    assert len(await stage.trail()) <= stage.settings.looks_per_minute + 2
    assert stage.done == []


async def test_who_may_halt_is_never_counted(stage: Guarded) -> None:
    """By message or by press, however often."""
    for _ in range(100):
        await stage.say("/halt", TOM)
        await stage.press("h1|x", 1, TOM)
    assert stage.done.count("halt") == 200


async def test_a_yes_of_one_command_is_no_yes_of_another(stage: Guarded) -> None:
    """Confirmation and words are in our record, not in the press."""
    message_id, keyboard = await stage.show(await stage.say("/resume"))
    yes = key_data(keyboard, "Yes")
    for forged in (f"{yes}|flatten", f"{yes} ", yes.upper(), yes[:-1], f"a1|{yes}", yes.replace("a1", "a2")):
        assert (await stage.press(forged, message_id)).outcome is Outcome.REFUSED, forged
    assert stage.done == []


async def test_a_code_in_the_words_of_a_command_is_no_code(stage: Guarded) -> None:
    """Nor does a code run what was asked of somebody else."""
    await stage.resume()
    await stage.say(f"/resume {stage.code(ADA)}")
    await stage.say(stage.code(ADA), TOM)
    assert stage.done == []


# --- words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["typed", "pressed"])
async def test_no_words_break_a_command(way: str) -> None:
    """No incident, nothing longer than Telegram takes, no mark that turns the writing round, buttons that can be sent."""
    stage = Stage()
    for one in REGISTRY:
        for place, evil in enumerate(EVIL):
            words = [evil, EVIL[(7 * place + 3) % len(EVIL)]]
            for line in ([evil], words):
                data = "|".join(("n1", one.name, *line))
                answer = await (stage.say(f"/{one.name} {' '.join(line)}") if way == "typed" else stage.press(data, 1))
                _is_sound(answer, f"{one.name} {line}")
                if answer.screen is not None:
                    await stage.show(answer.screen)


def _is_sound(answer: Answer, what: str) -> None:
    assert answer.outcome is not Outcome.FAILED, what
    shown = text(answer)
    assert len(shown.encode("utf-16-le")) // 2 <= 4096, what
    assert not {"\u202e", "\x00"} & set(shown), what


# --- what is none of their business ----------------------------------------------------------------------

EVE = 7
SECRETS = ("main", "zz-alpha", "zz-told")


@pytest.mark.timeout(180)
async def test_an_account_that_is_hidden_shows_nowhere(tmp_path: Path) -> None:
    """Whatever is asked, by whatever name of it: nobody who does not see an account learns that there is one.

    Two things are the whole house's by intent: the audit trail, and the list of people.
    """
    async with house(_two_accounts(tmp_path)) as made:
        await made.days(40)
        await made.desk("main").halt_for("TEST", "too hot")
        await made.engine.alerts.add(
            Alert("x", Severity.CRITICAL, "zz-told", "body", account="main", strategy="zz-alpha")
        )
        orders = [row.client_order_id for row in await OrderRow.filter(account="main")]
        alert = await AlertRow.filter(account="main", title__contains="zz-told").first()
        assert orders
        assert alert
        names = ("main", "zz-alpha", orders[0], orders[0][-6:], str(alert.id))
        lines = [
            (),
            *((each,) for each in names),
            *((kind, each) for kind in ("account", "strategy", "all") for each in names[:2]),
        ]
        found = [
            f"/{one.name} {' '.join(words)}: {shown[:200]}"
            for role in (Role.VIEWER, Role.RISK, Role.TRADER)
            for one in REGISTRY
            if one.name not in ("audit", "users", "halt", "maintenance")
            for words in lines
            if (shown := await _asked(made, role, one.name, words)) and _tells(shown, words, orders)
        ]
        assert found == []


def test_a_kill_that_is_not_complete_is_told_to_who_sees_its_account() -> None:
    """It names account, strategy and the venue's own words."""
    call = Stage().call("risk")
    kill = KillView("main", "zz-alpha", call.now, 2, "too hot", ("🔴 zz-told",))
    eve = replace(call, actor=Actor("7", "Eve", Role.RISK, {"main": None}))
    assert "main · zz-alpha" in kill_lines([kill], call).plain
    assert kill_lines([kill], eve).plain == ""


def _two_accounts(folder: Path) -> Any:
    strategies = [
        {**TRADER, **OFTEN, "name": "zz-alpha", "symbols": ["MSFT"], "account": "main"},
        {**TRADER, **OFTEN, "name": "beta", "account": "fund"},
    ]
    return settings(folder, strategies=strategies)


async def _asked(made: House, role: Role, name: str, words: tuple[str, ...]) -> str:
    """All that an answer shows, with its buttons and files."""
    engine = made.engine
    people = People(())
    eve = engine.users.people[0].model_copy(update={"id": EVE, "name": "Eve", "role": role, "accounts": {"main": None}})
    people.replace([eve])
    guards = Safeguards(engine.factors, engine.approvals, Rates(engine.clock, FAST), FAST)
    dispatcher = Dispatcher(
        registry=REGISTRY, service=made.service, people=people, tickets=engine.tickets, audit=engine.audit,
        clock=engine.clock, safeguards=guards, ids=lambda: people.ids,
    )  # fmt: skip
    caller = people.find(EVE, EVE)
    assert caller
    line = " ".join((f"/{name}", *words))
    return _all_of(await dispatcher.line(caller, line, message_id=1, sent_at=engine.clock.now()))


def _all_of(answer: Answer) -> str:
    screen = answer.screen
    if screen is None:
        return answer.toast
    buttons = (f"{each.label} {getattr(each, 'args', '')}" for row in screen.buttons for each in row)
    document = screen.document.data.decode() if screen.document else ""
    return " ".join((text(answer), answer.toast, *buttons, document))


def _tells(shown: str, words: tuple[str, ...], orders: list[str]) -> bool:
    """Whether it says more of the hidden account than what was asked."""
    for word in sorted(words, key=len, reverse=True):
        shown = shown.replace(word, "")
    shown = shown.replace("maintenance", "").replace("remain", "")
    return any(each in shown for each in (*SECRETS, *orders))


# --- the console and the log -----------------------------------------------------------------------------


async def test_a_halt_works_in_any_terminal(tmp_path: Path) -> None:
    """Python reads what is not UTF-8 as lone surrogates; the flag is left all the same."""
    said = await halt(tmp_path, "gr\udcf6\udcdfer")
    assert "the next start begins halted" in said
    told = HaltFlag(tmp_path).news()
    assert told is not None
    assert told.startswith("gr")


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose socket lies in the temporary directory, where everybody may write."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    deep = tmp_path.joinpath(*["x" * 40] * 3)
    deep.mkdir(parents=True)
    assert socket_path(deep).parent.parent == tmp_path
    return deep


@pytest.mark.parametrize("how", ["open", "link"])
async def test_a_socket_where_others_may_put_theirs_is_refused(long: Path, tmp_path: Path, how: str) -> None:
    """Whoever was there first would get every command, and a halt would end with them."""
    place = socket_path(long).parent
    if how == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        (tmp_path / "theirs").mkdir()
        place.symlink_to(tmp_path / "theirs")
    with pytest.raises(SettingsError):
        await ConsoleServer(long, lambda: None).start()  # type: ignore[arg-type,return-value]
    with pytest.raises(SettingsError):
        await ConsoleClient.connect(long)


async def test_a_halt_does_not_end_in_a_strange_socket(long: Path, tmp_path: Path) -> None:
    """It leaves the flag, which a running program obeys within a second."""
    place = socket_path(long).parent
    place.mkdir()
    place.chmod(0o777)
    assert "I left" in await halt(long, "now")
    assert HaltFlag(long).news() == "now"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_traceback_in_a_terminal_shows_no_values() -> None:
    """Values of variables are of no use to a person, and a secret that is cut in two by a frame is not recognised."""
    stream, root = _Terminal(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure("INFO", stream)
    try:
        seed = "JBSWY3DPEHPK3PXP"
        raise ValueError("something")
    except ValueError:
        structlog.get_logger("own").exception("failed")
        written = stream.getvalue()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert "ValueError" in written
    assert seed not in written.replace('seed = "JBSWY3DPEHPK3PXP"', "")
