"""Somebody else's orders that keep an exit of ours from a position.

A venue lets all reduce-only orders of a side close no more of a future than there is, and coins that an order is to
sell are locked for it. A person's own take-profit for the whole position, placed in the venue's app, may so have every
exit of ours refused (Binance: -2022, -4118; on spot -2010). The exit goes first: it is wanted now, and the order that
waits would end with the position anyway. So theirs is cancelled, as few as will do, and the exit is tried once more,
on futures with its promise. Without it it is never sent: the same refusal says that the position is gone, and such an
order would open one.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial

import structlog

from brokers.errors import BrokerError, Rejected, Uncertain
from brokers.money import ZERO
from brokers.order import OrderReport, OrderType, Side
from brokers.port import AbstractBroker
from brokers.urgency import urgently
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.live_order import LiveOrder
from core.trading.order_manager import OrderManager
from core.trading.states import OrderState
from core.trading.telling import Telling

log = structlog.get_logger(__name__)

_PROMISED = "REDUCE_ONLY"
_LOCKED = ("INSUFFICIENT_FUNDS", "INSUFFICIENT_POSITION")


class Blockers:
    """Makes way for one account's exits."""

    def __init__(self, broker: AbstractBroker, orders: OrderManager, telling: Telling) -> None:
        self._broker = broker
        self._orders = orders
        self._telling = telling

    async def make_way(self, order: LiveOrder) -> bool:
        """Whether what kept `order`, a market order that only reduces, from being taken is out of its way now."""
        if order.state is not OrderState.REJECTED or order.request.type is not OrderType.MARKET:
            return False
        if not (self._is_locked(order) or (order.refused == _PROMISED and order.request.reduce_only)):
            return False
        with urgently():
            try:
                return await self._clear(order)
            except BrokerError as error:
                log.warning("what keeps an exit back cannot be cleared", order=order.id, error=str(error))
                return False

    def _is_locked(self, order: LiveOrder) -> bool:
        """Whether it sells coins that are there, for all we know, where nothing else can be sold."""
        is_sale = order.request.side is Side.SELL and not self._broker.capabilities.shorting
        return is_sale and order.refused in _LOCKED

    async def _clear(self, order: LiveOrder) -> bool:
        info = await self._broker.get_account_info()
        position, wanted = info.positions.get(order.symbol), order.request
        theirs = [each for each in info.open_orders if await self._is_foreign(each)]
        held = ZERO if position is None else position.quantity
        takes = partial(_takes_room, order.symbol, wanted.side, locks=self._is_locked(order))
        taken = sum((each.remaining for each in info.open_orders if takes(each)), ZERO)
        chosen = in_the_way(wanted.side.sign * wanted.quantity, held, taken, filter(takes, theirs))
        for each in chosen:
            await self._cancel(each, order)
        return bool(chosen)

    async def _is_foreign(self, report: OrderReport) -> bool:
        """Whether it is somebody else's, and can be cancelled from here."""
        return bool(report.client_order_id) and await self._orders.known(report.client_order_id) is None

    async def _cancel(self, report: OrderReport, order: LiveOrder) -> None:
        try:
            await self._orders.cancel(report.client_order_id, "an exit goes before it")
        except Rejected as over:  # filled or cancelled meanwhile: it is in nobody's way
            log.info("what kept an exit back is over", order=report.client_order_id, why=str(over))
            return
        except Uncertain:
            await self._telling.tell(_alert(report, order))  # it may be gone: better told in vain than not at all
            raise
        await self._telling.tell(_alert(report, order))


def in_the_way(units: Decimal, held: Decimal, taken: Decimal, theirs: Iterable[OrderReport]) -> list[OrderReport]:
    """Of `theirs`, which take room: as few as must go for signed `units` to be traded, the largest first.

    `taken` is what all orders take of what is `held` (signed). None where not so much is held, where there is room, or
    where all of theirs would not do: nothing is cancelled in vain.
    """
    if held * units >= 0 or abs(units) > abs(held):
        return []
    lacking, chosen = abs(units) + taken - abs(held), list[OrderReport]()
    for each in sorted(theirs, key=lambda one: (-one.remaining, one.client_order_id)):
        if lacking > 0:
            chosen.append(each)
            lacking -= each.remaining
    return chosen if lacking <= 0 else []


def _takes_room(symbol: str, side: Side, report: OrderReport, *, locks: bool) -> bool:
    """Whether it holds back what others could close: what it `locks`, or a promise that does not wait for a price."""
    same = (report.symbol, report.side) == (symbol, side)
    return same and (locks or (report.reduce_only and not report.type.is_conditional))


def _alert(report: OrderReport, order: LiveOrder) -> Alert:
    price = f" at {report.limit_price.normalize():,f}" if report.limit_price is not None else ""
    what = f"{report.side} {report.remaining.normalize():,f} {report.symbol}{price}"
    names = ", ".join(sorted(order.parts))
    body = (
        f"It was placed at the venue, not by us, and kept the exit of {names} ({order.what}) from being taken: what "
        "one order is to close, another cannot. The exit goes now. What is still held after it has lost this order: "
        "place it anew there if you want it."
    )
    return Alert("order", Severity.CRITICAL, f"An order that is not ours was cancelled: {what}", body)
