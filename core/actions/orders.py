"""Single orders: settling doubts by hand, and how positions are protected."""

from __future__ import annotations

from brokers.errors import BrokerError
from core.access.roles import Actor
from core.actions.acting import Acting
from core.store.orders import get_order
from core.trading.desk import Desk
from core.trading.protection.spec import ExitSpec
from core.views import ActionResult


class OrderActions(Acting):
    """What may be done to orders."""

    async def protect(self, strategy: str, symbol: str, spec: ExitSpec | None, actor: Actor) -> ActionResult:
        """Say how a position is protected until it is flat; None: not at all. Raises `UnknownName`."""
        floor = self._engine.floor
        places = [
            name for name in self._check_known(strategy) if floor.desk(name).portfolio.lot(strategy, symbol).quantity
        ]
        try:
            for name in places or floor.accounts_of(strategy)[:1]:  # where nothing is held, that is said
                await floor.pipeline(name).protect(strategy, symbol, spec)
        except LookupError as nothing:
            return await self._failed(actor, "protect", f"{nothing}.")
        text = f"{strategy} in {symbol}: {spec or 'no exits'}, until it is flat."
        return await self._done(actor, "protect", text, True, text, "")

    async def look_again(self, client_order_id: str, actor: Actor) -> ActionResult:
        """Ask the venue about an order now, in every way that it offers."""
        try:
            found = await (await self._desk_of(client_order_id)).decisions.look_again(client_order_id)
        except BrokerError as error:
            return await self._failed(actor, "look again", f"The venue could not be asked: {error}")
        detail = f"{client_order_id[:40]}: {found.text}"
        await self._engine.audit.record(actor, "look again", detail, "ok" if found.ok else "no change")
        return ActionResult(found.ok, found.text)

    async def decide_order(self, client_order_id: str, *, placed: bool, actor: Actor) -> ActionResult:
        """A person says whether the venue has an order in doubt; its own word counts for more, should it come."""
        said = f"{client_order_id[:40]} is {'there' if placed else 'not there'}"
        found = await (await self._desk_of(client_order_id)).decisions.decide(client_order_id, placed=placed)
        await self._engine.audit.record(actor, "decide order", f"{said}: {found.text}", "ok" if found.ok else "refused")
        return ActionResult(found.ok, found.text)

    async def _desk_of(self, client_order_id: str) -> Desk:
        """The desk of an order, open or over; the first for one that there is not: it says so."""
        row, floor = await get_order(client_order_id), self._engine.floor
        return floor.desks[row.account] if row is not None and row.account in floor else floor.first
