"""How the bot reaches Telegram, which groups it knows, and how Telegram reaches the bot if not by polling."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from core.settings.section import Section

TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SECRET = re.compile(r"[A-Za-z0-9_-]{32,256}")
_LISTEN = re.compile(r"(?P<host>[A-Za-z0-9.:\[\]_-]+):(?P<port>\d{1,5})")
_PORTS = frozenset({443, 80, 88, 8443})  # the only ones that Telegram calls


class GroupMode(StrEnum):
    """What people may do in a group."""

    READ_ONLY = "read-only"
    COMMANDS = "commands"


class GroupSettings(Section):
    """A group that the bot answers in; every other group is ignored."""

    id: int = Field(lt=0, description="The group's numeric id, a negative number.")
    mode: GroupMode = Field(
        GroupMode.READ_ONLY, description="read-only (looking, and /halt) or commands (all that the person may)."
    )
    topics: bool = Field(False, description="A topic for the alerts of each strategy, if the group has topics.")


class TelegramWebhookSettings(Section):
    """Telegram calls us instead of being asked."""

    url: str = Field(description="The public https address that Telegram is to call.")
    listen: str = Field("127.0.0.1:8443", description="Where we listen; a proxy in front of it speaks TLS.")
    secret: SecretStr = Field(description="At least 32 of A-Z a-z 0-9 _ -; Telegram sends it with every update.")

    @field_validator("url")
    @classmethod
    def _reachable(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in ("http", "https"):
            raise ValueError("this is not a web address; it begins with https://")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise ValueError("Telegram only calls https:// addresses")
        if parts.scheme == "https" and (parts.port or 443) not in _PORTS:
            raise ValueError("Telegram only calls the ports 443, 80, 88 and 8443")
        return url

    @field_validator("listen")
    @classmethod
    def _a_socket(cls, listen: str) -> str:
        found = _LISTEN.fullmatch(listen)
        if not found or int(found["port"]) > 65_535:
            raise ValueError("write it like 127.0.0.1:8443")
        return listen

    @field_validator("secret")
    @classmethod
    def _hard_to_guess(cls, secret: SecretStr) -> SecretStr:
        if not _SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError("use 32 to 256 of A-Z a-z 0-9 _ -, for example what `openssl rand -hex 32` prints")
        return secret

    @property
    def host(self) -> str:
        """The address to listen at."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen at; 0 takes a free one."""
        return int(self.listen.rpartition(":")[2])

    @property
    def path(self) -> str:
        """The path that Telegram calls."""
        return urlsplit(self.url).path or "/"


class TelegramSettings(Section):
    """How the bot reaches Telegram."""

    token: SecretStr = Field(description="The bot's token, from @BotFather.")
    base_url: str = Field("https://api.telegram.org/bot", description="Where the Bot API is.")
    base_file_url: str = Field("https://api.telegram.org/file/bot", description="Where its files are.")
    poll_seconds: int = Field(25, ge=0, le=50, description="How long one request for updates may wait.")
    groups: tuple[GroupSettings, ...] = Field((), description="Groups that the bot answers in.")
    webhook: TelegramWebhookSettings | None = Field(None, description="Telegram calls us; none: we ask it.")
    watch_seconds: int = Field(
        300, ge=10, le=3600, description="How often it is looked whether somebody else uses the token."
    )

    @field_validator("token")
    @classmethod
    def _looks_like_a_token(cls, token: SecretStr) -> SecretStr:
        if not TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("this is not a bot token; @BotFather gives one like 123456789:AAE… for your bot")
        return token

    @field_validator("base_url", "base_file_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("this is not a web address; leave it out for Telegram's own")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise ValueError("the token would travel unencrypted; use https://")
        return url

    @field_validator("groups")
    @classmethod
    def _once(cls, groups: tuple[GroupSettings, ...]) -> tuple[GroupSettings, ...]:
        ids = [group.id for group in groups]
        if twice := sorted({each for each in ids if ids.count(each) > 1}):
            raise ValueError(f"two groups have the same id: {', '.join(map(str, twice))}")
        return groups
