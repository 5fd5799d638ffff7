"""Telegram calls us: over real sockets, from the embedded server, and from those who only pretend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bot.sandbox.server import ADMIN
from bot.webhook import SECRET_HEADER
from core.settings import TelegramWebhookSettings
from tests.bot.stage import typed
from tests.bot.test_app import Stage, on_stage, wait_until

SECRET = "s" * 40


@pytest.fixture
async def stage(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path) as stage:
        await stage.stop()
        place = f"127.0.0.1:{unused_tcp_port}"
        hook = TelegramWebhookSettings(url=f"http://{place}/hook", listen=place, secret=SecretStr(SECRET))
        stage.polled = stage.settings.telegram  # type: ignore[attr-defined]
        stage.settings.telegram = stage.settings.telegram.model_copy(update={"webhook": hook})
        await stage.start()
        await wait_until(lambda: stage.server.world.history.setting("webhook"))
        yield stage


def hook(stage: Stage) -> str:
    webhook = stage.settings.telegram.webhook
    assert webhook
    return webhook.url


async def post(stage: Stage, body: bytes, secret: str | None = SECRET, method: str = "POST", path: str = "") -> int:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.request(method, hook(stage) + path, content=body, headers=headers)
    assert answer.content == b"" or answer.status_code in (404, 405), "nothing that helps to guess"
    return answer.status_code


async def test_commands_and_presses_come_in(stage: Stage) -> None:
    """Answered as ever; nothing waits at Telegram; one connection, our kinds of updates, the secret is not shown."""
    menu = await stage.chat.ask("/menu")
    await stage.chat.press(menu, "Strategies")
    assert (await stage.chat.next())["message_id"] == menu["message_id"]
    info = (await stage.chat.http.get(f"/bot{stage.server.token}/getWebhookInfo")).json()["result"]
    assert (info["url"], info["max_connections"], info["pending_update_count"]) == (hook(stage), 1, 0)
    assert info["allowed_updates"] == ["message", "callback_query", "my_chat_member"]
    assert SECRET not in json.dumps(info)


@pytest.mark.parametrize("secret", [None, "", "s" * 39, "S" * 40, SECRET + "s", "ü" * 20])
async def test_without_the_secret_nothing_is_stored(stage: Stage, secret: str | None) -> None:
    """Whoever finds the address gets 404."""
    raw = typed("/halt", user=ADMIN.id).encode()
    if secret is not None and not secret.isascii():
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.post(hook(stage), content=raw, headers={SECRET_HEADER.encode(): secret.encode()})
        assert answer.status_code == 404
    else:
        assert await post(stage, raw, secret) == 404
    assert stage.inbox.items == {}
    assert stage.service.calls == []


async def test_only_small_posts_of_updates_to_our_path(stage: Stage) -> None:
    """Everything else is refused, and the door stays open."""
    raw = typed("/halt", user=ADMIN.id, at=stage.clock.now()).encode()
    assert await post(stage, raw, method="GET") == 405
    assert await post(stage, raw, method="PUT") == 405
    assert await post(stage, raw, path="/x") == 404
    assert await post(stage, b"x" * (2 * 1024 * 1024)) == 413
    for junk in (b"", b"{", b"[]", b'"x"', b"{}", b'{"update_id": "7"}', b"\xff\xfe"):
        assert await post(stage, junk) == 400
    assert stage.inbox.items == {}
    assert await post(stage, raw) == 200
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["halt"])


async def test_stored_before_it_is_answered(stage: Stage) -> None:
    """The same update twice runs once; what cannot be stored is 503, and Telegram brings it until it can."""
    append, tries = stage.inbox.append, 0

    async def broken(_: Any) -> int:
        nonlocal tries
        tries += 1
        raise OSError("disk full")

    stage.inbox.append = broken  # type: ignore[method-assign]
    assert await post(stage, typed("/pause trend-aapl", user=ADMIN.id, number=5).encode()) == 503
    await stage.chat.say("/run trend-aapl")
    await wait_until(lambda: tries >= 3)
    assert stage.service.calls == []
    assert stage.server.world.updates.count() == 1
    stage.inbox.append = append  # type: ignore[method-assign]
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["start"])
    raw = typed("/pause trend-aapl", user=ADMIN.id, number=6, at=stage.clock.now()).encode()
    assert [await post(stage, raw) for _ in range(3)] == [200, 200, 200]
    await wait_until(lambda: len(stage.service.calls) == 2)
    await asyncio.sleep(0.1)
    assert [call[0] for call in stage.service.calls] == ["start", "pause"]


async def test_a_halt_is_obeyed_even_if_it_cannot_be_stored(stage: Stage) -> None:
    """Here as with polling; Telegram brings it again, and it runs once."""
    append = stage.inbox.append

    async def broken(_: Any) -> int:
        raise OSError("disk full")

    stage.inbox.append = broken  # type: ignore[method-assign]
    await stage.chat.say("/halt now")
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["halt"])
    stage.inbox.append = append  # type: ignore[method-assign]
    await wait_until(lambda: stage.server.world.updates.count() == 0)
    assert [call[0] for call in stage.service.calls] == ["halt"]


async def test_a_backlog_comes_one_by_one_and_the_halt_goes_first(stage: Stage) -> None:
    """We were away: what changes waits for what may come behind it."""
    await stage.stop()
    await stage.chat.say("/run trend-aapl")
    for _ in range(30):
        await stage.chat.say("/status")
    await stage.chat.say("/halt all")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await stage.start()
    await wait_until(lambda: stage.service.calls)
    assert stage.service.calls[0][0] == "halt"
    assert loop.time() - begun < 5
    await wait_until(lambda: len(stage.inbox.outcomes) == 32)
    assert [call[0] for call in stage.service.calls] == ["halt"]


async def test_back_to_polling_nothing_is_dropped(stage: Stage) -> None:
    """The webhook is taken away, and what came meanwhile is answered."""
    await stage.chat.ask("/status")
    await stage.stop()
    await stage.chat.say("/pause trend-aapl")
    stage.settings.telegram = stage.polled  # type: ignore[attr-defined]
    await stage.start()
    await wait_until(lambda: [call[0] for call in stage.service.calls] == ["pause"])
    assert stage.server.world.history.setting("webhook") is None
    assert stage.troubles == []


async def test_somebody_elses_webhook_is_taken_back(stage: Stage) -> None:
    """In webhook mode ours is set again, in polling mode theirs is deleted; both are told at once."""
    assert stage.app
    await stage.app.token_watch.look()
    assert stage.troubles == []
    url = f"/bot{stage.server.token}/setWebhook"
    await stage.chat.http.post(url, json={"url": "https://evil.example/x"})
    await stage.app.token_watch.look()
    assert stage.troubles == ["telegram webhook is not ours"]
    assert stage.server.world.history.setting("webhook")["url"] == hook(stage)
    await stage.stop()
    stage.settings.telegram = stage.polled  # type: ignore[attr-defined]
    await stage.start()
    await stage.chat.ask("/status")
    await stage.chat.http.post(url, json={"url": "https://evil.example/x"})
    await wait_until(lambda: stage.troubles[1:] == ["telegram conflict"], 8)
    await wait_until(lambda: stage.server.world.history.setting("webhook") is None)


async def test_a_token_that_belongs_to_another_bot_now(stage: Stage) -> None:
    """Renamed or exchanged: told once each time."""
    assert stage.app
    await stage.app.token_watch.look()
    stage.server.world.bot = stage.server.world.bot.__class__(7, "Evil", "evil_bot")
    await stage.app.token_watch.look()
    await stage.app.token_watch.look()
    assert stage.troubles == ["telegram bot has changed"]
