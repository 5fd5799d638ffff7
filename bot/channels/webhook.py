"""Alerts to a web address of one's own: JSON, signed so that the receiver knows whose it is and how old.

What the headers mean, and how a receiver checks them, stands in docs/configuration.md under Webhook.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from typing import Any

from bot.channels.answers import judge
from bot.channels.wording import clean, key_of
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Standing
from core.clock import Clock
from core.settings.channels import HOUSE, WebhookSettings

_LONGEST = 4_000
_WHO = "the webhook"


class WebhookChannel:
    """Posts each message to the one address of the settings."""

    name = "webhook"

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._trust: ssl.SSLContext | None = None

    async def deliver(self, recipient: str, message: Message) -> str:
        """Return its key once the receiver said that it has it. Raises `ChannelDown` or `ChannelRefused`."""
        key = key_of(message)
        await self._tell(recipient, message, key)
        return key

    async def revise(self, recipient: str, copy: str, message: Message) -> None:
        """Tell who has answered: the same alert with another standing. Raises `ChannelDown` or `ChannelRefused`."""
        await self._tell(recipient, message, f"{copy}-{message.standing.status.value if message.standing else 'again'}")

    async def _tell(self, recipient: str, message: Message, key: str) -> None:
        if recipient != HOUSE:
            raise ChannelRefused("there is one webhook, the house's")
        body = body_of(message)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **self._signed(body)}
        status, retry_after = await self._post(body, headers)
        judge(status, retry_after, _WHO, self._clock)

    def _signed(self, body: bytes) -> dict[str, str]:
        stamp = str(int(self._clock.now().timestamp()))
        secret = self._settings.secret.get_secret_value()
        return {"Quarterdeck-Timestamp": stamp, "Quarterdeck-Signature": signature(secret, stamp, body)}

    async def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        """The status and the wait that is asked for. Nothing of what is answered besides is read."""
        import httpx

        seconds = self._settings.seconds
        # The cause is left out of what is raised: a library may tell the address, which is a secret.
        try:
            async with asyncio.timeout(seconds), httpx.AsyncClient(verify=self._trusted(), timeout=seconds) as client:
                url = self._settings.url.get_secret_value()
                async with client.stream("POST", url, content=body, headers=headers) as answer:
                    return answer.status_code, answer.headers.get("Retry-After")
        except (TimeoutError, httpx.TimeoutException):
            raise ChannelDown(f"{_WHO} did not answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ChannelDown(f"{_WHO} cannot be reached ({type(error).__name__})") from None

    def _trusted(self) -> ssl.SSLContext:
        """Made once: it reads every certificate of the system."""
        if self._trust is None:
            self._trust = ssl.create_default_context(cafile=self._settings.ca_file)
        return self._trust


def signature(secret: str, stamp: str, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 of time stamp, full stop and body."""
    return "v1=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _standing(standing: Standing | None) -> dict[str, str] | None:
    """How a CRITICAL alert stands, with no more than is known."""
    if standing is None:
        return None
    times = {"at": standing.at, "until": standing.until, "ended": standing.ended}
    told = {"status": standing.status.value, "by": clean(standing.by, _LONGEST), "note": clean(standing.note, _LONGEST)}
    return {key: value for key, value in told.items() if value} | {
        key: moment.isoformat() for key, moment in times.items() if moment
    }


def body_of(message: Message) -> bytes:
    """The message as JSON."""
    content: dict[str, Any] = {
        "ids": list(message.ids),
        "step": message.step,
        "kind": message.kind,
        "severity": message.severity.value,
        "title": clean(message.title, _LONGEST),
        "lines": [clean(line, _LONGEST) for line in message.lines],
        "at": message.at.isoformat(),
        "account": message.account,
        "strategy": message.strategy,
        "standing": _standing(message.standing),
        "test": not message.ids,
    }
    return json.dumps(content, ensure_ascii=False).encode()
