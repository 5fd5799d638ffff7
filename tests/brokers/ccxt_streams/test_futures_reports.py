"""Reports of a futures account over real sockets: listen keys, and conditional orders that become others."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.adapters.binance import usdm
from brokers.errors import Unavailable
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce
from brokers.order import VenueOrderState as State
from tests.brokers.ccxt_streams.rig import QUICK, heard, rest, rig, until

pytestmark = pytest.mark.asyncio

PERPETUAL = "BTC/USDT:USDT"
MADE, RENEWED = "POST /fapi/v1/listenKey", "PUT /fapi/v1/listenKey"


def _account(tmp_path, **pace):
    return rig(tmp_path, market="usdm", symbols=[PERPETUAL], pace=replace(QUICK, silence=30, **pace))


async def _order(here, client_id, kind=OrderType.LIMIT, side=Side.BUY, **prices):
    (instrument,) = await here.broker.get_instruments()
    exact = {name: Decimal(price) for name, price in prices.items()}
    request = OrderRequest(
        ClientOrderId(client_id), instrument, side, Decimal("0.01"), kind, time_in_force=TimeInForce.GTC, **exact
    )
    return await here.broker.place_order(request)


def _is_filled(told):
    return told and told[-1].state is State.FILLED


async def test_an_order_is_told_with_its_fills(tmp_path):
    """Each fill once, under our id."""
    async with _account(tmp_path) as here:
        reports = here.broker.reports()
        await _order(here, "mine", limit_price="49000")
        here.venue.move("BTCUSDT", "48000")
        told = await heard(reports, _is_filled)
        assert [fill.client_order_id for each in told for fill in each.fills] == ["mine"]
        assert await rest(reports) == []


async def test_a_conditional_order_that_is_triggered_is_told_to_its_end(tmp_path):
    """It becomes an order with another id at the venue; ccxt calls it closed as soon as it wakes."""
    async with _account(tmp_path) as here:
        reports = here.broker.reports()
        await _order(here, "stop", OrderType.STOP, stop_price="51000")
        here.venue.move("BTCUSDT", "51500")
        told = await heard(
            reports,
            lambda told: (
                _is_filled(told)
                and sum(len(each.fills) for each in told) >= len(here.venue.journal.executions("stop")) > 0
            ),
        )
        told += await rest(reports, 0.3)
        assert {each.client_order_id for each in told} == {"stop"}
        fills = [fill for each in told for fill in each.fills]
        executed = {str(each["trade_id"]) for each in here.venue.journal.executions("stop")}
        assert {fill.fill_id for fill in fills} == executed
        assert len(fills) == len(executed)
        assert told[-1].state is State.FILLED


async def test_a_listen_key_that_expires_ends_the_reports_and_is_not_used_again(tmp_path):
    """The socket stays open and says nothing more; the next stream has a key of its own."""
    async with _account(tmp_path) as here:
        reports = here.broker.reports()
        here.venue.clock.offset_ms += 3_700_000
        here.venue.move("BTCUSDT", "50100")
        with pytest.raises(Unavailable, match="listenKeyExpired"):
            await asyncio.wait_for(anext(reports), 30)
        here.venue.clock.offset_ms -= 3_700_000
        await here.broker.connect()
        again = here.broker.reports()
        await _order(here, "mine", limit_price="49000")
        here.venue.move("BTCUSDT", "48000")
        assert (await heard(again, _is_filled))[-1].client_order_id == "mine"


async def test_a_listen_key_is_renewed_for_as_long_as_the_stream_lives(tmp_path, monkeypatch):
    """Not once, as ccxt does it: the key would end eighty minutes after it was made."""
    monkeypatch.setattr(usdm, "RENEWAL_SECONDS", 0.1)
    async with _account(tmp_path) as here:
        reports = here.broker.reports()
        await until(lambda: len(here.venue.journal.requests(RENEWED)) >= 4)
        await _order(here, "mine", limit_price="49000")
        here.venue.move("BTCUSDT", "48000")
        assert _is_filled(await heard(reports, _is_filled))
        assert len(here.venue.journal.requests(MADE)) == 1


@pytest.mark.parametrize("fault", ["drop_before", "limit_429"])
async def test_a_renewal_that_fails_is_repeated_and_ends_no_stream_that_is_well(tmp_path, monkeypatch, fault):
    """The key lasts for a while yet."""
    monkeypatch.setattr(usdm, "RENEWAL_SECONDS", 0.7)
    async with _account(tmp_path, longest_pause=0.2) as here:
        reports = here.broker.reports()
        here.venue.script.plan(RENEWED, fault)
        await until(lambda: len(here.venue.journal.requests(RENEWED)) >= 3)
        assert here.feeds.is_open
        await _order(here, "mine", limit_price="49000")
        here.venue.move("BTCUSDT", "48000")
        assert _is_filled(await heard(reports, _is_filled))


async def test_a_listen_key_that_the_venue_knows_no_more_ends_the_reports_at_once(tmp_path, monkeypatch):
    """Another program with the same API key has closed it: nothing is told any more, and nobody says so."""
    monkeypatch.setattr(usdm, "RENEWAL_SECONDS", 0.7)
    async with _account(tmp_path, longest_pause=0.2) as here:
        reports = here.broker.reports()
        gone = {"status": 400, "code": -1125, "msg": "This listenKey does not exist."}
        here.venue.script.plan(RENEWED, "error", times=1000, **gone)
        with pytest.raises(Unavailable, match=r"the login has ended: .*does not exist"):
            await asyncio.wait_for(anext(reports), 30)
        assert len(here.venue.journal.requests(RENEWED)) == 1
        await here.broker.connect()
        assert len(here.venue.journal.requests(MADE)) == 2


async def test_a_listen_key_that_cannot_be_renewed_while_it_lasts_ends_the_reports(tmp_path, monkeypatch):
    """The next stream asks for a key of its own."""
    monkeypatch.setattr(usdm, "RENEWAL_SECONDS", 0.1)
    async with _account(tmp_path, longest_pause=0.1) as here:
        reports = here.broker.reports()
        here.venue.script.plan(RENEWED, "http_503_unavailable", times=1000)
        with pytest.raises(Unavailable, match="the login has ended"):
            await asyncio.wait_for(anext(reports), 30)
        await here.broker.connect()
        assert len(here.venue.journal.requests(MADE)) == 2
        assert here.feeds.is_open


async def test_a_conditional_order_that_is_cancelled_is_told_at_once(tmp_path):
    """Its event says nothing of fills, for it has none: nobody needs to be asked."""
    async with _account(tmp_path) as here:
        reports = here.broker.reports()
        await _order(here, "mine", OrderType.STOP, stop_price="51000")
        before = len(here.venue.journal.requests("GET /fapi/v1/*"))
        exchange = here.broker._client.exchange
        await exchange.cancel_order("", "BTC/USDT:USDT", {"clientOrderId": "mine", "trigger": True})
        told = await heard(reports, lambda seen: seen and not seen[-1].state.is_open)
        assert (told[-1].client_order_id, told[-1].state, told[-1].filled) == ("mine", State.CANCELLED, 0)
        assert len(here.venue.journal.requests("GET /fapi/v1/*")) == before
