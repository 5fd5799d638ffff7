"""Limits that a person has set in place of those of the settings: read, checked and put in force.

They count as long as the settings say what they said then: whoever writes the settings holds the host, and wins.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from core.errors import UnknownName, UserError
from core.store.limits import drop_limit, limit_rows
from core.trading.floor import Floor
from risk.limits import RiskLimits

NOTHING = "none"


def said(value: object) -> str:
    """A limit's value as it is stored and typed."""
    return NOTHING if value is None else format(value, "f") if hasattr(value, "as_tuple") else str(value)


def changed(limits: RiskLimits, name: str, value: str) -> RiskLimits:
    """The limits with one of them set to what somebody typed. Raises `UserError`."""
    if name not in RiskLimits.model_fields:
        raise UnknownName("limit", name, RiskLimits.model_fields)
    values = {**limits.model_dump(), name: None if value.lower() == NOTHING else value}
    try:
        return RiskLimits.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{name} cannot be {value[:30]}: {error.errors()[0]['msg']}.") from error


async def restore(floor: Floor, settings: Mapping[str, RiskLimits]) -> list[str]:
    """Put in force at the start what was set; what no longer fits is dropped, and told in words."""
    dropped = []
    for row in await limit_rows():
        known = row.account in floor and row.name in RiskLimits.model_fields
        if known and said(getattr(settings[row.account], row.name)) == row.replaces:
            desk = floor.desk(row.account)
            try:
                desk.use_limits(changed(desk.gate.limits, row.name, row.value))
            except UserError:
                known = False
            else:
                continue
        await drop_limit(row.account, row.name)
        dropped.append(f"{row.name} of {row.account}: {row.value}, set by {row.by}, no longer counts")
    return dropped
