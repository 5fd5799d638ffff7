"""Every setting is written down, with its default, and the examples work."""

from __future__ import annotations

import itertools
import re
from enum import Enum

import pytest
from dotenv import dotenv_values
from pages import DOCS, ENV_EXAMPLE, cells, read, section
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from brokers.adapters.binance.settings import BinanceSettings
from brokers.adapters.paper import PaperSettings
from brokers.ccxt.settings import CcxtSettings
from brokers.registry import AdapterSettings, load_adapter
from core.checking import check_deeply
from core.settings import (
    AccountSettings,
    GroupSettings,
    MarketSettings,
    ReportSettings,
    Settings,
    StrategySettings,
    TelegramSettings,
    TelegramWebhookSettings,
    UserSettings,
    load_settings,
    merge,
    parse_settings,
    read_yaml,
)
from core.settings.alerting import EscalationSettings, RouteSettings
from core.settings.alerts import AlertSettings
from core.settings.channels import EmailSettings, WebhookSettings
from core.settings.manual import ManualSettings
from core.settings.reading import PREFIX, read_environment
from core.settings.security import SecuritySettings
from core.settings.vigil import HeartbeatSettings, WatchdogSettings
from core.strategy.registry import strategy_classes, strategy_kinds
from core.trading.protection.spec import ExitSpec
from risk.limits import RiskLimits
from risk.sizer import all_sizers

PAGE = DOCS / "configuration.md"
EXAMPLE = DOCS / "examples" / "quarterdeck.yaml"
TESTNET = DOCS / "examples" / "testnet.yaml"
TOKEN = "123456789:" + "A" * 35

SECTIONS = {
    "Top level": Settings,
    "Telegram": TelegramSettings,
    "Groups": GroupSettings,
    "Telegram calls us": TelegramWebhookSettings,
    "Users": UserSettings,
    "Market": MarketSettings,
    "Accounts": AccountSettings,
    "The paper broker": PaperSettings,
    "Crypto venues": BinanceSettings,
    "Limits": RiskLimits,
    "Strategies": StrategySettings,
    "Exits": ExitSpec,
    "Reports": ReportSettings,
    "Alerts": AlertSettings,
    "Routes": RouteSettings,
    "Escalation": EscalationSettings,
    "E-mail": EmailSettings,
    "Webhook": WebhookSettings,
    "Heartbeat": HeartbeatSettings,
    "Watchdog": WatchdogSettings,
    "Security": SecuritySettings,
    "Orders by hand": ManualSettings,
}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{'none' if value is None or not str(value) else value.value if isinstance(value, Enum) else value}`"


def _default(field: FieldInfo) -> str | None:
    """The default as the page must show it; None where words explain it."""
    if field.is_required():
        return "*required*"
    simple = not isinstance(field.default, tuple | frozenset | BaseModel) and field.default_factory is None
    return _shown(field.default) if simple else None


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_is_explained_with_its_default(heading):
    """And nothing that is not there."""
    rows = {row[0].strip("`"): row for row in cells(section(PAGE, heading)) if row[0].startswith("`")}
    fields = SECTIONS[heading].model_fields
    assert set(fields) <= set(rows)
    for name, field in fields.items():
        default = _default(field)
        assert default is None or rows[name][1] == default, f"{name}: {default}"
        assert rows[name][2], name


PARTS = {
    name: field.default
    for name, field in PaperSettings.model_fields.items()
    if isinstance(field.default, AdapterSettings)
}


@pytest.mark.parametrize("prefix", PARTS)
def test_the_parts_of_the_paper_broker_are_explained(prefix):
    """Nested settings, with a dot; a default of no entries is shown as such, or in words."""
    rows = {row[0].strip("`"): row[1] for row in cells(section(PAGE, "The paper broker"))}
    told = {name.partition(".")[2]: shown for name, shown in rows.items() if name.startswith(prefix + ".")}
    fields = type(PARTS[prefix]).model_fields
    assert set(told) == set(fields)
    for name, field in fields.items():
        default = "`[]`" if field.default == () else _default(field)
        assert default is None or told[name] == default, name


@pytest.mark.parametrize("venue", ["binance", "bybit", "coinbase", "kraken", "kucoin", "okx"])
def test_what_a_crypto_venue_has_of_its_own_is_explained(venue):
    """Every adapter's settings are in the one table; `market` begins with spot wherever there is one."""
    rows = {row[0].strip("`") for row in cells(section(PAGE, "Crypto venues"))}
    fields = load_adapter(venue).settings.model_fields
    assert set(CcxtSettings.model_fields) <= set(fields) <= rows
    assert "market" not in fields or fields["market"].default == "spot"


def test_the_example_of_an_account_at_a_venue_is_good(tmp_path):
    """With the keys as the page says: in the environment."""
    (tmp_path / "quarterdeck.yaml").write_text(read(TESTNET), encoding="utf-8")
    keys = {f"{PREFIX}ACCOUNTS__MAIN__BROKER__{name}": "0123456789" for name in ("API_KEY", "SECRET")}
    settings = load_settings(tmp_path, {f"{PREFIX}TELEGRAM__TOKEN": TOKEN, **keys})
    check_deeply(settings)
    account = load_adapter("binance").settings.model_validate(
        {name: value for name, value in settings.accounts["main"].broker.items() if name != "adapter"}
    )
    assert isinstance(account, BinanceSettings)
    assert account.has_keys


