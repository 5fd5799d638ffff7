"""Seals secrets that must be kept in the database, so that whoever copies it cannot read them.

AES-256-GCM. What a text is for (its context) is authenticated with it: a sealed text that is moved to another row does
not open there. The sealed text names its key, so that a key can be replaced while older texts still open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.clock import entropy
from core.errors import SettingsError, UserError
from core.store.disk import sync_directory

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE = "vault.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "v1"
_FORM = "it must be 32 random bytes in base64; `quarterdeck init` makes one"


class Secret(Protocol):
    """A value that shows itself only when asked by name."""

    def get_secret_value(self) -> str:
        """The value."""
        ...


class VaultProblem(UserError):
    """A sealed text does not open; the message says what to do, and holds nothing secret."""


class WrongVaultKey(VaultProblem):
    """The text was sealed with a key that is not here."""


class SealBroken(VaultProblem):
    """The text was changed, or belongs somewhere else."""


def new_key(random: Callable[[int], bytes] = entropy) -> str:
    """A new key, as the setting `vault_key` wants it."""
    return base64.b64encode(random(_KEY_BYTES)).decode()


def read_key(text: str) -> bytes:
    """The key that a text stands for. Raises `ValueError`, without the text."""
    try:
        key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"this is not a vault key; {_FORM}") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(f"a vault key has {_KEY_BYTES} bytes, not {len(key)}; {_FORM}")
    return key


def key_id(key: bytes) -> str:
    """A name for a key that tells nothing of it."""
    return hashlib.sha256(b"quarterdeck vault key\0" + key).hexdigest()[:8]


class Vault:
    """Seals and opens. The key is the setting's, else that of a file in the data directory, made at first use.

    With both, the setting's seals, and either opens: that is how one moves from the file to the setting.
    """

    def __init__(self, data_dir: Path, key: Secret | None = None, random: Callable[[int], bytes] = entropy) -> None:
        self._file = data_dir / KEY_FILE
        self._setting = read_key(key.get_secret_value()) if key else None
        self._random = random

    def seal(self, text: str, context: str) -> str:
        """`text`, readable only with the key and for `context`, which says whose and what it is."""
        key = self._setting or self._from_file() or self._make_file()
        name, nonce = key_id(key), self._random(_NONCE_BYTES)
        sealed = nonce + _cipher(key).encrypt(nonce, text.encode(), _bound(name, context))
        return ":".join((_VERSION, name, base64.urlsafe_b64encode(sealed).decode()))

    def open(self, sealed: str, context: str) -> str:
        """What was sealed. Raises `WrongVaultKey` or `SealBroken`."""
        from cryptography.exceptions import InvalidTag

        name, data = _parts(sealed)
        key = self._key(name)
        nonce, body = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        try:
            return _cipher(key).decrypt(nonce, body, _bound(name, context)).decode()
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                "A sealed secret in the database was changed, or moved from another place. Enrol the person again, "
                "and find out who can write to the database."
            ) from error

    def _key(self, name: str) -> bytes:
        known = {key_id(key): key for key in (self._setting, self._from_file()) if key}
        if name not in known:
            raise WrongVaultKey(
                f"A secret in the database was sealed with the vault key {name}, and "
                f"{'the key here is ' + next(iter(known)) if known else 'there is no key here'}. "
                f"Put the right one into QUARTERDECK_VAULT_KEY (in .env) or {self._file}."
            )
        return known[name]

    def _from_file(self) -> bytes | None:
        try:
            mode = self._file.stat().st_mode
            text = self._file.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingsError([f"{self._file}: cannot be read: {error.strerror}"]) from error
        if stat.S_IMODE(mode) & 0o077:
            raise SettingsError([f"{self._file}: others may read the vault key; chmod 600 it"])
        try:
            return read_key(text)
        except ValueError as error:
            raise SettingsError([f"{self._file}: {error}; restore it from your backup"]) from None

    def _make_file(self) -> bytes:
        """A new key file, whole or not at all; of two programs that make one at once, the first wins."""
        handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=".vault-")  # its mode is 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(new_key(self._random) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(name, self._file)
        finally:
            Path(name).unlink()
        sync_directory(self._file.parent)
        key = self._from_file()
        assert key is not None
        return key


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _bound(name: str, context: str) -> bytes:
    return f"quarterdeck:{_VERSION}:{name}:{context}".encode()


def _parts(sealed: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(":")
    name, _, text = rest.partition(":")
    try:
        data = base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if version != _VERSION or len(data) < _NONCE_BYTES:
        raise SealBroken("A sealed secret in the database is not one that this version of the program wrote.")
    return name, data
