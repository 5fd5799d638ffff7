"""What the contract suite needs to know of one adapter.

To put an adapter under contract, write `tests/contract/harness_<adapter>.py` with one or more subclasses of
`Harness`; the suite finds them, and fails while an adapter has none. A harness may start a fake venue, or
talk to a test net. One harness object is one account, alive for one test.
"""

from __future__ import annotations

import asyncio
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, Side, TimeInForce
from brokers.port import AbstractBroker


class Harness(ABC):
    """One account at one venue under the suite's hands.

    The account starts flat with `cash` in the instrument's currency; the market stands at `price`, a round
    number, with bid and ask within two ticks of it and more volume than any test wants.

    Where venues differ by right, the harness says how: `trail` is a trailing distance that it takes, `refuses` the
    order types that cannot have each time in force, `changes` the types that it can change (None: all), `leverage`
    what an open order locks the part of, `remembers_ids`: it knows an id for ever, not only while its order is open.
    """

    adapter: ClassVar[str]
    trail: ClassVar[dict[str, Any]] = {"trail": Decimal(1)}
    refuses: ClassVar[frozenset[tuple[OrderType, TimeInForce]]] = frozenset()
    changes: ClassVar[frozenset[OrderType] | None] = None
    leverage: ClassVar[Decimal] = Decimal(1)
    remembers_ids: ClassVar[bool] = True
    instrument: Instrument
    price: Decimal
    cash: Decimal

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    async def build(self) -> AbstractBroker:
        """The broker, not connected. Called once."""

    @abstractmethod
    async def move(self, price: Decimal) -> None:
        """The market trades at `price`, later than everything before."""

    @abstractmethod
    async def restart(self) -> AbstractBroker:
        """The process dies without a goodbye and comes back: a new broker of the same account, connected."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what the harness holds."""


class Account:
    """A connected broker in the suite's hands, with short words for orders."""

    def __init__(self, harness: Harness, broker: AbstractBroker) -> None:
        self.harness = harness
        self.broker = broker
        self._count = 0

    @property
    def lot(self) -> Decimal:
        """A quantity that any venue takes at the current price."""
        instrument = self.harness.instrument
        needed = max(instrument.min_quantity, instrument.min_notional * 2 / self.harness.price)
        return (needed // instrument.lot + 2) * instrument.lot

    def ticks(self, number: int) -> Decimal:
        """The price `number` ticks from where the market began."""
        return self.harness.price + number * self.harness.instrument.tick

    def order(self, side: Side = Side.BUY, lots: int = 1, **more: Any) -> OrderRequest:
        """A market order of `lots` times `lot`; `limit` and `stop` are ticks from the price.

        With `kind` its prices are checked against the type, without it they give the type.
        """
        self._count += 1
        limit, stop = more.pop("limit", None), more.pop("stop", None)
        kinds = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }
        return OrderRequest(
            client_order_id=ClientOrderId(more.pop("oid", f"contract-{self._count}")),
            instrument=more.pop("instrument", self.harness.instrument),
            side=side,
            quantity=more.pop("quantity", self.lot * lots),
            type=more.pop("kind", kinds[limit is not None, stop is not None]),
            limit_price=None if limit is None else self.ticks(limit),
            stop_price=None if stop is None else self.ticks(stop),
            time_in_force=more.pop("tif", TimeInForce.GTC),
            **more,
        )

    async def place(self, *args: Any, **more: Any) -> OrderReport:
        return await self.broker.place_order(self.order(*args, **more))

    async def find(self, order: str) -> OrderReport:
        report = await self.broker.find_order(ClientOrderId(order))
        assert report is not None
        return report

    async def filled(self, *args: Any, **more: Any) -> OrderReport:
        """Place a market order and let the market fill it where it stands."""
        order = await self.place(*args, **more)
        await self.harness.move(self.harness.price)
        return await self.find(order.client_order_id)

    async def restart(self) -> None:
        self.broker = await self.harness.restart()


class Listener:
    """Reads a stream into a list, beside the test."""

    def __init__(self, stream: Any) -> None:
        self.heard: list[Any] = []
        self.task = asyncio.create_task(self._read(stream))

    async def _read(self, stream: Any) -> None:
        async for item in stream:
            self.heard.append(item)

    async def until(self, condition: Callable[[list[Any]], object]) -> list[Any]:
        """Wait until `condition` holds for what was heard."""
        async with asyncio.timeout(30):
            while not condition(self.heard):
                await asyncio.sleep(0.002)
        return self.heard

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


EXAMPLES_ONLY = {
    "bybit": "documented and reconstructed examples in tests/brokers/venues; no server speaks its protocol here",
    "coinbase": "documented and reconstructed examples in tests/brokers/venues; no server speaks its protocol here",
    "kraken": "documented and reconstructed examples in tests/brokers/venues; no server speaks its protocol here",
    "kucoin": "documented and reconstructed examples in tests/brokers/venues; no server speaks its protocol here",
    "okx": "documented and reconstructed examples in tests/brokers/venues; no server speaks its protocol here",
}
"""Adapters that the suite cannot run on, and what they are tested with instead. docs/brokers.md says so to users."""


def harnesses() -> list[type[Harness]]:
    """Every harness in a `harness_*.py` beside this file."""
    found = []
    for path in sorted(Path(__file__).parent.glob("harness_*.py")):
        module = importlib.import_module(f"tests.contract.{path.stem}")
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Harness) and value.__module__ == module.__name__
            if not value.__name__.startswith("_")
        ]
    return found
