"""No secret reaches the log, and nothing that people type forges a line of it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import structlog

from bot.logging import configure
from core.redaction import hide
from tests.journeys.sandbox import ROOT, environment

TOKEN = "123456789:AAH" + "x" * 32
API_SECRET = 'f"0o<b>\\a&r~secret'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[io.StringIO, Terminal])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    hide(API_SECRET)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = request.param()
    configure("INFO", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def leaks(text: str) -> list[str]:
    bare = text.replace("\\\\", "\\").replace('\\"', '"')
    return [secret for secret in (TOKEN, API_SECRET) if secret in text or secret in bare]


def test_messages_arguments_and_tracebacks(log: io.StringIO) -> None:
    """Wherever it hides."""
    logging.getLogger("any").warning("GET https://api.telegram.org/bot%s/getMe", TOKEN)
    try:
        int(f"https://x/bot{TOKEN}/y")
    except ValueError:
        structlog.get_logger("own").exception("failed", url=TOKEN)
    written = log.getvalue()
    assert not leaks(written)
    assert written.count("[bot token]") >= 3
    assert "Traceback" in written


@pytest.mark.parametrize("secret", [TOKEN, API_SECRET])
def test_secrets_in_exceptions_of_every_kind(log: io.StringIO, secret: str) -> None:
    """In the message, the arguments, a cause, a context, a group, and what a library shows of its request."""

    class Odd(Exception):
        def __repr__(self) -> str:
            return f"Odd({secret!r})"

    request = httpx.Request("POST", f"https://x/bot{TOKEN}/y", headers={"X-Api": "v"}, json={"secret": secret})
    for error in (
        ValueError(secret), ValueError("x", {"deep": [secret]}), Odd(), ExceptionGroup("many", [KeyError(secret)]),
        httpx.HTTPStatusError(f"403 for {request.url}", request=request, response=httpx.Response(403, request=request)),
    ):  # fmt: skip
        try:
            try:
                raise error
            except Exception as inner:
                raise RuntimeError(f"outer {error!r}") from inner
        except RuntimeError:
            structlog.get_logger("own").exception("failed", request=request, error=error)
            logging.getLogger("library").exception("failed: %r %s", error, {"key": secret})
    assert log.getvalue().count("Traceback") >= 10
    assert not leaks(log.getvalue())


def test_nobody_forges_a_line(log: io.StringIO) -> None:
    """Line breaks, colours and marks that turn the writing round come out as codes."""
    nasty = 'x\n2026-01-01 [info] all is well\r\x1b[2J\u202e"}\u2028'
    structlog.get_logger("own").info("typed", text=nasty)
    logging.getLogger("library").warning(nasty)
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert not any(each in log.getvalue() for each in ("\x1b[2J", "\u202e", "\u2028", "\r"))
    if not log.isatty():
        assert json.loads(lines[0])["text"] == nasty


def test_http_clients_are_quiet(log: io.StringIO) -> None:
    """httpx logs every URL at INFO."""
    logging.getLogger("httpx").info("GET …")
    logging.getLogger("httpcore.connection").info("…")
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    "how", ["raise ValueError(secret)", "import threading; threading.Thread(target=lambda: int(secret)).start()"]
)
def test_the_last_words_of_the_program_hold_no_secret(how: str) -> None:
    """What kills it, or a thread of it, is printed by Python and not by the log."""
    code = f"from bot.last_words import redact_last_words; redact_last_words(); secret = {TOKEN!r}; {how}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert "ValueError" in done.stderr
    assert "[bot token]" in done.stderr
    assert TOKEN not in done.stderr + done.stdout
