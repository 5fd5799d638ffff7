"""What is allowed, halted, under way or moved elsewhere."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index

from core.store.models.table import NAME, Model


class TradingStateRow(Model):
    """The trading state of one scope: "global", "account:NAME", "strategy:NAME" or "instrument:ACCOUNT/SYMBOL"."""

    scope = fields.CharField(max_length=100, primary_key=True)
    state = fields.IntField()
    reason = fields.TextField()
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()

    class Meta:
        table = "trading_states"


class LimitRow(Model):
    """A limit of an account as a person has set it, in place of the one in the settings."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=NAME)
    name = fields.CharField(max_length=40)
    value = fields.CharField(max_length=60)
    replaces = fields.CharField(max_length=60)
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()

    class Meta:
        table = "limits"
        unique_together = (("account", "name"),)


class KillRow(Model):
    """A halt whose venue has not said yet that nothing is open, in one account, for one strategy or (empty) for all."""

    key = fields.CharField(max_length=140, primary_key=True)
    account = fields.CharField(max_length=NAME)
    strategy = fields.CharField(max_length=NAME)
    reason = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "kills"


class FlattenRow(Model):
    """Positions that a person wants closed, and how far that is: state is running, done or given up."""

    id = fields.BigIntField(primary_key=True)
    scope = fields.CharField(max_length=140)
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()
    positions: list[dict[str, object]] = fields.JSONField()
    state = fields.CharField(max_length=10)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "flattens"
        indexes = [Index(fields=("state",))]  # noqa: RUF012


class LiveRow(Model):
    """An account with real money that a person has let trade: only as long as its broker is this one."""

    account = fields.CharField(max_length=NAME, primary_key=True)
    identity = fields.CharField(max_length=200)
    by = fields.CharField(max_length=100)
    at = fields.DatetimeField()

    class Meta:
        table = "live"


class StandbyRow(Model):
    """A strategy that trades in the account that stands by for its own, until a person brings it back."""

    strategy = fields.CharField(max_length=NAME, primary_key=True)
    home = fields.CharField(max_length=NAME)
    account = fields.CharField(max_length=NAME)
    reason = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "standbys"


class JobRow(Model):
    """A scheduled job as people have set it, and how it last went. One that people have added has a kind."""

    name = fields.CharField(max_length=40, primary_key=True)
    enabled = fields.BooleanField(default=True)
    last_at = fields.DatetimeField(null=True)
    last_outcome = fields.TextField(default="")
    schedule = fields.CharField(max_length=120, db_default="")  # empty: its own
    kind = fields.CharField(max_length=20, db_default="")
    argument = fields.CharField(max_length=40, db_default="")
    changed_by = fields.CharField(max_length=100, db_default="")

    class Meta:
        table = "jobs"
