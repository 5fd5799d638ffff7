"""What can be set, section by section. A description of every setting stands with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from brokers.registry import currency_of
from core.access.roles import ELSEWHERE, Role
from core.access.vault import read_key
from core.settings.alerting import checked_quiet_hours
from core.settings.alerts import AlertSettings
from core.settings.channels import checked_address, checked_apprise
from core.settings.manual import ManualSettings
from core.settings.market import MarketSettings
from core.settings.section import Section
from core.settings.security import SecuritySettings
from core.settings.standby import Account as AccountOfStandby
from core.settings.standby import StandbySettings
from core.settings.standby import problems as problems_of_standbys
from core.settings.telegram import TelegramSettings
from core.settings.vigil import HeartbeatSettings, WatchdogSettings
from core.store.address import problem_of_postgres_url
from core.strategy.conflicts import Policy
from core.trading.protection.spec import ExitSpec
from risk.limits import RiskLimits

NAME = r"^[a-z][a-z0-9-]{0,39}$"


def _role(value: object, names: Mapping[str, Role | None]) -> Role | None:
    if isinstance(value, Role):
        return value
    if str(value).lower() not in names:
        raise ValueError(f"a role is one of {', '.join(names)}, not {value!r}")
    return names[str(value).lower()]


class UserSettings(Section):
    """A person who may use the bot, by numeric Telegram id."""

    id: int = Field(gt=0, description="The numeric Telegram user id (not the @name).")
    name: str = Field(min_length=1, max_length=60, description="What to call them.")
    role: Role = Field(description="viewer, trader, risk or admin.")
    accounts: dict[str, Role | None] = Field(
        default_factory=dict,
        description='Another role in some accounts; `none` hides it, `*` is all others: `{fund: trader, "*": none}`.',
    )
    time_zone: str = Field("UTC", description="Their time zone, like Europe/Berlin.")
    email: str | None = Field(None, description="Where alerts reach them by e-mail.")
    apprise: tuple[SecretStr, ...] = Field((), description="Addresses of their own in apprise's form.")
    quiet_hours: str | None = Field(
        None, description="When only CRITICAL alerts reach them, in their time zone, like 22:00-07:00."
    )

    @field_validator("id", mode="before")
    @classmethod
    def _is_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("an id is a number; send /start to @userinfobot to learn yours")  # noqa: TRY004
        return value

    @field_validator("role", mode="before")
    @classmethod
    def _role_by_name(cls, value: object) -> object:
        return _role(value, {role.label: role for role in Role})

    @field_validator("accounts", mode="before")
    @classmethod
    def _roles_by_name(cls, value: object) -> object:
        names = {**{role.label: role for role in Role}, "none": None}
        return {account: _role(given, names) for account, given in value.items()} if isinstance(value, dict) else value

    @field_validator("email")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        return None if value is None else checked_address(value)

    @field_validator("quiet_hours")
    @classmethod
    def _from_to(cls, value: str | None) -> str | None:
        return None if value is None else checked_quiet_hours(value)

    @field_validator("apprise")
    @classmethod
    def _addresses(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        return checked_apprise(urls)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {value!r}; use a name like Europe/Berlin or UTC") from error
        return value


class AccountSettings(Section):
    """One account: its broker and its limits."""

    broker: dict[str, Any] = Field(repr=False, description="`adapter:` and the adapter's own settings.")
    limits: RiskLimits = Field(default_factory=RiskLimits, description="The risk limits of the account.")
    fx: dict[str, Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=dict,
        description="What other currencies are worth in the account's, where no traded pair says so: `{EUR: 1.08}`.",
    )
    symbols: tuple[str, ...] | None = Field(
        None, description="What of the market's symbols is traded there; none: all of them."
    )
    standby: StandbySettings | None = Field(
        None, description="Another account where its strategies trade on while this broker is down, if they are flat."
    )

    @property
    def currency(self) -> str:
        """The currency that the account is kept in: its broker's."""
        return currency_of(self.broker)


