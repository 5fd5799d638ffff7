"""Every screen of trading by hand: as a snapshot, through Telegram's parser, and what its buttons do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from html import unescape

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.answer import Outcome
from bot.console import render_plain
from bot.figures import WIDTH, width
from bot.screen import TEXT_LIMIT, Act, Nav, Screen
from core.access.roles import Role
from core.views import LimitChange
from risk.view import TradingState
from tests.bot.fakes import World, busy_world, order, position
from tests.bot.parser import utf16, visible
from tests.bot.stage import Stage, labels

EVIL = '<b>&amp;"\u202ename</b>🙂'
ID = f"qd01HZX{1:019d}"
D = Decimal

HOSTILE = {
    "owner": EVIL, "objection": EVIL, "code": "MAX_POSITION", "largest": D(7), "largest_words": ("AAPL", "7"), "notes": (EVIL,) * 9,
    "exits": EVIL, "account": EVIL, "limits": (LimitChange(EVIL, EVIL, EVIL, EVIL, None, None),) * 5, "changed": EVIL,
}  # fmt: skip
NOTHING = {
    "bid": None, "ask": None, "quote_age": None, "basis": "nothing", "price": None, "worst_price": None, "value": None, "slippage_bps": None,
    "slippage_cost": None, "fee": None, "gross": (None, None), "net": (None, None), "leverage": (None, None), "limits": (),
    "simulated": False, "code": "PRICE_UNKNOWN", "objection": "No market price for AAPL", "largest": D(0),
}  # fmt: skip
HUGE = {
    "quantity": D("999999999999999.123456789012"), "value": D("-98765432109876.54"), "held": D("-1234567.89012345"),
    "held_after": D("999999998765432"), "account_held": D(-5), "account_after": D("99999999999999"), "price": D("0.000000000001"),
    "worst_price": D("123456789.123456789"), "gross": (D("-99999999999"), D("99999999999")), "leverage": (D("0.001"), D(12345)),
    "slippage_bps": D("-3.25"), "slippage_cost": D("-12.5"), "basis": "shallow", "quote_age": 86_400.0,
    "notes": ("The book shows only 5 at these prices: the rest may cost more.",),
}  # fmt: skip


def several() -> World:
    world = busy_world(5)
    world.positions = [
        position("AAPL", "120", by_strategy={"trend-aapl": D(100), "manual": D(20)}),
        position("MSFT", "-5", by_strategy={"manual": D(-5)}),
    ]
    return world


def hostile() -> World:
    world = busy_world(1)
    world.positions = [position("AAPL", by_strategy={EVIL: D(1)})]
    world.orders = [order(symbol=EVIL, strategies=(EVIL,), reason=EVIL)]
    return world


def crowded() -> World:
    world = busy_world(60)
    world.positions = [position(f"S{n}" + "X" * 28, by_strategy={"n" * 40: D("123456.789")}) for n in range(60)]
    world.orders = [order(n, symbol="S" * 30) for n in range(100)]
    return world


CASES = {
    "guided": (several, {}, ["/trade", "/trade buy", "/trade buy 9", "/trade close", "/buy", "/buy AAPL", "/sell AAPL", "/sell MSFT", "/close"]),
    "steps": (several, {}, ["/step type buy AAPL 10 limit 25", "/step price limit buy AAPL 10", "/step price stop sell AAPL 10",
                            "/step price trail sell AAPL 10", "/step exits buy AAPL 10 gtc in fund", "/step time buy AAPL 10 limit 25", "/step"]),
    "market": (several, {}, ["/buy AAPL 60", "/sell AAPL 60 limit 27 gtc post", "/buy AAPL 60 stop 30 limit 31 with stop 25 target 40",
                             "/sell AAPL 5 trail 2%", "/buy AAPL 5 gtd 2026-12-31", "/close AAPL trend-aapl half"]),
    "waiting": (several, {}, ["/sell AAPL 60 stop 24", "/sell AAPL 60 take 30", "/sell AAPL 60 stop 24 limit 23.9", "/buy AAPL 5 trail 0.5",
                              "/buy AAPL 5 limit 25 gtd 2026-12-31T15:00", "/buy AAPL limit 25 gtc"]),
    "denied": (several, {"code": "MAX_ORDER_VALUE", "objection": "The order is worth too much", "largest": D(7), "largest_words": ("AAPL", "7")}, ["/buy AAPL 60"]),
    "moved": (several, {"changed": "The price has moved by 2 %, from 100 to 102."}, ["/buy AAPL 60"]),
    "halted": (several, {"state": TradingState.HALTED, "code": "TRADING_STATE", "objection": "Trading is halted", "largest": D(0)}, ["/buy AAPL 60"]),
    "unconfirmed": (several, {"state": TradingState.HALTED, "code": "TRADING_STATE", "simulated": False, "mode": "live", "largest": D(0),
                              "objection": "Real money waits for a person's confirmation"}, ["/buy AAPL 60"]),
    "unknown": (several, NOTHING, ["/buy AAPL 60"]),
    "huge": (several, HUGE, ["/buy AAPL 60"]),
    "hostile": (hostile, HOSTILE, ["/buy AAPL 60", "/close", "/trade sell", "/cancel", "/exits AAPL"]),
    "empty": (World, {}, ["/trade sell", "/close", "/cancel", "/cancel all", "/exits AAPL"]),
    "crowded": (crowded, {}, ["/trade buy", "/trade buy 3", "/close", "/cancel", "/cancel all", "/positions"]),
    "mistakes": (several, {}, ["/buy APL 5", "/buy AAPL 1,5", "/buy AAPL 10 soon", "/buy AAPL 1e5", "/buy AAPL ten limit 5", "/buy <b>x</b> 5", "/trade sideways", "/modify x", "/exits", "/place"]),
    "changing": (several, {}, [f"/change {ID}", f"/modify {ID} price 26", "/cancel all", "/exits AAPL", "/exits manual AAPL none", "/exits AAPL stop 20",
                               f"/order {ID}", "/positions"]),
}  # fmt: skip
LINES = [(case, line) for case, (_, _, lines) in CASES.items() for line in lines]


async def shown(case: str, line: str) -> tuple[Stage, Screen]:
    make, changes, _ = CASES[case]
    stage = Stage(make())
    stage.service.changes = changes
    answer = await stage.say(line)
    assert answer.outcome is not Outcome.FAILED
    assert answer.screen
    return stage, answer.screen


@pytest.mark.parametrize(("case", "line"), LINES)
async def test_screen(case: str, line: str, snapshot: SnapshotAssertion) -> None:
    """As a person reads it, with the buttons."""
    _, screen = await shown(case, line)
    rows = ["  ".join(f"[{button.label}]" for button in row) for row in screen.buttons]
    assert "\n".join([render_plain(screen), "", *rows]) == snapshot


@pytest.mark.parametrize(("case", "line"), LINES)
async def test_telegram_accepts_it(case: str, line: str) -> None:
    """Its parser, its length, its buttons and their data; monospace lines fit a phone."""
    stage, screen = await shown(case, line)
    seen = visible(screen.text.markup)
    assert seen.strip() == screen.text.plain.strip()
    assert 0 < utf16(seen) <= TEXT_LIMIT
    _, keyboard = await stage.show(screen)
    keys = [key for row in keyboard.rows for key in row]
    assert 0 < len(keys) <= 100
    assert all(1 <= len(key.data.encode()) <= 64 and key.label for key in keys)
    for block in screen.text.markup.split("<pre>")[1:]:
        for row in block.partition("</pre>")[0].split("\n"):
            assert width(unescape(row)) <= WIDTH + 10 or case == "huge", row


async def test_the_yes_carries_exactly_what_was_shown() -> None:
    """The order in units and what it was seen on; it is a confirmation, and the only button that acts."""
    _, screen = await shown("market", "/buy AAPL 60 stop 30 limit 31 with stop 25 target 40")
    (yes,) = [button for row in screen.buttons for button in row if isinstance(button, Act)]
    words = ["AAPL", "60", "stop", "30", "limit", "31", "with", "stop", "25", "target", "40"]
    assert yes == Act("✅ Buy 60 AAPL", "place", ("buy", "26.35/0/120/ACTIVE", *words), confirms=True)


async def test_a_press_places_once_and_shows_the_order() -> None:
    """The second press of the same button is told that it was used."""
    stage = Stage(several())
    screen = (await stage.say("/buy AAPL 60")).screen
    assert screen
    message_id, keyboard = await stage.show(screen)
    data = keyboard.rows[0][0].data
    first = await stage.press(data, message_id)
    again = await stage.press(data, message_id)
    assert stage.service.calls == [("place", "buy", "26.35/0/120/ACTIVE", "AAPL", "60")]
    assert first.screen
    assert first.screen.follow == Nav("", "order", (ID,))
    assert again.outcome is Outcome.REFUSED


async def test_what_has_changed_is_a_new_question() -> None:
    """Nothing is placed, and the toast says why."""
    stage = Stage(several())
    stage.service.later = "The price has moved by 2 %."
    answer = await stage.tap(await stage.say("/buy AAPL 60"), "✅")
    assert stage.service.calls == []
    assert answer.toast == "Not sent: The price has moved by 2 %."
    assert answer.screen
    assert "✅ Buy 60 AAPL" in labels(answer.screen)


@pytest.mark.parametrize(
    "line", ["/place buy 26.35/0/120/ACTIVE AAPL 60", f"/modify {ID} price 26", "/cancel all", "/exits AAPL none"]
)
async def test_what_is_typed_asks_first(line: str) -> None:
    """No typed line changes anything by itself."""
    stage = Stage(several())
    answer = await stage.say(line)
    assert stage.service.calls == []
    assert answer.screen
    acts = [button for row in answer.screen.buttons for button in row if isinstance(button, Act)]
    assert [act.confirms for act in acts] == [True]


async def test_what_has_been_said_stays_when_the_size_is_asked_for() -> None:
    """A limit that somebody has written is not lost on the way: the order would go at market."""
    stage, screen = await shown("waiting", "/buy AAPL limit 25 gtc")
    pressed = next(each for row in screen.buttons for each in row if each.label == "1% of equity")
    assert isinstance(pressed, Nav)
    assert (pressed.command, pressed.args) == ("buy", ("AAPL", "1%", "limit", "25", "gtc"))
    answer = await stage.say(f"/buy {' '.join(pressed.args)}")
    assert answer.screen
    assert "limit 25.00" in answer.screen.text.plain


async def test_in_which_account_is_a_press_away(snapshot: SnapshotAssertion) -> None:
    """The words that were written go on in the account of the button."""
    stage = Stage(several())
    stage.service.accounts = ("main", "fund")
    answer = await stage.say("/buy AAPL 10 limit 25 with stop 5%")
    assert answer.screen
    assert render_plain(answer.screen) == snapshot
    there = [each for row in answer.screen.buttons for each in row if each.label.startswith("fund")]
    assert [each.args for each in there] == [("AAPL", "10", "limit", "25", "with", "stop", "5%", "in", "fund")]
    answer = await stage.say(f"/buy {' '.join(there[0].args)}")
    assert answer.screen
    assert "limit 25.00" in answer.screen.text.plain


async def test_the_guided_way_needs_no_memory() -> None:
    """Every button on the way carries the whole order; only the last one is a ticket that acts."""
    stage = Stage(several())
    answer = await stage.say("/trade")
    for label in ("Buy", "AAPL", "2% of", "🏷", "Limit", "-1 %", "⏳", "Till", "🛡", "2 % / "):
        answer = await stage.tap(answer, label, Role.TRADER)
        assert answer.screen
        assert stage.service.calls == []
    assert answer.screen
    (yes,) = [button for row in answer.screen.buttons for button in row if isinstance(button, Act)]
    assert yes.args[2:] == ("AAPL", "60", "limit", "26.09", "gtc", "with", "stop", "2%", "target", "4%")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.RISK])
async def test_who_may_not_trade_sees_no_such_button(role: Role) -> None:
    """Neither at positions nor at an order."""
    stage = Stage(several())
    for line in ("/positions", f"/order {ID}", "/menu"):
        screen = (await stage.say(line, role)).screen
        assert screen
        assert not [
            label for label in labels(screen) if any(word in label for word in ("Close", "Exits", "Change", "Trade"))
        ]


async def test_an_order_that_is_over_is_not_followed() -> None:
    """Its card rests."""
    world = several()
    world.orders = [order(1, is_open=False)]
    screen = (await Stage(world).say(f"/order {ID}")).screen
    assert screen
    assert screen.follow is None
    assert replace(screen, follow=None) == screen
