"""A command sent alone leads on by buttons, and a wrong word to the right one: generated from the registry."""

from __future__ import annotations

import pytest

from bot.command import REGISTRY, Command
from bot.dispatch import Outcome
from bot.screen import Act, Nav, Screen
from core.access.roles import Role
from core.alerts.channel import Standing, Status
from core.errors import near
from risk.view import TradingState
from tests.bot.fakes import World, alert, busy_world
from tests.bot.stage import Stage, labels

# Words that nobody can offer: a name that does not exist yet; and two that only buttons send.
FREE = {"invite": "the name of somebody new", "place": "only a preview leads there", "step": "only /trade leads there"}
HOME = {"menu"}
ALL = [one for one in REGISTRY if one.name not in FREE]


def world(trading: TradingState = TradingState.ACTIVE) -> World:
    """Something of everything, in every state."""
    made = busy_world(4)
    made.state = trading
    made.orders[0] = type(made.orders[0])(
        **{**{each: getattr(made.orders[0], each) for each in made.orders[0].__slots__}, "strategies": ("manual",)}
    )
    made.orders[1] = type(made.orders[1])(
        **{**{each: getattr(made.orders[1], each) for each in made.orders[1].__slots__}, "state": "uncertain"}
    )
    made.alerts.insert(0, alert(90, severity="CRITICAL", title="Halted", standing=Standing(Status.OPEN)))
    return made


def onward(screen: Screen, one: Command) -> list[Act | Nav]:
    """Buttons that lead somewhere else than home and the same screen."""
    shown = [button for row in screen.buttons for button in row if isinstance(button, Act | Nav)]
    return [each for each in shown if each.command not in HOME and not (each.command == one.name and not each.args)]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
async def test_a_command_alone_leads_on(one: Command) -> None:
    """It works as it is, or offers what is missing: never only a line about how to type it."""
    made = world(TradingState.HALTED if one.name == "resume" else TradingState.ACTIVE)
    made.simulated = one.name != "golive"  # a paper account has nothing to confirm
    answer = await Stage(made).say(f"/{one.name}")
    assert answer.outcome is Outcome.DONE, answer.screen
    assert answer.screen
    assert "Use it like this" not in answer.screen.text.plain
    assert onward(answer.screen, one) or "Nothing" in answer.screen.text.plain, labels(answer.screen)


@pytest.mark.parametrize("one", [one for one in ALL if one.usage], ids=lambda one: one.name)
async def test_what_is_offered_works(one: Command) -> None:
    """Every button of such an answer is answered, by this command or another, without complaint about its words."""
    asked = await Stage(world()).say(f"/{one.name}")
    assert asked.screen
    for button in onward(asked.screen, one):
        stage = Stage(world())
        message_id, keyboard = await stage.show(Screen(asked.screen.text, ((button,),)))
        answer = await stage.press(keyboard.rows[0][0].data, message_id)
        assert answer.outcome is Outcome.DONE, (button, answer.screen)


@pytest.mark.parametrize("name", ["chart", "close", "exits", "performance", "strategy", "order"])
async def test_an_empty_house_says_what_to_do(name: str) -> None:
    """There is nothing to choose from: the answer says so."""
    answer = await Stage(World()).say(f"/{name}")
    assert answer.screen
    assert any(word in answer.screen.text.plain for word in ("No ", "Nothing", "nothing", "no ", "Which", "symbol"))


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("/pause trend-appl", "trend-aapl"),
        ("/pause aapl", "trend-aapl"),
        ("/pause TREND", "trend-aapl"),
        ("/strategy trnd", "trend-aapl"),
        ("/stauts", "/status"),
        ("/strat", "/strategies"),
        ("/pase trend-aapl", "/pause"),
        ("/report yesterday", "day"),
        ("/chart MSTF", "MSFT"),
        ("/schedule report", "daily-report"),
        ("/limit open_orders 5", "max_open_orders"),
        ("/help acknowledg", "acknowledge"),
    ],
)
async def test_a_typo_is_a_press_away(line: str, label: str) -> None:
    """As a button, with all the other words."""
    answer = await Stage(world()).say(line)
    assert answer.screen
    assert answer.outcome is Outcome.REFUSED
    assert label in labels(answer.screen) or label in answer.screen.text.plain, answer.screen


async def test_a_corrected_command_keeps_its_words() -> None:
    """`/pase trend-aapl` pressed is `/pause trend-aapl`."""
    stage = Stage(world())
    await stage.tap(await stage.say("/pase trend-aapl"), "/pause")
    assert stage.service.calls == [("pause", "trend-aapl", "Ada")]


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_is_offered_what_they_may_not(role: Role) -> None:
    """A viewer's typo does not become a trader's button."""
    stage = Stage(world())
    answer = await stage.say("/flaten", role)
    assert answer.screen
    assert ("/flatten" in labels(answer.screen)) is (role is not Role.VIEWER)


def test_near() -> None:
    """Parts first, then what looks alike, then single words; whatever the case, and nothing for nothing."""
    names = ["trend-aapl", "reversion-aapl", "trend-msft", "BTC/USD"]
    assert set(near("aapl", names)) == {"trend-aapl", "reversion-aapl"}
    assert near("btc", names) == ("BTC/USD",)
    assert near("revrsion", names)[0] == "reversion-aapl"
    assert near("", names) == ()
    assert near("zzzz", names) == ()
