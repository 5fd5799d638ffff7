"""What must never be written down or sent: takes secrets out of every text that leaves the program.

It knows the exact values of the settings' secrets (`hide`), however they are escaped, and the shape of what is
secret by its nature. It stands at the doors: log lines, audit lines, alerts, chat messages and the console.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, SecretStr

_SHORTEST = 8  # a shorter one would take ordinary words out of texts; its shape must do
_MARK = "[secret]"
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}"), "[bot token]"),
    (re.compile(r"otpauth://[^\s\"'<>]+"), "[totp seed]"),
    (re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/@:\"'<>]*:)[^\s/@\"'<>]+@"), rf"\1{_MARK}@"),
    (re.compile(r"\b(basic|bearer)\s+(?=[^\s]*[0-9+/=])[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE), rf"\1 {_MARK}"),
    (
        re.compile(
            r"\b((?:api|access|secret|private|vault|x-mbx)?[-_ ]?"
            r"(?:api[-_ ]?key|secret|passphrase|password|passwd|signature"
            r"|access[-_ ]?token|client[-_ ]?secret|vault[-_ ]?key)\\?[\"']?\s*[=:]\s*\\?[\"']?)"
            r"(?=[^\s\"'&,;<>]*\d)[A-Za-z0-9+/=_.~%-]{8,}",
            re.IGNORECASE,
        ),
        rf"\1{_MARK}",
    ),
    (
        re.compile(r"\b((?:code|totp|otp|passcode)\\?[\"']?[\s=:]+\\?[\"']?)\d{3}[ -]?\d{3}\b", re.IGNORECASE),
        r"\1[code]",
    ),
)
_INVITATION = (re.compile(r"\bjoin-[0-9A-Za-z]{26}\b", re.IGNORECASE), "[invitation code]")
_SECRET_NAME = re.compile(r"key|secret|password|passwd|passphrase|token|credential|signature", re.IGNORECASE)


class Redactor:
    """Takes secrets out of texts."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, *secrets: str) -> None:
        """Take these values out of every text from now on; too short ones are left to their shape."""
        fresh = {each for secret in secrets if len(secret) >= _SHORTEST for each in _spellings(secret)} - self._known
        if fresh:
            self._known |= fresh
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str, *, shows_invitations: bool = False) -> str:
        """`text` without secrets. Only a chat `shows_invitations`: there they are meant to be passed on."""
        for shape, mark in _SHAPES if shows_invitations else (*_SHAPES, _INVITATION):
            text = shape.sub(mark, text)
        return self._pattern.sub(_MARK, text) if self._pattern else text


_OURS = Redactor()


def hide(*secrets: str) -> None:
    """Take these values out of every text of this program from now on."""
    _OURS.hide(*secrets)


def redact(text: str) -> str:
    """`text` without the secrets of this program."""
    return _OURS.redact(text)


def escaped(text: str) -> str:
    """`text` on one line, with everything that is not printed (or turns the writing round) shown as its code."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def fit_for_chat(text: str) -> str:
    """`text` without the secrets of this program; an invitation may stand in it: somebody is to pass it on."""
    return _OURS.redact(text, shows_invitations=True)


def secrets_of(settings: BaseModel) -> tuple[str, ...]:
    """Every secret value in the settings: what is declared as one, and what brokers call a key, secret or password."""
    return tuple(dict.fromkeys(_found(settings, is_secret=False)))


def _found(value: object, *, is_secret: bool) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield from _parts(value.get_secret_value())
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _found(getattr(value, name), is_secret=False)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _found(each, is_secret=is_secret or bool(_SECRET_NAME.search(str(name))))
    elif isinstance(value, str):
        yield from _parts(value) if is_secret else ()
    elif isinstance(value, Iterable):
        for each in value:
            yield from _found(each, is_secret=is_secret)


def _parts(secret: str) -> Iterator[str]:
    """A secret; of an address its password, too, as it is written and as it is meant."""
    yield secret
    try:
        password = urlsplit(secret).password or ""
    except ValueError:
        return
    yield from (password, unquote(password))


def _spellings(secret: str) -> Iterator[str]:
    """A value as it may stand in JSON, in a traceback, in an address or in markup."""
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
