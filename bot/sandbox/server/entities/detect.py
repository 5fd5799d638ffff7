"""Entities that Telegram finds by itself: commands, mentions, tags, links."""

from __future__ import annotations

import re

from bot.sandbox.server.entities.span import Span, utf16_length

_DOMAINS = "com|org|net|io|dev|app|me|info|biz|edu|gov|co|uk|de|fr|nl|eu|ru|us|xyz|ai|ch|jp|cn|in|br"
_PATTERNS = (
    ("email", re.compile(rf"(?<![\w.+-])[\w.+-]{{1,64}}@(?:[\w-]+\.)+(?:{_DOMAINS})\b")),
    (
        "url",
        re.compile(
            rf"(?<![\w@/.-])(?:https?://[^\s<>\"']*[^\s<>\"'.,!?:;)\]]"
            rf"|(?:[A-Za-z0-9-]+\.)+(?:{_DOMAINS})\b(?:[/?#][^\s<>\"']*[^\s<>\"'.,!?:;)\]])?)",
        ),
    ),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{3,32}\b")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w{1,256}")),
    ("cashtag", re.compile(r"(?<![\w$])\$[A-Z]{1,8}\b")),
    ("bot_command", re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>@])")),
)


def detect(text: str) -> list[Span]:
    """The spans, none overlapping another; earlier kinds in the list win."""
    taken: list[tuple[int, int]] = []
    spans: list[Span] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if not any(start < other_end and other < end for other, other_end in taken):
                taken.append((start, end))
                spans.append(Span(kind, utf16_length(text[:start]), utf16_length(match[0])))
    return spans
