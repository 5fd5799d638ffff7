"""How it went: profit and loss, performance, reports."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from brokers.money import ZERO
from core.errors import UnknownName
from core.questions.asking import Asking, today_of
from core.reporting import PERIODS, Account, performance_view, report_view
from core.rows import pnl_row
from core.trading.desk import Desk
from core.trading.periods import profits_since
from core.trading.profit import Profit, profits
from core.views import PerformanceView, PnlView, ReportView

# What is measured if it is no strategy: an account.
ACCOUNT = "account"


class ResultQuestions(Asking):
    """Figures of one account, or of one strategy: what is kept in different currencies cannot be added up."""

    async def pnl(self, account: str = "", accounts: Collection[str] | None = None) -> PnlView:
        """Profit of an account today and by strategy. Raises `UnknownName`."""
        return await self._pnl(self._desk(account, accounts), None)

    async def _pnl(self, desk: Desk, since: datetime | None) -> PnlView:
        """Profit today, and by strategy since a moment or since the start."""
        view, floor = desk.view(), self._engine.floor
        today, fraction = today_of(desk, view)
        names = floor.strategies_of(desk.account)
        elsewhere = {each.name for each in self._engine.strategies.instances} - set(names)
        by_name = profits(desk.portfolio) if since is None else await profits_since(desk.portfolio, since, elsewhere)
        rows = [pnl_row(name, by_name.get(name, Profit())) for name in [*names, *sorted(set(by_name) - set(names))]]
        return PnlView(
            currency=desk.currency,
            today=today,
            today_fraction=fraction,
            day_start_equity=view.day_start_equity if desk.baselines is None else desk.baselines.day_began_with,
            total=pnl_row("total", sum(by_name.values(), Profit())),
            strategies=tuple(rows),
            at=view.at,
            account=self._named(desk),
        )

    async def performance(self, subject: str = ACCOUNT, accounts: Collection[str] | None = None) -> PerformanceView:
        """Figures and the curve of an account (`account:NAME`; its name; or "account", the first) or of one strategy.

        Raises `UnknownName`.
        """
        desk = self._subject(subject, accounts)
        if desk is not None:
            return await performance_view(self._account(desk))
        home = self._engine.floor.desk_of(subject)
        return await performance_view(self._account(home), subject)

    def _subject(self, subject: str, accounts: Collection[str] | None) -> Desk | None:
        """The desk that is meant; None if it is a strategy."""
        if subject == ACCOUNT:
            return self._desk("", accounts)
        if subject.startswith(f"{ACCOUNT}:"):
            return self._desk(subject.removeprefix(f"{ACCOUNT}:"), accounts)
        is_strategy = any(each.name == subject for each in self._instances("", accounts))
        if not is_strategy and subject in self.visible(accounts):
            return self._desk(subject, accounts)
        if not is_strategy:
            raise UnknownName("strategy", subject, [each.name for each in self._instances("", accounts)])
        return None

    async def report(
        self, period: str = "all", account: str = "", accounts: Collection[str] | None = None
    ) -> ReportView:
        """A report on an account over a day, a week, a month, or everything. Raises `UnknownName`."""
        if period not in PERIODS:
            raise UnknownName("period", period, PERIODS)
        desk = self._desk(account, accounts)
        now = self._engine.trading_clock.now()
        length = PERIODS[period]
        return await report_view(
            period,
            now,
            await self._pnl(desk, None if length is None else now - length),
            self._account(desk),
            denials=self._engine.floor.pipelines[desk.account].denials,
        )

    def _account(self, desk: Desk) -> Account:
        return Account(
            desk.portfolio, _deposits(desk), simulated=desk.broker.capabilities.simulated, named=self._named(desk)
        )


def _deposits(desk: Desk) -> Decimal:
    return desk.portfolio.deposits or ZERO
