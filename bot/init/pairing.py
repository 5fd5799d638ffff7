"""Waits until the person at the terminal has sent the code to the bot: so nobody has to look up a number.

Only a message that somebody typed themselves in their private chat counts; whoever it was is shown and must be
confirmed at the terminal, so that a code that somebody else has read lets nobody in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.init.bot_api import BotApi, Conflict, NotReached
from bot.init.terminal import Terminal
from bot.updates import Ignored, Typed, read
from core.access.pairing import link, new_code, read_code
from core.clock import Clock

Pause = Callable[[float], None]
_LONGEST_POLL = 20
_MOST_REMARKS = 10


@dataclass(frozen=True, slots=True)
class Paired:
    """Who has sent the code."""

    user_id: int
    shown: str


class NobodyCame(Exception):
    """The time is over."""


class Pairing:
    """One wait for the first admin."""

    def __init__(self, api: BotApi, terminal: Terminal, clock: Clock, pause: Pause, bot: str, seconds: float) -> None:
        self._api = api
        self._terminal = terminal
        self._clock = clock
        self._pause = pause
        self._bot = bot
        self._seconds = seconds
        self._offset: int | None = None
        self._remarks: set[str] = set()

    def run(self) -> Paired:
        """Show a code and wait; a new code as long as somebody else sends it. Raises `NobodyCame`, `TokenRefused`."""
        while True:
            code = new_code()
            self._show(code)
            found = self._wait(code)
            if self._terminal.confirm(f"{found.shown} has sent the code. Is that you?", default=True):
                self._finish(found)
                return found
            self._terminal.say("Then the code is void. Here is another one; let nobody else see it.")

    def _show(self, code: str) -> None:
        from bot.init.pictures import qr

        address = link(self._bot, code)
        self._terminal.say(
            "\nNow open this link on the device where you use Telegram (or scan the picture), and press START:"
        )
        self._terminal.show_secret(
            f"\n  {address}\n\n{qr(address)}\nOr send this to @{self._bot} yourself:  /start {code}\n"
        )
        minutes = max(1, round(self._seconds / 60))
        self._terminal.say(f"I wait for {minutes} minute{'s' if minutes > 1 else ''}; Ctrl-C puts it off to later.")

    def _wait(self, code: str) -> Paired:
        end = self._clock.now().timestamp() + self._seconds
        while (left := end - self._clock.now().timestamp()) > 0:
            for update in self._poll(min(_LONGEST_POLL, int(left) + 1)):
                self._offset = int(update["update_id"]) + 1
                if found := self._match(update, code):
                    return found
        raise NobodyCame

    def _poll(self, seconds: int) -> list[dict[str, Any]]:
        try:
            return self._api.updates(self._offset, seconds)
        except NotReached as error:
            self._remark(f"Telegram cannot be reached ({error}); trying again.")
        except Conflict:
            self._remark(
                "Another program takes this bot's messages. Stop it (is the bot running already?); trying again."
            )
        self._pause(1.0)
        return []

    def _match(self, update: dict[str, Any], code: str) -> Paired | None:
        incoming = read(json.dumps(update))
        sender = (update.get("message") or {}).get("from") or {}
        who = _shown(sender)
        if isinstance(incoming, Typed) and incoming.chat_id == incoming.user_id:
            if read_code(incoming.text) == code:
                return Paired(incoming.user_id, who)
            self._remark(f"{who} has sent something that is not the code.")
        elif isinstance(incoming, Typed | Ignored):
            reason = incoming.reason if isinstance(incoming, Ignored) else "not in a private chat"
            self._remark(f"A message does not count: {reason}.")
        return None

    def _finish(self, found: Paired) -> None:
        """Telegram forgets the message, or the bot would take it for a command later; and a word to the person."""
        try:
            self._api.updates(self._offset, 0)
            self._api.send(found.user_id, "You are paired: you will be an admin of this Quarterdeck.")
        except (NotReached, Conflict) as error:
            self._remark(f"(The chat could not be told: {error})")

    def _remark(self, text: str) -> None:
        """Each once, and not many: what a stranger sends must not bury the terminal."""
        if text not in self._remarks and len(self._remarks) < _MOST_REMARKS:
            self._remarks.add(text)
            self._terminal.say(text)


def _shown(sender: dict[str, Any]) -> str:
    name = " ".join(str(sender[each]) for each in ("first_name", "last_name") if sender.get(each))
    at = f"@{sender['username']}, " if sender.get("username") else ""
    return f"{name[:60] or 'Somebody'} ({at}{sender.get('id', '?')})"
