"""What a card and a list say of an order besides its price: how it behaves, until when, and in which account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.answer import Outcome
from bot.screen import Nav
from core.views import OrderCard
from tests.bot.fakes import World, busy_world, order, position
from tests.bot.stage import Stage, labels

ID = order().client_order_id
MANNERS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"post_only": True}, "🔵 Buy 100 AAPL limit 25.50, post-only\n"),
    ({"reduce_only": True, "time_in_force": "gtc"}, "🔵 Buy 100 AAPL limit 25.50, reduce-only\n"),
    ({"time_in_force": "ioc"}, "🔵 Buy 100 AAPL limit 25.50, immediate or cancel\n"),
    ({"time_in_force": "fok", "reduce_only": True}, "🔵 Buy 100 AAPL limit 25.50, reduce-only, fill or kill\n"),
    ({"time_in_force": "gtd", "expires_at": datetime(2027, 1, 1, tzinfo=UTC)}, "\ngood to the end of 2026-12-31\n"),
    ({"time_in_force": "gtd", "expires_at": datetime(2026, 12, 31, 15, tzinfo=UTC)}, "\ngood until 2026-12-31 15:00\n"),
)


def by_hand(**changes: Any) -> World:
    world = busy_world(1)
    world.orders = [order(strategies=("manual",), reason="buy by hand", **changes)]
    return world


async def said(stage: Stage, line: str) -> str:
    answer = await stage.say(line)
    assert answer.screen
    return answer.screen.text.plain


@pytest.mark.parametrize(("changes", "words"), MANNERS)
async def test_a_card_says_how_the_order_behaves(changes: dict[str, Any], words: str) -> None:
    """What somebody has asked for in the preview is still there when the order works."""
    stage = Stage(by_hand(**changes))
    assert words in await said(stage, f"/order {ID}")
    if "expires_at" not in changes:
        assert words.strip() in await said(stage, "/orders")


async def test_an_order_by_hand_says_so_once() -> None:
    """Whose it is and what has asked for it are one word then."""
    stage = Stage(by_hand())
    whole = stage.service.order

    async def own(*words: Any) -> OrderCard:
        return replace(await whole(*words), origin="manual")

    stage.service.order = own
    assert "\nmanual · buy by hand\n" in await said(stage, f"/order {ID}")


async def test_with_several_accounts_an_order_says_in_which() -> None:
    """Two accounts may trade one symbol; with one account nothing is said."""
    stage = Stage(by_hand())
    assert "paper" not in await said(stage, "/orders")
    stage.service.visible = lambda _=None: ("main", "paper")
    assert " · manual · paper\n" in await said(stage, "/orders")
    assert " · paper · buy by hand\n" in await said(stage, f"/order {ID}")


async def test_a_position_is_closed_where_it_is() -> None:
    """The button of one account's position asks about no other, and its label is not cut without need."""
    world = busy_world(1)
    world.positions = [position("BTC/USDT:USDT", account="fut"), position("BTC/USDT", account="main")]
    answer = await Stage(world).say("/positions")
    assert answer.screen
    found = {each.label: each.args for row in answer.screen.buttons for each in row if isinstance(each, Nav)}
    assert found["✖ Close fut BTC/USDT:USDT…"] == ("BTC/USDT:USDT", "in", "fut")
    assert found["✖ Close main BTC/USDT…"] == ("BTC/USDT", "in", "main")


async def test_exits_of_a_position_that_two_accounts_hold() -> None:
    """Which is a press away; what was said stays said, and reaches the account that was chosen."""
    stage = Stage(busy_world(1))
    stage.service.accounts = ("main", "spare")
    for line in ("/exits manual AAPL", "/exits manual AAPL stop 20 target 30"):
        answer = await stage.say(line)
        assert answer.screen
        assert "In which account?" in answer.screen.text.plain
        label = next(each for each in labels(answer.screen) if each.startswith("spare"))
        assert (await stage.tap(answer, label)).outcome is Outcome.DONE
    assert ("exits", "manual", "AAPL", "stop", "20", "target", "30", "spare") in stage.service.calls
    question = await stage.say("/exits manual AAPL none in main")
    assert question.screen
    assert "Take the exits of" in question.screen.text.plain
    missing = await stage.say("/exits manual AAPL in")
    assert missing.screen
    assert "After “in” an account is missing." in missing.screen.text.plain
