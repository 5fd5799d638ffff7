"""What can be set, section by section. A description of every setting stands with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from core.access.roles import Role
from core.store.address import problem_of_postgres_url
from core.strategy.conflicts import Policy
from core.trading.protection.spec import ExitSpec
from risk.limits import RiskLimits

NAME = r"^[a-z][a-z0-9-]{0,39}$"
TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Section(BaseModel):
    """A part of the settings: immutable, nothing unknown, every number finite, no value in a traceback."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class TelegramSettings(Section):
    """How the bot reaches Telegram."""

    token: SecretStr = Field(description="The bot's token, from @BotFather.")
    base_url: str = Field("https://api.telegram.org/bot", description="Where the Bot API is.")
    base_file_url: str = Field("https://api.telegram.org/file/bot", description="Where its files are.")
    poll_seconds: int = Field(25, ge=0, le=50, description="How long one request for updates may wait.")

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


class UserSettings(Section):
    """A person who may use the bot, by numeric Telegram id."""

    id: int = Field(gt=0, description="The numeric Telegram user id (not the @name).")
    name: str = Field(min_length=1, max_length=60, description="What to call them.")
    role: Role = Field(description="viewer, trader or admin.")
    time_zone: str = Field("UTC", description="Their time zone, like Europe/Berlin.")

    @field_validator("id", mode="before")
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("an id is a number; send /start to @userinfobot to learn yours")  # noqa: TRY004
        return value

    @field_validator("role", mode="before")
    @classmethod
    def _role_by_name(cls, value: object) -> object:
        names = {role.label: role for role in Role}
        if isinstance(value, Role):
            return value
        if str(value).lower() not in names:
            raise ValueError(f"a role is one of {', '.join(names)}, not {value!r}")
        return names[str(value).lower()]

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {value!r}; use a name like Europe/Berlin or UTC") from error
        return value


class MarketSettings(Section):
    """Where prices come from: history, replayed."""

    source: Literal["bundled", "folder"] = Field("bundled", description="bundled history, or a folder of CSV files.")
    folder: Path | None = Field(None, description="The folder with SYMBOL.csv files, if source is folder.")
    symbols: tuple[str, ...] = Field(min_length=1, description="What to replay.")
    start: datetime | None = Field(None, description="Begin with the first bar at or after this time.")
    speed: float = Field(
        1.0, ge=0, le=10_000, allow_inf_nan=False, description="Bars per second; 0 is as fast as possible."
    )

    spread_bps: Decimal = Field(Decimal(2), ge=0, le=1000, description="Bid to ask that is put around replayed prices.")

    @field_validator("symbols")
    @classmethod
    def _once(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({each for each in symbols if symbols.count(each) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return symbols

    @field_validator("start")
    @classmethod
    def _aware(cls, start: datetime | None) -> datetime | None:
        return start.replace(tzinfo=UTC) if start is not None and start.tzinfo is None else start

    @model_validator(mode="after")
    def _folder_when_needed(self) -> Self:
        if (self.source == "folder") != (self.folder is not None):
            raise ValueError("folder is needed exactly when source is folder")
        return self


class AccountSettings(Section):
    """One account: its broker and its limits."""

    broker: dict[str, Any] = Field(repr=False, description="`adapter:` and the adapter's own settings.")
    limits: RiskLimits = Field(default_factory=RiskLimits, description="The risk limits of the account.")
    fx: dict[str, Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=dict,
        description="What other currencies are worth in the account's, where no traded pair says so: `{EUR: 1.08}`.",
    )


class StrategySettings(Section):
    """One strategy instance."""

    name: str = Field(pattern=NAME, description="Its name in chat: small letters, digits and dashes.")
    kind: str = Field(description="Which strategy.")
    symbols: tuple[str, ...] = Field(min_length=1, description="What it trades.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The strategy's own parameters.")
    sizing: dict[str, Any] = Field(
        default_factory=lambda: {"method": "fixed_fractional", "percent": "5"},
        description="`method:` and its parameters.",
    )
    start: bool = Field(True, description="Whether it runs from the first start on.")
    priority: int = Field(1, ge=1, le=100, description="1 comes first where conflicts are settled by priority.")
    max_restarts: int = Field(3, ge=0, le=100, description="How often it is restarted after errors.")
    exits: ExitSpec | None = Field(None, description="Stops, targets and time limits of its positions.")


class ReportSettings(Section):
    """When reports come by themselves."""

    daily_at: str = Field("17:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM, UTC.")
    weekly_day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        "fri", description="The day of the weekly report."
    )


class Settings(Section):
    """Everything. Read it with `load_settings`."""

    environment: str = Field("production", pattern=NAME, description="Which overrides apply.")
    data_dir: Path = Field(Path("data"), description="Where everything is stored.")
    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL database instead of a file in data_dir; postgres://USER:PASSWORD@HOST:PORT/NAME.",
    )
    telegram: TelegramSettings
    users: tuple[UserSettings, ...] = Field(description="Who may use the bot.")
    market: MarketSettings
    accounts: dict[str, AccountSettings] = Field(description="The accounts, by name.")
    strategies: tuple[StrategySettings, ...] = Field((), description="The strategies.")
    conflicts: Policy = Field(Policy.NET, description="net, priority or veto.")
    strategy_seconds: float = Field(1.0, gt=0, le=60, description="How long a strategy may think about a bar.")
    risk_sweep_seconds: float = Field(2.0, ge=0.2, le=60, description="How often risk is assessed between bars.")
    reconcile_seconds: float = Field(30.0, ge=5, le=3600, description="How often venue and books are compared.")
    reports: ReportSettings = Field(default_factory=ReportSettings)

    @field_validator("database_url")
    @classmethod
    def _an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and (problem := problem_of_postgres_url(url.get_secret_value())):
            raise ValueError(problem)
        return url

    @field_validator("users")
    @classmethod
    def _somebody_may(cls, users: tuple[UserSettings, ...]) -> tuple[UserSettings, ...]:
        if not users:
            raise ValueError("nobody may use the bot; add at least one user with role admin")
        if not any(user.role is Role.ADMIN for user in users):
            raise ValueError("nobody is admin; give one user the role admin, or nobody can resume after a halt")
        ids = [user.id for user in users]
        if twice := sorted({each for each in ids if ids.count(each) > 1}):
            raise ValueError(f"two users have the same id: {', '.join(map(str, twice))}")
        return users

    @field_validator("accounts")
    @classmethod
    def _one_account(cls, accounts: dict[str, AccountSettings]) -> dict[str, AccountSettings]:
        if len(accounts) != 1:
            raise ValueError(f"give exactly one account for now, not {len(accounts)}; several come with live brokers")
        for name in accounts:
            if not re.match(NAME, name):
                raise ValueError(f"an account's name has small letters, digits and dashes, not {name!r}")
        return accounts

    @field_validator("strategies")
    @classmethod
    def _distinct(cls, strategies: tuple[StrategySettings, ...]) -> tuple[StrategySettings, ...]:
        names = [each.name for each in strategies]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two strategies have the same name: {', '.join(twice)}")
        return strategies
