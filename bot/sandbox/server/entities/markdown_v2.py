"""Telegram's MarkdownV2 parse mode."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.sandbox.server.entities import links
from bot.sandbox.server.entities.markdown import link, opening_fence
from bot.sandbox.server.entities.span import ParseError, Span, byte_offset, order, utf16_length

_PLAIN = re.compile(r"[^\\_*\[\]()~`>#+\-=|{}.!\n]+")
_PLAIN_CODE = re.compile(r"[^\\`\n]+")
_RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
_ESCAPED = re.compile(r"\\([\x01-\x7e])")
_TARGET = re.compile(r"(?:\\[\x01-\x7e]|[^)])*", re.DOTALL)
_QUOTE_END = re.compile(r"\|\|(?:\r?\n(?!>)|\Z)")
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})
_CODE = frozenset({"code", "pre", "pre_code"})
_ENDS = {
    "bold": "*", "italic": "_", "underline": "__", "strikethrough": "~", "spoiler": "||", "code": "`",
    "pre": "```", "pre_code": "```", "text_link": "]", "custom_emoji": "]",
}  # fmt: skip
_NAMES = {
    "bold": "Bold", "italic": "Italic", "underline": "Underline", "strikethrough": "Strikethrough",
    "spoiler": "Spoiler", "code": "Code", "pre": "Pre", "pre_code": "PreCode", "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji", "blockquote": "BlockQuote",
    "expandable_blockquote": "ExpandableBlockQuote",
}  # fmt: skip
_STARTS = (
    ("__", "underline"), ("||", "spoiler"), ("![", "custom_emoji"), ("_", "italic"), ("*", "bold"),
    ("~", "strikethrough"), ("`", "code"), ("[", "text_link"),
)  # fmt: skip


@dataclass(slots=True)
class _Open:
    kind: str
    start: int
    where: int
    position: int
    language: str = ""


def parse_markdown_v2(source: str) -> tuple[str, list[Span]]:
    """The text and its spans; raises `ParseError` in Telegram's words."""
    return _Parser(source).run()


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out: list[str] = []
        self.units = 0
        self.open: list[_Open] = []
        self.spans: list[Span] = []
        self.quoting = False
        self.line_start = True

    def run(self) -> tuple[str, list[Span]]:
        while self.at < len(self.source):
            self._step()
        if self.quoting and self.open and self.open[-1].kind in _QUOTES:
            self._finish_quote()
        if self.open:
            raise self._unclosed(self.open[-1])
        return "".join(self.out), order(self.spans)

    def _unclosed(self, entity: _Open) -> ParseError:
        where = byte_offset(self.source, entity.where)
        return ParseError(f"Can't find end of {_NAMES[entity.kind]} entity at byte offset {where}")

    def _emit(self, text: str) -> None:
        self.out.append(text)
        self.units += utf16_length(text)

    def _has(self, mark: str, ahead: int = 0) -> bool:
        return self.source.startswith(mark, self.at + ahead)

    def _step(self) -> None:
        char = self.source[self.at]
        in_code = bool(self.open) and self.open[-1].kind in _CODE
        plain = (_PLAIN_CODE if in_code else _PLAIN).match(self.source, self.at)
        escaped = _ESCAPED.match(self.source, self.at)
        if escaped:
            self._take(escaped[1], 2)
        elif plain:
            self._take(plain[0], len(plain[0]))
        elif char == "\\" or (in_code and char != "`"):
            self._take(char, 1)
        elif char == "\n":
            self._new_line()
        elif char == ">" and self.line_start:
            self._quote()
        else:
            self._mark(char)

    def _take(self, text: str, width: int) -> None:
        self._emit(text)
        self.at += width
        rest = text.rstrip("\r")
        if rest:
            self.line_start = rest.endswith("\n")

    def _mark(self, char: str) -> None:
        if self._ends_expandable():
            if self.open[-1].kind not in _QUOTES:
                raise self._unclosed(self.open[-1])
            self.open[-1].kind = "expandable_blockquote"
            self.at += 2
        elif self._ends():
            self._end()
        else:
            self._start(char)

    # Quotations: a run of lines that begin with ">".

    def _quote(self) -> None:
        if not self.quoting:
            self.open.append(_Open("blockquote", self.units, self.at, len(self.out)))
            self.quoting = True
        self.at += 1

    def _ends_expandable(self) -> bool:
        if not self.quoting or self.open[-1].kind == "spoiler":
            return False
        return _QUOTE_END.match(self.source, self.at) is not None

    def _finish_quote(self) -> None:
        entity = self.open.pop()
        self.quoting = False
        if self.units > entity.start:
            self.spans.append(Span(entity.kind, entity.start, self.units - entity.start))

    def _new_line(self) -> None:
        ends = self.quoting and not self._has("\n>")
        if ends and self.open[-1].kind not in _QUOTES:
            raise self._unclosed(self.open[-1])
        self._take("\n", 1)
        if ends:
            self._finish_quote()

    # Everything else.

    def _ends(self) -> bool:
        if not self.open or self.open[-1].kind not in _ENDS:
            return False
        mark = _ENDS[self.open[-1].kind]
        return self._has(mark) and not (mark == "_" and self._has("__"))

    def _start(self, char: str) -> None:
        begin = self.at
        if self._has("```"):
            language, self.at = opening_fence(self.source, self.at + 3)
            kind = "pre_code" if language else "pre"
            self.open.append(_Open(kind, self.units, begin, len(self.out), language))
            return
        for mark, kind in _STARTS:
            if self._has(mark):
                self.at += len(mark)
                self.open.append(_Open(kind, self.units, begin, len(self.out)))
                return
        raise ParseError(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _end(self) -> None:
        entity = self.open[-1]
        self.at += len(_ENDS[entity.kind])
        span = Span(entity.kind, entity.start, self.units - entity.start, entity.language)
        keep = span.length > 0
        if entity.kind == "text_link":
            target = self._target() if self._has("(") else "".join(self.out[entity.position :])
            keep = link(span, target) and keep
        elif entity.kind == "custom_emoji":
            self._special(span)
        if keep:
            self.spans.append(span)
        self.open.pop()

    def _special(self, span: Span) -> None:
        if not self._has("("):
            raise ParseError("The entity must contain a tg://emoji or tg://time URL")
        target = self._target()
        emoji, time = links.custom_emoji(target), links.moment(target)
        if not emoji and not time:
            raise ParseError("Invalid tg://emoji or tg://time URL specified")
        span.kind, span.argument = ("custom_emoji", emoji) if emoji else ("date_time", time)

    def _target(self) -> str:
        begin = self.at + 1
        match = _TARGET.match(self.source, begin)
        assert match is not None
        self.at = match.end() + 1
        if match.end() == len(self.source):
            where = byte_offset(self.source, begin)
            raise ParseError(f"Can't find end of a URL at byte offset {where}")
        return _ESCAPED.sub(r"\1", match[0])
