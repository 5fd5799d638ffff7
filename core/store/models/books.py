"""The ledger and what it is worth over time."""

from __future__ import annotations

from decimal import Decimal

from tortoise import fields
from tortoise.indexes import Index

from core.store.fields import exact_decimal
from core.store.models.table import NAME, Model


class LedgerTransaction(Model):
    """One balanced posting, ref is unique, so recording a thing twice does nothing."""

    id = fields.BigIntField(primary_key=True)
    ref = fields.CharField(max_length=200, unique=True)
    kind = fields.CharField(max_length=20)
    at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    corrects = fields.CharField(max_length=200, db_default="")

    class Meta:
        table = "ledger_transactions"
        indexes = [Index(fields=("at",))]  # noqa: RUF012


class LedgerEntry(Model):
    """One side of a posting: amount of unit into account, the entries of a posting sum to zero by unit."""

    id = fields.BigIntField(primary_key=True)
    transaction_id = fields.BigIntField(db_index=True)
    account = fields.CharField(max_length=200)
    unit = fields.CharField(max_length=NAME)
    amount: Decimal = exact_decimal()

    class Meta:
        table = "ledger_entries"


class LedgerBalance(Model):
    """The sum of all entries of one account and unit, kept in the transaction that adds them."""

    id = fields.BigIntField(primary_key=True)
    account = fields.CharField(max_length=200)
    unit = fields.CharField(max_length=NAME)
    amount: Decimal = exact_decimal()

    class Meta:
        table = "ledger_balances"
        unique_together = (("account", "unit"),)


class FxRateRow(Model):
    """The rate by which equity at a moment was converted: one unit of base is worth rate units of quote."""

    id = fields.BigIntField(primary_key=True)
    base = fields.CharField(max_length=12)
    quote = fields.CharField(max_length=12)
    rate: Decimal = exact_decimal()
    at = fields.DatetimeField()
    source = fields.CharField(max_length=NAME)

    class Meta:
        table = "fx_rates"
        unique_together = (("base", "quote", "at"),)


class BaselineRow(Model):
    """What daily loss and drawdown are measured from, survives restarts."""

    account = fields.CharField(max_length=NAME, primary_key=True)
    day = fields.CharField(max_length=10)
    day_start_equity: Decimal = exact_decimal()
    peak_equity: Decimal = exact_decimal()
    last_equity: Decimal | None = exact_decimal(null=True)
    day_start_money: Decimal | None = exact_decimal(null=True)

    class Meta:
        table = "baselines"


class EquityRow(Model):
    """Equity of "account", or net P&L of a strategy, at one moment of market time."""

    id = fields.BigIntField(primary_key=True)
    subject = fields.CharField(max_length=NAME)
    value: Decimal = exact_decimal()
    at = fields.DatetimeField()

    class Meta:
        table = "equity"
        unique_together = (("subject", "at"),)
