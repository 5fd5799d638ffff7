"""Every kind of account that there is an adapter for: the columns of docs/brokers.md."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brokers.ccxt import checks
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.calls import Call, Inquiry, KnownOrders
from brokers.ccxt.dialect import Dialect, Permissions
from brokers.ccxt.loading import load_exchange_class
from brokers.ccxt.settings import Mode
from brokers.errors import NotSupported, Rejected, Unavailable
from brokers.instrument import Instrument
from brokers.market import Bar
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce
from brokers.port import AbstractBroker, Capabilities
from brokers.registry import BrokerContext, BrokerFactory, adapter_names, load_adapter
from brokers.simulation.source import TickSource
from tests.brokers.venues.rig import documented

NAMES = {"paper": "Paper", "kucoin": "KuCoin", "okx": "OKX"}
OURS = ClientOrderId("qdA1B201HZXW3F8K9QX4T7M2N5P6R8S9")
_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_KEYS = {"api_key": "key", "secret": "c2VjcmV0", "password": "phrase"}
_RIGHTS = {
    "bybit": "GET /v5/user/query-api",
    "coinbase": "GET /api/v3/brokerage/key_permissions",
    "kraken": "POST /0/private/GetApiKeyInfo",
    "kucoin": "GET /api/v1/user/api-key",
    "okx": "GET /api/v5/account/config",
}
"""The question about a key's rights, where it is among the answers of tests/brokers/venues/data."""
_RIGHTS_AT_BINANCE = {
    "enableWithdrawals": True,
    "ipRestrict": False,
    "enableSpotAndMarginTrading": True,
    "enableMargin": True,
    "enableFutures": True,
}


@dataclass(frozen=True)
class Account:
    """One kind of account: an adapter, and which of the venue's markets."""

    adapter: str
    market: str = ""

    @property
    def key(self) -> str:
        """As evidence names it: `binance usdm`, `kraken`."""
        return f"{self.adapter} {self.market}".strip()

    @property
    def head(self) -> str:
        """As a column is called."""
        name = NAMES.get(self.adapter, self.adapter.title())
        return f"{name}<br>{self.market}" if self.market else name

    @cached_property
    def broker(self) -> AbstractBroker:
        """A broker of this kind, never connected."""
        source = TickSource([self.instrument], bars=_no_bars)
        context = BrokerContext(Path(), lambda: _NOW, source, symbols=(self.instrument.symbol,))
        return BrokerFactory(context).build("page", {"adapter": self.adapter, **self._settings(Mode.LIVE)})

    @property
    def can(self) -> Capabilities:
        """What it declares."""
        return self.broker.capabilities

    @property
    def dialect(self) -> Dialect[Any] | None:
        """The venue's own truth; None for one that is simulated here."""
        return self.broker._dialect if isinstance(self.broker, CcxtBroker) else None

    @cached_property
    def has(self) -> Mapping[str, Any]:
        """Which streams ccxt has of the venue."""
        return {} if self.dialect is None else load_exchange_class(self.dialect.ccxt_id)().has

    @property
    def instrument(self) -> Instrument:
        """Something that it trades."""
        return Instrument("BTC/USDT:USDT" if self.market in ("usdm", "linear", "swap") else "BTC/USDT", "USDT")

    # --- questions to the code ---------------------------------------------------------------------

    @cached_property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that its settings take."""
        if self.dialect is None:
            return ()
        return tuple(mode for mode in Mode if self._takes(mode))

    def takes(self, kind: OrderType = OrderType.LIMIT, **terms: Any) -> bool:
        """Whether an order like this leaves the house."""
        if kind not in self.can.order_types:
            return False
        order = self._order(kind, **terms)
        try:
            checks.check_order(order, self.can, {self.instrument.symbol: self.instrument})
            if self.dialect is not None:
                self.dialect.refuse(order)
                self.dialect.place_call(order)
        except (NotSupported, Rejected):
            return False
        return True

    def changes(self, kind: OrderType) -> bool:
        """Whether a working order like this can be changed."""
        return kind in self.can.order_types and self.can.changes(kind)

    @cached_property
    def is_looked_at(self) -> bool:
        """Whether an account that is set up otherwise is refused: whether anything is asked to find out."""
        asked: list[Call] = []

        async def ask(call: Call) -> Any:
            asked.append(call)
            raise Unavailable("nobody is there")

        inquiry = Inquiry(ask, (), KnownOrders(), lambda: _NOW)
        if self.dialect is not None:
            with suppress(Unavailable):
                asyncio.run(self.dialect.check_account(inquiry, ""))
        return bool(asked)

    def rights(self, mode: Mode) -> Permissions | None:
        """What can be known of a key's rights; None where it cannot be asked."""
        settings = load_adapter(self.adapter).settings(**self._settings(mode))
        broker = type(self.broker)
        assert issubclass(broker, CcxtBroker)
        return asyncio.run(broker.speaks(settings).permissions(_Told(self._rights_told)))

    @property
    def _rights_told(self) -> Any:
        if self.adapter == "binance":
            return _RIGHTS_AT_BINANCE
        return documented(self.adapter)["answers"][_RIGHTS[self.adapter]]

    def _order(self, kind: OrderType, **terms: Any) -> OrderRequest:
        if kind.has_limit:
            terms.setdefault("limit_price", 50_000)
        if kind.has_stop:
            terms.setdefault("stop_price", 60_000 if kind.takes_profit else 40_000)
        if terms.get("time_in_force") is TimeInForce.GTD:
            terms.setdefault("expires_at", _NOW)
        if kind.is_trailing and "trail" not in terms:
            terms.setdefault("trail_percent", 1)
        terms.setdefault("time_in_force", TimeInForce.GTC)
        return OrderRequest(OURS, self.instrument, Side.SELL, 1, kind, **terms)

    def _takes(self, mode: Mode) -> bool:
        try:
            load_adapter(self.adapter).settings(**self._settings(mode))
        except ValidationError:
            return False
        return True

    def _settings(self, mode: Mode) -> dict[str, Any]:
        fields = load_adapter(self.adapter).settings.model_fields
        given = {"mode": mode, "market": self.market, **_KEYS}
        return {name: value for name, value in given.items() if name in fields}


async def _no_bars(*_: object) -> list[Bar]:
    """The bars of a market that is nowhere."""
    return []


class _Told:
    """An exchange whose every question has one answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, _name: str) -> Any:
        async def ask(*_: Any) -> Any:
            return self._answer

        return ask


@cache
def accounts() -> tuple[Account, ...]:
    """One for each adapter, or for each of its markets; the paper account first."""
    found = [Account(name, market) for name in adapter_names() for market in _markets(name)]
    return tuple(sorted(found, key=lambda each: each.adapter != "paper"))


def _markets(adapter: str) -> tuple[str, ...]:
    field = load_adapter(adapter).settings.model_fields.get("market")
    kinds = field.annotation if field is not None else None
    if isinstance(kinds, type) and issubclass(kinds, StrEnum):
        return tuple(str(each) for each in kinds)
    return ("",)
