import functools
import json

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.schema_editor.base import BaseSchemaEditor

from core.store.fields import ExactDecimal

_ENCODE = functools.partial(json.dumps, separators=(",", ":"))


# There was one account; of several that were called differently in turn, the newest.
_EQUITY_OF_THE_ACCOUNT = """
UPDATE equity SET subject = 'account:' || (SELECT account FROM baselines ORDER BY day DESC, account LIMIT 1)
WHERE subject = 'account' AND EXISTS (SELECT 1 FROM baselines)
"""


async def name_the_account(_apps: object, editor: BaseSchemaEditor) -> None:
    """Equity of the version before is that of the only account."""
    await editor.client.execute_query(_EQUITY_OF_THE_ACCOUNT)


async def nothing_to_undo(_apps: object, _editor: BaseSchemaEditor) -> None:
    """It stays as it is."""


class Migration(migrations.Migration):
    dependencies = [("store", "0002_order_integrity")]

    operations = [
        ops.AddField("JobRow", "schedule", fields.CharField(max_length=120, db_default="")),
        ops.AddField("JobRow", "kind", fields.CharField(max_length=20, db_default="")),
        ops.AddField("JobRow", "argument", fields.CharField(max_length=40, db_default="")),
        ops.AddField("JobRow", "changed_by", fields.CharField(max_length=100, db_default="")),
        # people and invitations
        ops.CreateModel(
            name="PersonRow",
            fields=[
                ("user_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("name", fields.CharField(max_length=60)),
                ("role", fields.CharField(max_length=20)),
                ("accounts", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("time_zone", fields.CharField(max_length=64)),
                ("removed", fields.BooleanField(default=False)),
                ("settings_said", fields.TextField(default="", unique=False)),
                ("added_by", fields.CharField(max_length=100)),
                ("added_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("changed_by", fields.CharField(max_length=100)),
                ("changed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "people",
                "app": "store",
                "pk_attr": "user_id",
                "table_description": (
                    "A person who was invited, or changed, from chat. "
                    "settings_said: their entry in the settings at that time, or empty."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="InvitationRow",
            fields=[
                ("digest", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("name", fields.CharField(max_length=60)),
                ("role", fields.CharField(max_length=20)),
                ("accounts", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("invited_by", fields.CharField(max_length=100)),
                ("invited_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_by", fields.BigIntField(null=True)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "invitations",
                "app": "store",
                "pk_attr": "digest",
                "table_description": ("A code that makes the first who sends it a user. Only its SHA-256 is kept."),
            },
            bases=["Model"],
        ),
        # what a person may: rights, second factors, approvals, limits
        ops.AddField("TicketRow", "stage", fields.CharField(max_length=8, db_default="")),
        ops.AddField("TicketRow", "rights", fields.IntField(db_default=0)),
        ops.CreateModel(
            name="RightsRow",
            fields=[
                ("user_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("shape", fields.TextField(unique=False)),
                ("generation", fields.IntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "rights",
                "app": "store",
                "pk_attr": "user_id",
                "table_description": ("What a person was last known to be allowed, and how often that has changed."),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TotpRow",
            fields=[
                ("user_id", fields.BigIntField(primary_key=True, unique=True, db_index=True)),
                ("sealed", fields.TextField(unique=False)),
                ("enrolled_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_step", fields.BigIntField(default=0)),
                ("missed", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("missed_today", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("locks", fields.IntField(default=0)),
                ("locked_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("blocked", fields.BooleanField(default=False)),
            ],
            options={
                "table": "totp",
                "app": "store",
                "pk_attr": "user_id",
                "table_description": (
                    "The second factor of a person: a sealed seed, the last time step that was used, and what was guessed wrong."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ApprovalRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharField(max_length=20)),
                ("command", fields.CharField(max_length=40)),
                ("args", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("requester_id", fields.BigIntField()),
                ("requester", fields.CharField(max_length=100)),
                ("rights", fields.IntField()),
                ("chat_id", fields.BigIntField()),
                ("effect", fields.TextField(unique=False)),
                ("fingerprint", fields.CharField(max_length=64)),
                ("asked_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("state", fields.CharField(max_length=10)),
                ("decided_by", fields.CharField(default="", max_length=100)),
                ("decided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "approvals",
                "app": "store",
                "indexes": [Index(fields=["state", "expires_at"])],
                "pk_attr": "id",
                "table_description": (
                    "An action that waits for a second person, or has been decided. The fingerprint is of what it would do."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="LimitRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("account", fields.CharField(max_length=64)),
                ("name", fields.CharField(max_length=40)),
                ("value", fields.CharField(max_length=60)),
                ("replaces", fields.CharField(max_length=60)),
                ("by", fields.CharField(max_length=100)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "limits",
                "app": "store",
                "unique_together": (("account", "name"),),
                "pk_attr": "id",
                "table_description": (
                    "A limit of an account as a person has set it, in place of the one in the settings."
                ),
            },
            bases=["Model"],
        ),
        ops.AddField("AlertRow", "account", fields.CharField(db_default="", max_length=64)),
        ops.AddField("AlertRow", "strategy", fields.CharField(db_default="", max_length=64)),
        ops.AddField("AlertRow", "key", fields.CharField(db_default="", max_length=160)),
        ops.AddField("AlertRow", "status", fields.CharField(db_default="", max_length=12)),
        ops.AddField("AlertRow", "step", fields.IntField(db_default=0)),
        ops.AddField("AlertRow", "next_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("AlertRow", "answered_by", fields.CharField(db_default="", max_length=100)),
        ops.AddField("AlertRow", "answered_id", fields.CharField(db_default="", max_length=64)),
        ops.AddField("AlertRow", "answered_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("AlertRow", "ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("AlertRow", "note", fields.CharField(db_default="", max_length=300)),
        ops.AddField("AlertRow", "muted", fields.BigIntField(null=True)),
        ops.AddIndex("AlertRow", Index(fields=["status", "next_at"])),
        ops.AddIndex("AlertRow", Index(fields=["key", "status"])),
        ops.AddIndex("AlertRow", Index(fields=["muted"])),
        ops.AddField("DeliveryRow", "person", fields.CharField(db_default="", max_length=64)),
        ops.AddField("DeliveryRow", "step", fields.IntField(db_default=0)),
        ops.AddField("DeliveryRow", "created_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("DeliveryRow", "due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("DeliveryRow", "copy", fields.CharField(db_default="", max_length=120)),
        ops.AddField("DeliveryRow", "stale", fields.BooleanField(db_default=False)),
        ops.AddField("DeliveryRow", "seen_to", fields.BooleanField(db_default=False)),
        ops.AddIndex("DeliveryRow", Index(fields=["stale"])),
        ops.CreateModel(
            name="MuteRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("sort", fields.CharField(max_length=12)),
                ("scope", fields.CharField(max_length=120)),
                ("reason", fields.CharField(max_length=300)),
                ("owner", fields.CharField(max_length=100)),
                ("begun_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ends_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("ended_by", fields.CharField(default="", max_length=100)),
            ],
            options={
                "table": "mutes",
                "app": "store",
                "indexes": [Index(fields=["ended_at"])],
                "pk_attr": "id",
                "table_description": "Alerts that are kept back for a while, by a mute or a maintenance window. Never deleted.",
            },
            bases=["Model"],
        ),
        # trading by hand
        ops.CreateModel(
            name="WantedExitsRow",
            fields=[
                ("role", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account", fields.CharField(max_length=64)),
                ("symbol", fields.CharField(max_length=64)),
                ("spec", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
            ],
            options={
                "table": "wanted_exits",
                "app": "store",
                "pk_attr": "role",
                "table_description": (
                    "The exits that a person wants for what an entry by hand will open. The order has the same role."
                ),
            },
            bases=["Model"],
        ),
        # several accounts
        ops.RunPython(name_the_account, nothing_to_undo),
        # kills and flattens that are not over yet
        ops.CreateModel(
            name="KillRow",
            fields=[
                ("key", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=140)),
                ("account", fields.CharField(max_length=64)),
                ("strategy", fields.CharField(max_length=64)),
                ("reason", fields.TextField(unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "kills",
                "app": "store",
                "pk_attr": "key",
                "table_description": (
                    "A halt whose venue has not said yet that nothing is open, in one account, for one strategy or (empty) for all."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="FlattenRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("scope", fields.CharField(max_length=140)),
                ("by", fields.CharField(max_length=100)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("positions", fields.JSONField(encoder=_ENCODE, decoder=json.loads)),
                ("state", fields.CharField(max_length=10)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "flattens",
                "app": "store",
                "indexes": [Index(fields=["state"])],
                "pk_attr": "id",
                "table_description": (
                    "Positions that a person wants closed, and how far that is: state is running, done or given up."
                ),
            },
            bases=["Model"],
        ),
        # --- operations are appended here, one block a room ---
    ]
