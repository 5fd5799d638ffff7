"""The façade: all that chat, console and web may ask of the program, and nothing else.

Questions return frozen views of `core.views`; actions take the `Actor` who wants them, leave an audit line
and return an `ActionResult`. Authorisation happens before, in `bot.dispatch`; this layer records who acted.
"""

from __future__ import annotations

from core.access.roles import Actor
from core.views import (
    ActionResult,
    AlertRow,
    AuditRow,
    BalanceRow,
    FillRow,
    FlattenPreview,
    HealthRow,
    JobRow,
    OrderRow,
    Overview,
    Page,
    PerformanceView,
    PnlView,
    PositionRow,
    ReportView,
    RiskScreenView,
    StrategyCard,
    StrategyRow,
)


class Quarterdeck:
    """The running program as its users see it."""

    # --- questions ---------------------------------------------------------------------------------
    async def overview(self) -> Overview:
        raise NotImplementedError

    async def strategies(self) -> tuple[StrategyRow, ...]:
        raise NotImplementedError

    async def strategy(self, name: str) -> StrategyCard:
        raise NotImplementedError  # raises UnknownName(kind, name, suggestions)

    async def positions(self) -> tuple[PositionRow, ...]:
        raise NotImplementedError

    async def orders(
        self, *, page: int = 1, size: int = 8, open_only: bool = False, strategy: str = ""
    ) -> Page[OrderRow]:
        raise NotImplementedError

    async def fills(self, *, page: int = 1, size: int = 8, symbol: str = "") -> Page[FillRow]:
        raise NotImplementedError

    async def balances(self) -> tuple[BalanceRow, ...]:
        raise NotImplementedError

    async def pnl(self) -> PnlView:
        raise NotImplementedError

    async def performance(self, subject: str = "account") -> PerformanceView:
        raise NotImplementedError

    async def risk(self) -> RiskScreenView:
        raise NotImplementedError

    async def alerts(self, *, page: int = 1, size: int = 8) -> Page[AlertRow]:
        raise NotImplementedError

    async def jobs(self) -> tuple[JobRow, ...]:
        raise NotImplementedError

    async def audit(self, *, page: int = 1, size: int = 10) -> Page[AuditRow]:
        raise NotImplementedError

    async def health(self) -> tuple[HealthRow, ...]:
        raise NotImplementedError

    async def report(self, period: str = "all") -> ReportView:
        raise NotImplementedError  # day | week | month | all

    async def flatten_preview(self, strategy: str = "") -> FlattenPreview:
        raise NotImplementedError

    # --- actions -----------------------------------------------------------------------------------
    async def start_strategy(self, name: str, actor: Actor) -> ActionResult:
        raise NotImplementedError

    async def pause_strategy(self, name: str, actor: Actor) -> ActionResult:
        raise NotImplementedError

    async def stop_strategy(self, name: str, actor: Actor) -> ActionResult:
        raise NotImplementedError

    async def flatten(self, actor: Actor, strategy: str = "") -> ActionResult:
        raise NotImplementedError

    async def halt(self, actor: Actor, reason: str) -> ActionResult:
        raise NotImplementedError

    async def resume(self, actor: Actor) -> ActionResult:
        raise NotImplementedError

    async def cancel_order(self, client_order_id: str, actor: Actor) -> ActionResult:
        raise NotImplementedError

    async def set_job(self, name: str, *, enabled: bool, actor: Actor) -> ActionResult:
        raise NotImplementedError

    async def run_job(self, name: str, actor: Actor) -> ActionResult:
        raise NotImplementedError
