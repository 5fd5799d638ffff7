"""Telegram's own text parser (tdlib, in the wheel tdjson) as an oracle."""

from __future__ import annotations

import json

import tdjson

tdjson.td_execute(json.dumps({"@type": "setLogVerbosityLevel", "new_verbosity_level": 0}).encode())


def visible(markup: str) -> str:
    """The text that Telegram would show. Raises `ValueError` with Telegram's own words if it refuses."""
    request = {"@type": "parseTextEntities", "text": markup, "parse_mode": {"@type": "textParseModeHTML"}}
    answer = json.loads(tdjson.td_execute(json.dumps(request).encode()))
    if answer["@type"] == "error":
        raise ValueError(answer["message"])
    return answer["text"]


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
