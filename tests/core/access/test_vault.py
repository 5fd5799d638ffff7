"""The vault: what is sealed opens with its key and in its place, and nowhere else."""

import base64
import stat
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.access.vault import KEY_FILE, SealBroken, Vault, VaultProblem, WrongVaultKey, key_id, new_key, read_key
from core.errors import SettingsError

SEED = "JBSWY3DPEHPK3PXP"


@given(st.text(), st.text())
def test_what_is_sealed_opens_again(text: str, context: str) -> None:
    """Any text, for any context; the same text never looks the same twice."""
    vault = Vault(Path("nowhere"), SecretStr(new_key()))
    sealed = vault.seal(text, context)
    assert vault.open(sealed, context) == text
    assert sealed != vault.seal(text, context)


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_never_opens(place: int, flip: int) -> None:
    """Wherever it is: nonce, text or tag."""
    vault = Vault(Path("nowhere"), SecretStr(new_key()))
    version, name, text = vault.seal(SEED, "totp:11").split(":")
    data = bytearray(base64.urlsafe_b64decode(text))
    data[place % len(data)] ^= flip
    with pytest.raises(SealBroken):
        vault.open(":".join((version, name, base64.urlsafe_b64encode(data).decode())), "totp:11")


@pytest.mark.parametrize("context", ["totp:12", "totp:1", "", "invite:11"])
def test_a_seal_of_one_place_does_not_open_in_another(tmp_path: Path, context: str) -> None:
    """A row's secret that somebody copied into another row is refused."""
    vault = Vault(tmp_path, SecretStr(new_key()))
    with pytest.raises(SealBroken):
        vault.open(vault.seal(SEED, "totp:11"), context)


@pytest.mark.parametrize("sealed", ["", "v1", "v1:abc", SEED, "v2:00000000:AAAAAAAAAAAAAAAAAAAAAAAA", "v1:x:!!!"])
def test_what_was_never_sealed_is_no_secret(tmp_path: Path, sealed: str) -> None:
    """Plain text, another version, rubbish: an error in words."""
    with pytest.raises(VaultProblem):
        Vault(tmp_path, SecretStr(new_key())).open(sealed, "totp:11")


def test_another_key_is_told_by_name_and_shows_no_secret(tmp_path: Path) -> None:
    """Both keys are named, neither is shown, and it says where the right one belongs."""
    first, second = new_key(), new_key()
    sealed = Vault(tmp_path, SecretStr(first)).seal(SEED, "totp:11")
    with pytest.raises(WrongVaultKey) as caught:
        Vault(tmp_path, SecretStr(second)).open(sealed, "totp:11")
    told = str(caught.value)
    assert key_id(read_key(first)) in told
    assert key_id(read_key(second)) in told
    assert "QUARTERDECK_VAULT_KEY" in told
    assert not any(secret in told for secret in (first, second, SEED))


def test_without_a_setting_a_key_file_is_made_once(tmp_path: Path) -> None:
    """At first use, for its owner alone; the next vault uses it, too."""
    vault = Vault(tmp_path)
    assert list(tmp_path.iterdir()) == []
    sealed = vault.seal(SEED, "totp:11")
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert Vault(tmp_path).open(sealed, "totp:11") == SEED


def test_of_many_that_make_a_key_at_once_one_wins(tmp_path: Path) -> None:
    """And all of them seal with it."""
    with ThreadPool(8) as pool:
        sealed = pool.map(lambda number: Vault(tmp_path).seal(str(number), "x"), range(16))
    assert [Vault(tmp_path).open(each, "x") for each in sealed] == [str(number) for number in range(16)]
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]


def test_moving_from_the_file_to_the_setting_loses_nothing(tmp_path: Path) -> None:
    """The setting's key seals from then on; the file's still opens what is older."""
    old = Vault(tmp_path).seal(SEED, "totp:11")
    both = Vault(tmp_path, SecretStr(new_key()))
    assert both.open(old, "totp:11") == SEED
    new = both.seal(SEED, "totp:11")
    assert new.split(":")[1] != old.split(":")[1]
    with pytest.raises(WrongVaultKey):
        Vault(tmp_path).open(new, "totp:11")


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """And one that holds no key; neither is replaced."""
    Vault(tmp_path).seal(SEED, "x")
    path = tmp_path / KEY_FILE
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        Vault(tmp_path).seal(SEED, "x")
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(SettingsError, match="not a vault key"):
        Vault(tmp_path).seal(SEED, "x")
    assert path.read_text() == "not a key"


@pytest.mark.parametrize("text", ["", "abc", "A" * 43, base64.b64encode(b"x" * 31).decode(), "é" * 44])
def test_a_key_of_another_form_is_refused_without_being_shown(text: str) -> None:
    """Too short, no base64, no ASCII."""
    with pytest.raises(ValueError, match="32") as caught:
        read_key(text)
    assert not text or text not in str(caught.value)
