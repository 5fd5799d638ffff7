"""Alerts by Telegram: rendering, buttons, and which errors mean what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from syrupy.assertion import SnapshotAssertion
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter, TimedOut

from bot.channels.telegram import TelegramChannel, buttons, render
from bot.courier import Courier, Edited
from bot.html import Html
from bot.keyboard import Keyboard
from bot.pacing import Lane, Pacer
from bot.screen import Act
from core.access.roles import Actor, Role
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity, Standing, Status
from tests.bot.fakes import NOW
from tests.bot.parser import utf16, visible
from tests.bot.stage import Stage


def message(**changes: Any) -> Message:
    fields = {
        "ids": (7,),
        "kind": "halt",
        "severity": Severity.CRITICAL,
        "title": "Halted <now>",
        "lines": ("loss & more",),
        "at": NOW,
    }
    return Message(**{**fields, **changes})


FILLS = tuple(f"buy {n * 100} AAPL @ 25.{n:02d}" for n in range(1, 40))
MESSAGES = {
    "halt": message(),
    "one fill": message(kind="fill", severity=Severity.INFO, title="Fill", lines=FILLS[:1]),
    "fills": message(ids=tuple(range(1, 13)), kind="fill", severity=Severity.INFO, title="Fills", lines=FILLS[:12]),
    "failure": message(
        kind="strategy", severity=Severity.WARNING, title="trend-aapl failed", lines=("ValueError: <x>",)
    ),
    "long": message(kind="fill", lines=tuple("<&>" * 500 for _ in range(60)), title="t" * 900),
    "empty": message(lines=()),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_rendering(name: str, snapshot: SnapshotAssertion) -> None:
    """As Telegram shows it, within its limits."""
    markup = render(MESSAGES[name]).markup
    assert utf16(visible(markup)) <= 20_000
    if name != "long":
        assert markup == snapshot


def acts(role: Role, **changes: Any) -> list[str]:
    rows = buttons(message(**changes), Stage().caller(role).actor)
    return [button.command for row in rows for button in row if isinstance(button, Act)]


def test_what_is_one_press_away_from_a_critical_alert() -> None:
    """To halt; once halted, to go on or to get out; to halt again if orders may still be open. By role."""
    assert [acts(role, kind="breach") for role in Role] == [[], ["halt"], ["halt"], ["halt"]]
    assert [acts(role) for role in Role] == [[], ["flatten"], ["resume", "flatten"], ["resume", "flatten"]]
    incomplete = [acts(role, title="HALT INCOMPLETE: orders may still be open") for role in Role]
    assert incomplete == [[], ["halt"], ["halt"], ["halt"]]


OPEN = Standing(Status.OPEN)
MINE = Standing(Status.ACKNOWLEDGED, "Ada <1>", NOW)
ASLEEP = Standing(Status.SNOOZED, "Bob", NOW, NOW + timedelta(minutes=15))
OVER = Standing(Status.CLOSED, "Bob", NOW, ended=NOW, note="the venue <answers> again")


def test_an_open_alert_is_answered_by_a_press() -> None:
    """Only who may halt there has the keys; once answered they are gone."""
    keys = {role: acts(role, kind="breach", standing=OPEN) for role in Role}
    answers = ["ack", "snooze", "snooze", "halt"]
    assert keys == {Role.VIEWER: [], Role.TRADER: answers, Role.RISK: answers, Role.ADMIN: answers}
    assert acts(Role.ADMIN, kind="breach", standing=ASLEEP) == ["ack", "halt"]
    assert acts(Role.ADMIN, kind="breach", standing=MINE) == ["halt"]
    assert acts(Role.ADMIN, kind="breach", standing=OVER) == []
    blind = Actor("9", "Bea", Role.TRADER, {"fund": Role.VIEWER})
    rows = buttons(message(kind="breach", standing=OPEN, account="fund"), blind)
    assert [key.command for row in rows for key in row] == ["alert", "halt"]


@pytest.mark.parametrize(("standing", "step"), [(OPEN, 0), (OPEN, 2), (MINE, 1), (ASLEEP, 0), (OVER, 0)])
def test_how_an_alert_stands(standing: Standing, step: int, snapshot: SnapshotAssertion) -> None:
    """In every copy, by the reader's clock."""
    markup = render(message(standing=standing, step=step), ZoneInfo("Europe/Berlin")).markup
    assert visible(markup)
    assert markup == snapshot


async def test_plain_text_needs_nothing_that_can_be_refused() -> None:
    """No markup, no keyboard, no half characters."""
    stage, bot, _, channel = build()
    await channel.deliver("1", message(plain=True, lines=("a \ud800 <b>",)))
    assert bot.sent == [("🔴 Halted <now>\na ? <b>\n#7", None)]
    assert stage.tickets.stored == {}


