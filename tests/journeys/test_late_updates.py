"""What Telegram kept while we were away: too old is answered as expired and not run, one press runs it once."""

import asyncio
import time

import httpx
import pytest

from bot.sandbox.server import Limits, SandboxServer
from tests.journeys.books import Books
from tests.journeys.person import find, said
from tests.journeys.sandbox import ADMIN


def status(calm, name: str) -> str:
    return Books(calm.data_dir).strategies()[name]


async def while_down(data_dir, texts: list[str], age: float) -> None:
    """Telegram takes messages `age` seconds ago, and no program is there to fetch them."""
    server = SandboxServer(data_dir=data_dir, port=0, limits=Limits.relaxed(), clock=lambda: time.time() - age)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            for text in texts:
                body = {"user_id": ADMIN, "chat_id": ADMIN, "text": text}
                (await http.post("/sandbox/messages", json=body)).raise_for_status()
    finally:
        await server.stop()


def test_an_old_command_is_not_run_until_pressed(calm):
    """Expired, then run by the button, once."""
    admin = calm.admin
    answer = admin.say("/pause trend-aapl", date_offset=-31)
    assert "Expired, not run: /pause trend-aapl" in said(answer)
    assert status(calm, "trend-aapl") == "running"
    data = find(answer, "Run it now")["data"]
    assert "paused" in said(admin.press_data(answer, data))
    assert status(calm, "trend-aapl") == "paused"
    admin.say("/run trend-aapl")
    with pytest.raises(AssertionError, match="no such button"):
        admin.raw_press(answer["message_id"], data)
    assert status(calm, "trend-aapl") == "running"


def test_a_command_of_25_seconds_ago_is_run(calm):
    """Thirty seconds are the border."""
    assert "paused" in said(calm.admin.say("/pause trend-msft", date_offset=-25))
    calm.admin.say("/run trend-msft")


def test_a_halt_is_run_for_two_minutes(calm):
    """Stopping late is better than never; very late it is only offered."""
    assert "Expired" in said(calm.admin.say("/halt", date_offset=-130))
    assert "Halted" not in said(calm.admin.say("/status"))
    assert "HALTED" in said(calm.admin.say("/halt", date_offset=-100))
    assert "resumed" in said(calm.admin.press(calm.admin.say("/resume"), "Yes, resume"))


def test_an_expired_dangerous_command_still_asks(calm):
    """Run it now is no way around the confirmation."""
    answer = calm.admin.say("/flatten", date_offset=-60)
    question = calm.admin.press(answer, "Run it now")
    assert "Flatten all positions?" in said(question)
    assert "Menu" in said(calm.admin.press(question, "No, leave it"))


@pytest.mark.parametrize(("age", "ran"), [(300, False), (2, True)])
def test_what_came_while_we_were_down(own_calm, age, ran):
    """Fetched at the next start: old messages expire, fresh ones are run."""
    own_calm.kill()
    asyncio.run(while_down(own_calm.data_dir, ["/pause trend-aapl", "/stop breakout-ibm", "/halt"], age))
    own_calm.start()
    admin = own_calm.admin
    text = said(admin.say("/status"))
    for _ in range(200):
        if ("Halted" in text) == ran and not own_calm.books_now().ask("SELECT 1 FROM inbox WHERE outcome = ''"):
            break
        time.sleep(0.05)
        text = said(admin.say("/status"))
    assert ("Halted" in text) == ran
    assert (status(own_calm, "trend-aapl") == "paused") == ran
    chat = "\n".join(said(one) for one in admin.chat())
    assert ("Expired, not run: /pause trend-aapl" in chat) == (not ran)
    assert ("Expired, not run: /halt" in chat) == (not ran)
    assert status(own_calm, "breakout-ibm") == "running", "it holds something: stopping asks first, or has expired"
