"""A column for exact decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tortoise.fields.base import Field

from brokers.money import exact


class ExactDecimal(Field[Decimal]):
    """A `Decimal` of any scale, kept as text: SQLite would otherwise make a float of it.

    Never compare or add these in SQL: read, compute in Python, write back in the same transaction.
    """

    field_type = Decimal
    SQL_TYPE = "TEXT"

    def to_python_value(self, value: Any) -> Decimal | None:
        """From text, refusing what is not a finite number."""
        return None if value is None else exact(value, self.model_field_name or "decimal")

    def to_db_value(self, value: Any, instance: Any) -> str | None:  # noqa: ARG002 (Tortoise's signature)
        """To plain text without exponent."""
        return None if value is None else format(exact(value, self.model_field_name or "decimal"), "f")


def exact_decimal(*, null: bool = False) -> Any:
    """An `ExactDecimal` column that type checkers take for the `Decimal` it holds."""
    return ExactDecimal(null=null)
