"""The settings: YAML files by environment, overridden by environment variables and `.env`, all checked at once.

`quarterdeck.yaml`, then `quarterdeck.ENVIRONMENT.yaml`, then `.env`, then the environment, the later over the
earlier. A variable's name is `QUARTERDECK_` and the path with two underscores: `QUARTERDECK_TELEGRAM__TOKEN`.
Secrets belong into the environment, never into YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from core.errors import SettingsError
from core.settings.market import FeedSettings, MarketSettings, Period
from core.settings.reading import merge, read_dotenv, read_environment, read_yaml
from core.settings.sections import (
    NAME,
    AccountSettings,
    ReportSettings,
    Settings,
    StrategySettings,
    UserSettings,
)
from core.settings.telegram import GroupMode, GroupSettings, TelegramSettings, TelegramWebhookSettings
from core.settings.telling import problems_of

__all__ = [
    "AccountSettings",
    "FeedSettings",
    "GroupMode",
    "GroupSettings",
    "MarketSettings",
    "Period",
    "RawSettings",
    "ReportSettings",
    "Settings",
    "StrategySettings",
    "TelegramSettings",
    "TelegramWebhookSettings",
    "UserSettings",
    "load_settings",
    "merge",
    "parse_settings",
    "read_settings",
    "read_yaml",
]

_DEFAULT_ENVIRONMENT = "production"
T = TypeVar("T")


class RawSettings(dict[str, Any]):
    """Settings as they were given, not yet checked; `variables` says which came from the environment."""

    def __init__(self, values: Mapping[str, Any], variables: Mapping[tuple[str, ...], str], missing: str = "") -> None:
        super().__init__(values)
        self.variables = variables
        self.missing = missing


def load_settings(folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read everything in `folder` and the environment. Raises `SettingsError` with every problem at once."""
    return parse_settings(read_settings(folder, environment))


def read_settings(folder: Path, environment: Mapping[str, str] | None = None) -> RawSettings:
    """Everything that is given, merged. Raises `SettingsError` for files that cannot be read."""
    problems: list[str] = []
    outside = os.environ if environment is None else environment
    dotenv = _try(problems, lambda: read_dotenv(folder / ".env"))
    given = read_environment({**dotenv, **outside})
    problems += given.problems
    main = folder / "quarterdeck.yaml"
    base = _try(problems, lambda: read_yaml(main)) if main.exists() else {}
    name = str(given.values.get("environment") or base.get("environment") or _DEFAULT_ENVIRONMENT)
    over = _try(problems, lambda: _read_environment_file(folder, name))
    if problems:
        raise SettingsError(problems)
    how = "make one from docs/examples/quarterdeck.yaml, or name another folder with --config"
    missing = "" if main.exists() else f"{main}: there is no such file; {how}"
    return RawSettings(merge(merge(base, over), given.values), given.variables, missing)


def _read_environment_file(folder: Path, name: str) -> dict[str, Any]:
    """The settings of one environment; only the default one may do without a file."""
    path = folder / f"quarterdeck.{name}.yaml"
    if not re.match(NAME, name):
        return {}  # the setting itself will say so
    if path.exists() or name != _DEFAULT_ENVIRONMENT:
        return read_yaml(path)
    return {}


def _try(problems: list[str], read: Callable[[], dict[str, T]]) -> dict[str, T]:
    try:
        return read()
    except SettingsError as error:
        problems += error.problems
        return {}


def parse_settings(raw: Mapping[str, Any]) -> Settings:
    """Check settings. Raises `SettingsError` with every problem, its place and its remedy."""
    values = {str(key): value for key, value in raw.items() if value is not None}  # `users:` and nothing behind it
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        variables = raw.variables if isinstance(raw, RawSettings) else {}
        missing = [raw.missing] if isinstance(raw, RawSettings) and raw.missing else []
        raise SettingsError([*missing, *problems_of(error, values, variables)]) from error
