"""Watches one account: keeps the baselines, assesses what is held, makes the trading state graver, and halts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokers.account import CashFlow
from brokers.money import ZERO
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.events import Events, StateChanged
from core.store.control import get_baselines, put_baselines
from core.trading.killing import Killing
from core.trading.portfolio import Portfolio
from core.trading.switch import TradingSwitch
from core.trading.telling import Telling
from risk.baselines import Baselines, first_baselines, roll_baselines, shift
from risk.limits import RiskLimits
from risk.monitor import Assessment, assess
from risk.view import PortfolioView, TradingState


class RiskWatch:
    """The account's own guard. A sweep by `killing` is the last step of its halt."""

    def __init__(
        self,
        portfolio: Portfolio,
        limits: RiskLimits,
        *,
        switch: TradingSwitch,
        alerts: Alerts,
        telling: Telling,
        events: Events,
        trading_clock: Clock,
        killing: Killing,
    ) -> None:
        self.baselines: Baselines | None = None
        self.scope = f"account:{portfolio.account}"
        self._portfolio = portfolio
        self._limits = limits
        self._switch = switch
        self._alerts = alerts
        self._telling = telling
        self._events = events
        self._trading_clock = trading_clock
        self._killing = killing

    def use(self, limits: RiskLimits) -> None:
        """Judge the account by other limits from now on."""
        self._limits = limits

    # --- baselines ---------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the stored baselines: a restart never forgives a loss."""
        self.baselines = await get_baselines(self._portfolio.account)

    async def roll_day(self, at: datetime | None = None) -> None:
        """Keep the baselines at `at` (now): a new day starts at the last known equity, a new peak is a peak.

        They begin with the first equity above zero.
        """
        equity, now = self._portfolio.equity, at or self._trading_clock.now()
        old = self.baselines
        if old is not None:
            await self._keep(roll_baselines(old, equity, now))
        elif equity is not None and equity > ZERO:
            await self._keep(first_baselines(equity, now))

    async def accept_baselines(self) -> None:
        """A person has looked at the loss and goes on: daily loss and drawdown are measured from now."""
        equity = self._portfolio.equity
        if equity is not None and equity > ZERO:
            await self._keep(first_baselines(equity, self._trading_clock.now()))
        self._telling.forget()

    async def store_paid_in(self, flow: CashFlow) -> Baselines | None:
        """Store the baselines as money paid in or out moves them: neither is a profit or a loss.

        Inside the transaction that books `flow`; `believe` them after it.
        """
        return await self.store_capital({flow.currency: flow.amount}) if flow.kind.is_capital else None

    async def store_capital(self, paid_in: Mapping[str, Decimal]) -> Baselines | None:
        """The same for capital in several currencies. What has no rate is no part of equity, and moves nothing."""
        rates = self._portfolio.rates
        known = [each for each in (rates.convert({unit: paid}) for unit, paid in paid_in.items()) if each is not None]
        if self.baselines is None or not known:
            return None
        equity = self._portfolio.equity  # at the start no price is known yet: then what it was when we looked last
        moved = shift(self.baselines, sum(known, ZERO), self.baselines.last_equity if equity is None else equity)
        await put_baselines(self._portfolio.account, moved)
        return moved

    def believe(self, baselines: Baselines | None) -> None:
        """These are stored now."""
        self.baselines = baselines or self.baselines

    async def _keep(self, baselines: Baselines) -> None:
        if baselines != self.baselines:
            await put_baselines(self._portfolio.account, baselines)
            self.baselines = baselines

    # --- assessing ---------------------------------------------------------------------------------

    async def sweep(self, view: PortfolioView) -> Assessment:
        """Assess the account; a breach makes its state graver, at once and for good."""
        before = self._switch.state(self.scope)
        assessment = assess(view, self._limits, before)
        if assessment.state > before:
            await self._make_graver(assessment)
        elif before is TradingState.ACTIVE:
            await self._warn(assessment, view)
        await self._switch.save()
        return assessment

    async def _warn(self, assessment: Assessment, view: PortfolioView) -> None:
        """Tell once a day of what is getting close; a breach that has changed the state is told by that."""
        for breach in assessment.breaches:
            title = f"Risk warning: {breach.code.replace('_', ' ').lower()}"
            alert = Alert("breach", Severity.WARNING, title, breach.message)
            await self._telling.once(f"breach:{breach.code}:{view.at.date()}", alert)

    async def _make_graver(self, assessment: Assessment) -> None:
        state = assessment.state
        reason = "; ".join(each.message for each in assessment.breaches if each.severity.state is state)
        if state is TradingState.HALTED:
            await self.halt_for("RISK BREACH", reason)
            return
        alert = Alert("breach", Severity.WARNING, "Risk breach: only exits may trade", reason)
        await self._set(state, reason, alert)

    # --- halting -----------------------------------------------------------------------------------

    async def halt_for(self, what: str, reason: str) -> None:
        """Halt the account by the program's own judgement, tell everyone, cancel what is open but a person's exits.

        A failing step keeps none of the later ones from being taken. Halting again cancels again.
        """
        self._killing.owe("", reason, exits=False)
        try:
            if self._switch.state(self.scope) is not TradingState.HALTED:
                await self._switch_off(what, reason)
        finally:
            await self._killing.sweep()

    async def _switch_off(self, what: str, reason: str) -> None:
        body = f"{reason}\nNothing trades until an admin resumes. Open orders are being cancelled."
        title, key = f"{what}: trading is HALTED", f"halt:{self.scope}"
        await self._set(TradingState.HALTED, reason, Alert("halt", Severity.CRITICAL, title, body, key=key))

    async def _set(self, state: TradingState, reason: str, alert: Alert) -> None:
        """State and alert are one commit; while that fails the state counts all the same, and both are stored later."""

        async def tell() -> None:
            await self._alerts.add(alert)
            if state is TradingState.HALTED:
                await self._killing.write("")

        try:
            await self._switch.set(self.scope, state, reason, "risk monitor", tell)
        finally:
            await self._publish(state, reason)

    async def _publish(self, state: TradingState, reason: str) -> None:
        await self._events.publish(StateChanged(self._trading_clock.now(), self.scope, state, reason))
