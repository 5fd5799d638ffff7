"""Nothing that a client can send makes the server fail; every refusal is one of Telegram's kind."""

import json
import random

from bot.sandbox.server import ADMIN
from bot.sandbox.server.methods import METHODS

NAMES = [
    "chat_id", "text", "parse_mode", "entities", "reply_markup", "reply_parameters", "link_preview_options", "message_id",
    "message_ids", "from_chat_id", "photo", "document", "media", "caption", "caption_entities", "callback_query_id",
    "user_id", "commands", "scope", "language_code", "menu_button", "reaction", "offset", "limit", "allowed_updates",
    "url", "file_id", "action", "name", "description", "short_description", "show_alert", "reply_to_message_id",
]  # fmt: skip
VALUES = [
    ADMIN.id, 1, 0, -1, 2**70, "", "x", "HTML", "MarkdownV2", "<b>", "*", [], {}, None, True, [1], ["a"], [{}], {"type": "chat"},
    {"type": "chat", "chat_id": "x"}, {"type": "default"}, {"inline_keyboard": [[{"text": "x", "callback_data": 5}]]},
    {"inline_keyboard": [[{"text": 5}]]}, {"inline_keyboard": [5]}, {"keyboard": 5}, {"inline_keyboard": [[{"text": "x", "url": []}]]},
    [{"type": "bold", "offset": "x", "length": 1}], [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": "x"}}],
    {"message_id": 1}, {"message_id": "x"}, {"message_id": None}, {"is_disabled": 5}, "attach://x", "http://a.b", "typing", "\ud800",
    [{"type": "photo", "media": "attach://x"}, {"type": "photo"}], [{"command": 5}], [{"command": "a", "description": None}],
    [{"type": "emoji", "emoji": 5}], {"type": "web_app"}, "1e9", 1.5, "[", "{", [[["deep"]]], {"type": ["list"]}, "x" * 5000,
    [{"type": "text_link", "offset": 0, "length": 1, "url": ["x"]}], {"type": "photo", "media": 5}, {"type": {}}, 10**20,
]  # fmt: skip


async def test_random_calls_are_answered_or_refused(http, server, ada):
    chance = random.Random(7)
    server.faults.clear()
    await ada.say("one")
    codes = set()
    for _ in range(1500):
        method = chance.choice([name for name in METHODS if name != "getupdates"])
        body = {name: chance.choice(VALUES) for name in chance.sample(NAMES, 8)}
        body |= {"chat_id": ADMIN.id, "text": "hello"} if chance.random() < 0.6 else {}
        headers = {"Content-Type": "application/json"}
        answer = await http.post(f"/bot{server.token}/{method}", content=json.dumps(body), headers=headers)
        codes.add(answer.status_code)
        assert answer.status_code in {200, 400}, (method, body, answer.text)
        assert answer.json()["ok"] == (answer.status_code == 200)
    assert codes == {200, 400}


async def test_random_polls(http, server):
    chance = random.Random(8)
    for _ in range(150):
        body = {name: chance.choice(VALUES) for name in ("offset", "limit", "allowed_updates")}
        answer = await http.post(
            f"/bot{server.token}/getUpdates", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in {200, 400}, body


async def test_random_bodies_for_the_page_api(http):
    chance = random.Random(9)
    for _ in range(300):
        path = chance.choice(["messages", "presses"])
        body = {
            name: chance.choice(VALUES)
            for name in ("user_id", "chat_id", "text", "message_id", "data", "reply_to", "date_offset")
        }
        body |= {"user_id": ADMIN.id, "chat_id": ADMIN.id} if chance.random() < 0.7 else {}
        answer = await http.post(
            f"/sandbox/{path}", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in {200, 400, 404, 409}, (path, body, answer.text)
    for query in ("chat_id=x", "chat_id=1001&after=x", "chat_id=1001&wait=nan", "chat_id=1001&wait=x", "chat_id=1001&limit=-1&tail=-5", "",
                  "chat_id=99999999999999999999999", "chat_id=1001&after=99999999999999999999999"):  # fmt: skip
        assert (await http.get(f"/sandbox/events?{query}")).status_code in {200, 400, 404}, query