class FakeBot:
    """Fails with what it is told, one error a call, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[str, Any]] = []
        self.threads: list[int | None] = []

    async def send_message(self, chat_id: int, text: str, *, parse_mode: ParseMode | None, **more: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((text, parse_mode))
        self.threads.append(more.get("message_thread_id"))
        return type("Sent", (), {"message_id": 5})()

    async def edit_message_text(self, text: str, *_: Any, **__: Any) -> None:
        raise self.errors.pop(0)


def build(*errors: Exception) -> tuple[Stage, FakeBot, Courier, TelegramChannel]:
    stage = Stage()
    bot = FakeBot(*errors)

    async def sleep(seconds: float) -> None:
        stage.clock.advance(max(seconds, 0.001))

    courier = Courier(bot, Pacer(stage.clock, sleep=sleep), sleep)  # type: ignore[arg-type]
    return stage, bot, courier, TelegramChannel(courier, stage.keyboards, stage.people, stage.service)


async def test_delivery_binds_its_buttons() -> None:
    """The halt button of an alert works once, in a new message."""
    stage, bot, _, channel = build()
    await channel.deliver("1", message(kind="breach"))
    assert "Halted &lt;now&gt;" in bot.sent[0][0]
    nonce = next(iter(stage.tickets.stored))
    answer = await stage.press(f"h1|{nonce}", 5)
    assert answer.fresh
    assert stage.service.calls[0][0] == "halt"


@pytest.mark.parametrize("words", ["Button_data_invalid", "Message_too_long", "Can't parse entities: <b>"])
async def test_what_telegram_refuses_for_its_form_goes_as_plain_text_at_once(words: str) -> None:
    """In the same attempt, whatever it did not like."""
    _, bot, _, channel = build(BadRequest(words))
    assert await channel.deliver("1", message(standing=OPEN)) == "5"
    assert bot.sent[-1][1] is None


async def test_a_copy_is_changed_and_its_old_keys_are_gone() -> None:
    """One that is gone, or the same already, is no error."""
    _, bot, _, channel = build()
    changed: list[tuple[str, int]] = []

    async def edit(text: str, chat: int, number: int, *_: Any, **__: Any) -> None:
        changed.append((text, number))
        if len(changed) == 2:
            raise BadRequest("Message to edit not found")

    bot.edit_message_text = edit  # type: ignore[method-assign]
    for _ in range(2):
        await channel.revise("1", "17", message(standing=MINE))
    assert [number for _, number in changed] == [17, 17]
    assert "Acknowledged by Ada &lt;1&gt;" in changed[0][0]


async def test_in_a_group_everybody_has_the_keys_and_a_strategy_has_its_topic() -> None:
    """Who presses is asked who they are."""
    stage, bot, courier, _ = build()

    class Topics:
        async def thread_for(self, chat_id: int, strategy: str) -> int | None:
            return 77 if (chat_id, strategy) == (-100, "trend") else None

    channel = TelegramChannel(courier, stage.keyboards, stage.people, stage.service, Topics())
    await channel.deliver("-100", message(standing=OPEN, strategy="trend"))
    assert {stored.request.user_id for stored in stage.tickets.stored.values()} == {None}
    assert bot.threads == [77]


async def test_markup_that_telegram_refuses_goes_as_plain_text() -> None:
    """In the same attempt: an alert is never lost over a tag."""
    _, bot, _, channel = build(BadRequest("Can't parse entities: unexpected end"))
    await channel.deliver("1", message())
    assert bot.sent[0][1] is None
    assert "<" not in bot.sent[0][0].replace("<now>", "")


@pytest.mark.parametrize(
    ("error", "kind", "wait"),
    [
        (RetryAfter(17), ChannelDown, 17),
        (TimedOut(), ChannelDown, None),
        (NetworkError("Bad Gateway"), ChannelDown, None),
        (Forbidden("Forbidden: bot was blocked by the user"), ChannelRefused, None),
        (BadRequest("Chat not found"), ChannelRefused, None),
        (InvalidToken("Not Found"), ChannelDown, None),
        (InvalidToken("Unauthorized"), ChannelDown, None),
    ],
)
async def test_errors_are_told_apart(error: Exception, kind: type[Exception], wait: float | None) -> None:
    """For now, or for good."""
    _, _, _, channel = build(error)
    with pytest.raises(kind) as raised:
        await channel.deliver("1", message())
    assert getattr(raised.value, "retry_after", None) == wait


@pytest.mark.parametrize("recipient", ["999", "nobody", ""])
async def test_strange_recipients_are_refused(recipient: str) -> None:
    """Someone who is no longer a user hears nothing more."""
    _, bot, _, channel = build()
    with pytest.raises(ChannelRefused):
        await channel.deliver(recipient, message())
    assert bot.sent == []


async def test_a_reply_is_tried_again() -> None:
    """429, a timeout and a 502 later it arrives."""
    stage, bot, courier, _ = build(RetryAfter(3), TimedOut(), NetworkError("Bad Gateway"))
    assert await courier.send(1, Html("x"), Keyboard(), Lane.REPLY) == 5
    assert len(bot.sent) == 1
    assert (stage.clock.now() - NOW).total_seconds() >= 3


async def test_edits() -> None:
    """Nothing to change is fine; a message that is gone is told."""
    _, _, courier, _ = build(
        BadRequest("Message is not modified: …"),
        BadRequest("Message to edit not found"),
        BadRequest("Message can't be edited"),
    )
    outcomes = [await courier.edit(1, 5, Html("x"), Keyboard(), Lane.REPLY) for _ in range(3)]
    assert outcomes == [Edited.SAME, Edited.GONE, Edited.GONE]


@pytest.mark.parametrize("error", [TimedOut(), RetryAfter(3), Forbidden("blocked"), BadRequest("query is too old")])
async def test_an_answer_to_a_press_never_raises(error: Exception) -> None:
    """Whatever Telegram says to it, what was pressed for is more important."""
    _, bot, courier, _ = build()

    async def answer(*_: Any, **__: Any) -> None:
        raise error

    bot.answer_callback_query = answer  # type: ignore[attr-defined]
    assert not await courier.answer("q1", "done")
