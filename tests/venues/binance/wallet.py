"""Balances of one account: free, locked, and on margin what was borrowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tests.venues.binance import errors

ZERO = Decimal(0)


@dataclass(slots=True)
class Balance:
    """One asset."""

    free: Decimal = ZERO
    locked: Decimal = ZERO
    borrowed: Decimal = ZERO
    interest: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Free and locked."""
        return self.free + self.locked


@dataclass(slots=True)
class Wallet:
    """Balances by asset. What changes is remembered until `changed` is asked."""

    balances: dict[str, Balance] = field(default_factory=dict)
    _changed: list[str] = field(default_factory=list)

    def of(self, asset: str) -> Balance:
        """The balance of an asset."""
        return self.balances.setdefault(asset, Balance())

    def add(self, asset: str, amount: Decimal) -> None:
        """Receive (or, below zero, pay) free money."""
        self.of(asset).free += amount
        self._touch(asset)

    def lock(self, asset: str, amount: Decimal) -> None:
        """Hold money back for an order. Raises -2010 when it is not there."""
        balance = self.of(asset)
        if balance.free < amount:
            raise errors.rejected(errors.INSUFFICIENT)
        balance.free -= amount
        balance.locked += amount
        self._touch(asset)

    def unlock(self, asset: str, amount: Decimal) -> None:
        """Give it back."""
        balance = self.of(asset)
        balance.locked -= amount
        balance.free += amount
        self._touch(asset)

    def borrow(self, asset: str, amount: Decimal) -> None:
        """Take a loan."""
        self.of(asset).borrowed += amount
        self.add(asset, amount)

    def repay(self, asset: str, most: Decimal) -> Decimal:
        """Pay back of a loan what is owed and free, no more than `most`; how much that was."""
        balance = self.of(asset)
        amount = max(min(balance.borrowed, balance.free, most), ZERO)
        if amount > 0:
            balance.borrowed -= amount
            self.add(asset, -amount)
        return amount

    def changed(self) -> list[str]:
        """The assets that have changed since the last question."""
        changed, self._changed = self._changed, []
        return changed

    def _touch(self, asset: str) -> None:
        if asset not in self._changed:
            self._changed.append(asset)
