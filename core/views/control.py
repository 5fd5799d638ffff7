"""The house at a glance, and what stops it and sets it going again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from risk.view import TradingState


@dataclass(frozen=True, slots=True)
class ScopeState:
    """The trading state of one scope and why."""

    scope: str
    state: TradingState
    reason: str
    by: str
    since: datetime


@dataclass(frozen=True, slots=True)
class KillView:
    """A halt whose venue has not said yet that nothing is open; `tries` 0: the first sweep is under way."""

    account: str
    strategy: str  # empty: the whole account
    since: datetime
    tries: int
    reason: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResumeView:
    """What a resume would lift, the token that binds a yes to it, what would hold trading back all the same, and where
    orders may still be open.
    """

    scope: str
    lifts: tuple[ScopeState, ...]
    token: str
    stays: tuple[ScopeState, ...]
    incomplete: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveView:
    """An account with real money, and what a yes to it would let trade; `token` binds the yes to that."""

    account: str
    broker: str
    identity: str
    token: str
    waits: bool
    currency: str
    equity: Decimal | None
    positions: int
    strategies: tuple[str, ...]
    state: TradingState


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen: how are we doing, is everything all right?

    Of one account; or of all, each in `accounts`: then states and counts are those of all, and money is the sum if they
    are kept in one currency, and all of it is real or none. If not, `currency` is empty and there is no sum.
    """

    account: str
    simulated: bool
    currency: str
    state: TradingState
    state_reason: str
    equity: Decimal | None
    cash: Decimal
    today: Decimal | None
    today_fraction: float | None
    drawdown_fraction: float | None
    gross_fraction: float | None
    running: int
    paused: int
    stopped: int
    failed: int
    positions: int
    open_orders: int
    uncertain_orders: int
    pending_alerts: int
    market_time: datetime
    wall_time: datetime
    connected: bool
    feed: str  # a sentence: "replaying 2000-09-29 at 4 bars/s"
    measured_since: datetime | None = None  # losses are measured from the last resume, if there was one
    restricted: tuple[str, ...] = ()  # instruments that may only be reduced
    accounts: tuple[Overview, ...] = ()
    mode: str = ""  # live, testnet, demo or paper; of several the gravest
    troubles: tuple[str, ...] = ()  # why venues take no orders now, though they are connected

    @property
    def is_real(self) -> bool:
        """Whether it is real money; what nobody calls something else is."""
        return not self.simulated and self.mode in ("", "live")


@dataclass(frozen=True, slots=True)
class FlattenPreview:
    """What flattening would do, for the confirmation."""

    scope: str
    orders: tuple[tuple[str, Decimal, Decimal | None], ...]  # symbol, signed quantity to trade, value
    currency: str
    obstacles: tuple[str, ...] = ()  # what cannot be closed now, and why


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What an action did: `ok`, one clear sentence, and a line for each part of it."""

    ok: bool
    message: str
    lines: tuple[str, ...] = ()
