"""Strategies: a list of them, and one closely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.views.portfolio import PositionRow


class StrategyStatus(StrEnum):
    """What a strategy is doing. PAUSED opens nothing new but keeps its positions and may reduce them."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """One strategy in a list."""

    name: str
    kind: str
    symbols: tuple[str, ...]
    status: StrategyStatus
    exposure: float
    pnl: Decimal | None
    currency: str
    account: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class StrategyCard:
    """All about one strategy."""

    row: StrategyRow
    title: str
    summary: str
    parameters: Mapping[str, str]
    parameter_help: Mapping[str, str]
    sizing: str
    account: str
    running_since: datetime | None
    bars_seen: int
    signals: int
    last_signal: str
    last_signal_at: datetime | None
    error: str
    restarts: int
    realised: Decimal | None
    unrealised: Decimal | None
    fees: Decimal | None
    positions: tuple[PositionRow, ...]
    open_orders: int
    held_back: str = ""  # why it opens nothing although it runs: trading is halted, for example
