"""Telegram's own text parser, from the tdjson wheel: static calls only, no client, no network."""

import json
from typing import Any

import tdjson

KINDS = {
    "Bold": "bold", "Italic": "italic", "Underline": "underline", "Strikethrough": "strikethrough",
    "Spoiler": "spoiler", "Code": "code", "Pre": "pre", "PreCode": "pre_code", "TextUrl": "text_link",
    "MentionName": "text_mention", "BlockQuote": "blockquote", "ExpandableBlockQuote": "expandable_blockquote",
    "CustomEmoji": "custom_emoji", "DateTime": "date_time",
}  # fmt: skip
MODES: dict[str, dict[str, Any]] = {
    "HTML": {"@type": "textParseModeHTML"},
    "Markdown": {"@type": "textParseModeMarkdown", "version": 1},
    "MarkdownV2": {"@type": "textParseModeMarkdown", "version": 2},
}


def _execute(request: dict[str, Any]) -> dict[str, Any]:
    return json.loads(tdjson.td_execute(json.dumps(request).encode()))


_execute({"@type": "setLogVerbosityLevel", "new_verbosity_level": 0})


def parse(text: str, mode: str) -> str | tuple[str, list[tuple[int, int, str, str]]]:
    """The error without its prefix, or the text and its entities in a comparable form."""
    result = _execute({"@type": "parseTextEntities", "text": text, "parse_mode": MODES[mode]})
    if result["@type"] == "error":
        return result["message"].removeprefix("Can't parse entities: ")
    return result["text"], sorted(map(_entity, result["entities"]))


def _entity(entity: dict[str, Any]) -> tuple[int, int, str, str]:
    kind = entity["type"]
    name = KINDS[kind["@type"].removeprefix("textEntityType")]
    argument = next(
        (str(kind[key]) for key in ("language", "url", "user_id", "custom_emoji_id", "unix_time") if key in kind), ""
    )
    return entity["offset"], entity["length"], name, argument
