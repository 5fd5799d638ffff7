"""Alerts, where each is to go, and what is muted."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index

from core.store.models.table import NAME, Model


class AlertRow(Model):
    """One alert, written in the transaction of the change that caused it."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=40)
    severity = fields.CharField(max_length=8)
    title = fields.TextField()
    body = fields.TextField()
    attachment = fields.CharField(max_length=20, default="")
    market_at = fields.DatetimeField()
    at = fields.DatetimeField()
    account = fields.CharField(max_length=NAME, db_default="")
    strategy = fields.CharField(max_length=NAME, db_default="")
    key = fields.CharField(max_length=160, db_default="")  # what it is about
    status = fields.CharField(max_length=12, db_default="")  # how a CRITICAL one stands, empty for others
    step = fields.IntField(db_default=0)  # how often it has been repeated
    next_at = fields.DatetimeField(null=True)  # when it is repeated, or comes back from its snooze
    answered_by = fields.CharField(max_length=100, db_default="")
    answered_id = fields.CharField(max_length=NAME, db_default="")
    answered_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)
    note = fields.CharField(max_length=300, db_default="")  # why it is over
    muted = fields.BigIntField(null=True)  # the mute or maintenance window that kept it back

    class Meta:
        table = "alerts"
        indexes = [  # noqa: RUF012
            Index(fields=("status", "next_at")),
            Index(fields=("key", "status")),
            Index(fields=("muted",)),
        ]


class DeliveryRow(Model):
    """One alert for one recipient over one channel."""

    id = fields.BigIntField(primary_key=True)
    alert_id = fields.BigIntField(db_index=True)
    rank = fields.IntField()
    channel = fields.CharField(max_length=20)
    recipient = fields.CharField(max_length=40)
    status = fields.CharField(max_length=10)
    attempts = fields.IntField(default=0)
    note = fields.TextField(default="")
    done_at = fields.DatetimeField(null=True)
    person = fields.CharField(max_length=NAME, db_default="")  # whom it is to reach: an id, or the house
    step = fields.IntField(db_default=0)  # with which repeat of the alert it came up
    created_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)  # held back until then
    copy = fields.CharField(max_length=120, db_default="")  # how the channel names what it has delivered
    stale = fields.BooleanField(db_default=False)  # the copy does not show how the alert stands now
    seen_to = fields.BooleanField(db_default=False)  # it did not get through, and another way was taken

    class Meta:
        table = "deliveries"
        indexes = [Index(fields=("status", "rank")), Index(fields=("stale",))]  # noqa: RUF012


class MuteRow(Model):
    """Alerts that are kept back for a while, by a mute or a maintenance window. Never deleted."""

    id = fields.BigIntField(primary_key=True)
    sort = fields.CharField(max_length=12)
    scope = fields.CharField(max_length=120)
    reason = fields.CharField(max_length=300)
    owner = fields.CharField(max_length=100)
    begun_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    ended_by = fields.CharField(max_length=100, default="")

    class Meta:
        table = "mutes"
        indexes = [Index(fields=("ended_at",))]  # noqa: RUF012
