"""Looks after open orders by the clock: doubts, cancels that may not have happened, and time that is up.

Called every two seconds or so. Nothing here sends an order, and a venue that cannot be asked changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

import structlog

from brokers.errors import BrokerError
from brokers.port import AbstractBroker
from core.clock import Clock
from core.events import Events, OrderChanged
from core.trading.live_order import LiveOrder
from core.trading.order_manager import OrderManager
from core.trading.order_search import OrderSearch
from core.trading.recovery import Recovery
from core.trading.states import OrderState

log = structlog.get_logger(__name__)

# When a cancelled order is looked for once more: a venue that said "done" may still have it.
_SWEEPS = (timedelta(seconds=3), timedelta(seconds=8))
# How long a cancel may be on its way before it is sent again; cancelling twice does no harm.
_CANCEL_PATIENCE = timedelta(seconds=5)
# How long after its time an order may still be open before we cancel it ourselves.
_LATE = timedelta(seconds=10)

_SETTLED = (OrderState.WORKING, OrderState.PARTIALLY_FILLED)


async def _failure(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """Do it; what it failed of."""
    found = await asyncio.gather(work, return_exceptions=True)
    return found[0]


class OrderWatch:
    """One look at all orders of one account, as often as it is called."""

    def __init__(
        self,
        broker: AbstractBroker,
        orders: OrderManager,
        search: OrderSearch,
        recovery: Recovery,
        *,
        events: Events,
        clock: Clock,
        trading_clock: Clock,
    ) -> None:
        self._broker = broker
        self._orders = orders
        self._search = search
        self._recovery = recovery
        self._clock = clock
        self._trading_clock = trading_clock
        self._cancelled: dict[str, list[datetime]] = {}
        self._cancelling: dict[str, datetime] = {}
        self._busy = asyncio.Lock()
        events.subscribe(OrderChanged, self._changed)

    async def _changed(self, event: OrderChanged) -> None:
        """A cancelled order is looked for again soon."""
        if event.state == OrderState.CANCELLED:
            now = self._clock.now()
            self._cancelled.setdefault(event.order_id, [now + each for each in _SWEEPS])

    async def look(self) -> None:
        """Do what is due. One look at a time: a slow venue must not be asked twice at once.

        What fails at one order is raised when all others have been looked after.
        """
        if self._busy.locked() or not self._broker.is_connected:
            return
        async with self._busy:
            now = self._clock.now()
            failures = [await _failure(self._look_after(order, now)) for order in self._orders.open_orders]
            failures += [await _failure(self._keep_watching(order, now)) for order in self._orders.watched]
            await self._sweep_cancelled(now)
            await self.give_up()
        for failure in failures:
            if failure is not None:
                raise failure

    # --- doubts ------------------------------------------------------------------------------------

    async def _look_after(self, order: LiveOrder, now: datetime) -> None:
        if order.state is OrderState.CANCELLING:
            await self._cancel_again(order, now)
        elif self._search.is_due(order, now):
            await self._search.look(order)

    async def _keep_watching(self, order: LiveOrder, now: datetime) -> None:
        if order.watch_until is not None and now >= order.watch_until:
            await self._search.stop_watching(order)
        elif self._search.is_due(order, now):
            await self._search.look(order)

    async def _cancel_again(self, order: LiveOrder, now: datetime) -> None:
        """A cancel that got lost: ask what became of the order, and cancel it again if it is still open."""
        since = self._cancelling.setdefault(order.id, now)
        if now - since < _CANCEL_PATIENCE:
            return
        self._cancelling[order.id] = now
        if await self._search.look(order) and order.state is OrderState.CANCELLING:
            await self._cancel(order, "the cancel was lost: once more")

    # --- cancels that were done, they say ----------------------------------------------------------

    async def _sweep_cancelled(self, now: datetime) -> None:
        for order_id, times in list(self._cancelled.items()):
            if now < times[0]:
                continue
            try:
                revived = await self._recovery.revive(order_id)
            except BrokerError as error:
                log.info("a cancelled order cannot be looked for", order=order_id, error=str(error))
                continue
            self._cancelled[order_id] = times[1:]
            if revived:
                await self._cancel_revived(order_id)
            if revived or not times[1:]:
                del self._cancelled[order_id]
        open_ids = {order.id for order in self._orders.open_orders}
        self._cancelling = {each: at for each, at in self._cancelling.items() if each in open_ids}

    async def _cancel_revived(self, order_id: str) -> None:
        order = self._orders.open_order(order_id)
        if order is not None:
            await self._cancel(order, "it was cancelled, and the venue still has it open")

    # --- time --------------------------------------------------------------------------------------

    async def give_up(self) -> None:
        """Cancel what has not filled in its time, and what the venue should have let expire."""
        now = self._trading_clock.now()
        for order in self._orders.open_orders:
            if order.state not in _SETTLED:
                continue
            if order.give_up_at is not None and now >= order.give_up_at:
                await self._cancel(order, "not filled in its time")
            elif order.request.expires_at is not None and now >= order.request.expires_at + _LATE:
                await self._cancel(order, "its time is over, and the venue still has it open")

    async def _cancel(self, order: LiveOrder, reason: str) -> None:
        try:
            await self._orders.cancel(order.id, reason)
        except BrokerError as error:
            log.warning("cancelling has failed", order=order.id, reason=reason, error=str(error))
