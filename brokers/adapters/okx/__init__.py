"""OKX: spot, and linear perpetual swaps in net mode.

Facts (OKX API v5, ccxt 4.5.90): a client id has up to 32 letters and digits, nothing else. Conditional and trailing
orders are algo orders: endpoints, lists and ids of their own (`algoClOrdId`); one that wakes becomes `effective` and
puts an ordinary order into the book, which names it. Cancelled orders that were never filled are forgotten by the
venue after two hours. Swaps are counted in contracts; the size of one is `ctVal` times `ctMult` of the base currency.
A trigger on the wrong side of the market is refused. There is no word for cancelling everything, and the timer that
cancels orders leaves algo orders alone. Mode demo is OKX's simulated trading: same address, keys of its own.

`settings` what can be set; `dialect` what is special; `algos` orders that sleep; `words` what error codes mean.
"""

from __future__ import annotations

from brokers.adapters.okx.dialect import OkxDialect
from brokers.adapters.okx.settings import OkxMarket, OkxSettings
from brokers.ccxt.broker import CcxtBroker
from brokers.registry import adapter

__all__ = ["OkxBroker", "OkxDialect", "OkxMarket", "OkxSettings"]


@adapter("okx", settings=OkxSettings)
class OkxBroker(CcxtBroker):
    """An account at OKX."""

    dialect = OkxDialect
