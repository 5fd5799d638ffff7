"""Orders, their history, and what was executed."""

from __future__ import annotations

from decimal import Decimal

from tortoise import fields
from tortoise.indexes import Index

from core.store.fields import exact_decimal
from core.store.models.table import NAME, Model


class OrderRow(Model):
    """One order of ours, written before it is sent. at is market time, recorded_at wall time."""

    client_order_id = fields.CharField(max_length=32, primary_key=True)
    account = fields.CharField(max_length=NAME)
    symbol = fields.CharField(max_length=NAME)
    side = fields.CharField(max_length=4)
    quantity: Decimal = exact_decimal()
    filled: Decimal = exact_decimal()
    type = fields.CharField(max_length=20)
    limit_price: Decimal | None = exact_decimal(null=True)
    stop_price: Decimal | None = exact_decimal(null=True)
    time_in_force = fields.CharField(max_length=8)
    reduce_only = fields.BooleanField()
    origin = fields.CharField(max_length=16)
    allocations: dict[str, str] = fields.JSONField()
    strategies = fields.CharField(max_length=500)
    state = fields.CharField(max_length=20)
    is_open = fields.BooleanField()
    venue_order_id = fields.CharField(max_length=80, default="")
    reason = fields.TextField()
    note = fields.TextField(default="")
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    post_only = fields.BooleanField(db_default=False)
    trail: Decimal | None = exact_decimal(null=True)
    trail_percent: Decimal | None = exact_decimal(null=True)
    expires_at = fields.DatetimeField(null=True)
    oco_group = fields.CharField(max_length=NAME, db_default="")
    role = fields.CharField(max_length=40, db_default="")  # what it is for: an exit of the protective engine, say
    give_up_at = fields.DatetimeField(null=True)  # market time at which we cancel what has not filled
    wanted = fields.CharField(max_length=300, db_default="")  # a change that the venue has not confirmed
    watch_until = fields.DatetimeField(null=True)  # wall time until which a presumed absence is doubted

    class Meta:
        table = "orders"
        indexes = [  # noqa: RUF012
            Index(fields=("is_open", "account")),
            Index(fields=("at",)),
            Index(fields=("watch_until",)),
            Index(fields=("venue_order_id",)),
        ]


class OrderStrategyRow(Model):
    """One strategy that an order is for, so that its orders are found without reading all."""

    id = fields.BigIntField(primary_key=True)
    client_order_id = fields.CharField(max_length=32)
    strategy = fields.CharField(max_length=NAME)
    at = fields.DatetimeField()

    class Meta:
        table = "order_strategies"
        unique_together = (("client_order_id", "strategy"),)
        indexes = [Index(fields=("strategy", "at"))]  # noqa: RUF012


class OrderEvent(Model):
    """One step in the life of an order."""

    id = fields.BigIntField(primary_key=True)
    client_order_id = fields.CharField(max_length=32, db_index=True)
    before = fields.CharField(max_length=20)
    after = fields.CharField(max_length=20)
    note = fields.TextField()
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()

    class Meta:
        table = "order_events"


class FillRow(Model):
    """One execution, once: (account, symbol, fill_id) is unique. Only status and replaced_by ever change.

    status is booked, replaced (the venue has corrected it, see replaced_by) or busted (declared void).
    client_order_id is empty for an execution that was not ours.
    """

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=NAME)
    fill_id = fields.CharField(max_length=120)
    client_order_id = fields.CharField(max_length=32, db_index=True)
    symbol = fields.CharField(max_length=NAME)
    side = fields.CharField(max_length=4)
    quantity: Decimal = exact_decimal()
    price: Decimal = exact_decimal()
    fee: Decimal | None = exact_decimal(null=True)
    fee_currency = fields.CharField(max_length=12)
    currency = fields.CharField(max_length=12)
    liquidity = fields.CharField(max_length=8)
    strategies = fields.CharField(max_length=500)
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    status = fields.CharField(max_length=10, db_default="booked")
    corrects = fields.CharField(max_length=120, db_default="")
    replaced_by = fields.CharField(max_length=120, db_default="")
    venue_order_id = fields.CharField(max_length=80, db_default="")

    class Meta:
        table = "fills"
        unique_together = (("account", "symbol", "fill_id"),)
        indexes = [Index(fields=("at",)), Index(fields=("symbol", "at"))]  # noqa: RUF012


class AllocationRow(Model):
    """The signed part of a fill that one strategy got, at the fill's price, with its share of the fee.

    A fee may be paid out of a holding: then fee is what it was worth, fee_paid what the venue took for this part, in
    its own unit, and spent what this holding gave for it. quantity is without what was spent.
    """

    id = fields.BigIntField(primary_key=True)
    fill_ref = fields.CharField(max_length=200)
    account = fields.CharField(max_length=NAME)
    strategy = fields.CharField(max_length=NAME)
    symbol = fields.CharField(max_length=NAME)
    quantity: Decimal = exact_decimal()
    price: Decimal = exact_decimal()
    fee: Decimal = exact_decimal()
    at = fields.DatetimeField()
    multiplier: Decimal | None = exact_decimal(null=True)  # rows of before 0002 have the instrument's
    fee_currency = fields.CharField(max_length=12, db_default="")  # the same
    replaced_by = fields.CharField(max_length=200, db_default="")  # a correction or a bust counts instead
    place = fields.BigIntField(null=True)  # the id of the row whose place it has among trades of the same time
    fee_paid: Decimal | None = exact_decimal(null=True)
    spent: Decimal | None = exact_decimal(null=True)

    class Meta:
        table = "allocations"
        unique_together = (("fill_ref", "strategy"),)
        indexes = [Index(fields=("strategy", "id")), Index(fields=("at",)), Index(fields=("symbol", "at"))]  # noqa: RUF012
