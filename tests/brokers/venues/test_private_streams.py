"""Orders and fills as each venue pushes them: its documented messages over a real WebSocket, through ccxt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.streams.ear import Ear
from brokers.ccxt.streams.pace import Pace
from brokers.ccxt.streams.reports import ReportFeed
from brokers.errors import Unavailable
from brokers.order import OrderReport, VenueOrderState
from tests.brokers.venues.private import TALKS, Chapter, quantity
from tests.brokers.venues.recorder import has
from tests.brokers.venues.rig import OURS, Account
from tests.brokers.venues.test_requests import QUESTIONS, at

CALM = Pace(silence=60, poll=60, grace=30, first_pause=0.02, opening=15)
every_venue = pytest.mark.parametrize("key", TALKS)


def test_every_account_has_a_stream_of_its_orders() -> None:
    """A new one must be heard, too."""
    accounts = {"bybit spot", "bybit linear", "coinbase", "kraken", "kucoin", "okx spot", "okx swap"}
    assert set(TALKS) == set(QUESTIONS) == accounts


def chapters(here: Account) -> dict[str, Chapter]:
    """What happens to the order: it is filled in two halves, or cancelled."""
    size = quantity(here)
    return {
        "working": Chapter("working"),
        "partly": Chapter("partly", size / 2, "T1"),
        "filled": Chapter("filled", size, "T2"),
        "cancelled": Chapter("cancelled"),
        "cancelled partly": Chapter("cancelled", size / 2),
    }


async def happens(here: Account, key: str, *names: str) -> None:
    """The venue pushes these chapters."""
    for name in names:
        for place, message in TALKS[key].push(here, chapters(here)[name]):
            await here.venue.push(place, message)


async def told_until(reports: Any, state: VenueOrderState, fills: int = 0) -> list[OrderReport]:
    """Everything that is told until the order is in this state, with so many fills."""
    told: list[OrderReport] = []
    async with asyncio.timeout(30):
        while not told or told[-1].state is not state or sum(len(each.fills) for each in told) < fills:
            told.append(await anext(reports))
    return told


def feed_of(here: Account) -> ReportFeed:
    """The room that all this goes through."""
    feed = here.broker._connected().feeds._reports
    assert feed is not None
    return feed


async def heard(here: Account) -> None:
    """The stream has told of what was answered before, and what it left open was asked for."""
    feed = feed_of(here)
    async with asyncio.timeout(30):
        while feed._ear._expected or feed._looks._under_way:
            await asyncio.sleep(0.005)


async def nothing_more(reports: Any, seconds: float = 0.1) -> None:
    """Nothing is told within a moment."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            raise AssertionError(await anext(reports))


async def lost(reports: Any) -> str:
    """Why the stream has ended."""
    async with asyncio.timeout(30):
        while True:
            try:
                await anext(reports)
            except Unavailable as error:
                return str(error)


@every_venue
async def test_an_order_is_told_from_its_start_to_its_end(key: str, tmp_path: Path) -> None:
    """Under our id, each fill once with its price and fee; what is pushed again or answered as well is not told twice."""
    async with at(key, tmp_path, pace=CALM) as here:
        talk, stream = TALKS[key], here.broker.health.streams["reports"]
        assert (stream.is_open, stream.polled) == (True, False)
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        talk.answer(here, chapters(here)["filled"])
        await happens(here, key, "working", "partly", "filled")
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert {each.client_order_id for each in told} == {OURS}
        filled = [each.filled for each in told]
        assert filled == sorted(filled)
        fills = {fill.fill_id: fill for each in told for fill in each.fills}
        assert {name: (fill.quantity, fill.price, fill.client_order_id) for name, fill in fills.items()} == {
            name: (quantity(here) / 2, Decimal(50000), OURS) for name in ("T1", "T2")
        }
        assert {(fill.fee, fill.fee_currency) for fill in fills.values()} == {talk.fee}
        await happens(here, key, "working", "partly", "filled", "partly")
        await heard(here)
        await feed_of(here)._take_stock()
        await nothing_more(reports)


