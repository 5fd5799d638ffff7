"""No way to the venue: what never left is no order in doubt, however long the line keeps silent about it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from brokers.ccxt.session import open_session
from brokers.ccxt.wiretap import Trail
from brokers.errors import Unavailable, Uncertain
from brokers.network import Network
from brokers.order import ClientOrderId
from tests.brokers.ccxt.rig import Rig, account


class Names(AbstractResolver):
    """Every name is this machine's `port`; none: nobody ever answers."""

    def __init__(self, port: int | None) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        if self._port is None:
            await asyncio.sleep(60)
        return [{"hostname": host, "host": "127.0.0.1", "port": self._port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def through(rig: Rig, names: Names) -> AsyncIterator[None]:
    """Everything goes another way for a while, over connections of its own, and is waited for but a moment."""
    client = rig.broker._client
    exchange, before = client.exchange, client._session
    exchange.session = client._session = open_session(Network(names, rig.network.ssl))
    exchange.timeout = 200
    try:
        yield
    finally:
        await client._session.close()
        exchange.session, client._session, exchange.timeout = before, before, 10_000


@pytest.mark.parametrize("is_named", [False, True])
async def test_an_order_that_found_no_connection_was_not_sent(tmp_path: Path, is_named: bool) -> None:
    """Neither where no name is answered, nor where somebody listens and never shakes hands: it may be sent again."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        names = Names(deaf.getsockname()[1] if is_named else None)
        async with account(tmp_path, "spot") as rig:
            resting = await rig.place()
            changes: list[Callable[[], Any]] = [
                rig.place,
                lambda: rig.broker.cancel_order(resting.client_order_id),
                lambda: rig.find("qd-nobody"),
            ]
            async with through(rig, names):
                for change in changes:
                    with pytest.raises(Unavailable, match="no connection in time"):
                        await change()
            assert rig.broker.health.last_error
            assert [each.client_order_id for each in await rig.broker.get_open_orders()] == [resting.client_order_id]


def test_only_the_first_request_of_a_call_says_that_nothing_was_sent() -> None:
    """What one of them has done, another that finds no connection does not undo."""
    trail = Trail()
    trail.sends()
    trail.connects()
    assert trail.answer.connecting
    trail.stands()
    assert trail.answer.sent
    assert not trail.answer.connecting
    trail.sends()
    trail.connects()
    assert not trail.answer.connecting


async def test_an_order_over_a_connection_that_stands_may_have_arrived(tmp_path: Path) -> None:
    """A new one or a kept one: silence after it stood says nothing."""
    async with account(tmp_path, "spot") as rig:
        for number in (1, 2):
            async with through(rig, Names(rig.venue.port)):
                rig.broker._client.exchange.timeout = 500
                if number == 2:
                    assert await rig.find("qd-nobody") is None
                rig.venue.script.plan("POST /api/v3/order", "hang_after", seconds=60)
                with pytest.raises(Uncertain):
                    await rig.place(oid=f"qd-sent-{number}")
            assert await rig.find(ClientOrderId(f"qd-sent-{number}")) is not None