class StrategySettings(Section):
    """One strategy instance."""

    name: str = Field(pattern=NAME, description="Its name in chat: small letters, digits and dashes.")
    kind: str = Field(description="Which strategy.")
    account: str = Field("", description="The account that it trades in; needed where there are several.")
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
    vault_key: SecretStr | None = Field(
        None, description="Seals secrets in the database; without it a key file in data_dir does."
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
    manual: ManualSettings = Field(default_factory=ManualSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    heartbeat: HeartbeatSettings | None = Field(None, description="A service outside that notices our silence.")
    watchdog: WatchdogSettings = Field(default_factory=WatchdogSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)

    @field_validator("database_url")
    @classmethod
    def _an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and (problem := problem_of_postgres_url(url.get_secret_value())):
            raise ValueError(problem)
        return url

    @field_validator("vault_key")
    @classmethod
    def _a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            read_key(key.get_secret_value())
        return key

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
    def _named_accounts(cls, accounts: dict[str, AccountSettings]) -> dict[str, AccountSettings]:
        if not accounts:
            raise ValueError("there is no account to trade in; add one: {paper: {broker: {adapter: paper}}}")
        for name in accounts:
            if not re.match(NAME, name):
                raise ValueError(f"an account's name has small letters, digits and dashes, not {name!r}")
        _check_rates(accounts)
        found = {
            name: AccountOfStandby(each.currency, str(each.broker.get("mode", "")), each.standby)
            for name, each in accounts.items()
        }
        if problems := list(problems_of_standbys(found)):
            raise ValueError("; ".join(problems))
        return accounts

    @field_validator("accounts")
    @classmethod
    def _accounts_of_people(
        cls, accounts: dict[str, AccountSettings], info: ValidationInfo
    ) -> dict[str, AccountSettings]:
        for user in info.data.get("users") or ():
            if unknown := sorted(set(user.accounts) - {*accounts, ELSEWHERE}):
                known = ", ".join(accounts)
                raise ValueError(
                    f"{user.name} has a role in {unknown[0]!r}, which is no account; write one of: {known}"
                )
        return accounts

    @field_validator("strategies")
    @classmethod
    def _distinct(cls, strategies: tuple[StrategySettings, ...]) -> tuple[StrategySettings, ...]:
        names = [each.name for each in strategies]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two strategies have the same name: {', '.join(twice)}")
        return strategies

    @field_validator("strategies")
    @classmethod
    def _at_home(cls, strategies: tuple[StrategySettings, ...], info: ValidationInfo) -> tuple[StrategySettings, ...]:
        accounts = info.data.get("accounts") or {}  # without accounts that is the problem
        if problems := [problem for each in strategies if accounts and (problem := _homeless(each, accounts))]:
            raise ValueError("; ".join(problems))
        return strategies

    def symbols_of(self, account: str) -> tuple[str, ...]:
        """What is traded in an account."""
        given = self.accounts[account].symbols
        return self.market.symbols if given is None else given

    def account_of(self, strategy: StrategySettings) -> str:
        """The account that a strategy trades in: the one that it names, or the only one."""
        return strategy.account or next(iter(self.accounts))


def _check_rates(accounts: Mapping[str, AccountSettings]) -> None:
    """Raises `ValueError` if two accounts have different rates for the same currencies: there is one market."""
    known: dict[tuple[str, str], tuple[str, Decimal]] = {}
    for name, account in accounts.items():
        for foreign, rate in account.fx.items():
            other, first = known.setdefault((foreign, account.currency), (name, rate))
            if rate != first:
                raise ValueError(f"{foreign} is {first} in {other} and {rate} in {name}; write the same")


def _homeless(strategy: StrategySettings, accounts: Collection[str]) -> str:
    """Why a strategy does not know where to trade; empty if it does."""
    known = ", ".join(accounts)
    if strategy.account and strategy.account not in accounts:
        return f"{strategy.name}: there is no account called {strategy.account!r}; write one of: {known}"
    if not strategy.account and len(accounts) > 1:
        example = next(iter(accounts))
        return f"{strategy.name}: say in which account it trades, for example `account: {example}`; there are: {known}"
    return ""
