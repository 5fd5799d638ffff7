"""The sandbox's own JSON API, and who may use it."""

import asyncio
import re

import pytest

from bot.sandbox.server import ADMIN, USERS, PortInUse, SandboxServer
from tests.bot.sandbox.clients import until
from tests.bot.sandbox.images import png


async def test_state_tells_who_is_here(http):
    state = (await http.get("/sandbox/state")).json()
    assert [user["role"] for user in state["users"]] == ["admin", "trader", "viewer", "stranger"]
    assert {chat["id"] for chat in state["chats"]} == {user.id for user in USERS}
    assert "token" not in str(state).lower()


async def test_long_text_becomes_several_messages(ada, bot):
    said = await ada.say("word " * 1000)
    assert len(said["message_ids"]) == 2
    assert said["message_id"] == said["message_ids"][-1]
    assert all(len(update.message.text) <= 4096 for update in await bot.get_updates())


async def test_events_wait_and_go_on(ada, bot, server):
    waiting = asyncio.create_task(ada.events(wait=40))
    await until(lambda: server.world.events_bell._waiting)
    message = await bot.send_message(ADMIN.id, "hello")
    first = await waiting
    assert [event["kind"] for event in first["events"]] == ["message"]
    await message.edit_text("bye")
    await message.delete()
    later = await ada.events(after=first["last_seq"])
    assert [(event["kind"], event["message"]["message_id"]) for event in later["events"]] == [("delete", 1)]
    assert later["last_seq"] > first["last_seq"]
    assert (await ada.events(after=later["last_seq"]))["events"] == []


async def test_only_the_newest_edits_are_kept(ada, bot, server):
    message = await bot.send_message(ADMIN.id, "0")
    for number in range(1, 40):
        await message.edit_text(str(number))
    events = (await ada.events())["events"]
    assert (len(events), events[-1]["message"]["text"]) == (21, "39")
    for number in range(5):
        await bot.send_message(ADMIN.id, f"n{number}")
    assert [event["message"]["text"] for event in (await ada.events(tail=2))["events"]] == ["n3", "n4"]


async def test_typing_ends_the_wait(ada, bot, server):
    waiting = asyncio.create_task(ada.events(wait=40))
    await until(lambda: server.world.events_bell._waiting)
    await bot.send_chat_action(ADMIN.id, "typing")
    assert (await waiting)["typing"] == "typing"
    await bot.send_message(ADMIN.id, "x")
    assert (await ada.events())["typing"] is None


async def test_files_are_served_safely(ada, bot, http):
    await bot.send_photo(ADMIN.id, png(4, 4))
    photo = await http.get((await ada.last())["photo_url"])
    assert (photo.content, photo.headers["content-type"]) == (png(4, 4), "image/png")
    await bot.send_document(ADMIN.id, b"<script>alert(1)</script>", filename="x.html")
    document = await http.get((await ada.last())["document_url"])
    assert document.headers["content-type"] == "application/octet-stream"
    assert document.headers["content-disposition"].startswith("attachment")
    assert document.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("messages", {"user_id": 1, "chat_id": 1001, "text": "x"}, 404),
        ("messages", {"user_id": 1001, "chat_id": 9, "text": "x"}, 404),
        ("messages", {"user_id": 1001, "chat_id": 1002, "text": "x"}, 404),
        ("messages", {"user_id": 1001, "chat_id": 1001, "text": "  "}, 400),
        ("messages", {"user_id": 1001, "chat_id": 1001, "text": 5}, 400),
        ("messages", {"user_id": "x", "chat_id": 1001, "text": "x"}, 400),
        ("messages", {"user_id": True, "chat_id": 1001, "text": "x"}, 400),
        ("messages", {"user_id": 1001, "chat_id": 1001, "text": "x", "reply_to": 77}, 404),
        ("messages", [1], 400),
        ("presses", {"user_id": 1001, "chat_id": 1001, "message_id": 99, "data": "x"}, 404),
        ("presses", {"user_id": 1001, "chat_id": 1001, "message_id": 1, "data": "forged"}, 409),
        ("presses", {"user_id": 1001, "chat_id": 1001, "data": "x"}, 400),
    ],
)
async def test_bad_requests(http, bot, path, body, status):
    await bot.send_message(ADMIN.id, "no buttons here")
    answer = await http.post(f"/sandbox/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_other_pages_are_kept_out(http, server, ada):
    body = {"user_id": 1001, "chat_id": 1001, "text": "x"}
    text = '{"user_id": 1001, "chat_id": 1001, "text": "x"}'
    assert (await http.get("/sandbox/state", headers={"Host": "evil.example"})).status_code == 421
    assert (await http.get("/", headers={"Host": f"evil.example:{server.port}"})).status_code == 421
    assert (await http.post(f"/bot{server.token}/getMe", headers={"Host": "evil.example"})).status_code == 421
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await http.post("/sandbox/messages", json=body, headers=headers)).status_code == 403
    answer = await http.post("/sandbox/messages", content=text, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert (await ada.events())["events"] == []
    assert (await http.post("/sandbox/messages", json=body, headers={"Origin": server.url})).status_code == 200


async def test_every_answer_protects_the_page(http, server):
    """Also errors; and nothing but a POST changes anything."""
    for path in ("/", "/sandbox/state", "/sandbox/nothing", f"/bot{server.token}/getMe", "/botnonsense/getMe"):
        headers = (await http.get(path)).headers
        assert {"object-src", "default-src 'none'"} & set(headers["content-security-policy"].split("; ")), path
        assert "base-uri 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == ("no-cache" if path == "/" else "no-store")  # the page itself holds no data
        assert "access-control-allow-origin" not in headers
        assert "charset" in headers["content-type"] or headers["content-type"] == "application/json"
    for method in ("GET", "TRACE", "PUT"):
        answer = await http.request(method, "/sandbox/messages", params={"user_id": 1001, "chat_id": 1001, "text": "x"})
        assert answer.status_code in (404, 405), method


async def test_the_page_is_self_contained(http):
    page = await http.get("/")
    assert "SIMULATED" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    names = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    script = (await http.get("/app.js")).text
    names += [f"/{name}" for name in re.findall(r"from '\./([^']+)'", script)]
    for name in names:
        answer = await http.get(name)
        assert answer.status_code == 200, name
        assert not re.findall(r"https?://(?!www\.w3\.org)[a-z]", answer.text), name
        assert "innerHTML" not in answer.text


async def test_unknown_things_are_not_found(http, server):
    token = server.token
    for path, code in (
        (f"/bot{token}/noSuchMethod", 404), ("/botnonsense/getMe", 404), (f"/bot1{token}/getMe", 401),
        (f"/file/bot{token}/photos/none.png", 404), ("/file/bot1:abc/x", 401),
    ):  # fmt: skip
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["ok"]) == (code, False)
    for request in (http.get(f"/bot{token}/GETME"), http.post(f"/bot{token}/getme", json={})):
        assert (await request).json()["ok"]
    assert (await http.get(f"/bot{token}/sendMessage?chat_id=1001&text=query")).json()["result"]["text"] == "query"
    bad = await http.post(f"/bot{token}/sendMessage", content="{", headers={"Content-Type": "application/json"})
    assert bad.json()["description"] == "Bad Request: can't parse JSON object"


async def test_a_taken_port_is_named(server, tmp_path):
    with pytest.raises(PortInUse, match=f"port {server.port} ") as caught:
        await SandboxServer(data_dir=tmp_path / "other", port=server.port).start()
    assert caught.value.port == server.port
