"""Errors the Bot API server answers with."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal in Telegram's own form.

    `code` is both the HTTP status and `error_code`; `description` is the full text that Telegram sends,
    prefix included; `retry_after` is in whole seconds; `moved_to` is where a group has gone.
    """

    def __init__(
        self, code: int, description: str, *, retry_after: int | None = None, moved_to: int | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after
        self.moved_to = moved_to


def bad_request(reason: str) -> ApiError:
    """A 400 in Telegram's spelling: the first letter is lowered unless the reason is a server code."""
    lowered = reason if reason[:2].isupper() else reason[:1].lower() + reason[1:]
    return ApiError(400, f"Bad Request: {lowered}")


class PortInUseError(OSError):
    """The chat page cannot be served because another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on this computer is in use by another program")
        self.port = port


PortInUse = PortInUseError
