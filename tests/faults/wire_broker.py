"""A broker adapter over a line to the venue of truth: one question, one of three outcomes, none of them guessed.

`SocketLine` speaks JSON lines over a unix socket (a connection for each call, one more for the reports);
`MemoryLine` calls the venue in the same process, for the simulation. Both answer a call with the venue's word,
`Rejected`, `NotSent` (surely nothing has left) or `Lost` (may have been done).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from brokers.account import AccountInfo, CashFlow
from brokers.errors import NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.instrument import Instrument
from brokers.market import Bar, OrderBook, Quote
from brokers.order import ClientOrderId, Fill, OrderReport, OrderRequest, OrderType, TimeInForce
from brokers.port import AbstractBroker, Capabilities, Subscription
from brokers.registry import AdapterSettings, BrokerContext, adapter
from tests.faults.faulty_venue import Change, FaultyVenue, Lost, NotSent

REQUESTS: dict[str, TypeAdapter[Any]] = {
    "place": TypeAdapter(OrderRequest),
    "cancel": TypeAdapter(str),
    "modify": TypeAdapter(Change),
    "find": TypeAdapter(str),
    "open": TypeAdapter(None),
    "closed": TypeAdapter(datetime),
    "fills": TypeAdapter(datetime),
    "flows": TypeAdapter(datetime),
    "account": TypeAdapter(None),
}
ANSWERS: dict[str, TypeAdapter[Any]] = {
    "place": TypeAdapter(OrderReport),
    "cancel": TypeAdapter(OrderReport),
    "modify": TypeAdapter(OrderReport),
    "find": TypeAdapter(OrderReport | None),
    "open": TypeAdapter(tuple[OrderReport, ...]),
    "closed": TypeAdapter(tuple[OrderReport, ...]),
    "fills": TypeAdapter(tuple[Fill, ...]),
    "flows": TypeAdapter(tuple[CashFlow, ...]),
    "account": TypeAdapter(AccountInfo),
}
REPORT = TypeAdapter(OrderReport)
CAPABILITIES = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    modify=True,
    reduce_only=True,
    shorting=True,
    cash_flows=True,
)


class Line(Protocol):
    """The way to the venue."""

    async def ask(self, method: str, argument: Any) -> Any:
        """One call. Raises `Rejected`, `NotSent` or `Lost`."""

    def listen(self) -> Feed:
        """Reports from now on."""


class Feed:
    """Reports that wait to be read; None is the end of the line. `close` stops whoever fills it."""

    def __init__(self, queue: asyncio.Queue[OrderReport | None], close: Callable[[], None]) -> None:
        self.queue = queue
        self.close = close


class MemoryLine:
    """The venue in this process. `pause` is how long a message takes each way, for the simulation."""

    def __init__(self, venue: FaultyVenue, pause: Callable[[], Awaitable[None]]) -> None:
        self._venue = venue
        self._pause = pause
        self.is_cut = False

    async def ask(self, method: str, argument: Any) -> Any:
        if self.is_cut:
            raise NotSent("this process is dead")
        await self._pause()
        try:
            return await self._venue.serve(method, argument)
        finally:
            await self._pause()

    def listen(self) -> Feed:
        queue = self._venue.subscribe()
        return Feed(queue, lambda: self._venue.unsubscribe(queue))


class SocketLine:
    """The venue in another process. A call that is not answered within `seconds` is lost."""

    def __init__(self, socket: Path, seconds: float) -> None:
        self._socket = socket
        self._seconds = seconds

    async def ask(self, method: str, argument: Any) -> Any:
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=1 << 24)
        except OSError as error:
            raise NotSent(str(error)) from error
        try:
            async with asyncio.timeout(self._seconds):
                await self.send(writer, _request(method, argument))
                line = await self.receive(reader)
        except (OSError, TimeoutError) as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        finally:
            writer.close()
        return _answer(method, line)

    async def send(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        """The bytes leave here; crash points wrap this."""
        writer.write(line)
        await writer.drain()

    async def receive(self, reader: asyncio.StreamReader) -> bytes:
        """The answer comes here; crash points wrap this."""
        return await reader.readline()

    def listen(self) -> Feed:
        queue: asyncio.Queue[OrderReport | None] = asyncio.Queue()
        task = asyncio.get_running_loop().create_task(self._read(queue))
        return Feed(queue, lambda: task.cancel() and None)

    async def _read(self, queue: asyncio.Queue[OrderReport | None]) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=1 << 24)
            try:
                await self.send(writer, _request("reports", None))
                while (line := await reader.readline()).endswith(b"\n"):
                    queue.put_nowait(REPORT.validate_json(line))
            finally:
                writer.close()
        except (OSError, ValueError):
            pass  # the end of the line is all that there is to tell
        queue.put_nowait(None)


def _request(method: str, argument: Any) -> bytes:
    body = REQUESTS[method].dump_python(argument, mode="json") if method in REQUESTS else None
    return json.dumps({"method": method, "argument": body}).encode() + b"\n"


def _answer(method: str, line: bytes) -> Any:
    """What the venue said; anything that is not its protocol is a lost answer."""
    try:
        said = json.loads(line)
        if "refused" in said:
            code, reason = said["refused"]
        else:
            return ANSWERS[method].validate_python(said["answer"], strict=False)
    except (ValueError, KeyError, TypeError) as error:
        raise Lost(f"not an answer: {line[:60]!r}") from error
    raise OrderNotFound(reason) if code == "ORDER_NOT_FOUND" else Rejected(code, reason)


class WireSettings(AdapterSettings):
    """Where the venue is."""

    socket: Path
    seconds: float = 0.5
    currency: str = "USD"


@adapter("wire", settings=WireSettings)
class WireBroker(AbstractBroker):
    """The account at the venue of truth."""

    def __init__(self, name: str, settings: WireSettings, context: BrokerContext | None = None) -> None:
        del context
        self.name = name
        self.capabilities = CAPABILITIES
        self.line: Line = SocketLine(settings.socket, settings.seconds)
        self._is_connected = False
        self._streams: list[_Reports] = []

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    async def connect(self) -> None:
        if not self._is_connected:
            self._is_connected = True
            try:
                await self._query("account")
            except Unavailable:
                self._is_connected = False
                raise

    async def disconnect(self) -> None:
        self._drop()
        for stream in list(self._streams):
            await stream.aclose()

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report: OrderReport = await self._change("place", order)
        return report

    async def cancel_order(self, order: ClientOrderId) -> OrderReport:
        report: OrderReport = await self._change("cancel", order)
        return report

    async def modify_order(
        self,
        order: ClientOrderId,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> OrderReport:
        change = Change(order, quantity, limit_price, stop_price)
        report: OrderReport = await self._change("modify", change)
        return report

    async def find_order(self, order: ClientOrderId) -> OrderReport | None:
        found: OrderReport | None = await self._query("find", order)
        return found

    async def get_open_orders(self) -> Sequence[OrderReport]:
        found: Sequence[OrderReport] = await self._query("open")
        return found

    async def get_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        found: Sequence[OrderReport] = await self._query("closed", since)
        return found

    async def get_fills(self, since: datetime) -> Sequence[Fill]:
        found: Sequence[Fill] = await self._query("fills", since)
        return found

    async def get_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        found: Sequence[CashFlow] = await self._query("flows", since)
        return found

    async def get_account_info(self) -> AccountInfo:
        info: AccountInfo = await self._query("account")
        return info

    async def get_instruments(self) -> Sequence[Instrument]:
        raise NotSupported("instruments")

    async def get_quote(self, symbol: str) -> Quote:
        raise Unavailable(f"there is no quote of {symbol}")

    async def get_orderbook(self, symbol: str, depth: int = 10) -> OrderBook:
        raise NotSupported("order books")

    async def get_bars(
        self, symbol: str, *, until: datetime, count: int, period: timedelta = timedelta(days=1)
    ) -> Sequence[Bar]:
        raise NotSupported("bars")

    def reports(self) -> Subscription[OrderReport]:
        self._check()
        stream = _Reports(self.line.listen(), self._ended)
        self._streams.append(stream)
        return stream

    def quotes(self, symbols: Iterable[str]) -> Subscription[Quote]:
        raise NotSupported("quotes")

    async def _change(self, method: str, argument: Any) -> Any:
        self._check()
        try:
            return await self.line.ask(method, argument)
        except NotSent as error:
            raise Unavailable(str(error)) from error
        except Lost as error:
            raise Uncertain(str(error)) from error

    async def _query(self, method: str, argument: Any = None) -> Any:
        self._check()
        try:
            return await self.line.ask(method, argument)
        except (NotSent, Lost) as error:
            raise Unavailable(str(error)) from error

    def _check(self) -> None:
        if not self._is_connected:
            raise Unavailable(f"{self.name} is not connected")

    def _drop(self) -> None:
        self._is_connected = False

    def _ended(self, stream: _Reports) -> None:
        """A stream that ends takes the connection with it: whoever listens must connect and reconcile."""
        if stream in self._streams:
            self._streams.remove(stream)
        self._drop()


class _Reports:
    """The stream of reports. It ends with `Unavailable`, as the port wants."""

    def __init__(self, feed: Feed, ended: Callable[[_Reports], None]) -> None:
        self._feed = feed
        self._ended = ended
        self._is_closed = False

    def __aiter__(self) -> _Reports:
        return self

    async def __anext__(self) -> OrderReport:
        if self._is_closed:
            raise StopAsyncIteration
        report = await self._feed.queue.get()
        if report is None:
            await self.aclose()
            self._ended(self)
            raise Unavailable("the stream of reports has ended")
        return report

    async def aclose(self) -> None:
        self._is_closed = True
        self._feed.close()
        self._feed.queue.put_nowait(None)  # whoever waits is told
