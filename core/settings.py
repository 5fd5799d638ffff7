"""The settings: YAML files by environment, overridden by environment variables and `.env`, all checked at once.

`quarterdeck.yaml`, then `quarterdeck.ENVIRONMENT.yaml`, then `.env`, then the environment, the later over the
earlier. A variable's name is `QUARTERDECK_` and the path with two underscores: `QUARTERDECK_TELEGRAM__TOKEN`.
Secrets belong into the environment, never into YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from core.access.roles import Role
from core.errors import SettingsError
from core.strategy.conflicts import Policy
from risk.limits import RiskLimits

PREFIX = "QUARTERDECK_"
_NAME = r"^[a-z][a-z0-9-]{0,39}$"
_TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}\Z")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TelegramSettings(_Section):
    """How the bot reaches Telegram."""

    token: SecretStr = Field(description="The bot's token, from @BotFather.")
    base_url: str = Field("https://api.telegram.org/bot", description="Where the Bot API is.")
    base_file_url: str = Field("https://api.telegram.org/file/bot", description="Where its files are.")
    poll_seconds: int = Field(25, ge=0, le=50, description="How long one request for updates may wait.")

    @field_validator("token")
    @classmethod
    def _looks_like_a_token(cls, token: SecretStr) -> SecretStr:
        if not _TOKEN.match(token.get_secret_value()):
            raise ValueError("this is not a bot token; @BotFather gives one like 123456789:AAE… for your bot")
        return token


class UserSettings(_Section):
    """A person who may use the bot, by numeric Telegram id."""

    id: int = Field(gt=0, description="The numeric Telegram user id (not the @name).")
    name: str = Field(min_length=1, max_length=60, description="What to call them.")
    role: Role = Field(description="viewer, trader or admin.")
    time_zone: str = Field("UTC", description="Their time zone, like Europe/Berlin.")

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


class MarketSettings(_Section):
    """Where prices come from: history, replayed."""

    source: Literal["bundled", "folder"] = Field("bundled", description="bundled history, or a folder of CSV files.")
    folder: Path | None = Field(None, description="The folder with SYMBOL.csv files, if source is folder.")
    symbols: tuple[str, ...] = Field(min_length=1, description="What to replay.")
    start: datetime | None = Field(None, description="Begin with the first bar at or after this time.")
    speed: float = Field(
        1.0, ge=0, le=10_000, allow_inf_nan=False, description="Bars per second; 0 is as fast as possible."
    )

    spread_bps: Decimal = Field(Decimal(2), ge=0, le=1000, description="Bid to ask that is put around replayed prices.")

    @model_validator(mode="after")
    def _folder_when_needed(self) -> Self:
        if (self.source == "folder") != (self.folder is not None):
            raise ValueError("folder is needed exactly when source is folder")
        return self


class AccountSettings(_Section):
    """One account: its broker and its limits."""

    broker: dict[str, Any] = Field(description="`adapter:` and the adapter's own settings.")
    limits: RiskLimits = Field(default_factory=RiskLimits, description="The risk limits of the account.")


class StrategySettings(_Section):
    """One strategy instance."""

    name: str = Field(pattern=_NAME, description="Its name in chat: small letters, digits and dashes.")
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


class ReportSettings(_Section):
    """When reports come by themselves."""

    daily_at: str = Field("17:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM, UTC.")
    weekly_day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        "fri", description="The day of the weekly report."
    )


class Settings(_Section):
    """Everything. Read it with `load_settings`."""

    environment: str = Field("production", pattern=_NAME, description="Which overrides apply.")
    data_dir: Path = Field(Path("data"), description="Where everything is stored.")
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

    @field_validator("users")
    @classmethod
    def _somebody_may(cls, users: tuple[UserSettings, ...]) -> tuple[UserSettings, ...]:
        if not users:
            raise ValueError("nobody may use the bot; add at least one user with role admin")
        if not any(user.role is Role.ADMIN for user in users):
            raise ValueError("nobody is admin; give one user the role admin, or nobody can resume after a halt")
        if len({user.id for user in users}) < len(users):
            raise ValueError("two users have the same id")
        return users

    @field_validator("accounts")
    @classmethod
    def _one_account(cls, accounts: dict[str, AccountSettings]) -> dict[str, AccountSettings]:
        if len(accounts) != 1:
            raise ValueError(f"give exactly one account for now, not {len(accounts)}; several come with live brokers")
        for name in accounts:
            if not re.match(_NAME, name):
                raise ValueError(f"an account's name has small letters, digits and dashes, not {name!r}")
        return accounts

    @field_validator("strategies")
    @classmethod
    def _distinct(cls, strategies: tuple[StrategySettings, ...]) -> tuple[StrategySettings, ...]:
        names = [each.name for each in strategies]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two strategies have the same name: {', '.join(twice)}")
        return strategies


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a mapping, numbers with a point as `Decimal` text. Raises `SettingsError`."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_ExactLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise SettingsError([f"{path}: is not valid YAML: {' '.join(str(error).split())}"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(
            [f"{path}: must be a mapping of settings, like `telegram:`, not a {type(content).__name__}"]
        )
    return content


class _ExactLoader(yaml.SafeLoader):
    """YAML without floats: a number with a point stays exact."""


def _exact_number(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal | str:
    try:
        return Decimal(node.value.replace("_", ""))
    except InvalidOperation:  # .inf and .nan: the setting says what it wants instead
        return str(node.value)


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact_number)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`; mappings merge, everything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def from_environment(variables: Mapping[str, str | None]) -> dict[str, Any]:
    """The settings that `QUARTERDECK_A__B=value` variables give; values that are YAML lists or maps are read so."""
    found: dict[str, Any] = {}
    for name, text in sorted(variables.items()):
        if not name.startswith(PREFIX) or not text:
            continue
        node = found
        *path, last = name.removeprefix(PREFIX).lower().split("__")
        for part in path:
            node = node.setdefault(part, {})
        node[last] = yaml.load(text, Loader=_ExactLoader) if text[:1] in "[{" else text  # noqa: S506
    return found


def load_settings(folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read everything in `folder` and the environment. Raises `SettingsError` with every problem at once."""
    variables = {**dotenv_values(folder / ".env"), **(os.environ if environment is None else environment)}
    given = from_environment(variables)
    raw: dict[str, Any] = {}
    files = [
        folder / "quarterdeck.yaml",
        folder / f"quarterdeck.{given.get('environment', 'production')}.yaml",
    ]
    for path in files:
        if path.exists():
            raw = merge(raw, read_yaml(path))
    return parse_settings(merge(raw, given))


