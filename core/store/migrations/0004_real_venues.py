import functools
import json

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from core.store.fields import ExactDecimal


_ENCODE = functools.partial(json.dumps, separators=(",", ":"))


class Migration(migrations.Migration):
    dependencies = [("store", "0003_chat_and_access")]

    operations = [
        # fees that are paid out of a holding
        ops.AddField("AllocationRow", "fee_paid", ExactDecimal(null=True, generated=False, unique=False)),
        ops.AddField("AllocationRow", "spent", ExactDecimal(null=True, generated=False, unique=False)),
        # what the day has brought in money, when money was paid in or out
        ops.AddField("BaselineRow", "day_start_money", ExactDecimal(null=True, generated=False, unique=False)),
        # accounts with real money that a person has let trade
        ops.CreateModel(
            name="LiveRow",
            fields=[
                ("account", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("identity", fields.CharField(max_length=200)),
                ("by", fields.CharField(max_length=100)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "live",
                "app": "store",
                "pk_attr": "account",
                "table_description": (
                    "An account with real money that a person has let trade: only as long as its broker is this one."
                ),
            },
            bases=["Model"],
        ),
        # instruments, for a start while their venue is away
        ops.CreateModel(
            name="InstrumentRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("whose", fields.CharField(max_length=64)),
                ("symbol", fields.CharField(max_length=64)),
                ("terms", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "instruments",
                "app": "store",
                "unique_together": (("whose", "symbol"),),
                "pk_attr": "id",
                "table_description": (
                    "An instrument as the venue of an account described it last, or that of the feeds "
                    "(whose is then empty)."
                ),
            },
            bases=["Model"],
        ),
        # strategies that trade in the standby of their own account
        ops.CreateModel(
            name="StandbyRow",
            fields=[
                ("strategy", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("home", fields.CharField(max_length=64)),
                ("account", fields.CharField(max_length=64)),
                ("reason", fields.TextField(unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "standbys",
                "app": "store",
                "pk_attr": "strategy",
                "table_description": (
                    "A strategy that trades in the account that stands by for its own, until a person brings it back."
                ),
            },
            bases=["Model"],
        ),
        # --- operations are appended here, one block a room ---
    ]
