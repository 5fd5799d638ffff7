"""Every role, every command, every button, every account: who may, written out here by hand and compared.

The commands come from the registry, so a new one is in here by itself; it fails until `WHO` says who may use it.
"""

from __future__ import annotations

import pytest

from bot import charts
from bot.answer import Answer, Outcome
from bot.command import REGISTRY, Command
from bot.picture import Picture
from bot.screen import Act, Nav
from core.access.roles import Role
from core.settings import UserSettings
from risk.view import TradingState
from tests.bot.stage import USERS, Stage, users
from tests.bot.test_commands import ARGS

R = Role
EVERYBODY = frozenset(Role)
TRUSTED = frozenset({R.TRADER, R.RISK, R.ADMIN})
TRADES = frozenset({R.TRADER, R.ADMIN})
OVERSEES = frozenset({R.RISK, R.ADMIN})
ADMINS = frozenset({R.ADMIN})

WHO: dict[str, frozenset[Role]] = {
    **dict.fromkeys(
        ("alert", "alerts", "balance", "brokers", "chart", "exposure", "fills", "health", "help", "limits", "live", "menu", "more", "mutes", "timezone", "order", "orders",
         "parameters", "performance", "pnl", "positions", "report", "risk", "schedule", "scopes", "start", "status",
         "strategies", "strategy"), EVERYBODY),
    **dict.fromkeys(
        ("ack", "approvals", "approve", "cancel", "decline", "flatten", "halt", "look", "maintenance", "mute", "pause",
         "snooze", "stop", "unmute"), TRUSTED),
    **dict.fromkeys(
        ("buy", "change", "close", "decide", "exits", "modify", "place", "run", "sell", "step", "trade"), TRADES),
    **dict.fromkeys(("audit", "limit", "resume"), OVERSEES),
    **dict.fromkeys(
        ("addreport", "adjust", "failback", "golive", "invite", "job", "remove", "role", "testalert", "unlock", "users"), ADMINS),
}  # fmt: skip

# Commands that name something of the account `paper` in the words of ARGS: the role there counts, and nothing else.
IN_PAPER = frozenset({"cancel", "decide", "flatten", "look", "order", "parameters", "pause", "run", "stop", "strategy"})
# Changing the whole house needs the permission in every account; these do not change it.
OF_THE_HOUSE = EVERYBODY - EVERYBODY | frozenset(
    {name for name, who in WHO.items() if who is EVERYBODY}
    | {"audit"}
    | {name for name, who in WHO.items() if who is ADMINS}
)
# What finds its accounts in ways of its own: tests of these commands say more.
OWN_WAYS = frozenset({"ack", "alert", "snooze", "mute", "unmute", "maintenance", "halt", "resume", "place", "exits", "step", "buy",
                      "sell", "close", "change", "modify", "trade", "limit", "adjust", "golive",
                      "failback"})  # fmt: skip

ALL = list(REGISTRY)
NAMES = [one.name for one in ALL]


def line(one: Command) -> str:
    return f"/{one.name} {ARGS.get(one.name, '')}"


def stage(state: TradingState = TradingState.HALTED) -> Stage:
    made = Stage()
    made.service.world.state = state
    return made


def denied(answer: Answer, made: Stage) -> bool:
    """Whether somebody was refused for their role: told so, and in the trail."""
    words = f"{answer.screen.text.plain if answer.screen else ''} {answer.toast}"
    told = any(each in words for each in ("needs the role", "would reach every account", "Not allowed in"))
    noted = bool(made.audit.rows) and made.audit.rows[-1][2].startswith("role is not enough")
    assert told == noted, (answer, made.audit.rows[-3:])
    assert not told or answer.outcome is Outcome.REFUSED
    return told


