"""A venue's own words, read out of the bodies of its answers and the fields that ccxt leaves as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

_MOMENT = re.compile(r"\b(1[5-9]|2[0-9])[0-9]{11}\b")  # milliseconds since 1970, of 2017 to 2065


def dated(text: str) -> str:
    """`text` with every moment in milliseconds as a person reads it: `banned until 14:03:22 UTC`."""
    return _MOMENT.sub(lambda found: f"{datetime.fromtimestamp(int(found[0]) / 1000, UTC):%H:%M:%S} UTC", text)


def object_in(body: str) -> Mapping[str, Any]:
    """The JSON object in a body; empty if it holds none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def first_of(found: Any) -> Mapping[str, Any]:
    """The first object of a list; empty if there is none."""
    first = found[0] if isinstance(found, list) and found else None
    return first if isinstance(first, Mapping) else {}


def number_of(text: Any) -> Decimal | None:
    """A number other than zero; venues write none as zero, as -1 or as nothing."""
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        return None
    return found if found.is_finite() and found > 0 else None


def seconds_of(text: Any) -> datetime | None:
    """A moment told in seconds since 1970; None where it is zero or missing."""
    found = number_of(text)
    return None if found is None else datetime.fromtimestamp(float(found), UTC)


def iso_of(text: Any) -> datetime | None:
    """A moment told as ISO 8601; None where it is missing."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
