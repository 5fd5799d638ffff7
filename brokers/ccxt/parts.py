"""Reads long JSON in parts, so that others may do something in between."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

_MAPS, _LISTS = 2, 3  # how deep the members of maps and lists are parts: below that are a venue's single markets
_space = re.compile(r"[ \t\n\r]*").match


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


_whole = json.JSONDecoder(parse_constant=_no_number).raw_decode


def in_parts(text: str, between: Callable[[], None]) -> Any:
    """As `json.loads`, with a call of `between` before each part. Raises `ValueError` for what is not JSON."""
    try:
        value, end = _value(text, _after(text, 0), 0, between)
    except IndexError:
        raise ValueError("the text ends too early") from None
    if end != len(text):
        raise ValueError("there is more than one value")
    return value


def _value(text: str, at: int, depth: int, between: Callable[[], None]) -> tuple[Any, int]:
    """The value that begins at `at`, and where what comes behind it begins. Members of a list are one part each."""
    if text[at] == "{" and depth < _MAPS:
        return _map(text, at, depth, between)
    if text[at] == "[" and depth < _LISTS:
        return _list(text, at, between)
    between()
    value, end = _whole(text, at)
    return value, _after(text, end)


def _map(text: str, at: int, depth: int, between: Callable[[], None]) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = _after(text, at + 1)
    is_over = text[at] == "}"
    while not is_over:
        name, at = _whole(text, at)
        if not isinstance(name, str):
            raise ValueError("a name that is no text")  # noqa: TRY004 (of the text, not of our types)
        at = _behind(text, _after(text, at), ":")
        found[name], at = _value(text, at, depth + 1, between)
        is_over = text[at] == "}"
        at = at if is_over else _behind(text, at, ",")
    return found, _after(text, at + 1)


def _list(text: str, at: int, between: Callable[[], None]) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _after(text, at + 1)
    is_over = text[at] == "]"
    while not is_over:
        value, at = _value(text, at, _LISTS, between)
        found.append(value)
        is_over = text[at] == "]"
        at = at if is_over else _behind(text, at, ",")
    return found, _after(text, at + 1)


def _behind(text: str, at: int, sign: str) -> int:
    if text[at] != sign:
        raise ValueError(f"no {sign!r} at {at}")
    return _after(text, at + 1)


def _after(text: str, at: int) -> int:
    """Where the next sign is that is no space."""
    return _space(text, at).end()  # type: ignore[union-attr]
