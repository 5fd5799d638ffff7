"""What a judge may look at: one account, frozen at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from brokers.instrument import Instrument
from brokers.market import Quote
from brokers.money import ZERO
from brokers.order import Side


class TradingState(IntEnum):
    """How much trading is allowed. States of several scopes combine by `max`: the gravest wins."""

    ACTIVE = 0
    REDUCING = 1
    HALTED = 2


@dataclass(frozen=True, slots=True)
class Holding:
    """The account's net position in one instrument; `quantity` is signed, `mark` its present price."""

    instrument: Instrument
    quantity: Decimal
    mark: Decimal | None

    @property
    def value(self) -> Decimal | None:
        """Signed market value in the instrument's currency; None without a mark."""
        return None if self.mark is None else self.quantity * self.mark * self.instrument.multiplier


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that may still fill: `remaining` units at full size. `uncertain` ones count like any other.

    `instrument` values orders in instruments that the account does not hold; without it their value is
    unknown, and then new risk is denied. Of the orders of one `oco_group` only one ever fills. A `resting_exit`
    is a stop or target of the protective engine: it waits, and gives way to any other exit. A
    `conditional` order sleeps until a price is reached.
    """

    client_order_id: str
    symbol: str
    side: Side
    remaining: Decimal
    price: Decimal | None = None
    reduce_only: bool = False
    uncertain: bool = False
    instrument: Instrument | None = None
    oco_group: str = ""
    resting_exit: bool = False
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """A recent order message, for rate and duplicate rules; `reduces`: it promised to close only."""

    at: datetime
    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    reduces: bool = False


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """Everything a rule may know of one account at `at`; money is in `currency`.

    `equity` is None when it cannot be computed (a held instrument without a mark): rules then deny and the
    monitor halts, rather than skip. `day_start_equity` and `peak_equity` are persisted baselines.
    `submissions` come in the order of time. `daily_volume` is the venue's 24-hour volume in units. `states` holds the
    trading state of each scope: "global", "account:NAME", "strategy:NAME" and "instrument:ACCOUNT/SYMBOL". `fx_rates`
    holds the price of one unit of a foreign currency in `currency`.
    """

    account: str
    currency: str
    at: datetime
    cash: Decimal
    equity: Decimal | None
    day_start_equity: Decimal
    peak_equity: Decimal
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    working: tuple[WorkingOrder, ...] = ()
    submissions: tuple[Submission, ...] = ()
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    daily_volume: Mapping[str, Decimal] = field(default_factory=dict)
    states: Mapping[str, TradingState] = field(default_factory=dict)
    fx_rates: Mapping[str, Decimal] = field(default_factory=dict)

    def quantity(self, symbol: str) -> Decimal:
        """The net position in `symbol`, zero when flat."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO

    def working_quantity(self, symbol: str, side: Side) -> Decimal:
        """Units of `symbol` that open orders on `side` may still fill; of an OCO group, only the largest."""
        return together(order for order in self.working if order.symbol == symbol and order.side is side)

    def worst_quantity(self, symbol: str, side: Side) -> Decimal:
        """The position if every open order on `side` fills and none on the other side does.

        What the venue itself keeps from opening anything (reduce-only) never carries it past flat.
        """
        orders = [order for order in self.working if order.symbol == symbol and order.side is side]
        if not orders:
            return self.quantity(symbol)
        free = self.quantity(symbol) + side.sign * together(order for order in orders if not order.reduce_only)
        left = max(-free * side.sign, ZERO)  # still to close on this side
        return free + side.sign * min(left, together(order for order in orders if order.reduce_only))

    def sent_since(self, at: datetime) -> Iterator[Submission]:
        """The submissions after `at`, newest first: what is older is not even looked at."""
        for sent in reversed(self.submissions):
            if sent.at <= at:
                return
            yield sent

    def price(self, symbol: str) -> Decimal | None:
        """The price to value `symbol` at: the last quote's mid, else the holding's mark."""
        if quote := self.quotes.get(symbol):
            return quote.mid
        holding = self.holdings.get(symbol)
        return holding.mark if holding else None

    def rate(self, currency: str) -> Decimal | None:
        """What one unit of `currency` is worth in the account's currency; None when that is unknown."""
        return Decimal(1) if currency == self.currency else self.fx_rates.get(currency)

    def state_for(self, strategies: tuple[str, ...] = (), symbol: str = "") -> TradingState:
        """The gravest of the global, the account's, these strategies' and the instrument's states."""
        if all(state is TradingState.ACTIVE for state in self.states.values()):
            return TradingState.ACTIVE
        scopes = ["global", f"account:{self.account}", *(f"strategy:{name}" for name in strategies)]
        scopes.append(live_scope(self.account))
        if symbol:
            scopes.append(f"instrument:{self.account}/{symbol}")
        return max(self.states.get(scope, TradingState.ACTIVE) for scope in scopes)


def live_scope(account: str) -> str:
    """The scope that is HALTED while an account with real money waits for a person's yes."""
    return f"live:{account}"


def together(orders: Iterable[WorkingOrder]) -> Decimal:
    """Units that `orders` can fill in all: orders of one OCO group take from each other, so the largest counts."""
    total, groups = ZERO, dict[str, Decimal]()
    for order in orders:
        if order.oco_group:
            groups[order.oco_group] = max(groups.get(order.oco_group, ZERO), order.remaining)
        else:
            total += order.remaining
    return total + sum(groups.values(), ZERO)
