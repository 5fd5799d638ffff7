"""What every room of questions needs: the engine, and whose accounts are asked about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from core.access.roles import Actor
from core.engine import Engine
from core.errors import UnknownName, UserError
from core.store.control import get_cursor
from core.strategy.manager import Instance
from core.trading.desk import Desk
from risk.view import PortfolioView

# The cursor of when a person last went on after a halt, before there were several accounts.
MEASURED = "losses measured"


def measured_key(account: str) -> str:
    """The cursor of when a person last went on after a halt of an account: losses before that are forgiven."""
    return f"{MEASURED}:{account}"


async def measured_since(account: str) -> datetime | None:
    """Since when losses are measured, if not since the start."""
    return await get_cursor(measured_key(account)) or await get_cursor(MEASURED)


def today_of(desk: Desk, view: PortfolioView) -> tuple[Decimal | None, float | None]:
    """What the day has brought, in money and as a share of equity; None is unknown. Money paid in or out is neither."""
    base, equity = desk.baselines, view.equity
    if base is None or equity is None or base.day_start_equity <= 0:
        return (None if equity is None else equity - view.day_start_equity), None
    return equity - base.day_began_with, float(equity / base.day_start_equity - 1)


class Asking:
    """Looks at the engine and changes nothing.

    Views take `account` (empty: all of them, or where only one can be shown the first) and `accounts`, the accounts
    that the reader may see; None is all. What the reader may not see is as if it were not there.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def seen_by(self, actor: Actor) -> tuple[str, ...] | None:
        """The accounts that a reader may see; None if there are no others."""
        names = self._engine.floor.names
        seen = tuple(name for name in names if actor.sees(name))
        return None if seen == names else seen

    def visible(self, accounts: Collection[str] | None = None) -> tuple[str, ...]:
        """The names of the accounts that can be asked for, if there are several in the house; else none."""
        floor = self._engine.floor
        return () if floor.is_single else tuple(desk.account for desk in floor.chosen("", accounts))

    def _desk(self, account: str, accounts: Collection[str] | None) -> Desk:
        """The desk that was asked for, else the first that the reader may see. Raises `UserError`."""
        for desk in self._engine.floor.chosen(account, accounts):
            return desk
        raise UserError("There is no account that you may see. An admin can change that.")

    def _named(self, desk: Desk) -> str:
        """An account's name where there are several; with one nobody needs to be told."""
        return "" if self._engine.floor.is_single else desk.account

    def _instances(self, account: str, accounts: Collection[str] | None) -> list[Instance]:
        """The strategies of these accounts, in the order of the settings."""
        floor = self._engine.floor
        chosen = {desk.account for desk in floor.chosen(account, accounts)}
        return [each for each in self._engine.strategies.instances if floor.account_of(each.name) in chosen]

    def _check_known(self, strategy: str, accounts: Collection[str] | None = None) -> tuple[str, ...]:
        """Where a strategy trades or has something, as far as the reader may see it; everywhere if it is empty.

        Raises `UnknownName` for one that is neither configured nor ever held anything there.
        """
        desks, floor = self._engine.floor.chosen("", accounts), self._engine.floor
        known = [name for desk in desks for name in floor.strategies_of(desk.account)]
        found = tuple(
            desk.account
            for desk in desks
            if not strategy or strategy in floor.strategies_of(desk.account) or desk.portfolio.symbols_of(strategy)
        )
        if strategy and not found:
            raise UnknownName("strategy", strategy, known)
        return found

    def _holders(self) -> set[str]:
        """Whoever has or had a position: strategies that have left the settings, and hands, included."""
        return {name for desk in self._engine.floor for name, _ in desk.portfolio.lots()}
