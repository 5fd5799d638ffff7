"""Stores rows whose ids nobody needs: the shortest way from values to the disk.

The ORM builds each statement anew, which costs more than SQLite takes to carry it out; here it is built once for each
table. Inside a transaction nothing is waited for: see `core.store.sqlite`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from tortoise import connections
from tortoise.fields.base import DatabaseDefault
from tortoise.models import Model


async def put(rows: Iterable[Model], replacing: Sequence[str] = (), keeping: Sequence[str] = ()) -> None:
    """Insert rows of one table; where one with the same `replacing` columns is there, it becomes the new one.

    `replacing` is a unique key of the table; what is in the `keeping` columns of the old row stays. Numbers that the
    database makes are left out.
    """
    made = list(rows)
    if not made:
        return
    database = connections.get("default")
    model = type(made[0])
    columns = _columns(model)
    sql = _statement(model, database.capabilities.dialect, tuple(replacing), tuple(keeping))
    fields = model._meta.fields_map  # noqa: SLF001 (the ORM's own list of what a row has)
    values = [[_value(fields[name], row, name) for name in columns] for row in made]
    await database.execute_many(sql, values)


async def change(model: type[Model], key: str, of: str, values: Mapping[str, object]) -> None:
    """Set columns of the row whose `key` is `of`. Nobody learns whether there is one."""
    database = connections.get("default")
    fields = model._meta.fields_map  # noqa: SLF001
    sql = _update(model, database.capabilities.dialect, key, tuple(values))
    new = [fields[name].to_db_value(value, model) for name, value in values.items()]
    await database.execute_many(sql, [[*new, of]])


def _value(field: Any, row: Model, name: str) -> Any:
    value = getattr(row, name)
    return field.to_db_value(field.db_default if isinstance(value, DatabaseDefault) else value, row)


@cache
def _columns(model: type[Model]) -> tuple[str, ...]:
    """The fields that we give a value: all but a number that the database makes."""
    meta = model._meta  # noqa: SLF001
    return tuple(name for name in meta.fields_db_projection if not meta.fields_map[name].generated)


@cache
def _statement(model: type[Model], dialect: str, replacing: tuple[str, ...], keeping: tuple[str, ...]) -> str:
    meta = model._meta  # noqa: SLF001
    columns = [meta.fields_db_projection[name] for name in _columns(model)]
    marks = ["?" if dialect == "sqlite" else f"${number}" for number in range(1, len(columns) + 1)]
    sql = f'INSERT INTO "{meta.db_table}" ({_quoted(columns)}) VALUES ({", ".join(marks)})'  # noqa: S608 (our names)
    if not replacing:
        return sql
    key = [meta.fields_db_projection[name] for name in replacing]
    stays = {*key, *(meta.fields_db_projection[name] for name in keeping)}
    new = ", ".join(f'"{each}"=excluded."{each}"' for each in columns if each not in stays)
    return f"{sql} ON CONFLICT ({_quoted(key)}) DO UPDATE SET {new}"


@cache
def _update(model: type[Model], dialect: str, key: str, names: tuple[str, ...]) -> str:
    meta = model._meta  # noqa: SLF001
    marks = ["?" if dialect == "sqlite" else f"${number}" for number in range(1, len(names) + 2)]
    columns = [f'"{meta.fields_db_projection[name]}"={mark}' for name, mark in zip(names, marks, strict=False)]
    where = f'"{meta.fields_db_projection[key]}"={marks[-1]}'
    return f'UPDATE "{meta.db_table}" SET {", ".join(columns)} WHERE {where}'  # noqa: S608 (our own names)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
