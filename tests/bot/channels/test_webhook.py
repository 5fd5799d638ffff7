"""The webhook against a real server: what is posted, that it is genuine, and what each answer means."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from bot.channels.answers import seconds_of
from bot.channels.webhook import WebhookChannel
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity, Standing, Status
from core.clock import ManualClock, SystemClock
from core.settings.channels import WebhookSettings
from tests.bot.channels.certificates import authority
from tests.bot.channels.http_server import Answering, answering

NOW = datetime(2026, 3, 2, 14, 3, 22, tzinfo=UTC)

SECRET = "s3cret-of-sixteen-or-more"
MESSAGE = Message(
    ids=(17,), kind="breach", severity=Severity.CRITICAL, title="HALTED\nx: y", lines=("a ä \ud800", ""), at=NOW
)
PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def channel(server: Answering, scheme: str = "http", seconds: float = 20, **changes: Any) -> WebhookChannel:
    url = SecretStr(f"{scheme}://127.0.0.1:{server.port}/hook/topsecretpath")
    return WebhookChannel(WebhookSettings(url=url, secret=SecretStr(SECRET), seconds=seconds, **changes), SystemClock())


@pytest.fixture
async def server() -> AsyncIterator[Answering]:
    async with answering() as found:
        yield found


def is_genuine() -> Any:
    """The receiver's check, as the page shows it."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(found[1], names)
    return names["is_genuine"]


def headers_of(server: Answering) -> dict[str, str]:
    names = ("Quarterdeck-Timestamp", "Quarterdeck-Signature")
    return {name: server.requests[-1].headers[name.lower()] for name in names}


async def test_what_is_posted(server: Answering) -> None:
    """JSON, with the numbers, and a key that is the same when it is sent again."""
    post = channel(server)
    assert await post.deliver("house", MESSAGE) == await post.deliver("house", MESSAGE) == "17-0"
    first, again = server.requests
    assert first.line == "POST /hook/topsecretpath HTTP/1.1"
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == "17-0"
    assert first.headers["content-type"] == "application/json"
    assert json.loads(first.body) == {
        "ids": [17], "step": 0, "kind": "breach", "severity": "CRITICAL", "title": "HALTED x: y", "lines": ["a ä ?", ""],
        "at": "2026-03-02T14:03:22+00:00", "account": "", "strategy": "", "standing": None, "test": False,
    }  # fmt: skip


async def test_each_step_and_each_group_has_a_key_of_its_own(server: Answering) -> None:
    """Also groups of which one begins and ends alike."""
    post, many = channel(server), tuple(range(1, 40))
    others = [(1, *many[2:]), many]
    messages = [replace(MESSAGE, step=1), replace(MESSAGE, ids=(17, 18)), replace(MESSAGE, ids=())]
    keys = [await post.deliver("house", each) for each in [*messages, *(replace(MESSAGE, ids=each) for each in others)]]
    assert keys[:2] == ["17-1", "17.18-0"]
    assert len(set(keys)) == len(keys)


async def test_who_has_answered_is_told_under_another_key(server: Answering) -> None:
    """With the status and the name."""
    message = replace(MESSAGE, standing=Standing(Status.ACKNOWLEDGED, by="Ada", at=NOW))
    post = channel(server)
    await post.revise("house", await post.deliver("house", MESSAGE), message)
    assert server.requests[-1].headers["idempotency-key"] == "17-0-acknowledged"
    assert json.loads(server.requests[-1].body)["standing"] == {
        "status": "acknowledged", "by": "Ada", "at": "2026-03-02T14:03:22+00:00",
    }  # fmt: skip


