"""Brings the tables up to what this program knows: all of it, or nothing."""

from __future__ import annotations

from typing import Any

from tortoise.migrations import operations as ops
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.migrations.migration import Migration
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.transactions import in_transaction

from core.errors import SettingsError

_APP = "store"
# These look only at the state after them. The ORM copies the state before every operation, which takes seconds in all.
_LOOK_FORWARD = (ops.CreateModel, ops.AddField, ops.AddIndex)


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
        steps = await executor.plan([MigrationTarget(_APP, upto)])
        if any(step.backward for step in steps):
            raise ValueError(f"the tables only move up, not back to {upto}")
        if not steps:
            return
        state = await executor._project_state(set(await executor.recorder.applied_migrations()))  # noqa: SLF001
        for step in steps:
            await _apply(step.migration, state, executor._schema_editor(atomic=False))  # noqa: SLF001
            await executor.recorder.record_applied(_APP, step.migration.name)


async def _apply(migration: Migration, state: State, editor: BaseSchemaEditor) -> None:
    """All operations of one migration, one after another."""
    for operation in migration.operations:
        before = state if type(operation) in _LOOK_FORWARD else state.clone()
        operation.state_forward(_APP, state)
        await operation.database_forward(_APP, before, state, editor)
