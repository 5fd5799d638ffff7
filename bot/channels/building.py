"""The channels beside Telegram that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.channels.apprise import AppriseChannel
from bot.channels.email import EmailChannel, Report
from bot.channels.webhook import WebhookChannel
from core.alerts.channel import Channel
from core.clock import Clock
from core.settings import Settings, UserSettings


def channels_beside_telegram(
    settings: Settings, people: Callable[[], Iterable[UserSettings]], clock: Clock, report: Report | None = None
) -> tuple[Channel, ...]:
    """E-mail, webhook and apprise, as far as they are set up; nothing is loaded or opened before it is used."""
    wanted = settings.alerts
    channels: list[Channel] = []
    if wanted.email is not None:
        channels.append(EmailChannel(wanted.email, people, clock, report))
    if wanted.webhook is not None:
        channels.append(WebhookChannel(wanted.webhook, clock))
    if wanted.apprise or any(user.apprise for user in settings.users):
        channels.append(AppriseChannel(wanted.apprise, people))
    return tuple(channels)


def told(settings: Settings) -> str:
    """Which channels are set up, in a line."""
    wanted = settings.alerts
    mailed = [user.name for user in settings.users if user.email]
    private = [user.name for user in settings.users if user.apprise]
    parts = ["Telegram"]
    if wanted.email is not None:
        parts.append(f"e-mail ({', '.join(mailed) or 'to nobody: give users an email'})")
    if wanted.webhook is not None:
        parts.append("webhook")
    if wanted.apprise or private:
        own = [f"house x{len(wanted.apprise)}"] if wanted.apprise else []
        parts.append(f"apprise ({', '.join([*own, *private])})")
    beat = f"every {settings.heartbeat.every_seconds:g} s" if settings.heartbeat else "none"
    return f"Alerts go over {', '.join(parts)}. Heartbeat: {beat}."
