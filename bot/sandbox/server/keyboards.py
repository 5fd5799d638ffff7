"""Reply markup, checked as Telegram checks it."""

from __future__ import annotations

import json
from typing import Any

from bot.sandbox.server.entities import links
from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.params import Params, boolean

_MOST_BUTTONS = 100
_WIDEST_ROW = 8
_LONGEST_MARKUP = 10_240
_LONGEST_COPY = 256
_DATA_BYTES = 64
_UNUSABLE = ("callback_game", "pay")
_ACTIONS = ("url", "callback_data", "web_app", "login_url", "switch_inline_query",
            "switch_inline_query_current_chat", "switch_inline_query_chosen_chat", "copy_text",
            *_UNUSABLE)  # fmt: skip
_INLINE = "can't parse inline keyboard button"


def reply_markup(params: Params, *, only_inline: bool = False) -> dict[str, Any] | None:
    """The inline keyboard to store with a message, None without one; raises `ApiError`.

    Other kinds of markup are checked and then forgotten: they are no part of a message.
    """
    markup = params.json("reply_markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in markup:
        return _inline(markup["inline_keyboard"])
    if only_inline and markup:
        raise bad_request("inline keyboard expected")
    for name in ("force_reply", "remove_keyboard", "selective", "one_time_keyboard", "is_persistent",
                 "resize_keyboard"):  # fmt: skip
        boolean(markup, name)
    if "keyboard" in markup:
        _rows(markup["keyboard"], "keyboard")
    return None


def _rows(rows: Any, name: str) -> list[list[Any]]:
    if not isinstance(rows, list):
        raise bad_request(f'Field "{name}" must be of type Array')
    for row in rows:
        if not isinstance(row, list):
            raise bad_request(f"can't parse {name.replace('_', ' ')} button row: expected an Array of Arrays")
    return rows


def _inline(rows: Any) -> dict[str, Any] | None:
    checked = [[_button(button) for button in row] for row in _rows(rows, "inline_keyboard")]
    visible = [[button for button in row if button["text"]] for row in checked]
    if sum(map(len, visible)) > _MOST_BUTTONS:
        raise bad_request("reply markup is too long")
    keyboard = {"inline_keyboard": [part for row in visible if row for part in _reflowed(row)]}
    if len(json.dumps(keyboard, ensure_ascii=False).encode()) > _LONGEST_MARKUP:
        raise bad_request("reply markup is too long")
    return keyboard if keyboard["inline_keyboard"] else None


def _reflowed(row: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [row[start : start + _WIDEST_ROW] for start in range(0, len(row), _WIDEST_ROW)]


def _button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise bad_request(f"{_INLINE}: InlineKeyboardButton must be an Object")
    if "text" not in button:
        raise bad_request(f'{_INLINE}: Can\'t find field "text"')
    if not isinstance(button["text"], str):
        raise bad_request(f'{_INLINE}: Field "text" must be of type String')
    actions = [name for name in _ACTIONS if button.get(name) not in (None, "", False)]
    if not actions:
        raise bad_request(f"{_INLINE}: Text buttons are unallowed in the inline keyboard")
    return {"text": button["text"], **_action(actions[0], button[actions[0]])}


def _action(name: str, value: Any) -> dict[str, Any]:
    if name in _UNUSABLE:
        raise bad_request("BUTTON_TYPE_INVALID")
    if name == "callback_data":
        return {name: _data(value)}
    if name == "url":
        return {name: _url(value)}
    if name == "web_app":
        return {name: {"url": _web_app(value)}}
    if name == "copy_text":
        return {name: {"text": _copy(value)}}
    return {name: value}


def _data(value: Any) -> str:
    if not isinstance(value, str):
        raise bad_request(f'{_INLINE}: Field "callback_data" must be of type String')
    if not 1 <= len(value.encode()) <= _DATA_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    return value


def _url(value: Any) -> str:
    if links.mentioned_user(str(value)) is not None:
        return str(value)
    try:
        return links.strict(str(value))
    except links.LinkError as error:
        raise bad_request(f"inline keyboard button URL '{value}' is invalid: {error}") from error


def _web_app(value: Any) -> str:
    url = str(value.get("url", "")) if isinstance(value, dict) else ""
    if not url.lower().startswith("https://"):
        raise bad_request(f"inline keyboard button Web App URL '{url}' is invalid: Only HTTPS links are allowed")
    return url


def _copy(value: Any) -> str:
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_COPY:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return text