def person(made: Stage, role: Role, **accounts: Role | None) -> None:
    """One person with a role of their own in some accounts, in the place of those of `USERS`."""
    number, name = USERS[role]
    made.people.replace([UserSettings(id=number, name=name, role=role, accounts=accounts)])


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest, and says nothing about who may."""
    monkeypatch.setattr(Picture, "png", lambda _: b"png")
    for chart in ("equity_chart", "report_chart", "candle_chart", "exposure_chart"):
        monkeypatch.setattr(charts, chart, lambda *_, **__: b"png")


@pytest.mark.parametrize("name", NAMES)
def test_somebody_has_said_who_may(name: str) -> None:
    """Deny by default: a command that is not in the table above is not released."""
    assert name in WHO, f"say in tests/bot/test_matrix.py who may use /{name}"


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("one", ALL, ids=NAMES)
async def test_typed(one: Command, role: Role) -> None:
    """By message: refused and audited, with nothing done; or answered, whatever the answer."""
    made = stage()
    answer = await made.say(line(one), role)
    assert denied(answer, made) is (role not in WHO[one.name])
    if role not in WHO[one.name]:
        assert made.service.calls == []
    assert answer.outcome is not Outcome.FAILED


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.HALTED])
@pytest.mark.parametrize("one", ALL, ids=NAMES)
async def test_pressed(one: Command, state: TradingState) -> None:
    """Every button of an admin's answer, in the hands of each role: as the command behind it; and who sees a button may press it."""
    for role in Role:
        made = stage(state)
        theirs = await made.say(line(one), role)
        shown = [button for row in (theirs.screen.buttons if theirs.screen else ()) for button in row]
        for button in shown:
            if isinstance(button, Act | Nav):
                behind = REGISTRY.find(button.command)
                assert behind
                assert role in WHO[behind.name], f"a {role} is shown {button.label} by /{one.name}"
    admins = (await stage(state).say(line(one))).screen
    for button in (button for row in (admins.buttons if admins else ()) for button in row):
        if isinstance(button, Act | Nav):
            behind = REGISTRY.find(button.command)
            assert behind
            for role in Role:
                await _press(button, behind, role, state)


async def _press(button: Act | Nav, behind: Command, role: Role, state: TradingState) -> None:
    made = stage(state)
    screen = (await made.say("/help")).screen
    assert screen
    caller = made.caller(role)
    keyboard = await made.keyboards.build(((button,),), user_id=caller.user_id, chat_id=caller.chat_id, message_id=7)
    answer = await made.press(keyboard.rows[0][0].data, 7, role)
    assert denied(answer, made) is (role not in WHO[behind.name]), (button, role)
    if role not in WHO[behind.name]:
        assert made.service.calls == []


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("one", [one for one in ALL if one.name not in OWN_WAYS], ids=lambda one: one.name)
async def test_a_role_in_one_account(one: Command, role: Role) -> None:
    """More there than elsewhere: it counts there, and nowhere else."""
    made = stage()
    person(made, R.VIEWER, paper=role)
    answer = await made.say(line(one), R.VIEWER)
    counts = role if one.name in IN_PAPER else R.VIEWER
    house = R.VIEWER in WHO[one.name] and (one.name in OF_THE_HOUSE or role in WHO[one.name])
    assert denied(answer, made) is not (counts in WHO[one.name] if one.name in IN_PAPER else house)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("one", [one for one in ALL if one.name not in OWN_WAYS], ids=lambda one: one.name)
async def test_less_in_one_account(one: Command, role: Role) -> None:
    """Less there: neither there, nor in a house that reaches there."""
    made = stage()
    person(made, role, paper=R.VIEWER)
    answer = await made.say(line(one), role)
    if one.name in IN_PAPER or one.name not in OF_THE_HOUSE:
        allowed = R.VIEWER in WHO[one.name] and role in WHO[one.name]
    else:
        allowed = role in WHO[one.name]
    assert denied(answer, made) is not allowed
    if not allowed:
        assert made.service.calls == []


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", sorted(IN_PAPER))
async def test_an_account_that_is_not_seen(name: str, role: Role) -> None:
    """What is in it is as if it were not there, for commands and buttons alike."""
    made = stage()
    person(made, role, paper=None)
    one = REGISTRY.find(name)
    assert one
    caller = made.caller(role)
    act = Act("x", name, tuple(ARGS[name].split()), confirms=True)
    keyboard = await made.keyboards.build(((act,),), user_id=caller.user_id, chat_id=caller.chat_id, message_id=7)
    for answer in (await made.say(line(one), role), await made.press(keyboard.rows[0][0].data, 7, role)):
        assert answer.outcome is Outcome.REFUSED
        assert "paper" not in f"{answer.screen.text.plain if answer.screen else ''}{answer.toast}"
    assert made.service.calls == []


@pytest.mark.parametrize("role", list(Role))
async def test_a_strategy_in_another_account(role: Role) -> None:
    """A role in one account says nothing of what is in the next."""
    made = stage()
    row = made.service.world.strategies["trend-aapl"]
    made.service.world.strategies["trend-aapl"] = type(row)(
        **{**{each: getattr(row, each) for each in row.__slots__}, "account": "fund"}
    )
    person(made, R.VIEWER, paper=role, fund=R.VIEWER)
    assert denied(await made.say("/pause trend-aapl", R.VIEWER), made)
    made.audit.rows.clear()
    person(made, R.VIEWER, fund=role)
    assert denied(await made.say("/pause trend-aapl", R.VIEWER), made) is (role not in WHO["pause"])


def test_the_people_of_the_stage_are_one_of_each_role() -> None:
    """Otherwise the matrix has a hole."""
    assert {each.role for each in users()} == set(Role)
