"""What is done by the clock, whatever the market does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.scheduler import Job, daily, every
from core.settings import Settings

_EQUITY_SECONDS = 60
_ORDERS_SECONDS = 2
_PURGE_AT = "03:40"
_BOOKS_SECONDS = 60
_HISTORY_AT = "03:10"
_TITLES = {"day": "Daily report", "week": "Weekly report"}

Work = Callable[[], Awaitable[None]]


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
) -> list[Job]:
    """Every job, in the order in which people see them."""
    risk, match = settings.risk_sweep_seconds, settings.reconcile_seconds
    at, day = settings.reports.daily_at, settings.reports.weekly_day

    def report(period: str) -> Work:
        async def announce() -> None:
            """An alert with an attachment: the channel makes picture and file when it delivers it."""
            await alerts.add(Alert("report", Severity.INFO, _TITLES[period], attachment=period))

        return announce

    return [
        Job("risk-sweep", "Assess risk", f"every {risk:g} s", every(risk), sweep, frequent=True),
        Job(
            "equity",
            "Note equity",
            f"every {_EQUITY_SECONDS} s",
            every(_EQUITY_SECONDS),
            note_equity,
            frequent=True,
        ),
        Job("reconcile", "Compare books and venue", f"every {match:g} s", every(match), reconcile, frequent=True),
        Job(
            "orders",
            "Look for orders in doubt",
            f"every {_ORDERS_SECONDS} s",
            every(_ORDERS_SECONDS),
            look_after_orders,
            frequent=True,
        ),
        Job(
            "books",
            "Check what was booked",
            f"every {_BOOKS_SECONDS} s",
            every(_BOOKS_SECONDS),
            check_books,
            frequent=True,
        ),
        Job("history", "Check books by history", f"daily {_HISTORY_AT} UTC", daily(_HISTORY_AT), check_history),
        Job("daily-report", "Daily report", f"daily {at} UTC", daily(at), report("day")),
        Job("weekly-report", "Weekly report", f"{day} {at} UTC", daily(at, day), report("week")),
        Job("purge", "Delete old chat updates and buttons", f"daily {_PURGE_AT} UTC", daily(_PURGE_AT), purge),
    ]
