"""The `entities` parameter: formatted text without a parse mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.server.entities import links
from bot.sandbox.server.entities.span import Span, utf16_length
from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.params import whole

_DETECTED = frozenset({"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"})
_PLAIN = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler", "code", "blockquote",
                    "expandable_blockquote"})  # fmt: skip
_INT64 = 1 << 63


def explicit_spans(given: Any, text: str, find_user: Callable[[int], dict[str, Any] | None]) -> list[Span]:
    """The spans a bot lists; raises `ApiError` where Telegram refuses one."""
    if not isinstance(given, list):
        raise bad_request("can't parse entities: Expected an array of entities")
    spans = [span for entry in given if (span := _span(entry, find_user))]
    size = utf16_length(text)
    return [checked for span in spans if (checked := _within(span, size))]


def _within(span: Span, size: int) -> Span | None:
    if span.offset < 0 or span.offset > 1_000_000:
        raise bad_request(f"Receive an entity with incorrect offset {span.offset}")
    if span.length < 0 or span.length > 1_000_000:
        raise bad_request(f"Receive an entity with incorrect length {span.length}")
    if span.offset >= size and span.length:
        raise bad_request(f"Entity begins after the end of the text at UTF-16 offset {span.offset}")
    if span.end > size:
        raise bad_request(
            f"Entity beginning at UTF-16 offset {span.offset} ends after the end of the text "
            f"at UTF-16 offset {span.end}"
        )
    return span if span.length else None


def _field(entry: dict[str, Any], name: str) -> Any:
    if name not in entry or entry[name] is None:
        raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
    return entry[name]


def _span(entry: Any, find_user: Callable[[int], dict[str, Any] | None]) -> Span | None:
    if not isinstance(entry, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    kind = str(_field(entry, "type"))
    span = Span(kind, _number(entry, "offset"), _number(entry, "length"))
    if kind in _DETECTED:
        return None
    if kind in _PLAIN:
        return span
    if kind == "pre":
        return _pre(span, str(entry.get("language") or ""))
    return _with_argument(span, entry, find_user)


def _number(entry: dict[str, Any], name: str) -> int:
    value = _field(entry, name)
    number = whole(value, -_INT64)
    if number == -_INT64:
        raise bad_request(f'can\'t parse MessageEntity: Field "{name}" must be of type Number')
    return number


def _pre(span: Span, language: str) -> Span:
    return Span("pre_code" if language else "pre", span.offset, span.length, language)


def _with_argument(span: Span, entry: dict[str, Any], find_user: Callable[[int], dict[str, Any] | None]) -> Span:
    if span.kind == "text_link":
        span.kind, span.argument = _link(str(_field(entry, "url")))
    elif span.kind == "text_mention":
        user = _field(entry, "user")
        identifier = whole(user.get("id")) if isinstance(user, dict) else 0
        if find_user(identifier) is None:
            raise bad_request("user not found")
        span.argument = str(identifier)
    elif span.kind == "custom_emoji":
        span.argument = str(_field(entry, "custom_emoji_id"))
        if not span.argument.isdigit() or int(span.argument) >= _INT64:
            raise bad_request('can\'t parse MessageEntity: Field "custom_emoji_id" must be a valid Number')
    else:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    return span


def _link(url: str) -> tuple[str, str]:
    user = links.mentioned_user(url)
    if user is not None:
        return "text_mention", str(user)
    try:
        return "text_link", links.strict(url)
    except links.LinkError as error:
        raise bad_request(f"Entity URL '{url}' is invalid: {error}") from error
