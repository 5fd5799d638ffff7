"""Brings the tables up to what this program knows: all of it, or nothing."""

from __future__ import annotations

from typing import Any

from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.transactions import in_transaction

from core.errors import SettingsError

_APP = "store"


async def migrate(apps: dict[str, Any], place: str, upto: str = "__latest__") -> None:
    """Apply what is missing, in one transaction with the note that it was applied: a kill leaves the old or the new.

    Raises `SettingsError` for a database that a newer program has changed.
    """
    async with in_transaction("default") as connection:
        executor = MigrationExecutor(connection, apps)
        await executor.recorder.ensure_schema(executor._schema_editor(atomic=False))  # noqa: SLF001
        await executor.loader.build_graph()
        applied = await connection.execute_query_dict("SELECT app, name FROM tortoise_migrations")
        known = {(key.app_label, key.name) for key in executor.loader.graph.nodes}
        if unknown := sorted({row["name"] for row in applied if (row["app"], row["name"]) not in known}):
            what = f"a newer Quarterdeck has changed it ({', '.join(unknown)}), this one would misread it"
            raise SettingsError([f"database {place}: {what}; run the newer program, or restore an older copy"])
        await executor.migrate([MigrationTarget(_APP, upto)], direction="forward")
