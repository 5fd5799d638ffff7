"""Strategies, what each wants to hold, and where it wants to get out."""

from __future__ import annotations

from decimal import Decimal

from tortoise import fields

from core.store.fields import exact_decimal
from core.store.models.table import NAME, Model


class StrategyRow(Model):
    """What a strategy is asked to do and how it stands, its definition stays in the settings."""

    name = fields.CharField(max_length=NAME, primary_key=True)
    status = fields.CharField(max_length=12)
    exposures: dict[str, float] = fields.JSONField()
    last_bars: dict[str, str] = fields.JSONField()
    running_since = fields.DatetimeField(null=True)
    bars_seen = fields.BigIntField(default=0)
    signals = fields.BigIntField(default=0)
    last_signal = fields.TextField(default="")
    last_signal_at = fields.DatetimeField(null=True)
    error = fields.TextField(default="")
    restarts = fields.IntField(default=0)
    exits: dict[str, object] | None = fields.JSONField(null=True)  # what its signals said, by symbol

    class Meta:
        table = "strategies"


class GoalRow(Model):
    """What a strategy is to hold. While it still wishes barred, a protective exit keeps it from opening anew."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=NAME)
    strategy = fields.CharField(max_length=NAME)
    symbol = fields.CharField(max_length=NAME)
    quantity: Decimal = exact_decimal()
    exposure = fields.FloatField(null=True)
    reason = fields.TextField()
    barred = fields.FloatField(null=True)

    class Meta:
        table = "goals"
        unique_together = (("account", "strategy", "symbol"),)


class ProtectionRow(Model):
    """The exits of one open position of one strategy, gone when it is flat."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=NAME)
    strategy = fields.CharField(max_length=NAME)
    symbol = fields.CharField(max_length=NAME)
    spec: dict[str, object] | None = fields.JSONField(null=True)
    source = fields.CharField(max_length=10)
    quantity: Decimal = exact_decimal()
    entry: Decimal = exact_decimal()
    opened_at = fields.DatetimeField()
    episode = fields.CharField(max_length=24)
    bars = fields.BigIntField()
    bar_at = fields.DatetimeField(null=True)
    best: Decimal | None = exact_decimal(null=True)
    atr: Decimal | None = exact_decimal(null=True)
    fired = fields.CharField(max_length=10)
    holder = fields.CharField(max_length=10)

    class Meta:
        table = "protections"
        unique_together = (("account", "strategy", "symbol"),)


class WantedExitsRow(Model):
    """The exits that a person wants for what an entry by hand will open. The order has the same role."""

    role = fields.CharField(max_length=40, primary_key=True)
    account = fields.CharField(max_length=NAME)
    symbol = fields.CharField(max_length=NAME)
    spec: dict[str, object] = fields.JSONField()

    class Meta:
        table = "wanted_exits"
