"""What every table is."""

from __future__ import annotations

from typing import Any

from tortoise.models import Model as AnyModel
from tortoise.models import ModelMeta

NAME = 64


class _Silent(ModelMeta):
    """The ORM looks for no `#:` comments: it would parse this whole file for each table, half a second a start."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> ModelMeta:
        return super().__new__(cls, name, bases, {**attrs, "_no_comments": True})


class Model(AnyModel, metaclass=_Silent):
    """What every table is."""

    class Meta:
        abstract = True
