"""Limits so wide that no test of the harness is stopped by them."""

from typing import Any

WIDE: dict[str, Any] = {
    "max_order_value_percent": 1000, "max_order_value": 10_000_000, "max_volume_percent": None,
    "price_collar_percent": 1000, "stale_quote_seconds": None, "max_position_percent": 1000,
    "max_gross_exposure_percent": 1000, "max_net_exposure_percent": 1000, "min_free_balance_percent": None,
    "max_orders_per_second_strategy": 1000, "max_orders_per_second_account": 1000, "duplicate_orders": 1000,
    "daily_loss_alert_percent": 1000, "daily_loss_reduce_percent": 1000, "daily_loss_halt_percent": 1000,
    "drawdown_reduce_percent": 1000, "drawdown_halt_percent": 1000, "exposure_reduce_percent": 1000,
}  # fmt: skip
