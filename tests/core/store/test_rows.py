"""Values go to the disk as the ORM would bring them there, only sooner."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from tortoise.exceptions import ValidationError
from tortoise.models import Model

from core.store.database import Database, read_rows
from core.store.models import GoalRow, OrderRow, StrategyRow
from core.store.rows import change, put, write

AT = datetime(2026, 3, 2, 15, 30, 0, 123456, tzinfo=UTC)
ELSEWHERE = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
ORDER: dict[str, Any] = {
    "client_order_id": "qd-1", "account": "main", "symbol": "BTC/USDT", "side": "buy", "quantity": Decimal("1E-8"),
    "filled": Decimal(0), "type": "market", "time_in_force": "gtc", "reduce_only": False, "origin": "strategy",
    "allocations": {"trend": "0.00000001"}, "strategies": "|trend|", "state": "submitting", "is_open": True,
    "reason": "grün", "at": AT, "recorded_at": ELSEWHERE, "expires_at": AT,
}  # fmt: skip
STRATEGY: dict[str, Any] = {
    "name": "trend", "status": "running", "exposures": {"BTC/USDT": 0.5}, "last_bars": {}, "last_signal_at": AT,
    "exits": None,
}  # fmt: skip
GOAL: dict[str, Any] = {
    "account": "main", "strategy": "trend", "symbol": "BTC/USDT", "quantity": Decimal("-0.010"), "exposure": -1,
    "reason": "down", "barred": None,
}  # fmt: skip
ROWS = [(OrderRow, ORDER), (StrategyRow, STRATEGY), (GoalRow, GOAL)]


async def raw(model: type[Model]) -> dict[str, Any]:
    """The only row of a table, as the database has it."""
    (found,) = await read_rows(f'SELECT * FROM "{model._meta.db_table}"')
    return {name: value for name, value in dict(found).items() if name != "id"}


@pytest.mark.parametrize(("model", "row"), ROWS, ids=lambda each: getattr(each, "__name__", ""))
async def test_what_is_written_is_what_the_orm_would_have_written(store: Database, model: Any, row: Any) -> None:
    """Column by column, defaults and times of other zones included; from values, and from an object of the ORM."""
    found = []
    for way in (model.create, lambda **row: write(model, [row]), lambda **row: put([model(**row)])):
        await way(**row)
        found.append(await raw(model))
        await model.all().delete()
    assert found[0] == found[1] == found[2]


async def test_times_are_of_one_zone_so_that_text_can_be_compared(store: Database) -> None:
    """Also those that are only changed later."""
    await write(OrderRow, [ORDER])
    await change(OrderRow, "client_order_id", "qd-1", {"watch_until": ELSEWHERE})
    row = await raw(OrderRow)
    assert str(row["at"]) == str(row["recorded_at"]) == str(row["watch_until"])


async def test_a_row_that_is_there_becomes_the_new_one_but_for_what_is_kept(store: Database) -> None:
    """By its unique key."""
    key = ("account", "strategy", "symbol")
    await write(GoalRow, [GOAL])
    await write(GoalRow, [{**GOAL, "quantity": Decimal(5), "reason": "up"}], replacing=key, keeping=("reason",))
    row = await GoalRow.get()
    assert (row.quantity, row.reason) == (5, "down")


async def test_what_is_no_field_is_refused(store: Database) -> None:
    """A name that is spelled wrong would be lost in silence."""
    with pytest.raises(ValueError, match="GoalRow has no reasons"):
        await write(GoalRow, [{**GOAL, "reasons": "x"}])


async def test_what_does_not_fit_is_refused(store: Database) -> None:
    """SQLite itself would take it."""
    with pytest.raises(ValidationError, match="account"):
        await write(GoalRow, [{**GOAL, "account": "x" * 65}])
    with pytest.raises(ValueError, match="finite"):
        await write(GoalRow, [{**GOAL, "quantity": Decimal("NaN")}])
    assert await GoalRow.all().count() == 0
