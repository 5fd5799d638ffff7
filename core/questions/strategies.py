"""Strategies: the list, and a card of each."""

from __future__ import annotations

from collections.abc import Collection

from core.questions.holdings import HoldingQuestions
from core.strategy.manager import Instance
from core.trading.profit import profit_of
from core.views import StrategyCard, StrategyRow, StrategyStatus
from risk.view import TradingState

_HELD_BACK = {
    TradingState.REDUCING: "Trading is REDUCING: it may only close.",
    TradingState.HALTED: "Trading is HALTED: it decides nothing until /resume.",
}


class StrategyQuestions(HoldingQuestions):
    """What each strategy does, and how it stands."""

    async def strategies(self, account: str = "", accounts: Collection[str] | None = None) -> tuple[StrategyRow, ...]:
        """Every strategy in a line."""
        return tuple(self._strategy_row(each) for each in self._instances(account, accounts))

    def _strategy_row(self, instance: Instance) -> StrategyRow:
        exposures, desk = instance.exposures.values(), self._engine.floor.desk_of(instance.name)
        return StrategyRow(
            name=instance.name,
            kind=instance.settings.kind,
            symbols=instance.settings.symbols,
            status=instance.status,
            exposure=sum(exposures) / max(1, len(instance.settings.symbols)),
            pnl=profit_of(desk.portfolio, instance.name).net,
            currency=desk.currency,
            account=self._named(desk),
        )

    async def strategy(self, name: str, accounts: Collection[str] | None = None) -> StrategyCard:
        """All about one strategy. Raises `UnknownName`."""
        self._check_known(name, accounts)
        instance = self._engine.strategies.get(name)
        desk = self._engine.floor.desk_of(name)
        profit = profit_of(desk.portfolio, name)
        params = instance.strategy.params
        fields = type(params).model_fields
        orders = [order for order in desk.orders.open_orders if name in order.allocations]
        return StrategyCard(
            row=self._strategy_row(instance),
            title=instance.strategy.title,
            summary=instance.strategy.summary(),
            parameters={key: str(value) for key, value in params.model_dump().items()},
            parameter_help={key: field.description or "" for key, field in fields.items()},
            sizing=", ".join(f"{key} {value}" for key, value in instance.settings.sizing.items()),
            account=desk.account,
            running_since=instance.running_since,
            bars_seen=instance.bars_seen,
            signals=instance.signals,
            last_signal=instance.last_signal,
            last_signal_at=instance.last_signal_at,
            error=instance.error,
            restarts=instance.restarts,
            realised=profit.realised,
            unrealised=profit.unrealised,
            fees=profit.fees,
            positions=tuple(row for row in self._virtual_positions(desk) if row.strategy == name),
            open_orders=len(orders),
            held_back=self._held_back(name) if instance.status is StrategyStatus.RUNNING else "",
        )

    def _held_back(self, strategy: str) -> str:
        """Why a strategy opens nothing although it runs; empty if nothing holds it back."""
        state = self._engine.floor.desk_of(strategy).state_for((strategy,))
        return _HELD_BACK.get(state, "")
