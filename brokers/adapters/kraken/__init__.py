"""Kraken, spot.

Facts (docs.kraken.com, ccxt 4.5.90): a client id is a UUID or up to 18 free characters and unique among open orders
only; the venue finds an order by it in two lists, open and closed. ccxt's `fetch_order` takes a client id for the
numeric `userref`, so it is not used for that. A triggered order keeps its id. Executions name the fee in the quote
currency if the order says `fciq`, so every order says so. There is no test environment for spot.

`dialect` what is special; `stream` what is pushed about orders; `words` what errors mean.
"""

from __future__ import annotations

from brokers.adapters.kraken.dialect import KrakenDialect, KrakenSettings
from brokers.ccxt.broker import CcxtBroker
from brokers.registry import adapter

__all__ = ["KrakenBroker", "KrakenDialect", "KrakenSettings"]


@adapter("kraken", settings=KrakenSettings)
class KrakenBroker(CcxtBroker):
    """A spot account at Kraken."""

    dialect = KrakenDialect
