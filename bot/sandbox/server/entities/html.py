"""Telegram's HTML parse mode."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.sandbox.server.entities import links
from bot.sandbox.server.entities.span import ParseError, Span, byte_offset, order, utf16_length

_KINDS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
    "span": "spoiler", "a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote",
    "tg-emoji": "custom_emoji", "tg-time": "date_time",
}  # fmt: skip
_SPACE = " \t\r\n\0\v"
_PLAIN = re.compile(r"[^<&]+")
_REFERENCE = re.compile(r"&(?:#(?:x(?P<hex>[0-9a-fA-F]*)|(?P<decimal>[0-9]*))|(?P<name>[a-zA-Z]*));?")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_MAX_REFERENCE = 10


@dataclass(slots=True)
class _Open:
    tag: str
    start: int
    position: int
    attributes: dict[str, str] = field(default_factory=dict)


def parse_html(source: str) -> tuple[str, list[Span]]:
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

    def run(self) -> tuple[str, list[Span]]:
        while self.at < len(self.source):
            self._step()
        if self.open:
            raise ParseError(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        text = "".join(self.out)
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ParseError(
                "Text contains invalid Unicode characters after decoding HTML entities, "
                "check for unmatched surrogate code units"
            )
        for span in self.spans:
            span.argument = "" if span.kind == "code" else span.argument
        return text, order(self.spans)

    def _step(self) -> None:
        plain = _PLAIN.match(self.source, self.at)
        if plain:
            self.at = plain.end()
            self._emit(plain[0])
        elif self.source[self.at] == "&":
            char, self.at = _reference(self.source, self.at)
            self._emit(char)
        elif self.source.startswith("</", self.at):
            self._close_tag()
        else:
            self._open_tag()

    def _emit(self, text: str) -> None:
        self.out.append(text)
        self.units += utf16_length(text)

    def _peek(self) -> str:
        return self.source[self.at] if self.at < len(self.source) else ""

    def _skip_spaces(self) -> None:
        while self._peek() and self._peek() in _SPACE:
            self.at += 1

    def _until(self, stop: str) -> str:
        begin = self.at
        while self._peek() and self._peek() not in stop:
            self.at += 1
        return self.source[begin : self.at]

    def _open_tag(self) -> None:
        begin = self.at
        self.at += 1
        name = _lower(self._until(_SPACE + ">"))
        if not self._peek():
            raise ParseError(f"Unclosed start tag at byte offset {byte_offset(self.source, begin)}")
        if name not in _KINDS:
            where = byte_offset(self.source, begin)
            raise ParseError(f'Unsupported start tag "{name}" at byte offset {where}')
        tag = _Open(name, self.units, len(self.out))
        while self._peek() != ">":
            self._attribute(tag, begin)
        self.at += 1
        if name == "span" and tag.attributes.get("class") != "tg-spoiler":
            where = byte_offset(self.source, begin)
            raise ParseError(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
        self.open.append(tag)

    def _attribute(self, tag: _Open, begin: int) -> None:
        self._skip_spaces()
        if self._peek() == ">":
            return
        name = self._until(_SPACE + ">=\"'/")
        where = byte_offset(self.source, begin)
        if not name:
            raise ParseError(f'Empty attribute name in the tag "{tag.tag}" at byte offset {where}')
        self._skip_spaces()
        assigned = self._peek() == "="
        if assigned:
            self.at += 1
            self._skip_spaces()
        if not self._peek():
            raise ParseError(f'Unclosed start tag "{tag.tag}" at byte offset {where}')
        value = self._value() if assigned else ""
        if not self._peek():
            raise ParseError(f"Unclosed start tag at byte offset {where}")
        _remember(tag, name, value)

    def _value(self) -> str:
        quote = self._peek()
        if quote not in {"'", '"'}:
            return self._name_token()
        self.at += 1
        parts: list[str] = []
        while self._peek() and self._peek() != quote:
            if self._peek() == "&":
                char, self.at = _reference(self.source, self.at)
                parts.append(char)
            else:
                parts.append(self._until(quote + "&"))
        self.at += bool(self._peek())
        return "".join(parts)

    def _name_token(self) -> str:
        begin = self.at
        while self._peek().isascii() and (self._peek().isalnum() or self._peek() in {".", "-"}):
            self.at += 1
        if self._peek() != ">" and self._peek() not in _SPACE:
            where = byte_offset(self.source, begin)
            raise ParseError(f"Unexpected end of name token at byte offset {where}")
        return _lower(self.source[begin : self.at])

    def _close_tag(self) -> None:
        begin = self.at
        if not self.open:
            raise ParseError(f"Unexpected end tag at byte offset {byte_offset(self.source, begin)}")
        self.at += 2
        name = _lower(self._until(_SPACE + ">"))
        self._skip_spaces()
        if self._peek() != ">":
            raise ParseError(f"Unclosed end tag at byte offset {byte_offset(self.source, begin)}")
        self.at += 1
        tag = self.open.pop()
        if name and name != tag.tag:
            where = byte_offset(self.source, begin)
            raise ParseError(f'Unmatched end tag at byte offset {where}, expected "</{tag.tag}>", found "</{name}>"')
        if self.units > tag.start:
            self._add(tag)

    def _add(self, tag: _Open) -> None:
        span = Span(_KINDS[tag.tag], tag.start, self.units - tag.start)
        if tag.tag == "a":
            self._link(span, tag.attributes.get("href") or "".join(self.out[tag.position :]))
        elif tag.tag in {"pre", "code"}:
            self._monospace(span, tag.attributes.get("class", ""))
        elif tag.tag == "blockquote":
            span.kind = "expandable_blockquote" if "expandable" in tag.attributes else "blockquote"
            self.spans.append(span)
        elif tag.tag == "tg-emoji":
            self._emoji(span, tag.attributes.get("emoji-id", ""))
        elif tag.tag == "tg-time":
            self._time(span, tag.attributes.get("unix", ""), tag.attributes.get("format", ""))
        else:
            self.spans.append(span)

    def _link(self, span: Span, target: str) -> None:
        user = links.mentioned_user(target)
        if user is not None:
            span.kind, span.argument = "text_mention", str(user)
        else:
            span.argument = links.checked(target)
        if span.argument:
            self.spans.append(span)

    def _monospace(self, span: Span, language: str) -> None:
        last = self.spans[-1] if self.spans else None
        same = last is not None and (last.offset, last.length) == (span.offset, span.length)
        if last and same and span.kind == "pre" and last.kind == "code" and last.argument:
            last.kind = "pre_code"
        elif last and same and span.kind == "code" and last.kind == "pre" and language:
            last.kind, last.argument = "pre_code", language
        else:
            span.argument = language if span.kind == "code" else ""
            self.spans.append(span)

    def _emoji(self, span: Span, identifier: str) -> None:
        if not re.fullmatch(r"-?[0-9]+", identifier) or not 0 < abs(int(identifier)) < 1 << 63:
            raise ParseError("Invalid custom emoji identifier specified")
        span.argument = identifier
        self.spans.append(span)

    def _time(self, span: Span, unix: str, form: str) -> None:
        if not links.DATE_FORMAT.fullmatch(form):
            raise ParseError("Invalid date format used")
        digits = re.match(r"[0-9]*", unix)
        seconds = int(digits[0]) & 0xFFFFFFFF if digits and digits[0] else 0
        if 0 < seconds < 1 << 31:
            span.argument = f"{seconds}:{form}"
            self.spans.append(span)


def _remember(tag: _Open, name: str, value: str) -> None:
    if tag.tag == "code" and name == "class" and value.startswith("language-"):
        tag.attributes["class"] = value.removeprefix("language-")
    elif tag.tag == "span" and name == "class" and value.startswith("tg-"):
        tag.attributes["class"] = value
    elif tag.tag not in {"code", "span"}:
        tag.attributes[name] = value


def _lower(name: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in name)


def _reference(source: str, at: int) -> tuple[str, int]:
    match = _REFERENCE.match(source, at)
    assert match is not None
    char = _NAMED.get(match["name"] or "", "")
    if match["name"] is None:
        char = _numbered(match)
    return (char, match.end()) if char else ("&", at + 1)


def _numbered(match: re.Match[str]) -> str:
    digits, base = (match["hex"], 16) if match["hex"] is not None else (match["decimal"], 10)
    code = int(digits, base) & 0xFFFFFFFF if digits else 0
    size = len(match[0].removesuffix(";"))
    return chr(code) if 0 < code < 0x10FFFF and size < _MAX_REFERENCE else ""
