import functools
import json

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State

from core.store.fields import ExactDecimal

_ENCODE = functools.partial(json.dumps, separators=(",", ":"))


# "|alpha|beta|" is taken apart name by name; `{find}` says where the next bar is.
_LINK = """
INSERT INTO order_strategies (client_order_id, strategy, at)
WITH RECURSIVE parts(id, at, name, rest) AS (
    SELECT client_order_id, at, '', substr(strategies, 2) FROM orders
    UNION ALL
    SELECT id, at, substr(rest, 1, {find}(rest, '|') - 1), substr(rest, {find}(rest, '|') + 1)
    FROM parts WHERE rest <> ''
)
SELECT id, name, at FROM parts WHERE name <> ''
"""


async def link_strategies(_apps: object, editor: BaseSchemaEditor) -> None:
    """Orders of the version before list their strategies in a text only."""
    find = "instr" if editor.client.capabilities.dialect == "sqlite" else "strpos"
    await editor.client.execute_query(_LINK.format(find=find))


class WidenText(ops.AlterField):
    """A longer text column. SQLite keeps texts of any length in it already, and cannot alter a column."""

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        if state_editor is not None and state_editor.client.capabilities.dialect != "sqlite":
            await super().database_forward(app_label, old_state, new_state, state_editor)

    async def database_backward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        if state_editor is not None and state_editor.client.capabilities.dialect != "sqlite":
            await super().database_backward(app_label, old_state, new_state, state_editor)


async def nothing_to_undo(_apps: object, _editor: BaseSchemaEditor) -> None:
    """The table goes as a whole."""


async def move_goals(_apps: object, editor: BaseSchemaEditor) -> None:
    """Goals of the version before are one JSON text for each account, among the cursors."""
    rows = await editor.client.execute_query_dict("SELECT name, value FROM cursors WHERE name LIKE 'goals:%'")
    for row in rows:
        account = row["name"].removeprefix("goals:")
        for strategy, symbol, units, exposure, reason in json.loads(row["value"]):
            goal = [account, strategy, symbol, units, exposure, reason]
            await editor.client.execute_insert(_goal_insert(editor.client.capabilities.dialect), goal)
    await editor.client.execute_query("DELETE FROM cursors WHERE name LIKE 'goals:%'")


def _goal_insert(dialect: str) -> str:
    marks = "?, ?, ?, ?, ?, ?" if dialect == "sqlite" else "$1, $2, $3, $4, $5, $6"
    return f"INSERT INTO goals (account, strategy, symbol, quantity, exposure, reason) VALUES ({marks})"


