"""Building brokers from settings, and what the errors say."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr, field_validator

import brokers.adapters
from brokers import registry
from brokers.adapters.paper import PaperTradingBroker
from brokers.errors import ConfigurationError
from brokers.registry import AdapterSettings, BrokerContext, BrokerFactory, adapter, adapter_names, validate
from brokers.simulation.source import TickSource
from tests.brokers.rig import START, STOCK

SECRET = "s3cr3t-value-nobody-may-see"


@pytest.fixture
def factory(tmp_path: Path) -> BrokerFactory:
    return BrokerFactory(BrokerContext(tmp_path, lambda: START, TickSource([STOCK])))


class Nested(AdapterSettings):
    passphrase: SecretStr = Field(min_length=60)


class SecretSettings(AdapterSettings):
    api_key: SecretStr
    nested: Nested | None = None

    @field_validator("api_key", mode="before")
    @classmethod
    def _refuse(cls, value: object) -> object:
        raise ValueError(f"bad key {value}")


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter with secrets, whose validator talks too much."""
    known = registry.Registration(PaperTradingBroker, SecretSettings)
    monkeypatch.setattr(registry, "load_adapter", lambda _: known)


def test_every_adapter_module_is_known_without_importing_it() -> None:
    program = "import sys, brokers.registry as r; print(r.adapter_names(), 'brokers.adapters.paper' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=_root())
    assert done.stdout.strip() == f"{adapter_names()} False"
    assert "paper" in adapter_names()


def _root() -> Path:
    return Path(__file__).parents[2]


def test_a_broker_is_built_from_its_settings(factory: BrokerFactory) -> None:
    raw = {
        "adapter": "paper",
        "initial_cash": "2500.50",
        "fees": {"taker_bps": 7.5},
        "order_types": ["limit"],
    }
    broker = factory.build("demo", raw)
    assert isinstance(broker, PaperTradingBroker)
    assert (broker.name, broker.is_connected) == ("demo", False)
    assert broker.settings.initial_cash == Decimal("2500.50")
    assert broker.settings.terms().fees.taker == Decimal("0.00075")
    assert broker.capabilities.order_types == {"limit"}
    assert broker.capabilities.simulated


def test_a_mistyped_adapter_gets_a_hint() -> None:
    (line,) = validate("demo", {"adapter": "papper"})
    assert line.startswith("brokers.demo.adapter: unknown adapter 'papper'; did you mean 'paper'? Known: ")


@pytest.mark.parametrize("raw", [{}, {"adapter": None}, {"adapter": 5}])
def test_a_missing_adapter_names_the_known_ones(raw: dict[str, Any]) -> None:
    (line,) = validate("demo", raw)
    assert line.startswith("brokers.demo.adapter: is missing; set it to one of ")
    assert "paper" in line


def test_all_problems_come_at_once_with_place_and_remedy(factory: BrokerFactory) -> None:
    raw = {
        "adapter": "paper",
        "initial_csh": 1,
        "leverage": "lots",
        "currency": "dollars",
        "fees": {"maker": 1},
        "slippage": {"model": "magic", "value": -1},
    }
    with pytest.raises(ConfigurationError) as caught:
        factory.build("My Demo", raw)
    lines = str(caught.value).splitlines()
    assert lines == validate("My Demo", raw)
    places = {line.split(": ")[0].removeprefix("brokers.My Demo") for line in lines}
    assert places == {
        "", ".initial_csh", ".leverage", ".currency", ".fees.maker", ".slippage.model", ".slippage.value"
    }  # fmt: skip
    text = "\n".join(lines)
    assert "unknown setting; did you mean 'initial_cash'? Known: initial_cash, " in text
    assert "Known: maker_bps, taker_bps, minimum" in text
    assert "should be a valid decimal (it is 'lots'); correct it" in text


@pytest.mark.parametrize("value", ["nan", "inf", float("inf"), 0, -1, "", None, True])
def test_only_a_sum_of_money_is_initial_cash(value: object) -> None:
    assert len(validate("demo", {"adapter": "paper", "initial_cash": value})) == 1


@pytest.mark.parametrize("name", ["", "../etc", "a/b", "Ä", "x" * 33, "-a"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    assert any("rename it" in line for line in validate(name, {"adapter": "paper"}))


@pytest.mark.usefixtures("secretive")
def test_secrets_never_show_in_errors() -> None:
    raw = {"adapter": "x", "api_key": SECRET, "nested": {"passphrase": SECRET}, "api_scret": SECRET}
    lines = validate("demo", raw)
    assert [line.split(":")[0] for line in lines] == [
        "brokers.demo.api_key",
        "brokers.demo.nested.passphrase",
        "brokers.demo.api_scret",
    ]
    assert SECRET not in "\n".join(lines)
    assert "bad key ***" in lines[0]


@pytest.mark.usefixtures("secretive")
def test_a_missing_secret_is_named() -> None:
    assert validate("demo", {"adapter": "x"}) == ["brokers.demo.api_key: is missing; add it"]


def test_settings_do_not_show_their_values_when_pydantic_complains() -> None:
    with pytest.raises(ValueError) as caught:
        SecretSettings.model_validate({"api_key": 5, "other": SECRET})
    assert SECRET not in str(caught.value)


def test_two_adapters_of_one_name_are_a_bug() -> None:
    registry.load_adapter("paper")
    with pytest.raises(ValueError, match="two adapters named 'paper'"):
        adapter("paper", settings=AdapterSettings)(PaperTradingBroker)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A second folder of adapters."""
    monkeypatch.setattr(brokers.adapters, "__path__", [*brokers.adapters.__path__, str(tmp_path)])
    return tmp_path


def test_an_adapter_whose_library_is_missing_says_which(folder: Path) -> None:
    (folder / "needy_venue.py").write_text("import surely_not_installed\n")
    assert "needy-venue" in adapter_names()
    (line,) = validate("demo", {"adapter": "needy-venue"})
    assert line == "brokers.demo.adapter: the adapter 'needy-venue' needs surely_not_installed; install it"


def test_a_module_that_registers_nothing_is_reported(folder: Path) -> None:
    (folder / "hollow.py").write_text("")
    (line,) = validate("demo", {"adapter": "hollow"})
    assert "registers none" in line


def test_a_paper_broker_without_a_market_cannot_be_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"brokers\.demo: a paper broker needs a market"):
        BrokerFactory(BrokerContext(tmp_path, lambda: START)).build("demo", {"adapter": "paper"})