def parse_settings(raw: Mapping[str, Any]) -> Settings:
    """Check settings. Raises `SettingsError` with every problem, its place and its remedy."""
    try:
        return Settings.model_validate(dict(raw))
    except ValidationError as error:
        raise SettingsError(sorted(_told(each) for each in error.errors())) from error


_REMEDIES = {
    "telegram": "set QUARTERDECK_TELEGRAM__TOKEN in .env to the token that @BotFather gave you",
    "telegram.token": "set QUARTERDECK_TELEGRAM__TOKEN in .env to the token that @BotFather gave you",
    "users": "list who may use the bot: users: [{id: 123456789, name: Ada, role: admin}]",
    "market": "say what to replay: market: {symbols: [AAPL]}",
    "accounts": "add an account: accounts: {paper: {broker: {adapter: paper}}}",
}


def _told(error: Any) -> str:
    """One problem in a line: place, what is wrong, what to do."""
    parts: Sequence[str | int] = error["loc"]
    place = ".".join(str(part) for part in parts) or "settings"
    kind = error["type"]
    if kind == "missing":
        return f"{place}: is missing; {_REMEDIES.get(place, 'add it')}"
    if kind == "extra_forbidden":
        return f"{place}: there is no such setting; {_near(parts)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {message[:1].lower()}{message[1:]}" + (
        f" (found {_shown(error)})" if kind != "value_error" else ""
    )


def _shown(error: Any) -> str:
    if any("token" in str(part) for part in error["loc"]):
        return "a secret"
    return repr(error["input"])[:60]


def _near(parts: Sequence[str | int]) -> str:
    from difflib import get_close_matches

    model: Any = Settings
    for part in parts[:-1]:
        model = _child(model, part)
    known = sorted(getattr(model, "model_fields", {}))
    near = get_close_matches(str(parts[-1]), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"remove it, or use one of: {', '.join(known)}"


def _child(model: Any, part: str | int) -> Any:
    """The section behind a step of a path, as far as it is one."""
    sections = {
        "telegram": TelegramSettings, "users": UserSettings, "market": MarketSettings, "accounts": AccountSettings,
        "strategies": StrategySettings, "reports": ReportSettings, "limits": RiskLimits,
    }  # fmt: skip
    return sections.get(str(part), model)
