"""What is traded, and the venue's rules for quantities and prices of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.money import ZERO, exact, floor_to, is_multiple, round_to


class AssetClass(StrEnum):
    """The kind of thing an instrument is."""

    STOCK = "stock"
    CRYPTO = "crypto"
    FUTURE = "future"
    OPTION = "option"
    FX = "fx"
    COMMODITY = "commodity"


class Settlement(StrEnum):
    """How a trade moves cash.

    FULL: price times quantity changes hands (stocks, spot, options). MARGINED: only profits, losses and fees do,
    when the position is closed (futures, perpetuals, contracts for difference).
    """

    FULL = "full"
    MARGINED = "margined"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable instrument at one venue.

    `tick` is the price step and `lot` the quantity step, both > 0. `min_quantity` and `min_notional` are the
    smallest order, in units and in `currency`; `max_quantity` is the largest, and `max_market_quantity` the largest of
    those that trade at market, where the venue has such. `multiplier` turns price x quantity into money (100 for most
    stock options, the contract size of a future). `settlement` says whether a trade moves that money. `base` is the
    currency that the units themselves are at the venue (BTC of BTC/USDT on a spot market), where there is one: a fee
    in it is paid out of the holding.
    """

    symbol: str
    currency: str
    asset_class: AssetClass = AssetClass.STOCK
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal(1)
    min_quantity: Decimal = ZERO
    min_notional: Decimal = ZERO
    multiplier: Decimal = Decimal(1)
    settlement: Settlement = Settlement.FULL
    base: str = ""
    max_quantity: Decimal | None = None
    max_market_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        for name in ("tick", "lot", "min_quantity", "min_notional", "multiplier"):
            exact(getattr(self, name), f"{self.symbol} {name}")
        if self.tick <= 0 or self.lot <= 0 or self.multiplier <= 0:
            raise ValueError(f"{self.symbol}: tick, lot and multiplier must be above zero")
        for most in (self.max_quantity, self.max_market_quantity):
            if most is not None and exact(most, f"{self.symbol} most") <= 0:
                raise ValueError(f"{self.symbol}: the largest order must be above zero")

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Unsigned money value of `quantity` at `price`, in `currency`."""
        return abs(quantity) * price * self.multiplier

    def most(self, *, at_market: bool) -> Decimal | None:
        """The largest order, in whole lots; None if there is no limit. What wakes as a market order is one."""
        most = self.max_quantity
        if at_market and self.max_market_quantity is not None:
            most = self.max_market_quantity if most is None else min(most, self.max_market_quantity)
        return None if most is None else max(self.floor_quantity(most), self.lot)

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """`quantity` rounded towards zero to whole lots."""
        return floor_to(quantity, self.lot)

    def round_price(self, price: Decimal) -> Decimal:
        """`price` rounded to the nearest tick."""
        return round_to(price, self.tick)

    def is_whole_lots(self, quantity: Decimal) -> bool:
        """Whether `quantity` is a whole number of lots."""
        return is_multiple(quantity, self.lot)

    def is_on_tick(self, price: Decimal) -> bool:
        """Whether `price` is a whole number of ticks."""
        return is_multiple(price, self.tick)
