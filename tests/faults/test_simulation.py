"""Seeds of the simulation: those of every day, those that once failed, and broken programs that must be found out."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest, Side
from tests.faults import simulation
from tests.faults.exchange import Exchange
from tests.faults.faulty_venue import FaultyVenue
from tests.faults.wire_broker import WireBroker

# A seed that has failed stays here for ever, with what it found.
REGRESSIONS = (
    501,  # more was bought against a sale in doubt than was ever wanted
    511,  # a correction of a correction that was missed, as it was before the order of steps changed
)
EVERY_DAY = range(1000, 1004)  # `make soak` runs ten thousand


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour without a fault is enough for a broken program to show itself."""
    monkeypatch.setattr(simulation, "FAULTY_SECONDS", 400.0)
    monkeypatch.setattr(simulation, "WHOLE_SECONDS", 900.0)


@pytest.mark.parametrize("seed", [*REGRESSIONS, *EVERY_DAY])
def test_seed(seed: int):
    """An hour of faults and crashes ends in agreement."""
    outcome = simulation.run_seed(seed)
    assert outcome.wrong == [], f"again: python -m tests.faults.simulation {seed}"


def test_one_seed_is_one_run(short):
    """The same seed does the same, to the last message."""
    first, second = simulation.run_seed(1001), simulation.run_seed(1001)
    assert first.trace == second.trace
    assert first.lives == second.lives


def found() -> list[str]:
    return simulation.run_seed(7, faults=dict.fromkeys(simulation.FAULTS, ())).wrong


def test_it_finds_nothing_in_a_calm_hour(short):
    """The oracle is no alarm that always rings."""
    assert found() == []


def test_it_finds_an_order_that_is_sent_before_it_is_stored(short, monkeypatch: pytest.MonkeyPatch):
    """Order first, remember later: the venue has an order that nobody knows."""
    whole = WireBroker.place_order

    async def place(self: WireBroker, order: OrderRequest) -> OrderReport:
        await whole(self, replace(order, client_order_id=ClientOrderId(f"x{order.client_order_id[1:]}")))
        return await whole(self, order)

    monkeypatch.setattr(WireBroker, "place_order", place)
    wrong = found()
    assert any("not in our books" in each for each in wrong), wrong


def test_it_finds_a_fill_that_is_counted_twice(short, monkeypatch: pytest.MonkeyPatch):
    """A stream that names executions otherwise than queries do: each is booked twice."""
    whole = FaultyVenue._tell

    def tell(self: FaultyVenue, report: OrderReport) -> None:
        fills = tuple(replace(fill, fill_id=f"ws-{fill.fill_id}") for fill in report.fills)
        whole(self, replace(report, fills=fills))

    monkeypatch.setattr(FaultyVenue, "_tell", tell)
    assert any("never executed" in each for each in found())


def test_it_finds_an_order_that_is_made_twice():
    """Two orders where one was wanted are an excess, whatever the books say."""
    exchange = Exchange(lambda: simulation.START)
    exchange.most = {"ACME": Decimal(10)}
    for number in range(2):
        order = OrderRequest(ClientOrderId(f"qd{number}"), Instrument("ACME", "USD"), Side.BUY, Decimal(10))
        exchange.place(order)
    assert len(exchange.excesses) == 1


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    yield
    shutil.rmtree(simulation.scratch(), ignore_errors=True)
    for made in (simulation.scratch, simulation.bars, simulation.empty_database):
        made.cache_clear()
