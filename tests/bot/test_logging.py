"""A bot token never reaches the log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.logging import configure, redact

TOKEN = "123456789:AAH" + "x" * 32


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("INFO", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_messages_arguments_and_tracebacks(log: io.StringIO) -> None:
    """Wherever it hides."""
    logging.getLogger("any").warning("GET https://api.telegram.org/bot%s/getMe", TOKEN)
    try:
        int(f"https://x/bot{TOKEN}/y")
    except ValueError:
        structlog.get_logger("own").exception("failed", url=TOKEN)
    written = log.getvalue()
    assert TOKEN not in written
    assert written.count("<bot token>") >= 3
    assert "Traceback" in written
    assert all(json.loads(line) for line in written.splitlines())


def test_http_clients_are_quiet(log: io.StringIO) -> None:
    """httpx logs every URL at INFO."""
    logging.getLogger("httpx").info("GET …")
    logging.getLogger("httpcore.connection").info("…")
    assert log.getvalue() == ""


def test_redaction() -> None:
    """Only what looks like a token."""
    assert redact(f"a {TOKEN} b") == "a <bot token> b"
    assert redact("12:30:45 order 123456:abc") == "12:30:45 order 123456:abc"
