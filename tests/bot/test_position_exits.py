"""/positions shows how each position is protected, and by whom."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.commands.trading import render_positions
from core.views import ExitRow, PositionRow


def position(*exits: ExitRow) -> PositionRow:
    """Ten AAPL."""
    ten = Decimal(10)
    return PositionRow("AAPL", ten, ten, ten, ten * ten, Decimal(0), "", "USD", {"trend": ten}, exits)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            ExitRow("trend", Decimal(98), Decimal(106), "", "venue", False),
            "🛡 trend: stop 98.00 · target 106.00 · at the venue",
        ),
        (ExitRow("trend", Decimal(98), None, "", "both", False), "🛡 trend: stop 98.00 · venue and engine"),
        (ExitRow("trend", None, None, "20 bars", "engine", False), "🛡 trend: 20 bars · by our engine"),
        (ExitRow("trend", Decimal(98), None, "", "nobody", False), "🛡 trend: stop 98.00 · ⚠️ not while halted"),
        (ExitRow("trend", Decimal(98), None, "", "engine", True), "🛡 trend: stop 98.00 · closing now"),
    ],
)
def test_a_line_for_each_protected_position(row: ExitRow, line: str) -> None:
    """Prices, and who acts when they are reached."""
    assert render_positions((position(row),)).markup.splitlines()[-1] == line


def test_without_exits_nothing_is_said() -> None:
    """The screen stays as it was."""
    assert "🛡" not in render_positions((position(),)).markup