@every_venue
async def test_an_order_may_be_told_before_it_is_answered(key: str, tmp_path: Path) -> None:
    """The story may have ended before we know the order: nothing is filled twice, what is missing is asked for."""
    async with at(key, tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        feed_of(here)._pace = replace(CALM, grace=0.05)
        TALKS[key].answer(here, chapters(here)["filled"])
        here.dialect.place_call(here.order())  # as it is sent
        here.broker._connected().known.begin(here.order())
        await happens(here, key, "partly", "filled")
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert max(each.filled for each in told) == quantity(here)
        assert sorted(fill.fill_id for each in told for fill in each.fills) == ["T1", "T2"]
        await happens(here, key, "working", "partly", "filled")
        await heard(here)
        await nothing_more(reports)


@every_venue
async def test_a_cancelled_order_is_told(key: str, tmp_path: Path) -> None:
    """Once, with what was filled before."""
    async with at(key, tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        TALKS[key].answer(here, chapters(here)["cancelled"])
        await happens(here, key, "working", "cancelled")
        told = await told_until(reports, VenueOrderState.CANCELLED)
        assert [(each.client_order_id, each.filled, each.fills) for each in told if not each.state.is_open] == [
            (OURS, 0, ())
        ]
        await happens(here, key, "cancelled", "working")
        await heard(here)
        await nothing_more(reports)


@every_venue
async def test_it_is_subscribed_with_the_accounts_keys(key: str, tmp_path: Path) -> None:
    """In the venue's words, signed; and again when the stream is opened anew."""
    async with at(key, tmp_path, pace=CALM) as here:
        talk = TALKS[key]
        for _ in range(2):
            for place, part in talk.asks:
                await here.venue.heard(part)
                assert place in {each.place for each in here.venue.told if has(each.message, part)}
            signed = [each.message for each in here.venue.told if has(each.message, talk.asks[0][1])]
            assert all(talk.signature(here, message) for message in signed)
            here.venue.told.clear()
            here.broker._connected().feeds.lose("for the test")
            await here.broker.connect()


@every_venue
async def test_a_lost_stream_is_opened_anew_and_nothing_is_missed(key: str, tmp_path: Path) -> None:
    """Nothing is replayed: what came meanwhile is in the answers, and is not told again by a late push."""
    async with at(key, tmp_path, pace=CALM) as here:
        reports, talk = here.broker.reports(), TALKS[key]
        await here.broker.place_order(here.order())
        await happens(here, key, "working")
        await heard(here)
        await here.venue.sockets[talk.asks[0][0]].close()
        await lost(reports)
        talk.answer(here, chapters(here)["filled"])
        await here.broker.connect()
        found = await here.broker.find_order(OURS)
        assert found is not None
        assert (found.state, [fill.fill_id for fill in found.fills]) == (VenueOrderState.FILLED, ["T1", "T2"])
        stream = here.broker.health.streams["reports"]
        assert (stream.is_open, stream.polled, stream.restarts) == (True, False, 1)
        again = here.broker.reports()
        await happens(here, key, "partly", "filled")
        await nothing_more(again)


@every_venue
async def test_a_stream_that_tells_nothing_is_found_out(key: str, tmp_path: Path) -> None:
    """It is open and answers pings, and an order that the venue has taken is not told of."""
    async with at(key, tmp_path, pace=replace(CALM, grace=0.05)) as here:
        reports = here.broker.reports()
        TALKS[key].answer(here, chapters(here)["working"])
        await here.broker.place_order(here.order())
        assert "does not tell" in await lost(reports)


@every_venue
async def test_what_a_stream_has_left_out_is_found_by_a_question(key: str, tmp_path: Path) -> None:
    """Open orders are asked for all the same, only less often: what has gone from them is looked up and told."""
    async with at(key, tmp_path, pace=CALM) as here:
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        await happens(here, key, "working")
        await heard(here)
        TALKS[key].answer(here, chapters(here)["filled"])
        feed = feed_of(here)
        feed._ear = Ear(0.05)
        await feed._question()
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert [fill.fill_id for each in told for fill in each.fills] == ["T1", "T2"]
        assert "does not tell" in await lost(reports)


@every_venue
async def test_a_stream_without_a_sign_of_life_is_lost(key: str, tmp_path: Path) -> None:
    """Pings are not answered any more."""
    async with at(key, tmp_path, pace=replace(CALM, silence=0.4)) as here:
        reports = here.broker.reports()
        TALKS[key].answer(here, chapters(here)["cancelled"])
        here.venue.is_dumb = True
        assert await lost(reports)
        assert not here.broker._connected().feeds.is_open


@every_venue
async def test_without_a_stream_orders_are_asked_for(key: str, tmp_path: Path) -> None:
    """After too many losses it is asked, and the health says so; later the stream is taken up again, without a gap."""
    async with at(key, tmp_path, pace=replace(CALM, poll=0.05, longest_pause=0.5, tries=1)) as here:
        reports, feeds = here.broker.reports(), here.broker._connected().feeds
        feeds.lose("for the test")
        await lost(reports)
        await here.broker.connect()
        reports = here.broker.reports()
        assert here.broker.health.streams["reports"].polled
        await here.broker.place_order(here.order())
        TALKS[key].answer(here, chapters(here)["filled"])
        told = await told_until(reports, VenueOrderState.FILLED, fills=2)
        assert [fill.fill_id for each in told for fill in each.fills] == ["T1", "T2"]
        async with asyncio.timeout(30):
            while here.broker.health.streams["reports"].polled:
                await asyncio.sleep(0.02)
        await happens(here, key, "partly", "filled")
        await nothing_more(reports)
