"""From what a bot sends to what Telegram stores: cleaning, trimming, entities found by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.server.entities.detect import detect
from bot.sandbox.server.entities.explicit import explicit_spans
from bot.sandbox.server.entities.html import parse_html
from bot.sandbox.server.entities.markdown import parse_markdown
from bot.sandbox.server.entities.markdown_v2 import parse_markdown_v2
from bot.sandbox.server.entities.span import ParseError, Span, character_positions, order, utf16_length
from bot.sandbox.server.errors import bad_request

_PARSERS = {"html": parse_html, "markdown": parse_markdown, "markdownv2": parse_markdown_v2}
_CONTROL = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\u2028\u2029]")
_SPLITTABLE = ("bold", "italic", "underline", "strikethrough", "spoiler")
_MONOSPACE = frozenset({"pre", "pre_code", "code"})
_MAX_ENTITIES = 100

FindUser = Callable[[int], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Formatted:
    """Text as stored, with entities in the Bot API's JSON form."""

    text: str
    entities: list[dict[str, Any]]


def formatted(text: str, parse_mode: str, given: Any, find_user: FindUser) -> Formatted:
    """What Telegram makes of a bot's text; raises `ApiError` where Telegram refuses."""
    if parse_mode:
        text, spans = _parsed(text, parse_mode)
    else:
        spans = explicit_spans(given or [], text, find_user)
    return finished(text, spans, find_user)


def finished(text: str, spans: list[Span], find_user: FindUser) -> Formatted:
    """Clean and trim the text, mend the spans, add the entities Telegram finds by itself."""
    text, spans = _without_returns(_CONTROL.sub(" ", text), spans)
    text, spans = _trimmed(text, order(spans))
    spans = _mended(spans)
    closed = [span for span in spans if span.kind not in {*_SPLITTABLE, "blockquote", "expandable_blockquote"}]
    spans = order(spans + [span for span in detect(text) if not _overlaps(span, closed)])
    found = [entity for span in spans if (entity := entity_json(span, find_user))]
    return Formatted(text, found[:_MAX_ENTITIES])


def _parsed(text: str, parse_mode: str) -> tuple[str, list[Span]]:
    parser = _PARSERS.get(parse_mode.lower())
    if parser is None:
        if parse_mode.lower() == "none":
            return text, []
        raise bad_request("unsupported parse_mode")
    try:
        return parser(text)
    except ParseError as error:
        raise bad_request(f"can't parse entities: {error}") from error


def _without_returns(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    if "\r" not in text:
        return text, spans
    positions = character_positions(text, {span.offset for span in spans} | {span.end for span in spans})
    removed = {offset: text.count("\r", 0, position) for offset, position in positions.items()}
    moved = [_moved(span, span.offset - removed[span.offset], span.end - removed[span.end]) for span in spans]
    return text.replace("\r", ""), [span for span in moved if span.length]


def _moved(span: Span, start: int, end: int) -> Span:
    return Span(span.kind, start, max(0, end - start), span.argument)


def _trimmed(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    text = text.rstrip(" \n")
    size = utf16_length(text)
    spans = [_moved(span, span.offset, min(span.end, size)) for span in spans if span.offset < size]
    first = min((span.offset for span in spans), default=size)
    cut = min(len(text) - len(text.lstrip(" \n")), first)
    return text[cut:], [_moved(span, span.offset - cut, span.end - cut) for span in spans]


def _mended(spans: list[Span]) -> list[Span]:
    walls = [span for span in spans if span.kind in _MONOSPACE]
    kept = [span for span in spans if span.kind not in _SPLITTABLE and not _inside(span, walls)]
    for kind in _SPLITTABLE:
        kept += _merged([span for span in spans if span.kind == kind and not _inside(span, walls)])
    return order(kept)


def _inside(span: Span, walls: list[Span]) -> bool:
    if span.kind in {"blockquote", "expandable_blockquote"}:
        return False
    return any(wall is not span and _overlaps(span, [wall]) and _outer(wall, span) for wall in walls)


def _outer(wall: Span, span: Span) -> bool:
    return span.kind not in _MONOSPACE or order([span, wall])[0] is wall


def _merged(spans: list[Span]) -> list[Span]:
    result: list[Span] = []
    for span in order(spans):
        if result and span.offset <= result[-1].end:
            result[-1].length = max(result[-1].end, span.end) - result[-1].offset
        else:
            result.append(Span(span.kind, span.offset, span.length))
    return result


def _overlaps(span: Span, others: list[Span]) -> bool:
    return any(span.offset < other.end and other.offset < span.end for other in others)


def entity_json(span: Span, find_user: FindUser) -> dict[str, Any] | None:
    """The span as a `MessageEntity`; None for a mention of somebody the bot has never met."""
    kind = "pre" if span.kind == "pre_code" else span.kind
    entity: dict[str, Any] = {"type": kind, "offset": span.offset, "length": span.length}
    if span.kind == "pre_code":
        entity["language"] = span.argument
    elif kind == "text_link":
        entity["url"] = span.argument
    elif kind == "custom_emoji":
        entity["custom_emoji_id"] = span.argument
    elif kind == "text_mention":
        user = find_user(int(span.argument))
        return None if user is None else {**entity, "user": user}
    elif kind == "date_time":
        seconds, _, form = span.argument.partition(":")
        entity |= {"unix_time": int(seconds), "date_time_format": form}
    return entity
