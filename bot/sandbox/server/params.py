"""The parameters of a Bot API call, however the client sent them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.server.errors import bad_request

_INT64 = 1 << 63
_TRUE = frozenset({"true", "yes", "1"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the call."""

    name: str
    data: bytes


@dataclass(slots=True)
class Params:
    """Named values: text from a query or form, anything JSON from a JSON body."""

    values: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a non-empty value was given."""
        return self.values.get(name) not in (None, "")

    def text(self, name: str, default: str = "") -> str:
        """A value as text; raises `ApiError` for text that is no valid Unicode."""
        value = self.values.get(name)
        if value is None:
            return default
        text = value if isinstance(value, str) else json.dumps(value)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise bad_request("strings must be encoded in UTF-8") from error
        return text

    def integer(self, name: str, default: int = 0) -> int:
        """A value as a whole number; anything else counts as the default, as with Telegram."""
        return whole(self.values.get(name), default)

    def flag(self, name: str) -> bool:
        """A value as a truth value."""
        return self.text(name).strip().lower() in _TRUE

    def json(self, name: str) -> Any:
        """A nested value; None when absent. Raises `ApiError` when it is not JSON."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from error

    def object(self, name: str) -> dict[str, Any]:
        """A nested object; empty when absent. Raises `ApiError` when it is something else."""
        value = self.json(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise bad_request(f"object expected as {name.replace('_', ' ')}")
        return value


def whole(value: Any, default: int = 0) -> int:
    """A whole number of at most 64 bits, from a number or text; the default for anything else."""
    try:
        number = int(value) if isinstance(value, int | str) else default
    except ValueError:
        return default
    return number if -_INT64 <= number < _INT64 else default


def boolean(entry: dict[str, Any], name: str) -> bool:
    """A truth value inside a nested object; raises `ApiError` when it is none."""
    value = entry.get(name, False)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise bad_request(f'Field "{name}" must be of type Boolean')
