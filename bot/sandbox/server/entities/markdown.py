"""Telegram's legacy Markdown parse mode."""

from __future__ import annotations

import re

from bot.sandbox.server.entities import links
from bot.sandbox.server.entities.span import ParseError, Span, byte_offset, utf16_length

_PLAIN = re.compile(r"[^_*`\[\\]+|\\[_*`\[]?")
_LANGUAGE = re.compile(r"[^ \t\r\n\0\v`]+(?=[ \t\r\n\0\v])")
_NEW_LINE = re.compile(r"\r\n|\n\r|\n|\r")
_KINDS = {"_": "italic", "*": "bold", "`": "code", "[": "text_link"}


def parse_markdown(source: str) -> tuple[str, list[Span]]:
    """The text and its spans; raises `ParseError` in Telegram's words."""
    return _Parser(source).run()


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out: list[str] = []
        self.units = 0
        self.spans: list[Span] = []

    def run(self) -> tuple[str, list[Span]]:
        while self.at < len(self.source):
            plain = _PLAIN.match(self.source, self.at)
            if plain:
                self._emit(plain[0][1:] if len(plain[0]) > 1 and plain[0][0] == "\\" else plain[0])
                self.at = plain.end()
            else:
                self._entity()
        return "".join(self.out), self.spans

    def _emit(self, text: str) -> None:
        self.out.append(text)
        self.units += utf16_length(text)

    def _entity(self) -> None:
        begin, mark = self.at, self.source[self.at]
        fence = self.source.startswith("```", begin)
        language, self.at = opening_fence(self.source, begin + 3) if fence else ("", begin + 1)
        end = self.source.find("```" if fence else "]" if mark == "[" else mark, self.at)
        if end < 0:
            where = byte_offset(self.source, begin)
            raise ParseError(f"Can't find end of the entity starting at byte offset {where}")
        content = self.source[self.at : end]
        span = Span(_KINDS[mark], self.units, utf16_length(content))
        self._emit(content)
        self.at = end + (3 if fence else 1)
        if fence:
            span.kind, span.argument = ("pre_code", language) if language else ("pre", "")
        if span.length:
            self._add(span, content, begin)

    def _add(self, span: Span, content: str, begin: int) -> None:
        if span.kind == "text_link" and not link(span, self._target(content, begin)):
            return
        self.spans.append(span)

    def _target(self, content: str, begin: int) -> str:
        if not self.source.startswith("(", self.at):
            return self._overwritten(content.encode(), begin)
        end = self.source.find(")", self.at)
        end = len(self.source) if end < 0 else end
        target = self.source[self.at + 1 : end]
        self.at = end + 1
        return target

    def _overwritten(self, content: bytes, begin: int) -> str:
        """The target of a link without one.

        Telegram's parser reads it from a buffer that it has already begun to overwrite with the result, so
        `[x.com]` leads to `.comm`. A bot that relies on such links sees here what it would see there.
        """
        written = len("".join(self.out).encode()) - len(content)
        shift = byte_offset(self.source, begin) + 1 - written
        kept = content[shift:] + content[max(0, len(content) - shift) :]
        return kept.decode(errors="replace")


def link(span: Span, target: str) -> bool:
    """Give the span its target; False when Telegram would drop the link."""
    user = links.mentioned_user(target)
    if user is not None:
        span.kind, span.argument = "text_mention", str(user)
    else:
        span.argument = links.checked(target)
    return bool(span.argument)


def opening_fence(source: str, at: int) -> tuple[str, int]:
    """A fence's language, and where its content begins after one line break."""
    language = _LANGUAGE.match(source, at)
    at = language.end() if language else at
    line = _NEW_LINE.match(source, at)
    return language[0] if language else "", line.end() if line else at
