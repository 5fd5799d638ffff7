"""The trading floor: every desk with its pipeline, by account, in the order of their names.

An account stands for itself: its own broker, books, limits and trading state. What is done for all of them is done
for all at once, so that a slow broker delays nobody else, and one that fails keeps no other from its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import structlog

from core.errors import Postponed, SettingsError, UnknownName
from core.trading.desk import Desk
from core.trading.pipeline import Pipeline

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """One account: its desk, its pipeline, the adapter of its broker, and the strategies that trade there."""

    desk: Desk
    pipeline: Pipeline
    adapter: str
    strategies: tuple[str, ...]


class Floor:
    """All accounts. Iterating gives the desks in the order of their names; there is at least one."""

    def __init__(self, places: Sequence[Place]) -> None:
        by_name = {each.desk.account: each for each in sorted(places, key=lambda each: each.desk.account)}
        self._places = by_name
        self._homes = {name: account for account, each in by_name.items() for name in each.strategies}
        self.desks: Mapping[str, Desk] = MappingProxyType({name: each.desk for name, each in by_name.items()})
        self.pipelines: Mapping[str, Pipeline] = MappingProxyType(
            {name: each.pipeline for name, each in by_name.items()}
        )

    def __iter__(self) -> Iterator[Desk]:
        return iter(self.desks.values())

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, account: object) -> bool:
        return account in self._places

    # --- by account --------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The accounts, in order."""
        return tuple(self._places)

    @property
    def is_single(self) -> bool:
        """Whether there is one account only: then nobody needs to be told which."""
        return len(self) == 1

    @property
    def first(self) -> Desk:
        """The first desk, for what one of them can say for all."""
        return next(iter(self))

    def desk(self, account: str) -> Desk:
        """One desk. Raises `UnknownName`."""
        return self._place(account).desk

    def pipeline(self, account: str) -> Pipeline:
        """The pipeline of one account. Raises `UnknownName`."""
        return self._place(account).pipeline

    def adapter(self, account: str) -> str:
        """The adapter that an account's broker is of. Raises `UnknownName`."""
        return self._place(account).adapter

    def on(self, adapter: str) -> tuple[str, ...]:
        """The accounts whose broker is of `adapter`. Raises `UnknownName` if there are none."""
        found = tuple(name for name, each in self._places.items() if each.adapter == adapter)
        if not found:
            raise UnknownName("broker", adapter, {each.adapter for each in self._places.values()})
        return found

    def chosen(self, account: str = "", seen: Collection[str] | None = None) -> tuple[Desk, ...]:
        """The desk of `account`, or all (""), of those that a reader may see (`seen`; None: all).

        Raises `UnknownName` for an account that there is not, or that is not seen: nobody learns of it.
        """
        visible = [name for name in self._places if seen is None or name in seen]
        if account and account not in visible:
            raise UnknownName("account", account, visible)
        return tuple(self.desks[name] for name in ([account] if account else visible))

    def _place(self, account: str) -> Place:
        if account not in self._places:
            raise UnknownName("account", account, self._places)
        return self._places[account]

    # --- by strategy and order ---------------------------------------------------------------------

    def strategies_of(self, account: str) -> tuple[str, ...]:
        """The strategies that trade in an account now, in the order of the settings; those of other accounts last."""
        own = self._place(account).strategies
        every = (*own, *(name for name in self._homes if name not in own))
        return tuple(name for name in every if self._homes[name] == account)

    def own_account_of(self, strategy: str) -> str:
        """The account that the settings give a strategy, wherever it trades now. Raises `UnknownName`."""
        self.account_of(strategy)
        return next(account for account, each in self._places.items() if strategy in each.strategies)

    def move(self, strategy: str, account: str) -> None:
        """A strategy trades in another account from now on. See `core.trading.failover`, which decides it."""
        self._homes[strategy] = self._place(account).desk.account
        for name, pipeline in self.pipelines.items():
            pipeline.serve(self.strategies_of(name))

    def account_of(self, strategy: str) -> str:
        """The one account that a configured strategy trades in. Raises `UnknownName`."""
        if strategy not in self._homes:
            raise UnknownName("strategy", strategy, self._homes)
        return self._homes[strategy]

    def desk_of(self, strategy: str) -> Desk:
        """The desk of a configured strategy. Raises `UnknownName`."""
        return self.desks[self.account_of(strategy)]

    def pipeline_of(self, strategy: str) -> Pipeline:
        """The pipeline of a configured strategy. Raises `UnknownName`."""
        return self.pipelines[self.account_of(strategy)]

    def accounts_of(self, holder: str) -> tuple[str, ...]:
        """Where a strategy trades or has something: it may have moved; those that left the settings, and hands, too.

        Raises `UnknownName` for who neither trades nor ever held anything.
        """
        home = self._homes.get(holder)
        found = tuple(desk.account for desk in self if desk.account == home or desk.portfolio.symbols_of(holder))
        if not found:
            holders = {name for desk in self for name, _ in desk.portfolio.lots()}
            raise UnknownName("strategy", holder, holders | self._homes.keys())
        return found

    def desk_with(self, order_id: str) -> Desk | None:
        """The desk on which an order is open; None if it is not."""
        return next((desk for desk in self if desk.orders.open_order(order_id) is not None), None)

    def check_homes(self) -> None:
        """Raises `SettingsError` for strategies that have moved to another account before they were flat and done."""
        problems = []
        for desk in self:
            lots = [(name, lot.instrument.symbol, lot.quantity) for name, lot in desk.portfolio.lots()]
            held = {(name, symbol) for name, symbol, units in lots if units and not desk.is_dust(symbol, units)}
            held |= {(name, order.symbol) for order in desk.orders.open_orders for name in order.parts}
            problems += [
                f"strategies ({name}): it still holds or orders {symbol} in {desk.account}: "
                f"write `account: {desk.account}`, and let it move when it is flat"
                for name, symbol in sorted(held)
                if self._homes.get(name, desk.account) != desk.account
                and name not in self._places[desk.account].strategies
            ]
        if problems:
            raise SettingsError(problems)

    # --- all of them -------------------------------------------------------------------------------

    async def each(self, action: Callable[[Desk], Awaitable[T]], accounts: Collection[str] | None = None) -> list[T]:
        """`action` for all desks (or those of `accounts`) at once; each has its turn, whatever becomes of another.

        Then the first failure is raised; that something was only postponed, if nothing else has failed.
        """
        desks = [desk for desk in self if accounts is None or desk.account in accounts]
        if len(desks) == 1:  # nobody else to have a turn
            return [await action(desks[0])]
        found = await asyncio.gather(*(action(desk) for desk in desks), return_exceptions=True)
        ended = zip(desks, found, strict=True)
        failed = [(desk.account, each) for desk, each in ended if isinstance(each, BaseException)]
        for account, error in failed:
            log.warning("an account failed in its turn", account=account, exc_info=error)
        if failed:
            raise min(failed, key=lambda each: isinstance(each[1], Postponed))[1]
        return [each for each in found if not isinstance(each, BaseException)]
