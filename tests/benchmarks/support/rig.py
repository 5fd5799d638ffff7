"""Engines and programs for measuring: the sandbox's own settings, with limits that never stop the measurement."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.program import Program
from bot.sandbox.run import sandbox_settings
from bot.sandbox.server import SandboxServer
from bot.sandbox.server.limits import Limits
from brokers.order import OrderType, Side, TimeInForce
from core.engine import Engine
from core.settings import merge
from core.trading.live_order import LiveOrder
from risk.intent import OrderIntent, Origin
from risk.verdict import Approved
from tests.benchmarks.support.relaxed import UNPACED

# The market stands still after its first moment: the next one would be due in hours.
STILL = 0.0001

NEVER_IN_THE_WAY = {
    "max_orders_per_second_strategy": 100_000,
    "max_orders_per_second_account": 100_000,
    "duplicate_orders": 1000,
    "duplicate_window_seconds": "0.000001",
    "max_open_orders": 10_000,
    "max_order_value_percent": 100,
    "max_order_value": 1_000_000,
    "max_position_percent": 1000,
    "max_gross_exposure_percent": 1000,
    "max_net_exposure_percent": 1000,
    "price_collar_percent": 99,
}
_LOSSES = (
    "daily_loss_alert_percent",
    "daily_loss_reduce_percent",
    "daily_loss_halt_percent",
    "drawdown_reduce_percent",
    "drawdown_halt_percent",
    "exposure_reduce_percent",
)
NEVER_HALTED = dict.fromkeys(_LOSSES, 1000)


def over(speed: float, limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Settings to lay over the sandbox's."""
    return merge({"market": {"speed": speed}, "accounts": {"paper": {"limits": limits}}}, more)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="quarterdeck-bench-") as folder:
        yield Path(folder)


@contextlib.asynccontextmanager
async def engine(folder: Path, settings_over: dict[str, Any], *, durable: bool = True) -> AsyncIterator[Engine]:
    """An engine without chat, not yet started; always closed, for an open database would keep the process alive."""
    made = Engine(sandbox_settings(folder, SandboxServer(data_dir=folder), settings_over), durable=durable)
    try:
        yield made
    finally:
        await made.stop()


@contextlib.asynccontextmanager
async def program(folder: Path, settings_over: dict[str, Any]) -> AsyncIterator[tuple[Program, SandboxServer]]:
    """The whole program and the chat server in this process, talking over HTTP, without rate limits; running."""
    server = SandboxServer(data_dir=folder, port=0, limits=Limits.relaxed())
    await server.start()
    try:
        made = Program(sandbox_settings(folder, server, settings_over), budget=UNPACED)
        await made.start()
        try:
            yield made, server
        finally:
            await made.stop()
    finally:
        await server.stop()


def intent(
    made: Engine, symbol: str, quantity: int, *, limit: Decimal | None = None, strategy: str = "manual"
) -> OrderIntent:
    """A person's order for a signed quantity: at the market, or at `limit` until cancelled."""
    return OrderIntent(
        account=made.floor.first.account,
        instrument=made.floor.first.portfolio.instruments[symbol],
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=Decimal(abs(quantity)),
        at=made.trading_clock.now(),
        allocations={strategy: Decimal(quantity)},
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=limit,
        time_in_force=TimeInForce.DAY if limit is None else TimeInForce.GTC,
        origin=Origin.MANUAL,
        reason="benchmark",
    )


async def send(made: Engine, wish: OrderIntent) -> LiveOrder:
    """Through the gate to the venue, as the pipeline does it. Raises if the gate denies or the venue refuses."""
    verdict = made.floor.first.gate.review(wish, made.floor.first.view())
    if not isinstance(verdict, Approved):
        raise RuntimeError(f"denied: {verdict}")
    order = await made.floor.first.orders.submit(verdict)
    if not order.venue_order_id:
        raise RuntimeError(f"not accepted: {order.state}")
    return order
