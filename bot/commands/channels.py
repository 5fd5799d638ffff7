"""Alert channels from chat."""

from __future__ import annotations

from bot.command import Call, command
from bot.outcomes import outcome
from bot.screen import Nav, Screen
from core.access.roles import Permission


@command(
    "testalert",
    "Send a test over every alert channel",
    permission=Permission.ADMINISTER,
    trace=("test channels",),
)
async def test_alert(call: Call) -> Screen:
    """Each channel's result, with its time."""
    result = await call.service.test_channels(call.actor)
    return outcome(result, Nav("🔔 Alerts", "alerts"), Nav("🩺 Health", "health"))
