"""The few words of the Bot API that setting up needs, without the bot itself."""

from __future__ import annotations

from typing import Any

import httpx

_SECONDS = 10.0


class NotReached(Exception):
    """Telegram cannot be asked for now; the text says why, without the token."""


class TokenRefused(Exception):
    """Telegram knows no bot with this token."""


class Conflict(Exception):
    """Somebody else takes this bot's messages: another program that polls, or a webhook."""


class BotApi:
    """One bot, by its token."""

    def __init__(self, base_url: str, token: str) -> None:
        self._address = f"{base_url}{token}"
        self._http = httpx.Client(timeout=_SECONDS)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def name(self) -> str:
        """The bot's @name. Raises `NotReached` or `TokenRefused`."""
        return str(self._call("getMe")["username"])

    def updates(self, offset: int | None, seconds: int) -> list[dict[str, Any]]:
        """Messages from `offset` on; waits so long for the first. Raises `NotReached`, `TokenRefused`, `Conflict`."""
        asked: dict[str, Any] = {"timeout": seconds, "allowed_updates": ["message"]}
        if offset is not None:
            asked["offset"] = offset
        return list(self._call("getUpdates", asked, seconds + _SECONDS))

    def send(self, chat_id: int, text: str) -> None:
        """Send a message. Raises `NotReached` or `TokenRefused`."""
        self._call("sendMessage", {"chat_id": chat_id, "text": text})

    def _call(self, method: str, asked: dict[str, Any] | None = None, seconds: float = _SECONDS) -> Any:
        try:
            answer = self._http.post(f"{self._address}/{method}", json=asked or {}, timeout=seconds)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NotReached(type(error).__name__) from None  # its text has the address, and so the token
        if told.get("ok"):
            return told["result"]
        reason = str(told.get("description", ""))[:200]
        if answer.status_code in (401, 404):
            raise TokenRefused(reason)
        if answer.status_code == 409:
            raise Conflict(reason)
        raise NotReached(f"{answer.status_code} {reason}")
