"""Binance: spot, cross margin and USDT-M futures, through ccxt.

`settings` what can be set; `spot`, `margin` and `usdm` what is special about each market; `usdm_money` what an account
of futures holds; `words` what error codes mean.
"""

from __future__ import annotations

from typing import Any

from brokers.adapters.binance.margin import MarginDialect
from brokers.adapters.binance.settings import BinanceSettings, Market
from brokers.adapters.binance.spot import SpotDialect
from brokers.adapters.binance.usdm import UsdmDialect
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.dialect import Dialect
from brokers.registry import adapter

_DIALECTS: dict[Market, type[Dialect[Any]]] = {
    Market.SPOT: SpotDialect,
    Market.MARGIN: MarginDialect,
    Market.USDM: UsdmDialect,
}


@adapter("binance", settings=BinanceSettings)
class BinanceBroker(CcxtBroker):
    """One account at Binance."""

    @classmethod
    def speaks(cls, settings: BinanceSettings) -> Dialect[Any]:
        """The dialect of the market that the account is for."""
        return _DIALECTS[settings.market](settings)
