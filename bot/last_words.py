"""What kills the program is printed by Python itself, past every log handler: that too is redacted."""

from __future__ import annotations

import sys
import threading
import traceback
from types import TracebackType


def redact_last_words() -> None:
    """From now on. For the command line alone: a library has no business with the interpreter's hooks."""
    sys.excepthook = _print
    threading.excepthook = lambda gone: _print(gone.exc_type, gone.exc_value, gone.exc_traceback)


def _print(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    from core.redaction import redact

    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
