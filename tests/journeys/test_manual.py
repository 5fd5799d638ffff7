"""Trading by hand through a real chat: the whole program in the test's loop, over a market whose prices the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.program import Program
from bot.sandbox.run import UNPACED, sandbox_settings
from bot.sandbox.server import Limits, SandboxServer
from brokers.errors import Uncertain
from brokers.market import Bar
from core.market.replay import BarBatch
from core.store.models import OrderRow
from tests.databases import sqlite_file
from tests.journeys.person import Person, find, labels, said
from tests.journeys.sandbox import TRADER, VIEWER

OVER = {
    "market": {"speed": 0.001, "symbols": ["AAPL", "IBM", "MSFT"]},
    "strategies": [],
    "manual": {"price_tolerance_percent": "0.5"},
    "security": {"orders_per_10_seconds": 100, "looks_per_minute": 600, "commands_per_minute": 600},
}


class Town:
    """A trader and a viewer in their chats, the program behind, and a market that trades where it is told."""

    def __init__(self, program: Program, http: httpx.Client) -> None:
        self.program = program
        self.engine = program.engine
        self.tess, self.vic = Person(http, TRADER), Person(http, VIEWER)

    async def trades_at(self, **prices: object) -> None:
        """A day passes; every price of it is this one."""
        rounds = self.engine.rounds
        async with rounds.between():
            at = self.engine.trading_clock.now() + timedelta(days=1)
            bars = {
                symbol: Bar(symbol, at, *[Decimal(str(price))] * 4, Decimal(1_000_000))
                for symbol, price in prices.items()
            }
            await rounds.process(BarBatch(at, 0, bars))

    async def say(self, text: str, who: Person | None = None) -> Any:
        return await asyncio.to_thread((who or self.tess).say, text)

    async def press(self, message: Any, label: str) -> Any:
        return await asyncio.to_thread(self.tess.press, message, label)

    async def look(self, message: Any, words: str) -> str:
        """Wait until a message has edited itself to say this."""
        for _ in range(1200):
            shown = said(await asyncio.to_thread(self.tess.look, message["message_id"]))
            if words in shown:
                return shown
            await asyncio.sleep(0.05)
        raise AssertionError(f"{words!r} not in {shown!r}")

    def held(self, symbol: str) -> Decimal:
        return self.engine.floor.first.portfolio.lot("manual", symbol).quantity


@asynccontextmanager
async def town(folder: Path, **over: Any) -> AsyncIterator[Town]:
    sqlite_file(folder / "quarterdeck.sqlite3")  # migrated already: that takes seconds
    server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed())
    await server.start()
    try:
        program = Program(sandbox_settings(folder, server, {**OVER, **over}), budget=UNPACED, durable=False)
        await program.start()
        try:
            with httpx.Client(base_url=server.url, timeout=60) as http:
                here = Town(program, http)
                await asyncio.sleep(0.2)
                await here.trades_at(AAPL=100, IBM=50, MSFT=30)
                yield here
        finally:
            await program.stop()
    finally:
        await server.stop()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as found:
        yield found


async def test_a_bracket_in_one_line(here: Town) -> None:
    """Previewed, confirmed, filled while one looks, protected, and closed by its target."""
    preview = await here.say("/buy AAPL 10 stop 95 target 110")
    text = said(preview)
    for words in (
        "🔵 Buy 10 AAPL at market",
        "with stop at 95, target at 110",
        "SIMULATED",
        "from the order book",
        "The gate would let it pass",
    ):
        assert words in text, words
    card = await here.press(preview, "✅ Buy 10 AAPL")
    assert "working, 0 of 10 filled" in said(card)
    await here.trades_at(AAPL=100)
    assert "10 of 10 filled" in await here.look(card, "filled, 10")
    assert here.held("AAPL") == 10
    assert "stop 95.00 · target 110.00" in said(await here.say("/positions"))
    await here.trades_at(AAPL=111)
    assert here.held("AAPL") == 0
    assert "No open positions" in said(await here.say("/positions"))


async def test_the_guided_way_sells_what_is_held(here: Town) -> None:
    """Side, symbol, size, type, price, time, exits: a button each, nothing sent before the last."""
    await here.press(await here.say("/buy AAPL 10"), "✅")
    await here.trades_at(AAPL=100)
    message = await here.say("/trade")
    for label in ("🟠 Sell", "AAPL", "Half", "🏷 Type", "Limit", "105.00", "⏳", "Till cancelled"):
        message = await here.press(message, label)
    assert "🟠 Sell 5 AAPL limit 105.00" in said(message)
    assert "good till cancelled" in said(message)
    assert await OrderRow.all().count() == 1
    card = await here.press(message, "✅ Sell 5 AAPL")
    assert "working" in said(card)
    await here.trades_at(AAPL=106)
    await here.look(card, "5 of 5 filled")
    assert here.held("AAPL") == 5


async def test_change_and_cancel(here: Town) -> None:
    """By the buttons of its card and in one line; the id stays."""
    card = await here.press(await here.say("/buy AAPL 10 limit 98 gtc"), "✅")
    (row,) = await OrderRow.all()
    question = await here.press(await here.press(card, "Change"), "Limit 97.51")
    assert "then: quantity 10, limit 97.51" in said(question)
    assert "changed" in said(await here.press(question, "Yes, change it"))
    question = await here.say(f"/modify {row.client_order_id} price 98.2")  # dearer: by the gate
    assert "gate would let it pass" in said(question)
    await here.press(question, "Yes, change it")
    order = await OrderRow.get(client_order_id=row.client_order_id)
    assert (order.limit_price, order.is_open) == (Decimal("98.2"), True)
    await here.press(await here.say("/buy MSFT 3 limit 29 gtc"), "✅")
    question = await here.say("/cancel all")
    assert "Cancel 2 orders?" in said(question)
    assert "Asked to cancel 2 orders" in said(await here.press(question, "Yes, cancel"))
    assert await OrderRow.filter(is_open=True).count() == 0
    assert "nothing to cancel" in said(await here.say("/cancel"))


async def test_close_half(here: Town) -> None:
    """In one line, and the rest by a button of the positions."""
    await here.press(await here.say("/buy AAPL 10"), "✅")
    await here.trades_at(AAPL=100)
    preview = await here.say("/close AAPL half")
    assert "🟠 Sell 5 AAPL" in said(preview)
    assert "reduce-only" in said(preview)
    await here.press(preview, "✅")
    await here.trades_at(AAPL=100)
    assert here.held("AAPL") == 5
    preview = await here.press(await here.say("/positions"), "Close AAPL")
    await here.press(preview, "✅ Sell 5 AAPL")
    await here.trades_at(AAPL=100)
    assert here.held("AAPL") == 0


async def test_denied_with_a_size_that_passes(here: Town) -> None:
    """No button that sends; the one that does offers what the gate lets pass."""
    preview = await here.say("/buy AAPL 1000")
    assert "The gate says no: MAX_ORDER_VALUE" in said(preview)
    assert not [label for label in labels(preview) if "✅" in label]
    (use,) = [label for label in labels(preview) if "instead" in label]
    preview = await here.press(preview, use)
    assert "The gate would let it pass" in said(preview)
    await here.press(preview, "✅")
    assert await OrderRow.all().count() == 1


async def test_a_price_that_has_moved_is_asked_about_again(here: Town) -> None:
    """The old yes sends nothing; the new one sends what it shows."""
    preview = await here.say("/buy AAPL 10")
    await here.trades_at(AAPL=102)
    again = await here.press(preview, "✅")
    assert "The price has moved by 2.00 %, from 100 to 102" in said(again)
    assert await OrderRow.all().count() == 0
    await here.press(again, "✅")
    assert await OrderRow.all().count() == 1


async def test_a_halt_between_preview_and_yes(here: Town) -> None:
    """Refused, with the way out; a preview while halted has no yes at all."""
    preview = await here.say("/buy AAPL 10")
    await here.say("/halt enough")
    again = await here.press(preview, "✅")
    assert "Trading was ACTIVE and is HALTED now" in said(again)
    assert not [label for label in labels(again) if "✅" in label]
    assert "Trading is halted" in said(await here.say("/sell AAPL 1"))
    assert await OrderRow.all().count() == 0


async def test_a_double_press_is_one_order(here: Town) -> None:
    """Many at once, and once more later."""
    preview = await here.say("/buy AAPL 10")
    data = find(preview, "✅")["data"]
    one = preview["message_id"]
    presses = [asyncio.to_thread(_quiet_press, here.tess, one, data) for _ in range(8)]
    await asyncio.gather(*presses)
    await asyncio.sleep(0.3)
    assert await OrderRow.all().count() == 1


def _quiet_press(person: Person, message_id: int, data: str) -> None:
    """The first may have edited the button away before the others are pressed."""
    with httpx.Client(base_url=person.http.base_url, timeout=60) as http:
        body = {"user_id": person.id, "chat_id": person.chat_id, "message_id": message_id, "data": data}
        http.post("/sandbox/presses", json=body)


async def test_a_doubt_is_told_as_doubt(here: Town) -> None:
    """The venue does not say: the card and an alert do, and nothing is sent again."""
    desk = here.engine.floor.first
    real, calls = desk.broker.place_order, []

    async def lost(order: Any) -> Any:
        calls.append(order)
        raise Uncertain("the line broke")

    preview = await here.say("/buy AAPL 10")
    after = await asyncio.to_thread(here.tess.seq)
    desk.broker.place_order = lost  # type: ignore[method-assign]
    card = await here.press(preview, "✅")
    desk.broker.place_order = real  # type: ignore[method-assign]
    assert "❓" in said(card)
    assert "uncertain" in said(card)
    await asyncio.to_thread(here.tess.wait_for_push, "Order in doubt: buy 10 AAPL", after)
    await here.trades_at(AAPL=100)
    assert len(calls) == 1
    assert await OrderRow.all().count() == 1


async def test_exits_from_the_chat(here: Town) -> None:
    """Seen, set, and taken away after a question."""
    await here.press(await here.say("/buy AAPL 10"), "✅")
    await here.trades_at(AAPL=100)
    assert "nothing protects it" in said(await here.say("/exits AAPL"))
    assert "✅" in said(await here.say("/exits AAPL stop 95 target 110"))
    assert "lies below the price" in said(await here.say("/exits AAPL stop 105"))
    shown = await here.say("/exits manual AAPL")
    assert "stop 95.00 · target 110.00" in said(shown)
    question = await here.press(shown, "No exits")
    assert "Take the exits of manual in AAPL away?" in said(question)
    await here.press(question, "Yes, no exits")
    assert "nothing protects it" in said(await here.say("/exits AAPL"))


async def test_whoever_may_not_trade_is_refused(here: Town) -> None:
    """Every command, and no button leads there."""
    for text in (
        "/trade",
        "/buy AAPL 1",
        "/sell AAPL 1",
        "/close AAPL",
        "/exits AAPL",
        "/modify x price 1",
        "/place buy x AAPL 1",
        "/cancel all",
    ):
        assert "needs the role trader" in said(await here.say(text, here.vic)), text
    await here.press(await here.say("/buy AAPL 10 limit 97 gtc"), "✅")
    for text in ("/positions", "/orders", "/menu"):
        shown = await here.say(text, here.vic)
        assert not [label for label in labels(shown) if "Close" in label or "Change" in label or "Trade" in label]
    assert await OrderRow.all().count() == 1


async def test_mistakes_get_an_answer_with_what_to_write(here: Town) -> None:
    """A near symbol a press away, a number that is none, an exit that was meant, and a typed confirmation."""
    message = await here.press(await here.say("/buy APL 5"), "AAPL")
    assert "🔵 Buy 5 AAPL" in said(message)
    assert "like 1,250.50" in said(await here.say("/buy AAPL 1,5"))
    assert "with stop 95" in said(await here.say("/buy AAPL 10 stop 95"))
    typed = await here.say("/place buy 100/0/0/ACTIVE AAPL 10")  # typed by hand it asks like everything dangerous
    assert "Buy 10 AAPL" in said(typed)
    assert await OrderRow.all().count() == 0
    await here.press(typed, "✅ Buy 10 AAPL")
    assert await OrderRow.all().count() == 1
