"""The program's log: to stderr, readable in a terminal and JSON elsewhere, never with a secret."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor

from core.redaction import escaped, redact

_OF_MANY_LINES = ("exception", "stack")
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
        [_on_one_line, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if human  # never a traceback with values, which is what it makes where the library `rich` is installed
        else [_exception, structlog.processors.JSONRenderer()]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _exception(logger: object, method: str, event: EventDict) -> EventDict:
    return structlog.processors.format_exc_info(logger, method, event)


def _on_one_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """In a terminal: what somebody typed cannot begin a line, move the cursor or turn the writing round."""
    return {
        name: escaped(value) if isinstance(value, str) and name not in _OF_MANY_LINES else value
        for name, value in event.items()
    }
