"""What docs/sandbox.md promises of the JSON API is what the server answers."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from pages import DOCS, cells, read, section

from bot.__main__ import _parser
from bot.sandbox.server import Limits, SandboxServer
from bot.sandbox.server.methods import METHODS
from core.settings import read_yaml

PAGE = DOCS / "sandbox.md"


@pytest.fixture
async def server(tmp_path) -> AsyncIterator[SandboxServer]:
    running = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def http(server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
        yield client


def _named(line: str) -> set[str]:
    """The words of the first `{a, b, c}` in a text."""
    return set(re.search(r"`\{([\w, ]+)\}`", line)[1].split(", "))


def _fields(heading: str) -> set[str]:
    """Every word in code marks in the first column of a table."""
    return {name for row in cells(section(PAGE, heading)) for name in re.findall(r"`(\w+)`", row[0])}


async def _bot(http, server, method, **params):
    answer = (await http.post(f"/bot{server.token}/{method}", json=params)).json()
    assert answer["ok"], answer
    return answer["result"]


async def test_state(server, http):
    """Bot, users and chats have exactly the fields of the table."""
    state = (await http.get("/sandbox/state")).json()
    text = section(PAGE, "`GET /sandbox/state`")
    assert set(state) == _named(text)
    table = {row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in cells(text)}
    assert table["bot"] == set(state["bot"])
    assert table["user"] == set(state["users"][0])
    assert table["chat"] == set(state["chats"][0])
    roles = {(user["name"], str(user["id"])) for user in state["users"]}
    assert roles == {(row[0], row[1]) for row in cells(section(PAGE, "The sandbox")) if row[1].isdigit()}


async def test_messages_presses_and_events(server, http):
    """A conversation through the documented calls, with the documented fields."""
    said = await http.post("/sandbox/messages", json={"user_id": 1001, "chat_id": 1001, "text": "/status"})
    assert set(said.json()) == {"message_id", "message_ids"}
    assert "`{message_id, message_ids}`" in section(PAGE, "`POST /sandbox/messages`")

    keys = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    sent = await _bot(http, server, "sendMessage", chat_id=1001, text="<b>Sure?</b>", parse_mode="HTML",
                      reply_markup=keys)  # fmt: skip
    press = {"user_id": 1001, "chat_id": 1001, "message_id": sent["message_id"], "data": "yes"}
    pressed = asyncio.ensure_future(http.post("/sandbox/presses", json=press))
    query = None
    while query is None:
        updates = await _bot(http, server, "getUpdates", timeout=5)
        query = next((each["callback_query"] for each in updates if "callback_query" in each), None)
    await _bot(http, server, "answerCallbackQuery", callback_query_id=query["id"], text="Done")
    answer = (await pressed).json()
    assert answer == {"text": "Done", "show_alert": False, "timed_out": False}
    assert "`{text, show_alert, timed_out}`" in section(PAGE, "`POST /sandbox/presses`")

    heading = "`GET /sandbox/events?chat_id=&after=SEQ&wait=SECONDS`"
    events = (await http.get("/sandbox/events", params={"chat_id": 1001, "after": 0, "wait": 1})).json()
    assert set(events) == _named(section(PAGE, heading))
    assert set(events["events"][0]) == {"seq", "kind", "message"}
    message = events["events"][-1]["message"]
    assert set(message) == _fields(heading)
    assert set(message["buttons"][0][0]) == {"text", "data", "url", "copy"}
    assert set(message["from"]) == {"id", "name", "is_bot"}
    assert (await http.get("/sandbox/typing", params={"chat_id": 1001})).json() == {"action": None}


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, {"user_id": 1001, "chat_id": 1001, "text": ""}, {}),
        (403, {"user_id": 1001, "chat_id": 1001, "text": "x"}, {"Origin": "http://example.com"}),
        (404, {"user_id": 9, "chat_id": 1001, "text": "x"}, {}),
        (415, {"user_id": 1001, "chat_id": 1001, "text": "x"}, {"Content-Type": "text/plain"}),
        (421, {"user_id": 1001, "chat_id": 1001, "text": "x"}, {"Host": "example.com"}),
    ],
)
async def test_errors(http, status, body, headers):
    """Each with the documented status and form."""
    answer = await http.post("/sandbox/messages", json=body, headers=headers)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert str(status) in section(PAGE, "Errors")


async def test_pressing_a_button_that_is_not_there(server, http):
    """409, as documented."""
    sent = await _bot(http, server, "sendMessage", chat_id=1001, text="no buttons")
    press = {"user_id": 1001, "chat_id": 1001, "message_id": sent["message_id"], "data": "x"}
    assert (await http.post("/sandbox/presses", json=press)).status_code == 409
    assert "409" in section(PAGE, "Errors")


def test_methods():
    """Exactly those that the server has."""
    named = re.findall(r"`([a-z]+[A-Z]?\w*)`", re.search(r"Methods:\n\n(.*?)\n\n", read(PAGE), re.DOTALL)[1])
    assert {name.lower() for name in named} == set(METHODS)


def test_options():
    """Every option of `quarterdeck sandbox`, with its default."""
    commands = next(each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    options = {each.option_strings[-1]: each.default for each in commands.choices["sandbox"]._actions}
    rows = {
        row[0].strip("`"): row[1].strip("`") for row in cells(section(PAGE, "The sandbox")) if row[0].startswith("`--")
    }
    assert set(rows) == set(options) - {"--help"}
    assert rows["--port"] == str(options["--port"])
    assert rows["--data-dir"] == str(options["--data-dir"])
    speed = read_yaml(DOCS.parent / "bot" / "sandbox" / "sandbox.yaml")["market"]["speed"]
    assert rows["--speed"] == str(speed)
