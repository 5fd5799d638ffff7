"""What a service manager is told: systemd's protocol, a line of text over a unix datagram socket.

Without `NOTIFY_SOCKET` in the environment nothing is sent, and nothing here can fail the program.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)


class ServiceManager:
    """Who has started us, if it wants to know how we are."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = _address(given.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog(given) if self._address else None

    @property
    def listens(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._address)

    def ready(self) -> None:
        """Everything runs."""
        self._tell("READY=1\nSTATUS=running")

    def alive(self, status: str) -> None:
        """We are alive: to be said more often than every `watchdog_seconds`."""
        self._tell(f"WATCHDOG=1\nSTATUS={status}")

    def say(self, status: str) -> None:
        """How we are, in words, without a sign of life."""
        self._tell(f"STATUS={status}")

    def stopping(self) -> None:
        """We are about to end."""
        self._tell("STOPPING=1\nSTATUS=stopping")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as line:
                line.sendto(text.encode(), self._address)
        except OSError as error:
            log.warning("the service manager does not listen", reason=str(error))


def _address(given: str) -> str:
    """A path, or an abstract address, which begins with a zero byte; empty for anything else."""
    if given.startswith("@"):
        return "\0" + given[1:]
    return given if given.startswith("/") else ""


def _watchdog(given: Mapping[str, str]) -> float | None:
    """The time after which we are taken for dead, in seconds; None if nobody minds, or it is meant for another."""
    if given.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = given.get("WATCHDOG_USEC", "")
    return int(text) / 1_000_000 if text.isascii() and text.isdigit() and int(text) > 0 else None
