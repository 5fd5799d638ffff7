"""Connecting, disconnecting, and what happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.errors import Unavailable
from brokers.order import ClientOrderId
from brokers.port import AbstractBroker
from brokers.registry import adapter_names
from tests.contract.harness import EXAMPLES_ONLY, Account, Harness, Listener, harnesses

OID = ClientOrderId("nobody")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
QUERIES: dict[str, Callable[[Account, AbstractBroker], Awaitable[object]]] = {
    "get_instruments": lambda _, broker: broker.get_instruments(),
    "place_order": lambda account, broker: broker.place_order(account.order()),
    "cancel_order": lambda _, broker: broker.cancel_order(OID),
    "modify_order": lambda _, broker: broker.modify_order(OID, quantity=Decimal(5)),
    "find_order": lambda _, broker: broker.find_order(OID),
    "get_open_orders": lambda _, broker: broker.get_open_orders(),
    "get_closed_orders": lambda _, broker: broker.get_closed_orders(LONG_AGO),
    "get_fills": lambda _, broker: broker.get_fills(LONG_AGO),
    "get_cash_flows": lambda _, broker: broker.get_cash_flows(LONG_AGO),
    "get_account_info": lambda _, broker: broker.get_account_info(),
    "estimate_fee": lambda account, broker: broker.estimate_fee(account.harness.instrument, Decimal(1), Decimal(1)),
    "get_positions": lambda _, broker: broker.get_positions(),
    "get_position": lambda account, broker: broker.get_position(account.harness.instrument.symbol),
    "get_balance": lambda account, broker: broker.get_balance(account.harness.instrument.currency),
    "get_quote": lambda account, broker: broker.get_quote(account.harness.instrument.symbol),
    "get_orderbook": lambda account, broker: broker.get_orderbook(account.harness.instrument.symbol),
    "reports": lambda _, broker: _first(broker.reports),
    "quotes": lambda account, broker: _first(lambda: broker.quotes([account.harness.instrument.symbol])),
}


async def _first(subscribe: Callable[[], object]) -> object:
    return await anext(subscribe())  # type: ignore[call-overload]


def test_every_adapter_has_a_harness() -> None:
    tested = {harness.adapter for harness in harnesses()}
    assert tested | set(EXAMPLES_ONLY) == set(adapter_names())
    assert not tested & set(EXAMPLES_ONLY)


def test_the_list_of_methods_is_the_ports() -> None:
    port = {name for name in vars(AbstractBroker) if not name.startswith("_")}
    apart = {"name", "capabilities", "is_connected", "connect", "disconnect", "get_bars", "settled"}
    apart |= {"bars", "books", "is_live", "identity", "health", "inspect"}  # in the tests of real venues
    apart |= {"wallet", "left_out", "check_order"}  # nothing is asked there
    assert port - apart == set(QUERIES)


@pytest.mark.parametrize("method", QUERIES)
async def test_without_a_connection_everything_is_unavailable(harness: Harness, method: str) -> None:
    broker = await harness.build()
    account = Account(harness, broker)
    assert not broker.is_connected
    with pytest.raises(Unavailable):
        await QUERIES[method](account, broker)
    await broker.connect()
    assert broker.is_connected
    await broker.disconnect()
    assert not broker.is_connected
    with pytest.raises(Unavailable):
        await QUERIES[method](account, broker)


async def test_connecting_and_disconnecting_twice_is_harmless(account: Account) -> None:
    await account.broker.connect()
    listener = Listener(account.broker.reports())
    await account.filled(oid="one")
    await listener.until(lambda told: any(report.fills for report in told))
    assert sum(len(report.fills) for report in listener.heard) == 1
    await account.broker.disconnect()
    await account.broker.disconnect()
    assert not account.broker.is_connected
    await listener.stop()


async def test_orders_outlive_a_disconnection(account: Account) -> None:
    order = await account.place(limit=-50)
    await account.broker.disconnect()
    await account.broker.connect()
    assert (await account.find(order.client_order_id)).state.is_open


@pytest.mark.parametrize("kind", ["reports", "quotes"])
async def test_a_stream_ends_loudly_with_the_connection(account: Account, kind: str) -> None:
    broker = account.broker
    stream = broker.reports() if kind == "reports" else broker.quotes([account.harness.instrument.symbol])
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await broker.disconnect()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(waiting, 30)


async def test_a_name_and_capabilities_are_there_before_connecting(harness: Harness) -> None:
    broker = await harness.build()
    assert broker.name
    assert broker.capabilities.order_types
    assert broker.capabilities.times_in_force
