"""How alerts travel beside Telegram: by e-mail, to a webhook of your own, and through apprise."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from core.settings.section import Section

# The recipient of what belongs to nobody in particular: the webhook, and the house's own addresses in apprise.
HOUSE = "house"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SHORTEST_SECRET = 16
_WHITE_SPACE_OR_CONTROL = "has a space or a control character in it"


def checked_address(value: str) -> str:
    """An e-mail address as it may stand in an envelope and a header. Raises `ValueError`."""
    name, at, domain = value.rpartition("@")
    if not (name and at and domain) or not value.isascii() or not value.isprintable() or set(value) & set(" <>,;:\"'"):
        raise ValueError("this is not a plain e-mail address; write one like ada@example.org")
    return value


def checked_url(secret: SecretStr) -> SecretStr:
    """A web address that keeps its secrets on the way: https, or this machine. Raises `ValueError`."""
    url = secret.get_secret_value()
    if not url.isprintable() or " " in url:
        raise ValueError(f"this address {_WHITE_SPACE_OR_CONTROL}")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("this is not a web address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("this is not a web address; it begins with https://")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("it would travel unencrypted; use https://")
    return secret


class EmailSettings(Section):
    """The mail server that alerts are handed to."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", description="The SMTP server.")
    port: int = Field(587, ge=1, le=65_535, description="Its port: 587 for starttls, 465 for tls.")
    tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="starttls, tls from the first byte, or none (only for this machine itself)."
    )
    user: str | None = Field(None, description="Who logs in; none: nobody does.")
    password: SecretStr | None = Field(None, description="The password of that user.")
    sender: str = Field(description="The address that alerts come from.")
    ca_file: Path | None = Field(None, description="Certificates to trust instead of the system's, a PEM file.")
    seconds: float = Field(20.0, gt=0, le=120, description="How long one mail may take.")

    @field_validator("sender")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return checked_address(value)

    @model_validator(mode="after")
    def _keeps_its_secrets(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError("alerts would travel unencrypted; tls: none is for this machine itself")
        return self


class WebhookSettings(Section):
    """A web address of your own that gets every alert as signed JSON."""

    url: SecretStr = Field(description="Where alerts are posted to; https.")
    secret: SecretStr = Field(description="The shared secret that signs them, 16 characters or more.")
    ca_file: Path | None = Field(None, description="Certificates to trust instead of the system's, a PEM file.")
    seconds: float = Field(10.0, gt=0, le=60, description="How long one request may take.")

    @field_validator("url")
    @classmethod
    def _safe(cls, url: SecretStr) -> SecretStr:
        return checked_url(url)

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"too short to sign with; use {_SHORTEST_SECRET} random characters or more")
        return secret


def checked_apprise(urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """Addresses in apprise's form, by their look. Raises `ValueError`."""
    for number, each in enumerate(urls, 1):
        url = each.get_secret_value()
        if "://" not in url or not url.isprintable() or " " in url:
            raise ValueError(
                f"address {number} is none of apprise's; they look like ntfys://TOPIC or pover://USER@TOKEN"
            )
    return urls
