"""Delivers updates to a webhook: one at a time, each again and again until it is taken."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx

from bot.sandbox.server.history import History
from bot.sandbox.server.updates import UpdateQueue

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_IDLE_SECONDS = 30.0
_TIMEOUT = 20.0
_HEADER = "X-Telegram-Bot-Api-Secret-Token"


def is_secret(text: str) -> bool:
    """Whether Telegram takes it for a secret token."""
    return bool(_SECRET.fullmatch(text))


class WebhookSender:
    """Looks whether a webhook is set, and calls it. `pause` is the wait after a failure, in seconds."""

    def __init__(self, history: History, updates: UpdateQueue, *, pause: float = 0.3) -> None:
        self._history = history
        self._updates = updates
        self._pause = pause
        self.error = ""

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT) as http:
            while True:
                hook = self._history.setting("webhook")
                update = self._updates.oldest() if hook else None
                if update is None:
                    await self._updates.wait(_IDLE_SECONDS)
                elif await self._deliver(http, hook, update):
                    self._updates.confirm_below(update["update_id"] + 1)
                else:
                    await asyncio.sleep(self._pause)

    async def _deliver(self, http: httpx.AsyncClient, hook: dict[str, Any], update: dict[str, Any]) -> bool:
        headers = {_HEADER: hook["secret_token"]} if hook.get("secret_token") else {}
        try:
            answer = await http.post(hook["url"], json=update, headers=headers)
        except httpx.HTTPError as error:
            self.error = f"{type(error).__name__}"
            return False
        self.error = "" if answer.is_success else f"Wrong response from the webhook: {answer.status_code}"
        return answer.is_success
