"""The same commands in a terminal: screens as plain text, buttons as numbers that can be typed."""

from __future__ import annotations

from bot.dispatch import Answer, Dispatcher
from bot.html import Html
from bot.keyboard import Keyboard, Keyboards
from bot.people import CONSOLE_CALLER, Caller
from bot.screen import Screen
from core.clock import Clock

_YES = frozenset({"y", "yes"})
_NO = frozenset({"n", "no"})


def render_plain(screen: Screen, keyboard: Keyboard | None = None) -> str:
    """A screen as text; with its keyboard the buttons are numbered, a question asks y/N."""
    text = plain(screen.text)
    if screen.document:
        text += f"\n[file {screen.document.name}, {len(screen.document.data):,} bytes: in chat only]"
    if screen.photo:
        text += "\n[picture: in chat only]"
    if keyboard is None:
        return text
    if asks(screen):
        return f"{text}\n\n{screen.buttons[0][0].label} [y/N]"
    keys = [key for row in keyboard.rows for key in row]
    choices = "   ".join(f"[{number}] {key.label}" for number, key in enumerate(keys, 1))
    return f"{text}\n\n{choices}" if keys else text


def plain(markup: Html) -> str:
    """Markup as a terminal shows it."""
    return markup.plain.strip()


def asks(screen: Screen) -> bool:
    """Whether a screen is a confirmation."""
    return any(getattr(button, "confirms", False) for row in screen.buttons for button in row)


class ConsoleSession:
    """One terminal. Lines run through the dispatcher as the console; choices press the buttons last shown."""

    def __init__(
        self, dispatcher: Dispatcher, keyboards: Keyboards, clock: Clock, caller: Caller = CONSOLE_CALLER
    ) -> None:
        self._dispatcher = dispatcher
        self._keyboards = keyboards
        self._clock = clock
        self._caller = caller
        self._message_id = 0
        self._keyboard = Keyboard()
        self._asking = False

    async def run(self, line: str) -> str:
        """What the terminal shows after `line`."""
        typed = line.strip()
        if self._asking and typed.lower() in _YES | _NO | {""}:
            return await self._confirm(typed.lower() in _YES)
        if typed.isascii() and typed.isdigit():
            return await self._choose(int(typed))
        if not typed:
            return ""
        text = typed if typed.startswith("/") else f"/{typed}"
        answer = await self._dispatcher.line(self._caller, text, message_id=self._message_id, sent_at=self._clock.now())
        return await self._show(answer)

    async def _confirm(self, yes: bool) -> str:
        self._asking = False
        if not yes:
            self._keyboard = Keyboard()
            return "Nothing was done."
        return await self._choose(1)

    async def _choose(self, number: int) -> str:
        keys = [key for row in self._keyboard.rows for key in row]
        if not 1 <= number <= len(keys):
            return "There is no such choice." if keys else "There is nothing to choose from."
        if keys[number - 1].url:
            return keys[number - 1].url
        answer = await self._dispatcher.press(self._caller, keys[number - 1].data, message_id=self._message_id)
        return await self._show(answer)

    async def _show(self, answer: Answer) -> str:
        if answer.screen is None:
            return answer.toast
        self._message_id += 1
        self._keyboard = await self._keyboards.build(
            answer.screen.buttons,
            user_id=self._caller.user_id,
            chat_id=self._caller.chat_id,
            message_id=self._message_id,
        )
        self._asking = asks(answer.screen)
        return render_plain(answer.screen, self._keyboard)
