"""Lives of a program that may die at any moment: one process has everything imported, each life is a fork of it."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from tests.remembered import look_ahead, remember


def write_to(log: Path) -> None:
    """What this process says goes to its log, warnings and worse."""
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def template(live: Callable[[dict[str, Any]], None]) -> None:
    """Fork a life for every line on the standard input; say its process id, and later how it ended."""
    remember()
    look_ahead()
    gc.collect()
    gc.freeze()  # what nobody looks at stays shared between the forks
    for line in sys.stdin:
        if child := os.fork():
            print(json.dumps({"pid": child}), flush=True)
            _, status = os.waitpid(child, 0)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
            continue
        code = 1
        with contextlib.suppress(SystemExit):
            try:
                live(json.loads(line))
                code = 0
            except BaseException:
                logging.getLogger("life").exception("it ended badly")
        logging.shutdown()
        os._exit(code)
