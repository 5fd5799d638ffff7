"""Commands by what they are about, in the order in which one needs them: for /help and the list behind `/`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.command import Command


@dataclass(frozen=True, slots=True)
class Family:
    """Commands that belong together; `word` is what follows /help."""

    word: str
    title: str
    names: tuple[str, ...]


FAMILIES = (
    Family("overview", "📊 Overview", ("menu", "status", "live", "more")),
    Family(
        "strategies", "🧠 Strategies", ("strategies", "strategy", "parameters", "run", "pause", "stop", "flatten")
    ),
    Family("holdings", "📦 Holdings", ("positions", "balance", "fills", "exposure", "exits")),
    Family("orders", "🧾 Orders", ("orders", "order", "cancel", "modify", "look", "decide")),
    Family("trading", "🖐 By hand", ("trade", "buy", "sell", "close")),
    Family("results", "📈 Results", ("pnl", "performance", "chart", "report")),
    Family("safety", "🛡 Safety", ("halt", "resume", "scopes", "risk", "limits", "limit", "adjust", "golive",
                                 "failback")),
    Family("alerts", "🔔 Alerts", ("alerts", "alert", "ack", "snooze", "mutes", "mute", "unmute",
                                 "maintenance", "testalert")),
    Family("schedule", "⏰ Schedule", ("schedule", "job", "addreport")),
    Family("people", "👤 People", ("users", "invite", "role", "remove", "unlock", "approvals", "approve",
                                 "decline", "audit")),
    Family("bot", "❓ The bot", ("help", "health", "brokers", "timezone")),
)  # fmt: skip


def by_family(commands: Iterable[Command]) -> list[tuple[Family, list[Command]]]:
    """The commands in families; a family of which none is there is left out."""
    known = {one.name: one for one in commands}
    found = [(family, [known[name] for name in family.names if name in known]) for family in FAMILIES]
    return [(family, own) for family, own in found if own]


def family_of(name: str) -> Family | None:
    """The family that a command belongs to."""
    return next((family for family in FAMILIES if name in family.names), None)


def called(word: str) -> Family | None:
    """The family of that name."""
    return next((family for family in FAMILIES if family.word == word), None)


def in_order(commands: Collection[Command]) -> list[Command]:
    """The commands as they follow one another in their families."""
    return [one for _, own in by_family(commands) for one in own]
