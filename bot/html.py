"""Telegram's HTML, built only by functions that escape.

`Html` is its own type: mypy refuses a plain string (and so an f-string with a raw name) where markup is
wanted, and a string handed to these functions is always escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape

# What a stranger's name must not do to our lines: control characters and marks that reorder or hide text.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_TOKEN = re.compile(r"<(/?)([a-z]+)[^>]*>|&[a-z#0-9]+;|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Html:
    """Finished markup. Only this module makes one."""

    markup: str

    def __add__(self, other: Html) -> Html:
        return Html(self.markup + other.markup)

    def __bool__(self) -> bool:
        return bool(self.markup)

    @property
    def plain(self) -> str:
        """The text that is left once the tags are taken away."""
        return unescape(re.sub(r"<[^>]+>", "", self.markup))


Part = Html | str
EMPTY = Html("")


def clean(raw: str) -> str:
    """`raw` without control characters and direction marks; each becomes a visible �."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", raw)


def text(*parts: Part) -> Html:
    """Parts in a row; strings are escaped, markup is kept."""
    return Html("".join(part.markup if isinstance(part, Html) else _escape(part) for part in parts))


def bold(*parts: Part) -> Html:
    """Bold."""
    return _tagged("b", parts)


def italic(*parts: Part) -> Html:
    """Italic."""
    return _tagged("i", parts)


def code(raw: str) -> Html:
    """Monospace in the line; a tap copies it."""
    return _tagged("code", (raw,))


def pre(lines: Iterable[str]) -> Html:
    """A monospace block."""
    return _tagged("pre", ("\n".join(lines),))


def fold(*parts: Part) -> Html:
    """A quotation that is folded until tapped."""
    return Html("<blockquote expandable>") + text(*parts) + Html("</blockquote>")


def lines(*parts: Part) -> Html:
    """One line each; empty markup is left out, an empty string is a blank line."""
    return join("\n", (part for part in parts if not (isinstance(part, Html) and not part)))


def join(separator: Part, parts: Iterable[Part]) -> Html:
    """Parts with a separator between them."""
    return Html(text(separator).markup.join(text(part).markup for part in parts))


def length(markup: Html) -> int:
    """Characters as Telegram counts them (UTF-16 units) once the tags are parsed away."""
    return len(markup.plain.encode("utf-16-le")) // 2


def cut(markup: Html, limit: int) -> Html:
    """`markup` shortened to `limit` visible characters, every open tag closed and an ellipsis at the end."""
    if length(markup) <= limit:
        return markup
    kept: list[str] = []
    still_open: list[str] = []
    room = limit - 1
    for token in _TOKEN.finditer(markup.markup):
        if name := token[2]:
            _track(still_open, name, closes=bool(token[1]))
        else:
            room -= len(unescape(token[0]).encode("utf-16-le")) // 2
            if room < 0:
                break
        kept.append(token[0])
    return Html("".join(kept) + "…" + "".join(f"</{name}>" for name in reversed(still_open)))


def split(markup: Html, limit: int) -> list[Html]:
    """`markup` in parts of at most `limit` visible characters: a tag that is cut through is closed and opened anew.

    Parts end at the end of a line where that wastes less than half of the room.
    """
    if length(markup) <= limit:
        return [markup]
    parts: list[Html] = []
    tokens = list(_TOKEN.finditer(markup.markup))
    start, opened = 0, list[str]()
    while start < len(tokens):
        end = _fits(tokens, start, limit)
        inside = _open_after(tokens[start:end], opened)
        body = "".join(token[0] for token in tokens[start:end])
        part = Html("".join(opened) + body + "".join(f"</{_name(tag)}>" for tag in reversed(inside)))
        if part.plain.strip():
            parts.append(part)
        start, opened = end, inside
    return parts


def _fits(tokens: Sequence[re.Match[str]], start: int, limit: int) -> int:
    """The place behind the last token of a part that begins at `start`."""
    room, line_end, since = limit, 0, 0
    for place in range(start, len(tokens)):
        size = 0 if tokens[place][2] else len(unescape(tokens[place][0]).encode("utf-16-le")) // 2
        if size > room:
            return line_end if line_end and since < limit // 2 else max(place, start + 1)
        room, since = room - size, since + size
        if tokens[place][0] == "\n":
            line_end, since = place + 1, 0
    return len(tokens)


def _open_after(tokens: Iterable[re.Match[str]], before: Sequence[str]) -> list[str]:
    """The opening tags that are still open once these tokens are read."""
    still_open = list(before)
    for token in tokens:
        if token[2]:
            if token[1]:
                still_open.pop()
            else:
                still_open.append(token[0])
    return still_open


def _name(tag: str) -> str:
    """`blockquote` of `<blockquote expandable>`."""
    return tag.strip("<>").split()[0]


def _track(still_open: list[str], name: str, *, closes: bool) -> None:
    if closes:
        still_open.pop()
    else:
        still_open.append(name)


def _tagged(tag: str, parts: Iterable[Part]) -> Html:
    return Html(f"<{tag}>{text(*parts).markup}</{tag}>")


def _escape(raw: str) -> str:
    return clean(raw).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
