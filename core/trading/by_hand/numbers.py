"""Numbers as people type them: ASCII digits, a point, thousands in threes; nothing else is guessed at."""

from __future__ import annotations

import re
from decimal import Decimal

from core.errors import UserError

_MOST_WHOLE, _MOST_PLACES = 15, 12
_PLAIN = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,12})?")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,4}(?:\.[0-9]{1,12})?")
_LONG = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_COMMA = re.compile(r"[0-9.]+,[0-9]+")
_SIGNED = re.compile("[-+\N{MINUS SIGN}][0-9]")
_SHORT = re.compile(r"[0-9.,]+[kKmM]")


def number(word: str, what: str) -> Decimal:
    """An exact number above zero. Raises `UserError` that says what to write instead."""
    if _PLAIN.fullmatch(word) or _GROUPED.fullmatch(word):
        value = Decimal(word.replace(",", ""))
        if value > 0:
            return value
        raise UserError(f"The {what} must be above zero.")
    raise UserError(f"“{word[:30]}” is no {what}: {_instead(word)}.")


def looks_like_number(word: str) -> bool:
    """Whether somebody meant a number, well written or not."""
    return any(letter.isdigit() for letter in word) and not any(letter.isalpha() for letter in word.rstrip("kKmM"))


def plain(value: Decimal) -> str:
    """The number as it is typed: no exponent, no zeros at the end."""
    return f"{value.normalize():f}"


def _instead(word: str) -> str:
    """What to write in place of it."""
    hints = (
        (any(letter.isdigit() and not letter.isascii() for letter in word), "use the digits 0 to 9"),
        (_LONG.fullmatch(word), f"at most {_MOST_WHOLE} digits before the point and {_MOST_PLACES} behind it"),
        (_COMMA.fullmatch(word), "write thousands and fractions like 1,250.50 or 1250.5"),
        (_SHORT.fullmatch(word), "write it out, like 5000"),
        (_SIGNED.match(word), "write it without a sign; /buy and /sell say the side"),
        (word.startswith("."), f"write 0{word[:20]}"),
    )
    return next((hint for meant, hint in hints if meant), "write a number like 10 or 98.5")
