"""One guarded position of one strategy: its levels, and what has hit it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Side
from core.trading.protection.spec import Distance, ExitSpec, Source

# A trailing stop moves in steps of this share of its distance: each is stored, and told to the venue.
_STEP = Decimal("0.05")


class Leg(StrEnum):
    """One way out. EXCESS closes what two exits have sold too much between them."""

    STOP = "stop"
    TRAIL = "trail"
    TARGET = "target"
    TIME = "time"
    EXCESS = "excess"


class Holder(StrEnum):
    """Who closes the position when a price is hit."""

    VENUE = "venue"
    ENGINE = "engine"
    BOTH = "both"  # the venue a part of it, or one of stop and target; our engine the rest
    NOBODY = "nobody"  # trading is halted


@dataclass(frozen=True, slots=True)
class Guard:
    """A position and its exits. `quantity` is signed, `entry` its average price, `best` the best price since it
    was opened (in steps), `atr` the average true range then, `bars` how many have ended since, the last at `bar_at`.
    `episode` names the position from its opening until it is flat. `fired` is the way out that is being taken.
    """

    strategy: str
    instrument: Instrument
    spec: ExitSpec | None
    source: Source
    quantity: Decimal
    entry: Decimal
    opened_at: datetime
    episode: str
    bars: int = 0
    bar_at: datetime | None = None
    best: Decimal | None = None
    atr: Decimal | None = None
    fired: Leg | None = None
    holder: Holder = Holder.ENGINE

    @property
    def key(self) -> tuple[str, str]:
        """Whose and where."""
        return self.strategy, self.symbol

    @property
    def symbol(self) -> str:
        """What is held."""
        return self.instrument.symbol

    @property
    def sign(self) -> int:
        """1 for a long position, -1 for a short one."""
        return 1 if self.quantity > 0 else -1

    @property
    def exit_side(self) -> Side:
        """The side of the orders that close it."""
        return Side.SELL if self.quantity > 0 else Side.BUY

    # --- levels ------------------------------------------------------------------------------------

    @property
    def fixed_stop(self) -> Decimal | None:
        """Where the stop-loss is."""
        return self._level(self.spec.stop_loss, self.entry, -self.sign) if self.spec else None

    @property
    def trail_distance(self) -> Decimal | None:
        """How far the trailing stop is behind the best price."""
        if self.spec is None or self.spec.trailing is None or self.best is None:
            return None
        return self.spec.trailing.of(self.best, self.atr)

    @property
    def trailing_stop(self) -> Decimal | None:
        """Where the trailing stop is now."""
        if self.spec is None or self.best is None:
            return None
        return self._level(self.spec.trailing, self.best, -self.sign)

    @property
    def stop(self) -> Decimal | None:
        """The nearer of both stops."""
        known = [each for each in (self.fixed_stop, self.trailing_stop) if each is not None]
        return (max(known) if self.sign > 0 else min(known)) if known else None

    @property
    def stop_leg(self) -> Leg:
        """Which of both stops is the nearer one."""
        return Leg.STOP if self.stop == self.fixed_stop else Leg.TRAIL

    @property
    def target(self) -> Decimal | None:
        """Where the take-profit is."""
        return self._level(self.spec.take_profit, self.entry, self.sign) if self.spec else None

    def _level(self, distance: Distance | None, base: Decimal, direction: int) -> Decimal | None:
        level = None if distance is None else distance.level(base, direction, self.atr)
        return None if level is None else max(self.instrument.round_price(level), self.instrument.tick)

    @property
    def waits_for_atr(self) -> bool:
        """Whether a level is unknown because the average true range is."""
        return self.atr is None and self.spec is not None and self.spec.needs_atr

    # --- looking -----------------------------------------------------------------------------------

    def seeing(self, price: Decimal) -> Guard:
        """The guard after the market traded at `price`: a better price moves the trailing stop, in steps."""
        if self.spec is None or self.spec.trailing is None:
            return self
        if self.best is None:
            return replace(self, best=price if (price - self.entry) * self.sign > 0 else self.entry)
        gain = (price - self.best) * self.sign
        step = (self.trail_distance or ZERO) * _STEP
        return replace(self, best=price) if gain > 0 and gain >= step else self

    def hit_by(self, price: Decimal) -> Leg | None:
        """What the market has reached at `price`; a stop comes before a target."""
        stop, target = self.stop, self.target
        if stop is not None and (price - stop) * self.sign <= 0:
            return self.stop_leg
        if target is not None and (price - target) * self.sign >= 0:
            return Leg.TARGET
        return None

    def is_overdue(self, now: datetime) -> bool:
        """Whether it has been held for as long as it may be."""
        if self.spec is None:
            return False
        by_bars = self.spec.max_bars is not None and self.bars >= self.spec.max_bars
        hours = self.spec.max_hours
        return by_bars or (hours is not None and now - self.opened_at >= timedelta(hours=float(hours)))
