"""What people type after a command, read strictly: ASCII digits, known words, nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Collection

from bot.command import Call

_COUNT = re.compile(r"[0-9]{1,6}\Z")


def page_number(call: Call, place: int = 0) -> int:
    """The page at `place`, 1 when left out. Raises `UserError` for anything but 1, 2, 3 …"""
    if len(call.args) <= place:
        return 1
    word = call.args[place]
    if not _COUNT.match(word) or int(word) < 1:
        raise call.wrong(f"A page is a number like 1, 2 or 3, not “{word[:30]}”.")
    return int(word)


def choice(call: Call, known: Collection[str], default: str, place: int = 0) -> str:
    """The word at `place`, one of `known`; `default` when left out."""
    if len(call.args) <= place:
        return default
    word = call.args[place].lower()
    if word not in known:
        raise call.wrong(f"“{word[:30]}” is not one of {', '.join(known)}.")
    return word


def name(call: Call, place: int = 0) -> str:
    """The name at `place`, empty when left out; the service knows which names exist."""
    return call.args[place] if len(call.args) > place else ""
