"""Cross margin at Binance: the spot market with borrowed money. Orders are not changed there, only cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from brokers.account import AccountInfo
from brokers.adapters.binance import words
from brokers.adapters.binance.spot import SpotDialect
from brokers.ccxt import accounts
from brokers.ccxt.calls import Call, Inquiry, Known, Raw
from brokers.ccxt.dialect import Change
from brokers.ccxt.pages import within
from brokers.ccxt.parsing import Unreadable
from brokers.ccxt.streams.wire import Wire, watch
from brokers.errors import NotSupported
from brokers.instrument import Instrument
from brokers.order import OrderReport, OrderRequest, OrderType, TimeInForce
from brokers.port import Capabilities, ModifyBy


class MarginDialect(SpotDialect):
    """Binance's spot market on cross margin. What is held is what is left after debts: it can be below zero."""

    side_params: ClassVar[Mapping[str, Any]] = {"marginMode": "cross"}
    page: ClassVar[int] = 500
    order_page: ClassVar[int | None] = 500
    window: ClassVar[timedelta] = timedelta(hours=24)

    @property
    def capabilities(self) -> Capabilities:
        """As spot, with short sales where borrowing is allowed; without trailing stops, changes and cash flows."""
        return Capabilities(
            order_types=frozenset(OrderType) - {OrderType.TRAILING_STOP},
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            post_only=True,
            shorting=self.settings.borrow,
            order_book=True,
            bars=True,
            modify_by=ModifyBy.NOT,
        )

    @property
    def place(self) -> str:
        """Spot's markets, but another account, and money that may be borrowed."""
        return f"binance:{self.settings.mode}:margin"

    @property
    def wire(self) -> Wire:
        """User data of the margin account, which logs in with a token of its own."""
        return Wire(
            report_calls=(watch("watch_orders", type="margin"),),
            quote_calls=("watch_bids_asks", "watch_tickers"),
            endings=frozenset({"eventStreamTerminated", "serverShutdown", "listenKeyExpired"}),
            whole_orders=True,
            final_bars=True,
            forget_login=forget_login,
        )

    def may_trade(self, raw: Raw) -> bool | None:
        """Trading, and borrowing where that is wanted."""
        trades, borrows = raw.get("enableSpotAndMarginTrading"), raw.get("enableMargin")
        return bool(trades and borrows) if self.settings.borrow else trades

    def lists(self, market: Raw) -> bool:
        """Spot markets that are traded on margin, too."""
        return bool(market.get("spot") and market.get("margin"))

    def _span_from(self, since: int) -> dict[str, Any]:
        """Less than 24 hours at once."""
        return {**self.side_params, **within(self.window, since)}

    def place_params(self, order: OrderRequest) -> dict[str, Any]:
        """The cross margin account; whether what is missing is borrowed."""
        del order
        effect = "AUTO_BORROW_REPAY" if self.settings.borrow else "NO_SIDE_EFFECT"
        return {**self.side_params, "sideEffectType": effect}

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """There is no such request."""
        del known, report, change
        raise NotSupported("changing an order on margin")

    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """GET margin/account: of each currency what is left after debts and interest."""
        raw = await inquiry.ask(Call("fetch_balance", ({"type": "margin"},)))
        net = _net(raw)
        marks = await self.marks(inquiry, accounts.held_symbols(net, instruments))
        return accounts.spot_account(name, net, instruments, marks, inquiry.now())

    def refusal(self, code: str, message: str) -> str | None:
        """See `brokers.adapters.binance.words`."""
        return words.of_margin(code, message)


def forget_login(exchange: Any) -> None:
    """A token of a stream that has died must not be used again."""
    for kind in ("linear", "margin"):
        if isinstance(exchange.options.get(kind), dict):
            exchange.options[kind] = {**exchange.options[kind], "listenKey": None, "lastAuthenticatedTime": 0}


def _net(raw: Raw) -> Raw:
    """Ccxt's balances with what is owed taken off."""
    assets = (raw.get("info") or {}).get("userAssets")
    if not isinstance(assets, list):
        raise Unreadable("a margin account without assets")
    total = {each["asset"]: each["netAsset"] for each in assets}
    locked = {each["asset"]: each["locked"] for each in assets}
    free = {asset: str(Decimal(total[asset]) - Decimal(locked[asset])) for asset in total}
    return {**raw, "total": total, "free": free}
