"""Stored rows and ledger figures turned into the rows that people see."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import OrderType, Side
from core.store import orders as order_store
from core.store.models import AlertRow as StoredAlert
from core.store.models import OrderRow as StoredOrder
from core.trading.portfolio import Lot
from core.trading.profit import Profit
from core.views import AlertRow, OrderRow, PnlRow


def entry_price(lots: Sequence[Lot]) -> Decimal:
    """What the larger side paid on average: opposite sides netted would give a price that nobody ever saw."""
    units = sum((lot.quantity * lot.instrument.multiplier for lot in lots), ZERO)
    return sum((lot.cost for lot in lots), ZERO) / units if units else ZERO


def limit_title(name: str) -> str:
    """`max_position_percent` as people say it: "Max position"."""
    return name.removesuffix("_percent").removesuffix("_seconds").replace("_", " ").capitalize()


def limit_value(name: str, value: object) -> str:
    """A limit's value with its unit; "not checked" without one."""
    unit = " %" if name.endswith("_percent") else " s" if name.endswith("_seconds") else ""
    return _plain(value) + (unit if value is not None else "")


def _plain(value: object) -> str:
    return "not checked" if value is None else format(value, "f") if isinstance(value, Decimal) else str(value)


def pnl_row(name: str, profit: Profit) -> PnlRow:
    """The profit of one strategy, or of all."""
    return PnlRow(name, profit.realised, profit.unrealised, profit.fees)


def order_row(row: StoredOrder) -> OrderRow:
    """A stored order."""
    return OrderRow(
        client_order_id=row.client_order_id,
        account=row.account,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        filled=row.filled,
        type=OrderType(row.type),
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        state=row.state,
        is_open=row.is_open,
        strategies=order_store.listed(row.strategies),
        reason=row.note or row.reason,
        at=row.at,
    )


def alert_row(row: StoredAlert, statuses: list[str]) -> AlertRow:
    """A stored alert; `statuses` are those of its deliveries."""
    return AlertRow(
        row.id,
        row.severity,
        row.title,
        row.body,
        row.at,
        statuses.count("delivered"),
        statuses.count("waiting"),
    )