class Migration(migrations.Migration):
    dependencies = [("store", "0001_initial")]

    operations = [
        # orders: what a request may carry now, changes on their way, presumed absences, corrections of fills
        WidenText("OrderRow", "type", fields.CharField(max_length=20)),
        ops.AddField("OrderRow", "post_only", fields.BooleanField(db_default=False)),
        ops.AddField("OrderRow", "trail", ExactDecimal(null=True, generated=False, unique=False)),
        ops.AddField("OrderRow", "trail_percent", ExactDecimal(null=True, generated=False, unique=False)),
        ops.AddField("OrderRow", "expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("OrderRow", "oco_group", fields.CharField(db_default="", max_length=64)),
        ops.AddField("OrderRow", "role", fields.CharField(db_default="", max_length=40)),
        ops.AddField("OrderRow", "give_up_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddField("OrderRow", "wanted", fields.CharField(db_default="", max_length=300)),
        ops.AddField("OrderRow", "watch_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
        ops.AddIndex("OrderRow", Index(fields=["watch_until"])),
        ops.AddIndex("OrderRow", Index(fields=["venue_order_id"])),
        ops.AddField("FillRow", "status", fields.CharField(db_default="booked", max_length=10)),
        ops.AddField("FillRow", "corrects", fields.CharField(db_default="", max_length=120)),
        ops.AddField("FillRow", "replaced_by", fields.CharField(db_default="", max_length=120)),
        ops.AddField("FillRow", "venue_order_id", fields.CharField(db_default="", max_length=80)),
        ops.RunSQL("CREATE INDEX idx_fills_unpaid ON fills (account) WHERE fee IS NULL", "DROP INDEX idx_fills_unpaid"),
        ops.AddIndex("AllocationRow", Index(fields=["at"])),
        ops.CreateModel(
            name="OrderStrategyRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("client_order_id", fields.CharField(max_length=32)),
                ("strategy", fields.CharField(max_length=64)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "order_strategies",
                "app": "store",
                "unique_together": (("client_order_id", "strategy"),),
                "indexes": [Index(fields=["strategy", "at"])],
                "pk_attr": "id",
                "table_description": (
                    "One strategy that an order is for, so that its orders are found without reading all."
                ),
            },
            bases=["Model"],
        ),
        ops.RunPython(link_strategies, nothing_to_undo),
        # money: corrections of trades, times of postings, rates of exchange
        ops.AddField("AllocationRow", "multiplier", ExactDecimal(null=True, generated=False, unique=False)),
        ops.AddField("AllocationRow", "fee_currency", fields.CharField(db_default="", max_length=12)),
        ops.AddField("AllocationRow", "replaced_by", fields.CharField(db_default="", max_length=200)),
        ops.AddField("AllocationRow", "place", fields.BigIntField(null=True)),
        ops.AddIndex("AllocationRow", Index(fields=["symbol", "at"])),
        ops.AddField("LedgerTransaction", "corrects", fields.CharField(db_default="", max_length=200)),
        ops.AddIndex("LedgerTransaction", Index(fields=["at"])),
        ops.CreateModel(
            name="FxRateRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("base", fields.CharField(max_length=12)),
                ("quote", fields.CharField(max_length=12)),
                ("rate", ExactDecimal(generated=False, null=False, unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("source", fields.CharField(max_length=64)),
            ],
            options={
                "table": "fx_rates",
                "app": "store",
                "unique_together": (("base", "quote", "at"),),
                "pk_attr": "id",
                "table_description": (
                    "The rate by which equity at a moment was converted: one unit of base is worth rate units of quote."
                ),
            },
            bases=["Model"],
        ),
        # exits: goals have a table of their own, protections, what a signal says of exits
        ops.CreateModel(
            name="GoalRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("account", fields.CharField(max_length=64)),
                ("strategy", fields.CharField(max_length=64)),
                ("symbol", fields.CharField(max_length=64)),
                ("quantity", ExactDecimal(generated=False, null=False, unique=False)),
                ("exposure", fields.FloatField(null=True)),
                ("reason", fields.TextField(unique=False)),
                ("barred", fields.FloatField(null=True)),
            ],
            options={
                "table": "goals",
                "app": "store",
                "unique_together": (("account", "strategy", "symbol"),),
                "pk_attr": "id",
                "table_description": (
                    "What a strategy is to hold. While it still wishes barred, a protective exit keeps it from opening "
                    "anew."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ProtectionRow",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("account", fields.CharField(max_length=64)),
                ("strategy", fields.CharField(max_length=64)),
                ("symbol", fields.CharField(max_length=64)),
                ("spec", fields.JSONField(null=True, encoder=_ENCODE, decoder=json.loads)),
                ("source", fields.CharField(max_length=10)),
                ("quantity", ExactDecimal(generated=False, null=False, unique=False)),
                ("entry", ExactDecimal(generated=False, null=False, unique=False)),
                ("opened_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("episode", fields.CharField(max_length=24)),
                ("bars", fields.BigIntField()),
                ("bar_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("best", ExactDecimal(null=True, generated=False, unique=False)),
                ("atr", ExactDecimal(null=True, generated=False, unique=False)),
                ("fired", fields.CharField(max_length=10)),
                ("holder", fields.CharField(max_length=10)),
            ],
            options={
                "table": "protections",
                "app": "store",
                "unique_together": (("account", "strategy", "symbol"),),
                "pk_attr": "id",
                "table_description": "The exits of one open position of one strategy, gone when it is flat.",
            },
            bases=["Model"],
        ),
        ops.RunPython(move_goals, nothing_to_undo),
        ops.AddField("StrategyRow", "exits", fields.JSONField(null=True, encoder=_ENCODE, decoder=json.loads)),
        # --- operations are appended here, one block a room ---
    ]
