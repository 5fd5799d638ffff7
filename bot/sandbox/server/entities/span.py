"""Stretches of formatted text and UTF-16 arithmetic."""

from __future__ import annotations

from dataclasses import dataclass


class ParseError(ValueError):
    """Telegram's parser would refuse the text; the message is the parser's own wording."""


@dataclass(slots=True)
class Span:
    """One formatted stretch; `offset` and `length` count UTF-16 code units."""

    kind: str
    offset: int
    length: int
    argument: str = ""

    @property
    def end(self) -> int:
        """The first UTF-16 offset after the stretch."""
        return self.offset + self.length


# Of two spans with the same bounds the lower number is the outer one.
_DEPTH = {
    "blockquote": 0, "expandable_blockquote": 0, "pre_code": 10, "pre": 11, "code": 20, "text_link": 49,
    "text_mention": 49, "bold": 90, "italic": 91, "underline": 92, "strikethrough": 93, "spoiler": 94,
    "date_time": 95, "custom_emoji": 99,
}  # fmt: skip


def order(spans: list[Span]) -> list[Span]:
    """Outer spans before inner ones, left before right."""
    return sorted(spans, key=lambda span: (span.offset, -span.length, _DEPTH.get(span.kind, 50)))


def utf16_length(text: str) -> int:
    """How many UTF-16 code units the text takes."""
    return len(text) if text.isascii() else len(text) + sum(char > "\uffff" for char in text)


def byte_offset(text: str, position: int) -> int:
    """The UTF-8 byte offset of a character position; Telegram's errors name it."""
    return len(text[:position].encode())


def character_positions(text: str, offsets: set[int]) -> dict[int, int]:
    """Character positions of UTF-16 offsets; an offset inside a pair counts as the pair's start."""
    if text.isascii():
        return {offset: min(offset, len(text)) for offset in offsets}
    found: dict[int, int] = {}
    units = 0
    wanted = sorted(offsets)
    for position, char in enumerate(text):
        width = 2 if char > "\uffff" else 1
        while wanted and wanted[0] < units + width:
            found[wanted.pop(0)] = position
        units += width
    return found | dict.fromkeys(wanted, len(text))
