"""How everything stands: the first screen, and the health of every part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from brokers.money import ZERO
from core.questions.asking import Asking, measured_since, today_of
from core.store import alerts as alert_store
from core.trading.desk import Desk
from core.trading.states import OrderState
from core.trading.switch import instrument_scope
from core.venue_watch import shut
from core.views import HealthRow, Overview, StrategyStatus
from risk.metrics import Unknown, exposure
from risk.view import TradingState


class OverviewQuestions(Asking):
    """How are we doing, and is everything all right?"""

    async def overview(self, account: str = "", accounts: Collection[str] | None = None) -> Overview:
        """One account, or all that the reader may see. Raises `UserError`, also if there is none to see."""
        first = await self._overview(self._desk(account, accounts))
        others = [await self._overview(desk) for desk in self._engine.floor.chosen(account, accounts)[1:]]
        return self._together([first, *others]) if others else first

    async def _overview(self, desk: Desk) -> Overview:
        engine = self._engine
        setting, view = engine.switch.gravest(desk.account), desk.view()
        (today, fraction), peak = today_of(desk, view), view.peak_equity
        counts = [engine.strategies.get(name).status for name in engine.floor.strategies_of(desk.account)]
        orders = desk.orders.open_orders
        return Overview(
            account=desk.account,
            simulated=desk.broker.capabilities.simulated,
            mode=desk.mode,
            currency=desk.currency,
            state=setting.state,
            state_reason=setting.reason,
            equity=view.equity,
            cash=view.cash,
            today=today,
            today_fraction=fraction,
            drawdown_fraction=None if view.equity is None or peak <= 0 else float((peak - view.equity) / peak),
            gross_fraction=_gross_fraction(desk),
            running=counts.count(StrategyStatus.RUNNING),
            paused=counts.count(StrategyStatus.PAUSED),
            stopped=counts.count(StrategyStatus.STOPPED),
            failed=counts.count(StrategyStatus.FAILED),
            positions=len(desk.portfolio.held()),
            open_orders=len(orders),
            uncertain_orders=sum(order.state is OrderState.UNCERTAIN for order in orders),
            pending_alerts=await alert_store.count_waiting(),
            market_time=engine.trading_clock.now(),
            wall_time=engine.clock.now(),
            connected=desk.broker.is_connected,
            feed=engine.rounds.status,
            measured_since=await measured_since(desk.account),
            restricted=self._restricted(desk),
            troubles=shut(desk, engine.clock.now()),
        )

    def _restricted(self, desk: Desk) -> tuple[str, ...]:
        """Instruments that may only be reduced."""
        prefix = instrument_scope(desk.account, "")
        return tuple(
            scope.removeprefix(prefix)
            for scope, state in sorted(self._engine.switch.states.items())
            if scope.startswith(prefix) and state is not TradingState.ACTIVE
        )

    def _together(self, found: Sequence[Overview]) -> Overview:
        """All accounts in one: the gravest state, sums of counts, and of money of one currency, all real or none."""
        first, worst = found[0], max(found, key=lambda each: each.state)
        one = len({(each.currency, each.is_real) for each in found}) == 1
        equity = _total([each.equity for each in found]) if one else None
        today = _total([each.today for each in found]) if one else None
        began = None if equity is None or today is None else equity - today
        halted = [each.account for each in found if each.state is worst.state]
        whose = "" if len(halted) == len(found) else f"{', '.join(halted)}: "
        return Overview(
            account="",
            simulated=all(each.simulated for each in found),
            mode=gravest_mode({each.mode for each in found}),
            currency=first.currency if one else "",
            state=worst.state,
            state_reason=f"{whose}{worst.state_reason}" if worst.state_reason else whose.removesuffix(": "),
            equity=equity,
            cash=sum((each.cash for each in found), ZERO) if one else ZERO,
            today=today,
            today_fraction=None if today is None or not began or began < 0 else float(today / began),
            drawdown_fraction=None,
            gross_fraction=None,
            running=sum(each.running for each in found),
            paused=sum(each.paused for each in found),
            stopped=sum(each.stopped for each in found),
            failed=sum(each.failed for each in found),
            positions=sum(each.positions for each in found),
            open_orders=sum(each.open_orders for each in found),
            uncertain_orders=sum(each.uncertain_orders for each in found),
            pending_alerts=first.pending_alerts,
            market_time=first.market_time,
            wall_time=first.wall_time,
            connected=all(each.connected for each in found),
            feed=first.feed,
            restricted=tuple(f"{each.account}/{symbol}" for each in found for symbol in each.restricted),
            accounts=tuple(found),
            troubles=tuple(trouble for each in found for trouble in each.troubles),
        )

    async def health(self, accounts: Collection[str] | None = None) -> tuple[HealthRow, ...]:
        """Every part of the program, and whether it is well."""
        engine = self._engine
        waiting = await alert_store.count_waiting()
        desks = engine.floor.chosen("", accounts)
        hidden = {f" {name}" for name in set(engine.floor.names) - {desk.account for desk in desks}}
        parts = [
            HealthRow(name, engine.supervisor.is_well(name), self._part(name))
            for name in engine.supervisor.parts
            # the market has a line of its own, which says more
            if name != "market" and not any(name.endswith(other) for other in hidden)
        ]
        return (
            *(self._of_broker(desk) for desk in desks),
            *(
                HealthRow(
                    self._row("reconciled", desk),
                    desk.reconciled,
                    "books and venue agree" if desk.reconciled else "not yet",
                )
                for desk in desks
            ),
            HealthRow("alerts", waiting < 100, f"{waiting} waiting"),
            HealthRow("market", engine.supervisor.is_well("market") and engine.rounds.is_well, engine.rounds.status),
            *engine.vigil.health(),
            *parts,
        )

    def _of_broker(self, desk: Desk) -> HealthRow:
        troubles = shut(desk, self._engine.clock.now())
        is_well = desk.broker.is_connected and not troubles
        word, whose = _broker_word(desk, troubles), self._named(desk)
        return HealthRow(self._row("broker", desk), is_well, word.removeprefix(f"{whose}: ") if whose else word)

    def _row(self, name: str, desk: Desk) -> str:
        return f"{name} {self._named(desk)}".strip()

    def _part(self, name: str) -> str:
        """`running`, `done`, `starting again`, and how often it had to be."""
        supervisor = self._engine.supervisor
        failures = supervisor.failures.get(name, 0)
        word = "running" if supervisor.is_running(name) else "done"
        word = word if supervisor.is_well(name) else "starting again"
        return f"{word}; started again {failures}x" if failures else word


def gravest_mode(modes: Collection[str]) -> str:
    """Real money before all others, and a venue's place for trying before our own."""
    return min(modes, key=lambda mode: (mode != "live", mode == "paper", mode), default="")


def _broker_word(desk: Desk, troubles: Sequence[str]) -> str:
    if troubles:
        return "; ".join(troubles)
    return f"{desk.account}: {'connected' if desk.broker.is_connected else 'not connected'}"


def _gross_fraction(desk: Desk) -> float | None:
    view = desk.view()
    if not view.equity:
        return None
    try:
        return float(exposure(view).gross / view.equity)
    except Unknown:
        return None


def _total(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum, if every one is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if len(known) == len(amounts) else None
