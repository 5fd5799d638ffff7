"""API keys: whose they are, in which mode they count, and what they may do."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from tests.venues.binance import errors
from tests.venues.binance.hosts import MODES

READ, SPOT, MARGIN, FUTURES, WITHDRAW = "read", "spot", "margin", "futures", "withdraw"
USUAL = frozenset({READ, SPOT, MARGIN, FUTURES})

_FORMAT = re.compile(r"[A-Za-z0-9]{64}\Z")


@dataclass(slots=True)
class Key:
    """One API key. `is_restricted`: bound to addresses (an IP allow-list)."""

    api_key: str
    secret: str
    mode: str
    permissions: set[str] = field(default_factory=lambda: set(USUAL))
    is_restricted: bool = True

    def signature(self, payload: bytes) -> str:
        """The HMAC SHA256 of `payload` in hexadecimal."""
        return hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()

    def check(self, payload: bytes, signature: str) -> None:
        """Raise -1022 unless `signature` is this key's."""
        if not hmac.compare_digest(self.signature(payload), signature.lower()):
            raise errors.bad_signature()


class Keys:
    """All keys that the venue has given out; one for each mode from the start."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        for mode in MODES:
            self.add(mode)

    def add(self, mode: str, permissions: frozenset[str] = USUAL, *, is_restricted: bool = True) -> Key:
        """Give out another key. Keys are the same in every run."""
        number = len(self._keys)
        made = (hashlib.sha256(f"{what} {mode} {number}".encode()).hexdigest() for what in ("key", "secret"))
        key = Key(next(made), next(made), mode, set(permissions), is_restricted)
        self._keys[key.api_key] = key
        return key

    def of(self, mode: str) -> Key:
        """The first key of a mode."""
        return next(key for key in self._keys.values() if key.mode == mode)

    def find(self, api_key: str, mode: str, permission: str) -> Key:
        """The key of a request. Raises -2014 for what is no key, -2015 for one that does not fit here."""
        if not _FORMAT.match(api_key):
            raise errors.bad_key_format()
        key = self._keys.get(api_key)
        if key is None or key.mode != mode or (permission and permission not in key.permissions):
            raise errors.bad_key()
        return key
