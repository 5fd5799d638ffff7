"""Stored rows and ledger figures turned into the rows that people see."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import OrderType, Side
from core.store import orders as order_store
from core.store.alerts import standing_of
from core.store.models import AlertRow as StoredAlert
from core.store.models import AuditLine, OrderEvent
from core.store.models import FillRow as StoredFill
from core.store.models import OrderRow as StoredOrder
from core.trading.portfolio import Lot
from core.trading.profit import Profit
from core.trading.protection.guard import Guard
from core.trading.states import OrderState
from core.views import AlertRow, AuditRow, ExitRow, FillRow, OrderCard, OrderFill, OrderRow, OrderStep, PnlRow

_TITLES = {
    "max_orders_per_second_strategy": "Orders/s, strategy",
    "max_orders_per_second_account": "Orders/s, account",
    "max_gross_exposure_percent": "Gross exposure",
    "max_net_exposure_percent": "Net exposure",
    "daily_loss_alert_percent": "Day loss: alert",
    "daily_loss_reduce_percent": "Day loss: reduce",
    "daily_loss_halt_percent": "Day loss: halt",
    "drawdown_reduce_percent": "Drawdown: reduce",
    "drawdown_halt_percent": "Drawdown: halt",
    "exposure_reduce_percent": "Exposure: reduce",
    "max_order_value_percent": "Order, of equity",
    "max_order_value": "Order value",
    "max_order_quantity": "Order quantity",
    "max_volume_percent": "Order, of volume",
    "min_free_balance_percent": "Free balance",
    "price_drift_seconds": "Price drift within",
}


def entry_price(lots: Sequence[Lot]) -> Decimal:
    """What the larger side paid on average: opposite sides netted would give a price that nobody ever saw."""
    units = sum((lot.quantity * lot.instrument.multiplier for lot in lots), ZERO)
    return sum((lot.cost for lot in lots), ZERO) / units if units else ZERO


def limit_title(name: str) -> str:
    """`max_position_percent` as people say it: "Max position"; short enough for a phone to tell them apart."""
    if name in _TITLES:
        return _TITLES[name]
    return name.removesuffix("_percent").removesuffix("_seconds").replace("_", " ").capitalize()


def limit_value(name: str, value: object, currency: str) -> str:
    """A limit's value with its unit; "not checked" without one."""
    unit = " %" if name.endswith("_percent") else " s" if name.endswith("_seconds") else ""
    unit = f" {currency}" if name == "max_order_value" else unit
    return _plain(value) + (unit if value is not None else "")


def _plain(value: object) -> str:
    return "not checked" if value is None else format(value, ",f") if isinstance(value, Decimal) else str(value)


def pnl_row(name: str, profit: Profit) -> PnlRow:
    """The profit of one strategy, or of all."""
    return PnlRow(name, profit.realised, profit.unrealised, profit.fees, profit.income)


def order_card(
    row: StoredOrder, events: Sequence[OrderEvent], fills: Sequence[StoredFill], next_step: str
) -> OrderCard:
    """A stored order with its history."""
    return OrderCard(
        row=order_row(row),
        venue_order_id=row.venue_order_id,
        role=row.role,
        origin=row.origin,
        note=row.note,
        in_doubt=OrderState(row.state).is_in_doubt,
        next_step=next_step,
        watch_until=row.watch_until,
        steps=tuple(OrderStep(each.before, each.after, each.note, each.recorded_at) for each in events),
        fills=tuple(
            OrderFill(each.quantity, each.price, each.fee, each.status, each.at, each.fee_currency) for each in fills
        ),
    )


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
        trail=row.trail,
        trail_percent=row.trail_percent,
        time_in_force=row.time_in_force,
        post_only=row.post_only,
        reduce_only=row.reduce_only,
        expires_at=row.expires_at,
    )


def fill_row(row: StoredFill, *, named: bool = False) -> FillRow:
    """A stored fill; its account is told where there are several (`named`)."""
    return FillRow(
        row.symbol,
        Side(row.side),
        row.quantity,
        row.price,
        row.fee,
        row.currency,
        order_store.listed(row.strategies),
        row.at,
        row.account if named else "",
        row.fee_currency,
    )


def audit_row(row: AuditLine) -> AuditRow:
    """A line of the audit trail."""
    return AuditRow(row.seq, row.at, row.actor, row.action, row.detail, row.outcome)


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
        row.account,
        row.strategy,
        standing_of(row),
        row.step,
        row.muted,
    )


def exit_row(guard: Guard) -> ExitRow:
    """How a position is protected."""
    return ExitRow(
        guard.strategy, guard.stop, guard.target, str(guard.spec or ""), guard.holder.value, guard.fired is not None
    )
