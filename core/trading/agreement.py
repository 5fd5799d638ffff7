"""What is certain of an account whose venue cannot be asked any more: what both sides agreed on, and nothing since.

Books alone prove nothing: an order may have filled that nobody has told us of. So a strategy counts as flat only if
books and venue were compared and agreed while it held and ordered nothing, and nothing was ordered for it after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.store.orders import ordered_since
from core.trading.states import OrderState

if TYPE_CHECKING:
    from core.trading.desk import Desk

# What ended so has definitely never been at the venue, or was refused there.
_NEVER_THERE = (OrderState.NOT_SENT, OrderState.REJECTED)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Books and venue agreed, in a comparison that began `at` (wall time); `busy` are those who held or ordered."""

    at: datetime
    busy: frozenset[str]


def agreement(desk: Desk, began: datetime) -> Agreement:
    """What a comparison that has found no difference, and `began` then, has proved."""
    return Agreement(began, frozenset({*_holders(desk), *_orderers(desk)}))


async def doubt(desk: Desk, strategy: str) -> str:
    """Why it is not certain that a strategy holds and orders nothing in an account; empty if it is."""
    account, agreed = desk.account, desk.agreement
    if strategy in _holders(desk):
        return f"it holds something in {account}"
    if strategy in _orderers(desk):
        return f"an order of it may still fill in {account}"
    if agreed is None:
        return f"books and venue of {account} have not agreed since the start"
    if strategy in agreed.busy or await ordered_since(account, strategy, agreed.at, _NEVER_THERE):
        return f"it has traded in {account} since books and venue were compared last"
    return ""


def _holders(desk: Desk) -> set[str]:
    lots = desk.portfolio.lots()
    return {name for name, lot in lots if lot.quantity and not desk.is_dust(lot.instrument.symbol, lot.quantity)}


def _orderers(desk: Desk) -> set[str]:
    """Whoever has an order that may still fill; one that we presume was never placed may."""
    return {name for order in (*desk.orders.open_orders, *desk.orders.watched) for name in order.parts}