async def test_the_documented_check_knows_what_is_genuine(server: Answering) -> None:
    """Another body, another secret, another time, an old request: none of them is."""
    await channel(server).deliver("house", MESSAGE)
    check, body, headers = is_genuine(), server.requests[0].body, headers_of(server)
    assert check(SECRET, headers, body)
    assert not check(SECRET, headers, body + b" ")
    assert not check(SECRET + "x", headers, body)
    later = str(int(headers["Quarterdeck-Timestamp"]) + 1)
    assert not check(SECRET, {**headers, "Quarterdeck-Timestamp": later}, body)
    old = str(int(time.time()) - 301)
    signed = hmac.new(SECRET.encode(), f"{old}.".encode() + body, hashlib.sha256).hexdigest()
    assert not check(SECRET, {"Quarterdeck-Timestamp": old, "Quarterdeck-Signature": f"v1={signed}"}, body)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, None), (202, None), (204, None), (301, ChannelRefused), (307, ChannelRefused), (400, ChannelRefused),
        (401, ChannelRefused), (404, ChannelRefused), (410, ChannelRefused), (408, ChannelDown), (425, ChannelDown),
        (429, ChannelDown), (500, ChannelDown), (503, ChannelDown),
    ],
)  # fmt: skip
async def test_what_each_answer_means(server: Answering, status: int, outcome: type[Exception] | None) -> None:
    """For now, or for good; a redirect is never followed."""
    server.status = status
    server.headers = {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}
    if outcome is None:
        await channel(server).deliver("house", MESSAGE)
    else:
        with pytest.raises(outcome) as raised:
            await channel(server).deliver("house", MESSAGE)
        assert str(status) in str(raised.value)
        assert "topsecretpath" not in str(raised.value)
    assert len(server.requests) == 1


async def test_the_receiver_may_ask_for_time(server: Answering) -> None:
    """Retry-After in seconds."""
    server.status, server.headers = 429, {"Retry-After": "17"}
    with pytest.raises(ChannelDown) as raised:
        await channel(server).deliver("house", MESSAGE)
    assert raised.value.retry_after == 17


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("17", 17.0), (" 3 ", 3.0), ("0", 1.0), ("9" * 40, 3600.0), ("", None), ("soon", None), ("-5", None), ("²", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0), (format_datetime(NOW - timedelta(days=1)), 1.0),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None), (None, None),
    ],
)  # fmt: skip
def test_retry_after_in_all_its_forms(text: str | None, wait: float | None) -> None:
    """Seconds, a date, or nonsense; never less than a second or more than an hour."""
    assert seconds_of(text, ManualClock(NOW)) == wait


@pytest.mark.parametrize("fault", ["slow", "dropped", "nobody", "endless", "trickle"])
async def test_faults_of_the_line(server: Answering, fault: str) -> None:
    """The alert waits, in time and without a word of the address; an answer without end is not listened to."""
    server.delay, server.drop, server.endless = (
        (30.0 if fault == "slow" else 0.0),
        fault == "dropped",
        fault == "endless",
    )
    server.trickle = fault == "trickle"
    if fault == "nobody":
        server.port = 1
    post = channel(server, seconds=0.5 if fault in ("slow", "trickle") else 20)
    begun = time.monotonic()
    if fault == "endless":
        await post.deliver("house", MESSAGE)
        assert server.sent < 50_000_000
    else:
        with pytest.raises(ChannelDown) as raised:
            await post.deliver("house", MESSAGE)
        assert "topsecretpath" not in repr(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates_are_checked(trusted: bool) -> None:
    """One of an authority that is not trusted: nothing is posted."""
    ca, context = authority()
    async with answering(context) as server:
        post = channel(server, "https", **({"ca_file": ca} if trusted else {}))
        if trusted:
            await post.deliver("house", MESSAGE)
        else:
            with pytest.raises(ChannelDown):
                await post.deliver("house", MESSAGE)
        assert len(server.requests) == trusted


async def test_only_the_house_has_a_webhook(server: Answering) -> None:
    """Whatever rows of another life say."""
    with pytest.raises(ChannelRefused):
        await channel(server).deliver("1", MESSAGE)
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("http://example.org/x", SECRET), ("ftp://example.org", SECRET), ("https://a b", SECRET),
        ("https://a\r\nX: y", SECRET), ("https://a:99999999", SECRET), ("https://example.org", "tiny1"),
    ],
)  # fmt: skip
def test_settings_that_leak_are_refused(url: str, secret: str) -> None:
    """Unencrypted, no address at all, a secret that can be guessed; and none is repeated in the error."""
    with pytest.raises(ValidationError) as raised:
        WebhookSettings(url=SecretStr(url), secret=SecretStr(secret))
    assert url not in str(raised.value)
    assert secret not in str(raised.value)
