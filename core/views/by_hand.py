"""Trading by hand: what would happen, before it is confirmed, and what has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.order import OrderType, Side
from core.views.limits import LimitChange
from core.views.portfolio import ExitRow
from risk.view import TradingState


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What an order by hand would be, cost and do, at this moment; None is unknown. Nothing was sent.

    `words` are the exact order in units, as the confirmation carries it, `seen` what it was shown on: the press is
    compared with it. Positions are of `owner` (`manual`, or the strategy whose position is closed) and of the account.
    `basis` says what the price rests on: book, shallow, quote, own or nothing. `slippage_bps` is against the mid.
    Money is in `currency`, prices in the instrument's own.
    """

    verb: str
    words: tuple[str, ...]
    seen: str
    account: str
    simulated: bool
    owner: str
    side: Side
    symbol: str
    quantity: Decimal
    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail: Decimal | None
    trail_percent: Decimal | None
    time_in_force: str
    expires_at: datetime | None
    post_only: bool
    reduce_only: bool
    exits: str
    bid: Decimal | None
    ask: Decimal | None
    quote_age: float | None  # seconds
    basis: str
    price: Decimal | None
    worst_price: Decimal | None
    slippage_bps: Decimal | None
    shown: Decimal | None
    price_currency: str
    value: Decimal | None
    slippage_cost: Decimal | None
    fee: Decimal | None
    currency: str
    held: Decimal
    held_after: Decimal
    account_held: Decimal
    account_after: Decimal
    equity: Decimal | None
    gross: tuple[Decimal | None, Decimal | None]
    net: tuple[Decimal | None, Decimal | None]
    leverage: tuple[Decimal | None, Decimal | None]
    limits: tuple[LimitChange, ...]
    state: TradingState
    connected: bool
    code: str  # the gate's objection; empty: it would pass
    objection: str
    largest: Decimal
    largest_words: tuple[str, ...]
    notes: tuple[str, ...]
    changed: str = ""  # what is other than it was shown, when a confirmation came too late for it
    mode: str = ""  # live, testnet, demo or paper


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a confirmed order: its id if it was placed, or the preview to look at again.

    `told` is what is to be said of one that went in several orders; `order` is the first of them then.
    """

    order: str = ""
    preview: OrderPreview | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """An open order by hand before and after a change, and the gate's objection (empty: it would pass)."""

    order: str
    account: str
    what: str
    before: str
    after: str
    code: str
    objection: str


@dataclass(frozen=True, slots=True)
class CancelPreview:
    """The open orders that a cancel means: (id, in words)."""

    what: str
    orders: tuple[tuple[str, str], ...]
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExitsView:
    """How one position is protected, and what it is measured by."""

    account: str
    strategy: str
    symbol: str
    quantity: Decimal
    entry: Decimal
    price: Decimal | None
    exits: ExitRow | None


@dataclass(frozen=True, slots=True)
class Tradable:
    """A symbol that can be traded by hand, and what is held of it, by holder."""

    symbol: str
    price: Decimal | None
    lot: Decimal
    tick: Decimal
    held: Mapping[str, Decimal]
    accounts: tuple[str, ...]
