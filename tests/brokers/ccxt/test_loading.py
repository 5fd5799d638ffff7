"""What importing ccxt costs, and who pays it; each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brokers.ccxt.session import ssl_of
from brokers.network import Network

# What the sandbox imports to run: everything but a venue.
SANDBOX = """
import bot.__main__, bot.sandbox.run, bot.program, bot.command, core.engine, core.service, core.checking
import brokers.adapters.paper, brokers.registry, brokers.resilience.budget
bot.command.discover()
"""


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_who_uses_no_ccxt_does_not_pay_for_it() -> None:
    """Neither ccxt nor aiohttp is imported by bot, core and the paper venue."""
    shown = "import sys; print(sorted({m.split('.')[0] for m in sys.modules} & {'ccxt', 'aiohttp'}))"
    assert run(SANDBOX + shown) == "[]"


def test_the_adapters_are_named_and_their_settings_checked_without_ccxt() -> None:
    """So `quarterdeck check` of a paper account costs what it did."""
    code = """
import sys
from brokers.registry import adapter_names, validate
for name in adapter_names():
    validate("x", {"adapter": name})
print(sorted({m.split('.')[0] for m in sys.modules} & {'ccxt', 'aiohttp'}))
"""
    assert run(code) == "[]"


def test_one_exchange_does_not_bring_the_hundred_others() -> None:
    """Only its own modules and what they stand on."""
    code = """
import sys
from brokers.ccxt.loading import load_exchange_class, load_errors
binance = load_exchange_class("binance")
exchange = binance({"apiKey": "x"})
assert exchange.id == "binance" and exchange.has["watchOrders"]
assert issubclass(load_errors().NetworkError, Exception)
import ccxt.async_support.kraken as alone
names = [m for m in sys.modules if m.startswith("ccxt")]
assert len(names) < 40, len(names)
assert "ccxt.async_support.gate" not in sys.modules
print(load_exchange_class("binanceusdm").__name__, load_exchange_class("kraken").__name__, alone.__name__)
"""
    assert run(code) == "binanceusdm kraken kraken"


def test_ccxt_is_whole_for_everybody_else() -> None:
    """Whatever is asked of it afterwards is there, and is the same."""
    code = """
from brokers.ccxt.loading import load_exchange_class
binance = load_exchange_class("binance")
import ccxt, ccxt.pro, ccxt.async_support
from ccxt import NetworkError, Exchange
from ccxt.async_support import Exchange as AsyncExchange
assert issubclass(ccxt.RequestTimeout, NetworkError)
assert isinstance(ccxt.kraken, type) and not issubclass(ccxt.kraken, AsyncExchange)
assert issubclass(ccxt.async_support.kraken, AsyncExchange)
assert len(ccxt.exchanges) > 90 and "binance" in ccxt.pro.exchanges
assert ccxt.pro.binance is binance is load_exchange_class("binance")
assert issubclass(binance, ccxt.async_support.binance)
assert not hasattr(ccxt, "nonsense")
print(ccxt.__version__)
"""
    assert run(code)[0].isdigit()


def test_who_has_imported_all_of_ccxt_keeps_it() -> None:
    """Then there is nothing to save."""
    code = """
import ccxt.pro
from brokers.ccxt.loading import load_exchange_class
print(load_exchange_class("okx") is ccxt.pro.okx)
"""
    assert run(code) == "True"


def test_a_ccxt_that_is_built_in_another_way_is_imported_as_usual() -> None:
    """And nothing half is left behind."""
    code = """
import brokers.ccxt.loading as loading
loading._SOURCES["ccxt"] = ("ccxt.not_there_any_more",)
found = loading.load_exchange_class("binance")
import ccxt, ccxt.pro
assert type(ccxt).__name__ == "module"
print(found is ccxt.pro.binance, issubclass(found, ccxt.pro.Exchange))
"""
    assert run(code) == "True True"


def test_an_exchange_that_is_not_there() -> None:
    """Is a missing module."""
    code = """
from brokers.ccxt.loading import load_exchange_class
try:
    load_exchange_class("nowhere")
except ModuleNotFoundError as error:
    print(error)
"""
    assert "nowhere" in run(code)


@pytest.mark.parametrize("given", [True, False])
def test_whose_certificates_count(given: bool) -> None:
    """Those of the network, else the system's; never none."""
    own = ssl_of(Network())
    found = ssl_of(Network(ssl=own)) if given else own
    assert found is own
    assert found.verify_mode.name == "CERT_REQUIRED"
    assert found.check_hostname
