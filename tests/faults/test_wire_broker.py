"""The adapter of the harness says what is known, and no more: done, definitely not, or unknown."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.errors import ConfigurationError, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderRequest, Side, VenueOrderState
from brokers.registry import load_adapter
from tests.faults.exchange import Exchange
from tests.faults.faulty_venue import FaultyVenue
from tests.faults.venue_server import VenueServer
from tests.faults.wire_broker import WireBroker, WireSettings

ORDER = OrderRequest(ClientOrderId("qd1"), Instrument("ACME", "USD"), Side.BUY, Decimal(10))


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[FaultyVenue]:
    made = FaultyVenue(Exchange(lambda: datetime.now(UTC)))
    server = VenueServer(made, tmp_path / "venue")
    await server.start()
    yield made
    await server.stop()


@pytest.fixture
async def broker(venue: FaultyVenue, tmp_path: Path) -> WireBroker:
    made = WireBroker("main", WireSettings(socket=tmp_path / "venue", seconds=0.1))
    await made.connect()
    return made


@pytest.mark.parametrize("fault", ["never", "lost", "garbage", "partial_lost", "filled_lost", "hidden", "slow"])
async def test_a_lost_answer_is_uncertain(broker: WireBroker, venue: FaultyVenue, fault: str):
    """Whether it was done or not: nobody can tell."""
    venue.script.plan("place", fault)
    with pytest.raises(Uncertain):
        await broker.place_order(ORDER)
    assert ("qd1" in venue.exchange.orders) == (fault != "never")


async def test_a_refusal_is_a_refusal(broker: WireBroker, venue: FaultyVenue):
    """With the venue's code; an unknown order by its own name."""
    venue.script.plan("place", "refused")
    with pytest.raises(Rejected, match="MARGIN"):
        await broker.place_order(ORDER)
    with pytest.raises(OrderNotFound):
        await broker.cancel_order(ORDER.client_order_id)


async def test_a_closed_door_means_not_sent(tmp_path: Path):
    """Nobody listens: nothing has left."""
    broker = WireBroker("main", WireSettings(socket=tmp_path / "nobody"))
    with pytest.raises(Unavailable):
        await broker.connect()
    broker._is_connected = True
    with pytest.raises(Unavailable):
        await broker.place_order(ORDER)


async def test_a_failed_question_is_no_empty_answer(broker: WireBroker, venue: FaultyVenue):
    """A query that fails raises."""
    venue.script.plan("open", "garbage")
    venue.script.plan("find", "lost")
    with pytest.raises(Unavailable):
        await broker.get_open_orders()
    with pytest.raises(Unavailable):
        await broker.find_order(ORDER.client_order_id)


async def test_a_lagging_replica_finds_nothing_yet(broker: WireBroker, venue: FaultyVenue):
    """Accepted, answered, and for ten seconds not to be found."""
    venue.script.plan("place", "partial")
    assert (await broker.place_order(ORDER)).state is VenueOrderState.PARTIALLY_FILLED
    venue.script.plan("find", "stale")
    assert await broker.find_order(ORDER.client_order_id) is None
    assert (await broker.find_order(ORDER.client_order_id)) is not None


def test_an_imported_class_is_an_adapter():
    """A class that registers itself needs no module among the adapters; an unknown word is still refused."""
    assert load_adapter("wire").settings is WireSettings
    with pytest.raises(ConfigurationError, match="wyre"):
        load_adapter("wyre")
