"""Entities to HTML that is safe to show: every character of the text is escaped, tags are ours alone."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import Any

_TAGS = {
    "bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "code": "code",
    "blockquote": "blockquote",
}  # fmt: skip
_CLASSES = {
    "spoiler": "tg-spoiler", "bot_command": "tg-command", "mention": "tg-mention", "hashtag": "tg-mention",
    "cashtag": "tg-mention", "text_mention": "tg-mention", "email": "tg-mention",
}  # fmt: skip
_SAFE_LINKS = ("http://", "https://")


def render(text: str, entities: list[dict[str, Any]]) -> str:
    """The text as HTML; line breaks stay line breaks."""
    data = text.encode("utf-16-le")
    cuts = sorted({0, len(data) // 2, *(entity["offset"] for entity in entities), *map(_end, entities)})
    parts: list[str] = []
    stack: list[dict[str, Any]] = []
    for start, end in pairwise(cuts):
        piece = data[2 * start : 2 * end].decode("utf-16-le")
        active = [entity for entity in entities if entity["offset"] <= start and _end(entity) >= end]
        parts += _switch(stack, active, data)
        parts.append(escape(piece))
        stack = active
    parts += _switch(stack, [], data)
    return "".join(parts)


def _end(entity: dict[str, Any]) -> int:
    return int(entity["offset"] + entity["length"])


def _switch(old: list[dict[str, Any]], new: list[dict[str, Any]], data: bytes) -> list[str]:
    common = 0
    while common < min(len(old), len(new)) and old[common] is new[common]:
        common += 1
    closing = [_tags(entity, data)[1] for entity in reversed(old[common:])]
    return closing + [_tags(entity, data)[0] for entity in new[common:]]


def _tags(entity: dict[str, Any], data: bytes) -> tuple[str, str]:
    kind = entity["type"]
    if kind in _TAGS:
        return f"<{_TAGS[kind]}>", f"</{_TAGS[kind]}>"
    if kind == "pre":
        language = escape(entity.get("language", ""))
        return (f'<pre data-language="{language}">' if language else "<pre>"), "</pre>"
    if kind == "expandable_blockquote":
        return '<blockquote class="expandable">', "</blockquote>"
    if kind in {"text_link", "url"}:
        return _link(entity, data)
    return (f'<span class="{_CLASSES[kind]}">' if kind in _CLASSES else "<span>"), "</span>"


def _link(entity: dict[str, Any], data: bytes) -> tuple[str, str]:
    shown = data[2 * entity["offset"] : 2 * _end(entity)].decode("utf-16-le")
    target = entity.get("url") or (shown if "://" in shown else f"http://{shown}")
    if not target.lower().startswith(_SAFE_LINKS):
        return '<span class="tg-mention">', "</span>"
    return f'<a href="{escape(target)}" target="_blank" rel="noopener noreferrer">', "</a>"
