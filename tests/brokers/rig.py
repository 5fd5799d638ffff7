"""A simulated venue in memory under a hand-moved clock, and short words to drive it."""

from __future__ import annotations

import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, Side, TimeInForce
from brokers.simulation.journal import Journal
from brokers.simulation.latency import Latency
from brokers.simulation.source import Tick
from brokers.simulation.terms import Terms
from brokers.simulation.venue import Venue

START = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
STOCK = Instrument("ACME", "USD", tick=Decimal("0.01"), lot=Decimal(1), min_notional=Decimal(10))
OTHER = Instrument("OTHR", "USD")
FOREIGN = Instrument("SAP", "EUR")
COIN = Instrument(
    "BTC",
    "USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
    min_quantity=Decimal("0.0001"),
    min_notional=Decimal(5),
)
MARKET = {i.symbol: i for i in (STOCK, OTHER, FOREIGN, COIN)}


def dec(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def request(quantity: object, *, oid: str = "o1", instrument: Instrument = STOCK, **more: Any) -> OrderRequest:
    """An order of signed `quantity`; `limit` and `stop` give its type."""
    limit, stop = dec(more.pop("limit", None)), dec(more.pop("stop", None))
    profit = dec(more.pop("profit", None))
    trails = {name: dec(more.pop(name, None)) for name in ("trail", "trail_percent")}
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    kind = kinds[limit is not None, stop is not None]
    if profit is not None:
        kind = OrderType.TAKE_PROFIT if limit is None else OrderType.TAKE_PROFIT_LIMIT
    if any(distance is not None for distance in trails.values()):
        kind = OrderType.TRAILING_STOP
    return OrderRequest(
        client_order_id=ClientOrderId(oid),
        instrument=instrument,
        side=Side.of(Decimal(str(quantity))),
        quantity=abs(Decimal(str(quantity))),
        type=kind,
        limit_price=limit,
        stop_price=stop if profit is None else profit,
        time_in_force=TimeInForce(more.pop("tif", "day")),
        **trails,
        **more,
    )


class Rig:
    """One venue with a market in ACME around 100, and a clock."""

    def __init__(self, journal: Journal | None = None, **terms: Any) -> None:
        if isinstance(delay := terms.get("latency"), timedelta):
            terms["latency"] = Latency(place=delay)
        self.terms = replace(Terms(initial_cash=Decimal(100_000)), **terms)
        opening = {name: cash.amount for name, cash in self.terms.other_cash.items()}
        self.journal = journal or Journal(
            None, currency=self.terms.currency, initial_cash=self.terms.initial_cash, other_cash=opening
        )
        self.venue = Venue(self.terms, MARKET, self.journal)
        self.now = START
        self.count = 0
        if journal is None:  # in memory, and ours: closed with the last use of it
            weakref.finalize(self, self.journal.close)

    def place(self, quantity: object, **more: Any) -> OrderReport:
        self.count += 1
        more.setdefault("oid", f"o{self.count}")
        return self.venue.place(request(quantity, **more), self.now)

    def tick(
        self,
        bid: object,
        ask: object,
        last: object = None,
        *,
        symbol: str = "ACME",
        after: timedelta = SECOND,
        **more: Any,
    ) -> list[OrderReport]:
        """Move the clock by `after`, then the market."""
        self.now += after
        volume = dec(more.pop("volume", None))
        tick = Tick(symbol, dec(bid), dec(ask), dec(last if last is not None else bid), self.now, volume, **more)
        return self.venue.tick(tick)

    def find(self, oid: str = "o1") -> OrderReport:
        found = self.venue.find(ClientOrderId(oid))
        assert found is not None
        return found

    def at_price(self, price: object, **more: Any) -> list[OrderReport]:
        """A tick at `price`, a cent between bid and ask each side."""
        cent = Decimal("0.01")
        return self.tick(dec(price) - cent, dec(price) + cent, price, **more)

    def cancel(self, oid: str = "o1") -> OrderReport:
        return self.venue.cancel(ClientOrderId(oid), self.now)

    def modify(
        self, oid: str = "o1", *, quantity: object = None, limit: object = None, stop: object = None
    ) -> OrderReport:
        changes = {"quantity": dec(quantity), "limit_price": dec(limit), "stop_price": dec(stop)}
        return self.venue.modify(ClientOrderId(oid), self.now, **changes)

    def hold(self, quantity: object, at: object = 100) -> None:
        """Come to hold `quantity` of ACME, bought or sold at `at` without fuss."""
        tick = Decimal("0.01")
        self.tick(at, dec(at) + tick)
        self.place(quantity, oid=f"hold{self.count}")
        self.tick(dec(at) - tick, at) if Decimal(str(quantity)) > 0 else self.tick(at, dec(at) + tick)

    @property
    def cash(self) -> Decimal:
        return self.venue.state.cash["USD"]

    def position(self, symbol: str = "ACME") -> Decimal:
        held = self.venue.state.holdings.get(symbol)
        return held.quantity if held else Decimal(0)

    @property
    def free(self) -> Decimal:
        return self.venue.account("x", self.now).balances["USD"].free
