"""Settings of venues that do not have every mode, or need one thing more."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import field_validator, model_validator

from brokers.ccxt.settings import CcxtSettings, Mode


class OfferedSettings(CcxtSettings):
    """`modes` are those that the venue has, `why_no_other` says what to know of the rest."""

    modes: ClassVar[tuple[Mode, ...]] = (Mode.LIVE,)
    why_no_other: ClassVar[str] = (
        "this venue has no place to try things without real money; use the paper adapter for that"
    )

    @field_validator("mode")
    @classmethod
    def _is_offered(cls, mode: Mode) -> Mode:
        if mode not in cls.modes:
            raise ValueError(f"{cls.why_no_other} (here mode can be {' or '.join(cls.modes)})")
        return mode


class PassphraseSettings(OfferedSettings):
    """A venue whose keys have a passphrase besides the secret: our `password`."""

    @model_validator(mode="after")
    def _passphrase_is_there(self) -> Self:
        if self.has_keys and not self.password.get_secret_value():
            raise ValueError("a key of this venue has a passphrase, chosen when it was made; set password to it")
        return self
