"""What is done by the clock, whatever the market does."""

from __future__ import annotations

from core.access.audit import newest_head
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.schedule import At, Every
from core.scheduler import Job, Kind, Work
from core.settings import Settings

_EQUITY_SECONDS = 60
_ORDERS_SECONDS = 2
_BOOKS_SECONDS = 60
_HISTORY = At(3, 10)
_PURGE = At(3, 40)
_ALERT_TEST = At(6, 30)
_REPORTS = {"day": "Daily report", "week": "Weekly report", "month": "Monthly report", "all": "Report since the start"}


def jobs(
    settings: Settings,
    alerts: Alerts,
    *,
    sweep: Work,
    note_equity: Work,
    reconcile: Work,
    look_after_orders: Work,
    purge: Work,
    check_books: Work,
    check_history: Work,
    test_alerts: Work,
) -> list[Job]:
    """Every job of the program's own, in the order in which people see them; each is for all accounts."""
    accounts = reported(settings)
    risk, match = Every(settings.risk_sweep_seconds), Every(settings.reconcile_seconds)
    hour, minute = map(int, settings.reports.daily_at.split(":"))
    daily, weekly = At(hour, minute), At(hour, minute, (settings.reports.weekly_day,))
    orders, equity, books = Every(_ORDERS_SECONDS), Every(_EQUITY_SECONDS), Every(_BOOKS_SECONDS)
    return [
        Job("risk-sweep", "Assess risk", risk, sweep, frequent=True, between=(0.2, 60), guards=True),
        Job("equity", "Note equity", equity, note_equity, frequent=True, between=(10, 3600)),
        Job("reconcile", "Compare books and venue", match, reconcile, frequent=True, between=(5, 3600), guards=True),
        Job(
            "orders", "Look for orders in doubt", orders, look_after_orders, frequent=True, between=(1, 60), guards=True
        ),
        Job("books", "Check what was booked", books, check_books, frequent=True, between=(10, 3600), guards=True),
        Job("history", "Check books by history", _HISTORY, check_history),
        Job("daily-report", _REPORTS["day"], daily, report(alerts, "day", accounts)),
        Job("weekly-report", _REPORTS["week"], weekly, report(alerts, "week", accounts)),
        Job("alert-test", "See whether alerts arrive", _ALERT_TEST, test_alerts),
        Job("purge", "Delete old chat updates and buttons", _PURGE, purge),
    ]


def kinds(settings: Settings, alerts: Alerts) -> dict[str, Kind]:
    """What people may add."""
    accounts = reported(settings)
    return {
        "report": Kind(
            tuple(_REPORTS), lambda period: _REPORTS[period], lambda period: report(alerts, period, accounts)
        ),
    }


def reported(settings: Settings) -> tuple[str, ...]:
    """Whose reports there are: one for each account, for those who see it. The only one need not be named."""
    return tuple(sorted(settings.accounts)) if len(settings.accounts) > 1 else ("",)


def report(alerts: Alerts, period: str, accounts: tuple[str, ...] = ("",)) -> Work:
    """Announces a report: an alert with an attachment; the channel makes picture and file when it delivers it."""

    async def announce() -> None:
        body = f"Audit trail: {await newest_head()}"  # in the chat, outside the host: see docs/operations.md
        for account in accounts:
            title = f"{account}: {_REPORTS[period]}" if account else _REPORTS[period]
            await alerts.add(Alert("report", Severity.INFO, title, body, attachment=period, account=account))

    return announce
