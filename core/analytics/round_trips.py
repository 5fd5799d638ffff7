"""Fills matched into round trips: what was opened first is closed first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.money import ZERO
from brokers.order import Fill, Side
from core.trading.ledger import FillFacts

# Enough digits for quantity x price to be exact; and the step to which an average price and a part of a fee
# are rounded (the last part takes what is left of the fee, so nothing is lost).
_DIGITS = 60
_STEP = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill as analytics see it: whose it was, and its fee (0 if unknown).

    `multiplier` turns price x quantity into money, and `fee` is in that money: the instrument's currency, or
    another if the caller has put a rate of exchange into both.
    """

    strategy: str
    symbol: str
    order: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    multiplier: Decimal = Decimal(1)

    @classmethod
    def of(cls, fill: Fill, strategy: str, multiplier: Decimal = Decimal(1)) -> Execution:
        """`fill` as an execution of `strategy`; a fee in another currency is the caller's to convert."""
        return cls(
            strategy=strategy,
            symbol=fill.symbol,
            order=fill.client_order_id,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee or ZERO,
            at=fill.at,
            multiplier=multiplier,
        )

    @classmethod
    def of_facts(cls, facts: FillFacts, at: datetime) -> Iterator[Execution]:
        """The parts of a fill in the ledger; fees in another currency than the instrument's are left out."""
        for part in (each for each in facts.allocations if each.quantity):
            fee = part.fee if facts.fee_currency == facts.currency else ZERO
            yield cls(
                part.strategy,
                facts.symbol,
                facts.ref,
                Side.of(part.quantity),
                abs(part.quantity),
                facts.price,
                fee,
                at,
                facts.multiplier,
            )


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position opened by one order and closed by one order.

    `side` is that of the entry: BUY was long. Prices are averages over the fills. `pnl` is money after `fees`
    (those of the entry and the exit, for this quantity).
    """

    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    entry_at: datetime
    exit_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    fees: Decimal


class _Remainder:
    """What is not yet matched of an execution, and its part of the fee."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.quantity = execution.quantity
        self.fee = execution.fee

    def take(self, quantity: Decimal) -> Decimal:
        """Remove `quantity`; returns the fee for it, in proportion."""
        fee = self.fee
        if quantity < self.quantity:
            fee = (self.fee * quantity / self.quantity).quantize(_STEP)
        self.quantity -= quantity
        self.fee -= fee
        return fee


@dataclass(frozen=True, slots=True)
class _Match:
    entry: Execution
    exit: Execution
    quantity: Decimal
    fees: Decimal

    @property
    def pnl(self) -> Decimal:
        change = (self.exit.price - self.entry.price) * self.entry.side.sign
        return change * self.quantity * self.entry.multiplier - self.fees


@dataclass(frozen=True, slots=True)
class FifoResult:
    """One lot by first in, first out: units held (signed), what those cost, and profit taken, before fees."""

    quantity: Decimal
    cost: Decimal
    realised: Decimal


def fifo_result(executions: Iterable[Execution]) -> FifoResult:
    """The lot after `executions` of one strategy in one symbol, in order. Flat, it is the same by average cost."""
    with localcontext() as context:
        context.prec = _DIGITS
        books: _Books = {}
        realised = sum((match.pnl + match.fees for match in _matches(executions, books)), ZERO)
        left = [rest for book in books.values() for rest in book]
        units = [rest.quantity * rest.execution.side.sign for rest in left]
        money = [rest.execution.price * rest.execution.multiplier for rest in left]
        cost = sum((held * price for held, price in zip(units, money, strict=True)), ZERO)
        return FifoResult(sum(units, ZERO), cost, realised)


def round_trips(executions: Iterable[Execution]) -> tuple[RoundTrip, ...]:
    """Match each strategy's executions in a symbol, given in order of time, first in first out.

    One entry order closed by one exit order is one round trip, however many fills each had. An execution that
    turns a position around closes it and opens the rest. What is still open is left out. The sum of `pnl`
    is exact: once flat, it equals all money received less all money paid and all fees.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        trips = [_trip(group) for group in _by_orders(_matches(executions, {}))]
    return tuple(sorted(trips, key=lambda trip: trip.exit_at))


_Books = dict[tuple[str, str], deque[_Remainder]]


def _matches(executions: Iterable[Execution], books: _Books) -> Iterable[_Match]:
    """What is closed against what was opened; `books` holds afterwards what is still open."""
    for execution in executions:
        book = books.setdefault((execution.strategy, execution.symbol), deque())
        rest = _Remainder(execution)
        while rest.quantity and book and book[0].execution.side is not execution.side:
            entry = book[0]
            quantity = min(entry.quantity, rest.quantity)
            yield _Match(entry.execution, execution, quantity, fees=entry.take(quantity) + rest.take(quantity))
            if not entry.quantity:
                book.popleft()
        if rest.quantity:
            book.append(rest)


def _by_orders(matches: Iterable[_Match]) -> Iterable[list[_Match]]:
    groups: dict[tuple[str, str, str, str], list[_Match]] = {}
    for match in matches:
        entry = match.entry
        groups.setdefault((entry.strategy, entry.symbol, entry.order, match.exit.order), []).append(match)
    return groups.values()


def _trip(group: list[_Match]) -> RoundTrip:
    first = group[0].entry
    quantity = sum((match.quantity for match in group), ZERO)
    return RoundTrip(
        strategy=first.strategy,
        symbol=first.symbol,
        side=first.side,
        quantity=quantity,
        entry_at=min(match.entry.at for match in group),
        exit_at=max(match.exit.at for match in group),
        entry_price=_average([(match.entry.price, match.quantity) for match in group]),
        exit_price=_average([(match.exit.price, match.quantity) for match in group]),
        pnl=sum((match.pnl for match in group), ZERO),
        fees=sum((match.fees for match in group), ZERO),
    )


def _average(prices: list[tuple[Decimal, Decimal]]) -> Decimal:
    """The average of (price, quantity) pairs; the price itself where there is only one."""
    if len({price for price, _ in prices}) == 1:
        return prices[0][0]
    money = sum((price * quantity for price, quantity in prices), ZERO)
    return (money / sum((quantity for _, quantity in prices), ZERO)).quantize(_STEP)
