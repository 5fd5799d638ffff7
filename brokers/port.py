"""The port: what every broker can do. Errors are in `brokers.errors`; read its docstring first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar

from brokers.account import AccountInfo, Balance, CashFlow, Position
from brokers.errors import NotSupported
from brokers.health import Finding, Health
from brokers.instrument import Instrument
from brokers.market import Bar, OrderBook, Quote
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, Liquidity, OrderReport, OrderRequest, OrderType, TimeInForce

DAY = timedelta(days=1)


class ModifyBy(StrEnum):
    """How a venue changes an order: in place, or by a new order in the place of the old one."""

    NOT = "not"
    AMEND = "amend"
    REPLACE = "replace"


class TrailBy(StrEnum):
    """How the distance of a trailing stop is told: in price, or in percent of the best price."""

    PRICE = "price"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue offers natively; the rest is refused with `NotSupported`, never imitated silently.

    `oco`: orders of one group cancel each other at the venue. `find_by_client_id`: `find_order` is a real query
    by our own id; without it, an order in doubt is looked for in lists, and only a person can give it up.
    `cash_flows`: funding, deposits and the like are told. `modify_by` says how `modify` works, `dead_man`: the venue
    cancels our orders when it has not heard from us.
    `unchangeable` are the types whose orders cannot be changed in spite of `modify`.
    `trails` are the ways in which a trailing stop's distance may be told; none: there is no telling it.
    `quotes`, `report_stream`: pushed by the venue; otherwise they are asked for every few seconds. `test_money`: the
    venue has a place to try things without real money, and tells its keys apart.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    modify: bool = False
    reduce_only: bool = False
    post_only: bool = False
    shorting: bool = False
    order_book: bool = False
    bars: bool = False
    simulated: bool = False
    oco: bool = False
    find_by_client_id: bool = True
    cash_flows: bool = False
    modify_by: ModifyBy = ModifyBy.AMEND
    dead_man: bool = False
    quotes: bool = True
    report_stream: bool = True
    test_money: bool = False
    trails: frozenset[TrailBy] = frozenset()
    unchangeable: frozenset[OrderType] = frozenset()

    def changes(self, kind: OrderType) -> bool:
        """Whether an order of this type can be changed."""
        return self.modify and kind not in self.unchangeable


T_co = TypeVar("T_co", covariant=True)


class Subscription(Protocol[T_co]):
    """A stream of what happens. Iterate it; `aclose` it when nobody will read on."""

    def __aiter__(self) -> AsyncIterator[T_co]:
        """The stream itself."""
        ...

    async def aclose(self) -> None:
        """Stop reading."""
        ...


class AbstractBroker(ABC):
    """One account at one venue.

    `name` is ours (the key in the settings). Every method but `connect` raises `Unavailable` while not
    connected. Methods that change something may raise `Rejected`, `Unavailable` (nothing happened) or
    `Uncertain` (ask `find_order`); queries raise `Unavailable` when they fail and never return an empty
    answer instead.
    """

    name: str
    capabilities: Capabilities

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Whether calls can be made now."""

    @abstractmethod
    async def connect(self) -> None:
        """Connect and log in; idempotent. Raises `Unavailable` or `ConfigurationError`."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Leave in good order; idempotent. Orders at the venue stay as they are."""

    @property
    def left_out(self) -> Mapping[str, str]:
        """What was asked for and the venue does not list, each with what is told of it; the rest works without."""
        return {}

    @abstractmethod
    async def get_instruments(self) -> Sequence[Instrument]:
        """Every instrument that this account may trade, with the venue's rules."""

    def check_order(self, order: OrderRequest) -> None:  # noqa: B027 (most venues must be asked)
        """Raise `Rejected` or `NotSupported` for what `place_order` would refuse without asking the venue."""

    @abstractmethod
    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one order. An id that the venue already knows is `Rejected("DUPLICATE_ORDER", …)`."""

    @abstractmethod
    async def cancel_order(self, order: ClientOrderId) -> OrderReport:
        """Cancel what is left of an order. `OrderNotFound` if unknown, `Rejected("ORDER_CLOSED")` if over."""

    @abstractmethod
    async def modify_order(
        self,
        order: ClientOrderId,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> OrderReport:
        """Change the total quantity, the limit price or the trigger of a working order; its id stays.

        `OrderNotFound`, `Rejected("ORDER_CLOSED")`, or `Rejected` with the reason: then the order is as it was.
        """

    @abstractmethod
    async def find_order(self, order: ClientOrderId) -> OrderReport | None:
        """The order with all its fills, open or closed; None only if the venue definitely knows none."""

    @abstractmethod
    async def get_open_orders(self) -> Sequence[OrderReport]:
        """Every order that may still fill, conditional ones included."""

    @abstractmethod
    async def get_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Every order that ended at or after `since`, with its fills, oldest first; other people's too."""

    @abstractmethod
    async def get_fills(self, since: datetime) -> Sequence[Fill]:
        """Every execution of the account at or after `since`, oldest first; other people's and liquidations too."""

    @abstractmethod
    async def get_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Funding, deposits, interest and the like at or after `since`, oldest first. See `Capabilities`."""

    @abstractmethod
    async def get_account_info(self) -> AccountInfo:
        """Balances, positions and open orders, read at one moment."""

    @abstractmethod
    async def get_quote(self, symbol: str) -> Quote:
        """The latest quote. `Unavailable` if there is none yet."""

    @abstractmethod
    async def get_orderbook(self, symbol: str, depth: int = 10) -> OrderBook:
        """The best `depth` levels of each side."""

    @abstractmethod
    async def get_bars(self, symbol: str, *, until: datetime, count: int, period: timedelta = DAY) -> Sequence[Bar]:
        """The last `count` complete bars of `period` that ended at or before `until`, oldest first."""

    @abstractmethod
    def reports(self) -> Subscription[OrderReport]:
        """Order reports as they happen, from now on. After a gap, reconcile: nothing is replayed."""

    @abstractmethod
    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        """Quotes of `symbols` as they happen, from now on."""

    def bars(self, symbols: Iterable[str], period: timedelta) -> Subscription[Bar]:
        """Complete bars of `symbols`, each as soon as it has ended, from now on. After a gap, ask `get_bars`."""
        del symbols, period
        raise NotSupported("a stream of bars")

    def books(self, symbols: Iterable[str], depth: int = 10) -> Subscription[OrderBook]:
        """Order books of `symbols` as they change, from now on."""
        del symbols, depth
        raise NotSupported("a stream of order books")

    @property
    def is_live(self) -> bool:
        """Whether real money is at stake."""
        return False

    @property
    def identity(self) -> str:
        """What must be confirmed anew when it changes: which venue, which mode, whose key (never the key itself)."""
        return self.name

    @property
    def wallet(self) -> str:
        """Whose money it is. Two accounts with the same would each book, and trade away, what the other has."""
        return self.identity

    @property
    def health(self) -> Health:
        """How the connection is doing; a venue in this process has nothing to tell."""
        return Health()

    async def inspect(self) -> Sequence[Finding]:
        """What the venue says about the connection itself: clock, key, permissions, mode. Places nothing."""
        return ()

    async def estimate_fee(
        self,
        instrument: Instrument,
        quantity: Decimal,
        price: Decimal,
        liquidity: Liquidity = Liquidity.TAKER,
    ) -> Decimal | None:
        """What an order filled at `price` would cost, in the instrument's currency; None where nobody can tell."""
        del instrument, quantity, price, liquidity
        return None

    async def settled(self) -> None:  # noqa: B027 (nothing to wait for, unless a venue is simulated)
        """Return once every report so far has been consumed. A simulated venue waits, so a replay is exact."""

    async def get_positions(self) -> Sequence[Position]:
        """All holdings that are not flat."""
        return tuple((await self.get_account_info()).positions.values())

    async def get_position(self, symbol: str) -> Position:
        """The holding of one instrument; quantity zero when flat."""
        return (await self.get_account_info()).positions.get(symbol, Position(symbol, ZERO, ZERO))

    async def get_balance(self, currency: str) -> Balance:
        """The money of one currency; zero when there is none."""
        return (await self.get_account_info()).balances.get(currency, Balance(currency, ZERO))