def test_every_sizer_is_explained():
    """Method, parameter and default."""
    rows = {(row[0], row[1]): row[2] for row in cells(section(PAGE, "Sizing"))[1:]}
    wanted = {
        (f"`{name}`", f"`{key}`"): _default(field)
        for name, method in all_sizers().items()
        for key, field in method.model_fields.items()
    }
    assert rows == wanted


def test_every_parameter_of_every_strategy_is_explained():
    """Kind, parameter and default."""
    rows = [row[:3] for row in cells(section(PAGE, "Strategies")) if len(row) == 5][1:]
    own = {kind for kind, each in strategy_classes().items() if each.__module__.startswith("core.")}
    kinds = [kind for kind in strategy_kinds() if kind.kind in own]
    wanted = [[f"`{k.kind}`", f"`{p.name}`", f"`{p.default}`"] for k in kinds for p in k.parameters]
    assert rows == wanted


def test_the_example_is_good(tmp_path):
    """It loads, and everything that it refers to exists."""
    (tmp_path / "quarterdeck.yaml").write_text(read(EXAMPLE), encoding="utf-8")
    check_deeply(load_settings(tmp_path, {"QUARTERDECK_TELEGRAM__TOKEN": TOKEN}))


def test_the_example_and_the_env_example_work_together(tmp_path):
    """As README tells: copy both, put in the token."""
    (tmp_path / "quarterdeck.yaml").write_text(read(EXAMPLE), encoding="utf-8")
    text = read(ENV_EXAMPLE).replace("TELEGRAM__TOKEN=", f"TELEGRAM__TOKEN={TOKEN}")
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    settings = load_settings(tmp_path, {})
    assert settings.users[0].name == "Ada"
    assert settings == parse_settings(merge(read_yaml(EXAMPLE), {"telegram": {"token": TOKEN}}))


def _uncommented() -> str:
    text = read(ENV_EXAMPLE).replace("TELEGRAM__TOKEN=", f"TELEGRAM__TOKEN={TOKEN}")
    return re.sub(rf"^# ({PREFIX})", r"\1", text, flags=re.MULTILINE)


def test_the_env_example_alone_is_good_when_all_is_uncommented(tmp_path):
    """Each value shown is valid, and is the default."""
    (tmp_path / ".env").write_text(_uncommented(), encoding="utf-8")
    settings = load_settings(tmp_path, {})
    check_deeply(settings)
    assert settings.accounts["paper"].limits == RiskLimits()
    assert settings.reports == ReportSettings()
    broker = {key: value for key, value in settings.accounts["paper"].broker.items() if key != "adapter"}
    assert PaperSettings.model_validate(broker) == PaperSettings()


def test_the_env_example_names_every_setting(tmp_path):
    """Two underscores for each level, a line that explains each."""
    (tmp_path / "env").write_text(re.sub(r"=$", "=x", _uncommented(), flags=re.MULTILINE), encoding="utf-8")
    given = read_environment(dotenv_values(tmp_path / "env")).values
    paper = given["accounts"]["paper"]
    assert set(given) == set(Settings.model_fields)
    assert set(given["telegram"]) == set(TelegramSettings.model_fields)
    assert set(given["market"]) == set(MarketSettings.model_fields)
    assert set(given["reports"]) == set(ReportSettings.model_fields)
    assert set(given["alerts"]["email"]) == set(EmailSettings.model_fields)
    assert set(given["alerts"]["webhook"]) == set(WebhookSettings.model_fields)
    assert set(given["heartbeat"]) == set(HeartbeatSettings.model_fields)
    assert set(given["watchdog"]) == set(WatchdogSettings.model_fields)
    assert set(given["security"]) == set(SecuritySettings.model_fields)
    assert set(paper["limits"]) == set(RiskLimits.model_fields)
    assert set(paper["broker"]) == {"adapter", *PaperSettings.model_fields}
    lines = read(ENV_EXAMPLE).splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(rf"(# )?{PREFIX}", line):
            assert before.startswith("# "), line
            assert PREFIX not in before, line


def test_the_page_of_errors_is_what_is_printed(tmp_path, capsys, monkeypatch):
    """The very lines of the documentation, from settings that are as wrong."""
    from bot.__main__ import main

    for name in [name for name in __import__("os").environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    (tmp_path / "quarterdeck.yaml").write_text(
        "user: []\nmarket: {symbols: [AAPL], sped: 3}\n"
        "accounts: {paper: {broker: {adapter: paper}, limits: {max_order_value_percent: -2}}}\n",
        encoding="utf-8",
    )
    assert main(["check", "--config", str(tmp_path)]) == 2
    for line in capsys.readouterr().err.splitlines():
        assert line in section(PAGE, "What wrong settings look like")
