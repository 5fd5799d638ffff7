"""The program's log: to stderr, readable in a terminal and JSON elsewhere, never with a bot token."""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor

_TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}")
_HIDDEN = "<bot token>"
_TALKATIVE = (
    "httpx",
    "httpcore",
    "apscheduler",
    "tortoise",
    "aiosqlite",
    "asyncio",
    "matplotlib",
    "uvicorn.access",
)


def redact(text: str) -> str:
    """`text` without anything that looks like a bot token."""
    return _TOKEN.sub(_HIDDEN, text)


class Redacting(logging.Formatter):
    """Redacts the finished line, so that messages, arguments and tracebacks are all covered."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The line as it is written."""
        return redact(self._inner.format(record))


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set up logging for the whole program, our own lines and those of libraries alike."""
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(target)
    handler.setFormatter(Redacting(_formatter(shared, human=target.isatty())))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(shared: list[Processor], *, human: bool) -> logging.Formatter:
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer()] if human else [_exception, structlog.processors.JSONRenderer()]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _exception(logger: object, method: str, event: EventDict) -> EventDict:
    return structlog.processors.format_exc_info(logger, method, event)
