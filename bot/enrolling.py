"""`quarterdeck totp NAME`: shows a person's new second factor once, and has it confirmed by a first code.

While the bot runs it is asked through its console socket, which only the owner of the data directory can open; else the
database is opened here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from bot.console_server import ConsoleClient, NotRunning
from bot.init.pictures import qr
from bot.init.terminal import Terminal
from core.access.enrolling import Begun, enrolment_at_rest
from core.access.totp import is_code
from core.errors import UserError
from core.settings import Settings

_ATTEMPTS = 5


class Enrols(Protocol):
    """Who makes seeds: the running bot, or we ourselves."""

    def begin(self, name: str) -> Coroutine[Any, Any, Begun]:
        """A new seed for somebody. Raises `UserError`."""
        ...

    def confirm(self, user_id: int, code: str) -> Coroutine[Any, Any, bool]:
        """Put it in force."""
        ...


class Remote:
    """The running bot, through its console socket."""

    def __init__(self, client: ConsoleClient) -> None:
        self._client = client

    async def begin(self, name: str) -> Begun:
        """A new seed for somebody. Raises `UserError`."""
        told = await self._client.request({"enrol": name})
        if "problem" in told:
            raise UserError(str(told["problem"]))
        return Begun(int(told["user_id"]), str(told["name"]), bool(told["has_one"]), str(told["address"]))

    async def confirm(self, user_id: int, code: str) -> bool:
        """Put it in force."""
        return bool((await self._client.request({"confirm": user_id, "code": code}))["ok"])


@asynccontextmanager
async def enrolment(settings: Settings) -> AsyncIterator[Enrols]:
    """Whoever can do it now. Raises `SettingsError`."""
    try:
        client = await ConsoleClient.connect(settings.data_dir)
    except NotRunning:
        async with enrolment_at_rest(settings) as ours:
            yield ours
        return
    try:
        yield Remote(client)
    finally:
        await client.close()


def enrol(settings: Settings, name: str, terminal: Terminal) -> bool:
    """Take one person through it; whether they have a new second factor. Raises `UserError`, `NoMoreAnswers`.

    The loop stands still while somebody types, so that Ctrl-C ends the waiting at once.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        enrols = runner.run(stack.enter_async_context(enrolment(settings)))
        try:
            return _guide(runner, enrols, name, terminal)
        finally:
            runner.run(stack.aclose())


def _guide(runner: asyncio.Runner, enrols: Enrols, name: str, terminal: Terminal) -> bool:
    begun = runner.run(enrols.begin(name))
    if begun.has_one and not terminal.confirm(f"{begun.name} has a second factor already. Replace it", default=False):
        terminal.say("Nothing was changed.")
        return False
    _show(begun, terminal)
    for _ in range(_ATTEMPTS):
        code = terminal.ask("The 6 digits that the app shows now", _six_digits)
        if runner.run(enrols.confirm(begun.user_id, code)):
            terminal.say(f"{begun.name} has a second factor. It will not be shown again; clear this screen.")
            return True
        terminal.say("  That code does not fit. Is the clock of the phone right? Take the next one.")
    terminal.say("Nothing was changed.")
    return False


def _show(begun: Begun, terminal: Terminal) -> None:
    (seed,) = parse_qs(urlsplit(begun.address).query)["secret"]
    grouped = " ".join(seed[place : place + 4] for place in range(0, len(seed), 4))
    terminal.say(f"\nFor {begun.name} alone: scan this with an authenticator app, or type the key into it.")
    terminal.show_secret(f"\n{qr(begun.address)}\n\n  {grouped}\n")


def _six_digits(answer: str) -> str:
    if not is_code(answer):
        raise ValueError("A code has 6 digits.")
    return answer
