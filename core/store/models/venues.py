"""What is known of the venues: their instruments, and how far each list has been read."""

from __future__ import annotations

from tortoise import fields

from core.store.models.table import NAME, Model


class InstrumentRow(Model):
    """An instrument as the venue of an account described it last, or that of the feeds (whose is then empty)."""

    id = fields.BigIntField(primary_key=True)
    whose = fields.CharField(max_length=NAME)
    symbol = fields.CharField(max_length=NAME)
    terms: dict[str, str] = fields.JSONField()
    at = fields.DatetimeField()

    class Meta:
        table = "instruments"
        unique_together = (("whose", "symbol"),)


class Cursor(Model):
    """How far something has been worked through: the replay, for example."""

    name = fields.CharField(max_length=64, primary_key=True)
    at = fields.DatetimeField(null=True)
    value = fields.TextField(default="")

    class Meta:
        table = "cursors"
