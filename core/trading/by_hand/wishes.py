"""Exits of a bracket: stored in the commit of the entry, handed to the protective engine with its first fill."""

from __future__ import annotations

from dataclasses import dataclass

from core.store.along import Along, Stored
from core.store.wanted_exits import drop_wanted_exits, load_wanted_exits, order_of_role, put_wanted_exits
from core.trading.desk import Desk
from core.trading.live_order import MANUAL
from core.trading.protection.protector import Protector
from core.trading.protection.spec import ExitSpec


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants for the position that the order with this role opens."""

    role: str
    symbol: str
    spec: ExitSpec


class Wishes:
    """The open wishes of one desk. Every method is called inside the pipeline's turn."""

    def __init__(self, desk: Desk, protection: Protector) -> None:
        self._desk = desk
        self._protection = protection
        self._open: dict[str, Wish] = {}
        self._loaded = False

    async def load(self) -> None:
        """Take up the stored wishes, once."""
        if not self._loaded:
            rows = await load_wanted_exits(self._desk.account)
            self._open |= {row.role: Wish(row.role, row.symbol, ExitSpec.model_validate(row.spec)) for row in rows}
            self._loaded = True

    @property
    def open(self) -> tuple[Wish, ...]:
        """Wishes whose entry has not filled yet."""
        return tuple(self._open.values())

    def along(self, wish: Wish) -> Along:
        """The wish, to be stored in the commit of its order."""
        return _Kept(self, wish)

    async def keep(self) -> None:
        """Hand over every wish whose order has begun to fill; forget those whose order is over without."""
        await self.load()
        for wish in self.open:
            await self._look(wish)

    async def _look(self, wish: Wish) -> None:
        working = next((each for each in self._desk.orders.open_orders if each.role == wish.role), None)
        stored = None if working is not None else await order_of_role(self._desk.account, wish.role)
        filled = working.filled if working is not None else stored.filled if stored is not None else 0
        if filled and self._desk.portfolio.lot(MANUAL, wish.symbol).quantity:
            await self._protection.protect(MANUAL, wish.symbol, wish.spec)
        if filled or (working is None and not _may_come_back(stored)):
            await drop_wanted_exits(wish.role)
            self._open.pop(wish.role, None)

    def stored(self, wish: Wish) -> None:
        """It is on the disk."""
        self._open[wish.role] = wish

    @property
    def account(self) -> str:
        """Whose."""
        return self._desk.account


def _may_come_back(stored: object) -> bool:
    """An order that is presumed not placed is watched for a day: should it turn up and fill, its exits are there."""
    return stored is not None and getattr(stored, "watch_until", None) is not None


class _Kept:
    """A wish on its way to the disk."""

    def __init__(self, wishes: Wishes, wish: Wish) -> None:
        self._wishes = wishes
        self._wish = wish

    async def write(self) -> Stored:
        """Store it, inside the transaction of its order."""
        wish = self._wish
        await put_wanted_exits(wish.role, self._wishes.account, wish.symbol, wish.spec.stored())
        return lambda: self._wishes.stored(wish)


class Together:
    """Several things that go along with one commit."""

    def __init__(self, *each: Along) -> None:
        self._each = each

    async def write(self) -> Stored:
        """Store all of them."""
        stored = [await one.write() for one in self._each]

        def done() -> None:
            for one in stored:
                one()

        return done
