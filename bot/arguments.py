"""What people type after a command, read strictly: ASCII digits, known words, nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Collection

from bot.command import Call, Unclear

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
        options = {each: (*call.args[:place], each, *call.args[place + 1 :]) for each in known}
        raise Unclear(str(call.wrong(f"“{word[:30]}” is not one of {', '.join(known)}.")), options)
    return word


def page_and_name(call: Call, *besides: str) -> tuple[int, str]:
    """A page and a name, in any order and each at most once, and `besides` words. Raises `UserError`."""
    places = [place for place, word in enumerate(call.args) if word.lower() not in besides]
    numbers = [place for place in places if call.args[place].isdigit()]
    names = [place for place in places if place not in numbers]
    if len(numbers) > 1 or len(names) > 1:
        raise call.wrong(f"I take one page and one name, not “{' '.join(call.args)[:60]}”.")
    page = page_number(call, numbers[0]) if numbers else 1
    return page, name(call, names[0]) if names else ""


def name(call: Call, place: int = 0) -> str:
    """The name at `place`, empty when left out; the service knows which names exist."""
    return call.args[place] if len(call.args) > place else ""
