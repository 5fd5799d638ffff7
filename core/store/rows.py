"""Stores rows whose ids nobody needs: the shortest way from values to the disk.

The ORM builds each statement anew, and an object for each row, which costs more than SQLite takes to carry it out;
here a statement is built once for each table. Inside a transaction nothing is waited for: see `core.store.sqlite`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tortoise import connections
from tortoise.fields import DatetimeField
from tortoise.fields.base import DatabaseDefault, Field
from tortoise.models import Model
from tortoise.validators import MaxLengthValidator

Values = Mapping[str, object]
"""What a row holds, by the names of its fields; what is not named gets the field's default."""


async def put(rows: Iterable[Model], replacing: Sequence[str] = (), keeping: Sequence[str] = ()) -> None:
    """As `write`, for rows that are objects of the ORM."""
    made = list(rows)
    if made:
        model = type(made[0])
        await write(model, [_values(model, row) for row in made], replacing, keeping)


async def write(
    model: type[Model], rows: Iterable[Values], replacing: Sequence[str] = (), keeping: Sequence[str] = ()
) -> None:
    """Insert rows of one table; where one with the same `replacing` columns is there, it becomes the new one.

    `replacing` is a unique key of the table; what is in the `keeping` columns of the old row stays. Numbers that the
    database makes are left out. Raises `ValueError` for a name that is no field of the table.
    """
    columns = _columns(model)
    values = [_stored(model, columns, row) for row in rows]
    if values:
        database = connections.get("default")
        sql = _statement(model, database.capabilities.dialect, tuple(replacing), tuple(keeping))
        await database.execute_many(sql, values)


async def change(model: type[Model], key: str, of: str, values: Values) -> None:
    """Set columns of the row whose `key` is `of`. Nobody learns whether there is one."""
    database = connections.get("default")
    columns = _columns(model)
    sql = _update(model, database.capabilities.dialect, key, tuple(values))
    new = [columns[name].stored(value, model) for name, value in values.items()]
    await database.execute_many(sql, [[*new, of]])


@dataclass(frozen=True, slots=True)
class _Column:
    """A field that we give a value: how that is stored, and what is stored if there is none."""

    stored: Callable[[Any, type[Model]], object]
    default: object

    @classmethod
    def of(cls, model: type[Model], field: Field[Any]) -> _Column:
        stored = _in_utc(field) if isinstance(field, DatetimeField) else _as_it_is(field)
        default = field.db_default if field.default is None and field.has_db_default() else field.default
        return cls(stored, None if default is None else stored(default, model))


def _in_utc(field: Field[Any]) -> Callable[[Any, type[Model]], object]:
    """Times are compared as text in SQLite, so all of them must be of one zone."""

    def stored(value: Any, model: type[Model]) -> object:
        if type(value) is datetime and value.tzinfo is UTC:
            return value
        return field.to_db_value(field.to_python_value(value), model)

    return stored


def _as_it_is(field: Field[Any]) -> Callable[[Any, type[Model]], object]:
    """The ORM's own way, but for what it would leave alone: text that is not too long, and other plain values."""
    lengths = [each.max_length for each in field.validators if isinstance(each, MaxLengthValidator)]
    if type(field).to_db_value is not Field.to_db_value or len(lengths) < len(field.validators):
        return field.to_db_value
    kind, longest, may_lack = field.field_type, min(lengths, default=None), field.null

    def stored(value: Any, model: type[Model]) -> object:
        if type(value) is kind and (longest is None or len(value) <= longest):
            return value
        return None if value is None and may_lack else field.to_db_value(value, model)

    return stored


def _stored(model: type[Model], columns: Mapping[str, _Column], row: Values) -> list[object]:
    if not columns.keys() >= row.keys():
        raise ValueError(f"{model.__name__} has no {', '.join(sorted(row.keys() - columns.keys()))}")
    return [each.stored(row[name], model) if name in row else each.default for name, each in columns.items()]


def _values(model: type[Model], row: Model) -> Values:
    """What an object of the ORM holds, but for what the database is to say."""
    named = ((name, getattr(row, name)) for name in _columns(model))
    return {name: value for name, value in named if not isinstance(value, DatabaseDefault)}


@cache
def _columns(model: type[Model]) -> Mapping[str, _Column]:
    """The fields that we give a value: all but a number that the database makes."""
    meta = model._meta  # noqa: SLF001 (the ORM's own list of what a row has)
    fields = {name: meta.fields_map[name] for name in meta.fields_db_projection}
    return {name: _Column.of(model, field) for name, field in fields.items() if not field.generated}


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
