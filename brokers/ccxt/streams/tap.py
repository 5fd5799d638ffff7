"""Sees every message that a venue pushes, and what ccxt has made of it, before anybody waits for anything.

An error in ccxt's handling of one message would end its reading of the socket for ever and in silence: here it is
caught, told as a broken message, and the stream goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from brokers.ccxt.streams.tape import Candles, Latest, Row, Tape
from brokers.ccxt.streams.wire import Wire, event_name

log = structlog.get_logger(__name__)

_REMEMBERED = 1000  # orders, for a venue whose events tell only what has changed


@dataclass(slots=True)
class Message:
    """One message: from which socket, what it calls itself, which orders and trades ccxt found in it.

    `error`: ccxt could not read it.
    """

    url: str
    raw: Any
    orders: list[Row]
    trades: list[Row]
    error: str = ""


class Tap:
    """Sits on one exchange object of ccxt, from before its first socket opens.

    `account(message)` is called for each that tells of orders or trades, cannot be read, or comes on a `private`
    socket; `ended(url, event)` for one after which its socket is worth nothing; `ticker(symbol, row)` for each new
    price; `candle(symbol, timeframe, row)` for each change of a candle.
    """

    def __init__(self, exchange: Any, wire: Wire) -> None:
        self._wire = wire
        self._handle = exchange.handle_message
        self._orders: list[Row] = []
        self._trades: list[Row] = []
        self.seen: dict[str, int] = {}
        self.private: set[str] = set()
        self.account: Callable[[Message], None] = _ignore
        self.ended: Callable[[str, str], None] = _ignore
        self.ticker: Callable[[str, Row], None] = _ignore
        self.candle: Callable[[str, str, Sequence[Any]], None] = _ignore
        self._settle(exchange)

    def _settle(self, exchange: Any) -> None:
        exchange.handle_message = self.hear
        remembers = 0 if self._wire.whole_orders else _REMEMBERED
        exchange.orders = Tape(self._order, remembers=remembers)
        exchange.triggerOrders = Tape(self._order, remembers=remembers)
        exchange.myTrades = Tape(self._trade)
        exchange.tickers = Latest(self._price)
        exchange.bidsasks = Latest(self._price)
        exchange.ohlcvs = Candles(self._change)

    def _order(self, row: Row) -> None:
        self._orders.append(row)

    def _trade(self, row: Row) -> None:
        self._trades.append(row)

    def _price(self, symbol: str, row: Row) -> None:
        self.ticker(symbol, row)

    def _change(self, symbol: str, timeframe: str, row: Sequence[Any]) -> None:
        self.candle(symbol, timeframe, row)

    def hear(self, client: Any, message: Any) -> None:
        """Let ccxt handle one message, then tell what it was."""
        url = client.url
        self.seen[url] = self.seen.get(url, 0) + 1
        error, ponged, parts = "", client.lastPong, self._wire.parts(message)
        try:
            for part in parts:
                self._handle(client, part)
        except Exception as failure:  # noqa: BLE001 (whatever it is, the socket must be read on)
            error = repr(failure)
        if client.lastPong != ponged:  # ccxt dates it by the venue's clock, and then compares it with ours
            client.lastPong = client.last_message_at
        if self._orders or self._trades or error or (parts and url in self.private):
            try:
                self._tell(url, message, error)
            except Exception:
                log.exception("a message of the venue was read and is lost", socket=bare(url))
                self.ended(url, "a message is lost")
        reason = event_name(message) if self._wire.endings else ""
        if reason in self._wire.endings or (reason := self._wire.refusal(message)):
            self.ended(url, reason)

    def _tell(self, url: str, raw: Any, error: str) -> None:
        orders, trades = self._orders, self._trades
        self._orders, self._trades = [], []
        if error:
            log.warning("a message of the venue could not be read", socket=bare(url), error=error)
        self.account(Message(url, raw, orders, trades, error))


def bare(url: str) -> str:
    """An address without what comes after `?`, which may be a key."""
    return url.split("?", 1)[0]


def _ignore(*_: object) -> None:
    """Nobody wants to know."""
