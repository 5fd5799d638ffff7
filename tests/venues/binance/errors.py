"""Binance's refusals: an HTTP status, a code and a text, as its errors.md has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """The venue says no. `data` goes along where Binance sends some (cancel-replace), `headers` too."""

    def __init__(
        self,
        code: int,
        msg: str,
        *,
        status: int = 400,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        known: dict[str, Any] = {"code": self.code, "msg": self.msg}
        return known if self.data is None else {**known, "data": dict(self.data)}


def missing(name: str) -> Refusal:
    """A mandatory parameter is not there."""
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> Refusal:
    """A parameter has characters that it may not have."""
    return Refusal(-1100, f"Illegal characters found in parameter '{name}'.")


def rejected(text: str) -> Refusal:
    """The matching engine refuses an order (-2010)."""
    return Refusal(-2010, text)


def cancel_rejected(text: str = "Unknown order sent.") -> Refusal:
    """The matching engine refuses a cancel (-2011)."""
    return Refusal(-2011, text)


def unknown_order() -> Refusal:
    """A query found nothing."""
    return Refusal(-2013, "Order does not exist.")


def filter_failure(name: str) -> Refusal:
    """An order fails one of the symbol's filters."""
    return Refusal(-1013, f"Filter failure: {name}")


def bad_key() -> Refusal:
    """Key, address or permission do not fit."""
    return Refusal(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def bad_key_format() -> Refusal:
    """The key is none."""
    return Refusal(-2014, "API-key format invalid.", status=401)


def bad_signature() -> Refusal:
    """Signed with another secret, or something was changed."""
    return Refusal(-1022, "Signature for this request is not valid.")


def unauthorized() -> Refusal:
    """No key at all where one is needed."""
    return Refusal(-2014, "API-key format invalid.", status=401)


def bad_symbol() -> Refusal:
    """Not listed."""
    return Refusal(-1121, "Invalid symbol.")


INSUFFICIENT = "Account has insufficient balance for requested action."
DUPLICATE = "Duplicate order sent."
WOULD_TAKE = "Order would immediately match and take."
WOULD_TRIGGER = "Order would trigger immediately."
