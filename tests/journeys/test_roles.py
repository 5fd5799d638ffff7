"""Who may do what: refused clearly, silently, or once."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bot.sandbox.server import Limits
from tests.journeys.inside import running
from tests.journeys.person import Person, buttons, find, labels, said
from tests.journeys.sandbox import ADMIN, TRADER

ACTIONS = ("/halt", "/resume", "/flatten", "/pause trend-aapl", "/stop trend-aapl", "/run trend-aapl",
           "/cancel qd1", "/job equity run", "/audit")  # fmt: skip


def resume(calm) -> None:
    calm.admin.press(calm.admin.say("/resume"), "Yes, resume")


@pytest.mark.parametrize("text", ACTIONS)
def test_a_viewer_is_refused(calm, text):
    """With the role that it needs, and nothing happens."""
    before = calm.admin.say("/status")["text"].split("as of")[0]
    answer = said(calm.viewer.say(text))
    assert "needs the role" in answer
    assert "yours is viewer" in answer
    assert calm.admin.say("/status")["text"].split("as of")[0] == before
    assert f"Vic Viewer (1002) {text.split()[0]}" in said(calm.admin.say("/audit"))


def test_a_viewer_sees_no_button_that_acts(calm):
    """Neither on the menu nor on the cards."""
    for text in ("/menu", "/positions", "/strategy trend-aapl", "/schedule", "/risk", "/orders all"):
        answer = calm.viewer.say(text)
        assert not [one["text"] for one in buttons(answer) if one["data"].startswith(("a1|", "h1|"))], text


def test_a_stranger_gets_silence_and_an_audit_line(calm):
    """No answer to anything, not even to /start."""
    after = calm.stranger.seq()
    for text in ("/start", "/halt", "hello"):
        calm.stranger.send(text)
    assert calm.stranger.quiet(after, 1.0)
    trail = said(calm.admin.say("/audit"))
    for _ in range(100):
        if trail.count("telegram:1003") >= 3:
            break
        time.sleep(0.1)
        trail = said(calm.admin.say("/audit"))
    assert trail.count("telegram:1003") == 3
    assert "Halted" not in said(calm.admin.say("/status"))


def test_a_trader_may_halt_but_not_resume(calm):
    """Stopping is easy, starting again is not."""
    trader = calm.trader
    after = {person.id: person.seq() for person in (calm.admin, calm.viewer)}
    assert "HALTED" in said(trader.say("/halt too <b>wild</b> & hot"))
    for person in (calm.admin, calm.viewer):
        push = said(person.wait_for_push("Trading is HALTED", after[person.id]))
        assert "Tess Trader: too <b>wild</b> & hot" in push
    assert "needs the role risk or admin" in said(trader.say("/resume"))
    assert not [label for label in labels(trader.say("/menu")) if "Resume" in label]
    assert "Halted" in said(trader.say("/status"))
    resume(calm)
    assert "Halted" not in said(trader.say("/status"))


def test_a_halt_is_one_press_and_idempotent(calm):
    """No question, and a second one only says that it was done already."""
    menu = calm.trader.say("/menu")
    assert "HALTED" in calm.trader.toast(menu, "Halt everything")["text"]
    after = calm.admin.seq()
    assert "already" in said(calm.admin.say("/halt again"))
    assert not [one for one in calm.admin.pushes(after) if "Trading is HALTED" in said(one) and "again" in said(one)]
    resume(calm)


def test_a_double_press_works_once(calm):
    """Two presses of one confirmation at the same moment: one resumes, the other is told."""
    calm.admin.say("/halt")
    question = calm.admin.say("/resume")
    data = find(question, "Yes, resume")["data"]

    def press(_: int) -> str:
        with httpx.Client(base_url=calm.http.base_url, timeout=60) as http:
            body = {"user_id": ADMIN, "chat_id": ADMIN, "message_id": question["message_id"], "data": data}
            answer = http.post("/sandbox/presses", json=body, timeout=20)
            # the first may have edited the button away before the second is pressed
            return answer.json()["text"] if answer.status_code == 200 else "no such button"

    with ThreadPoolExecutor(4) as pool:
        toasts = list(pool.map(press, range(4)))
    assert sum("resumed" in toast for toast in toasts) == 1, toasts
    assert all("resumed" in toast or "Already used" in toast or toast == "no such button" for toast in toasts), toasts


def test_nobody_presses_in_anothers_chat(calm):
    """The sandbox, like Telegram, has no way to press in a private chat of other people."""
    calm.admin.say("/halt")
    question = calm.admin.say("/resume")
    intruder = Person(calm.http, TRADER, chat_id=ADMIN)
    with pytest.raises(AssertionError, match="not in this chat"):
        intruder.raw_press(question["message_id"], find(question, "Yes, resume")["data"])
    assert "Halted" in said(calm.admin.say("/status"))
    assert "resumed" in said(calm.admin.press(question, "Yes, resume"))


def test_no_is_an_answer(calm):
    """The other button of a question does nothing but go home."""
    question = calm.admin.say("/flatten")
    assert "Flatten all positions?" in said(question)
    assert "Menu" in said(calm.admin.press(question, "No, leave it"))
    assert "AAPL" in said(calm.admin.say("/positions"))


def test_a_confirmation_expires(own_calm):
    """A minute later (the ticket is aged in the stopped database) the yes button does nothing and says so."""
    admin = own_calm.admin
    admin.say("/halt")
    question = admin.say("/resume")
    own_calm.wait_until_noted()
    own_calm.kill()
    own_calm.books().change("UPDATE tickets SET expires_at = minted_at WHERE confirms")
    own_calm.start()
    admin = own_calm.admin
    toast = admin.raw_press(question["message_id"], find(question, "Yes, resume")["data"])
    shown = ""
    for _ in range(400):  # the screen may come a moment after the toast
        shown = (toast["text"] or "") + said(admin.look(question["message_id"]))
        if "expired" in shown:
            break
        time.sleep(0.05)
    assert "expired" in shown
    assert "Halted" in said(admin.say("/status"))


def test_a_confirmation_survives_a_restart_within_its_minute(own_calm):
    """It is a record on disk, not memory."""
    own_calm.admin.say("/halt")
    question = own_calm.admin.say("/resume")
    own_calm.wait_until_noted()
    own_calm.kill()
    own_calm.start()
    assert "resumed" in said(own_calm.admin.press(question, "Yes, resume"))


def test_a_refused_press_after_a_restart_is_not_silent(own_calm):
    """A button that was used up before the restart still says so: by a toast or by a message."""
    admin = own_calm.admin
    admin.say("/halt")
    push = admin.wait_for_push("Trading is HALTED")
    own_calm.wait_until_noted()
    data = find(push, "Flatten all")["data"]
    assert "Flatten all positions?" in said(admin.press_data(push, data))
    assert "Already used" in admin.raw_press(push["message_id"], data)["text"]
    own_calm.stop()
    own_calm.start()
    admin = own_calm.admin
    after = admin.seq()
    toast = admin.raw_press(push["message_id"], data)["text"]
    assert toast or not admin.quiet(after, 20.0), "a press without any answer"


async def test_a_forged_press_of_anothers_confirmation_is_refused(tmp_path):
    """Should Telegram ever hand us one: neither in the admin's chat nor from the trader's own does it do anything."""
    async with running(tmp_path, Limits.relaxed(), speed=0.001) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            admin = Person(http, ADMIN)
            await asyncio.to_thread(admin.say, "/halt")
            question = await asyncio.to_thread(admin.say, "/resume")
            data = find(question, "Yes, resume")["data"]
            for number, chat in enumerate((ADMIN, TRADER)):
                message = {"message_id": question["message_id"], "date": question["date"], "text": "forged",
                           "chat": {"id": chat, "type": "private"}}  # fmt: skip
                trader = {"id": TRADER, "is_bot": False, "first_name": "Tess"}
                press = {"id": f"77{number}", "from": trader, "message": message, "chat_instance": "1", "data": data}
                server.world.updates.put("callback_query", press)
                server.world.updates.wake()
            async with asyncio.timeout(60):
                while "Tess Trader (1004) press" not in said(await asyncio.to_thread(admin.say, "/audit")):
                    await asyncio.sleep(0.05)
            assert "Halted" in said(await asyncio.to_thread(admin.say, "/status"))
            assert "resumed" in said(await asyncio.to_thread(admin.press, question, "Yes, resume"))
