"""Alerts through apprise: ntfy, Pushover, Slack, SMS and whatever else has an address in its form.

The library is large and blocks: it is imported with the first delivery, in a thread of its own. Its addresses hold
secrets, and its log lines may hold parts of them: nothing of either leaves this file, only words of our own and a
status.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import SecretStr

from bot.channels.wording import SIGNS, footer_of, lines_of, title_of
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity
from core.settings import UserSettings
from core.settings.channels import HOUSE

_SECONDS = 20.0
_STATUS = re.compile(r"\berror=(\d{3})\b")
_PASSING = frozenset({408, 425, 429})
People = Callable[[], Iterable[UserSettings]]
_TALKATIVE = ("apprise", "urllib3", "requests")
_KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one message at one address."""

    accepted: bool
    reason: str = ""
    for_good: bool = False


class AppriseChannel:
    """Delivers to one address; a recipient names it by its owner and number: `house/1`, or a person's id, `7/2`.

    So that one that is out of order holds up no other. `people` is asked anew each time.
    """

    name = "apprise"

    def __init__(self, house: Sequence[SecretStr], people: People, *, seconds: float = _SECONDS) -> None:
        self._house = tuple(house)
        self._people = people
        self._seconds = seconds
        self._busy: set[str] = set()

    async def deliver(self, recipient: str, message: Message) -> str:
        """Return once the service has it. Raises `ChannelDown` or `ChannelRefused`."""
        url = self._address(recipient)
        if url is None:
            raise ChannelRefused("there is no such address of apprise's form any more")
        told = await self._try(recipient, url, message)
        if told.accepted:
            return ""
        raise ChannelRefused(told.reason) if told.for_good else ChannelDown(told.reason)

    def _address(self, recipient: str) -> SecretStr | None:
        owner, _, number = recipient.partition("/")
        owned = self._house if owner == HOUSE else next((u.apprise for u in self._people() if str(u.id) == owner), ())
        return next((url for place, url in enumerate(owned, 1) if str(place) == number), None)

    async def _try(self, recipient: str, url: SecretStr, message: Message) -> Told:
        """With a limit; a call that hangs beyond it is not joined by others."""
        if recipient in self._busy:
            return Told(False, "an earlier message still hangs there")
        self._busy.add(recipient)
        answer = _in_a_thread(lambda: _notify(url, message), lambda: self._busy.discard(recipient))
        try:
            async with asyncio.timeout(self._seconds):
                return await answer
        except TimeoutError:
            return Told(False, f"no answer within {self._seconds:g} s")


def _in_a_thread(work: Callable[[], Told], after: Callable[[], None]) -> asyncio.Future[Told]:
    """Run `work` where a hang keeps nothing else from running, nor the program from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Told] = loop.create_future()

    def settle(told: Told) -> None:
        after()
        if not answer.done():
            answer.set_result(told)

    def run() -> None:
        told = work()
        try:
            loop.call_soon_threadsafe(settle, told)
        except RuntimeError:
            return  # the program has ended in the meantime

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return answer


def _notify(url: SecretStr, message: Message) -> Told:
    """Hand one message to the library. It may raise anything: what it says is not passed on."""
    try:
        result = _send(url, message)
    except Exception as error:  # noqa: BLE001 - a plugin of a foreign library; its words may hold a secret
        return Told(False, f"failed ({type(error).__name__})")
    if result is None:
        return Told(False, "apprise does not understand this address", for_good=True)
    return Told(True) if result else _refusal(entry.message for entry in result.logs())


def _send(url: SecretStr, message: Message) -> Any:
    """The library's own result; None for an address that it does not know."""
    apprise, asset = _library()
    services = apprise.Apprise(asset=asset)
    if not services.add(url.get_secret_value()):
        return None
    return services.notify(
        body="\n".join((*lines_of(message), footer_of(message))),
        title=f"{SIGNS[message.severity]} {title_of(message)}",
        notify_type=_KINDS[message.severity],
        body_format="text",
    )


def _refusal(lines: Iterable[str]) -> Told:
    """The status is all that is taken from the library's lines."""
    found = [int(match[1]) for line in lines for match in _STATUS.finditer(line)]
    if not found:
        return Told(False, "not accepted, or out of reach")
    status = found[-1]
    return Told(False, f"answered {status}", for_good=300 <= status < 500 and status not in _PASSING)


@cache
def _library() -> tuple[Any, Any]:
    """The library, made quiet, without files and threads of its own; the first time takes a third of a second."""
    import apprise

    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    asset = apprise.AppriseAsset(app_id="Quarterdeck", async_mode=False, storage_mode="memory", service_timeout=0)
    return apprise, asset
