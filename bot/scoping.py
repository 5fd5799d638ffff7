"""Which accounts a command touches, for `accounts=`; None while nothing is named yet, so that a list can be offered."""

from __future__ import annotations

from collections.abc import Collection

from bot.arguments import name
from bot.command import Call


async def of_strategy(call: Call) -> Collection[str] | None:
    """Those of the strategy that is named first."""
    return call.service.accounts_of_strategy(name(call), call.actor) if name(call) else None


async def of_strategy_or_house(call: Call) -> Collection[str]:
    """The same; without a name it is about everything."""
    return call.service.accounts_of_strategy(name(call), call.actor) if name(call) else ()


async def of_order(call: Call) -> Collection[str] | None:
    """That of the order that is named first."""
    return (await call.service.account_of_order(name(call), call.actor),) if name(call) else None
