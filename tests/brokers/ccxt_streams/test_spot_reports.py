"""Reports of a spot account over real sockets: what happens is told, and no loss of the stream goes unnoticed."""

import asyncio
from dataclasses import replace

import pytest

from brokers.errors import Unavailable
from brokers.order import VenueOrderState as State
from tests.brokers.ccxt_streams.rig import QUICK, heard, rest, rig, until

pytestmark = pytest.mark.asyncio

FILLS = {"e": "executionReport", "x": "TRADE"}


async def _ends(reports, seconds=30.0):
    """What is told before the stream ends with `Unavailable`, and why it ends."""
    told = []
    async with asyncio.timeout(seconds):
        while True:
            try:
                told.append(await anext(reports))
            except Unavailable as error:
                return told, str(error)


def _is_filled(told):
    return told and told[-1].state is State.FILLED


async def test_an_order_is_told_from_its_start_to_its_end(tmp_path):
    """Filled, with our id, and each fill once."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        here.venue.move("BTCUSDT", "48000")
        told = await heard(reports, _is_filled)
        assert {each.client_order_id for each in told} == {"mine"}
        fills = [fill for each in told for fill in each.fills]
        assert [fill.fill_id for fill in fills] == [str(here.venue.journal.executions("mine")[0]["trade_id"])]
        assert fills[0].client_order_id == "mine"


async def test_a_cancelled_order_is_told_under_our_id(tmp_path):
    """The event carries the cancel's own id, and ours as the original."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        here.venue.spot.desk.open()
        await here.cancel_elsewhere("mine")
        told = await heard(reports, lambda told: told and not told[-1].state.is_open)
        assert (told[-1].client_order_id, told[-1].state) == ("mine", State.CANCELLED)


async def test_several_fills_in_a_row_are_all_told(tmp_path):
    """ccxt merges what comes between two calls of its own, and fails at a fee it does not know; nothing is lost here."""
    async with rig(tmp_path) as here:
        here.venue.spot.desk.bnb_fees = True
        reports = here.broker.reports()
        levels = [(f"{50000 + number}", "0.01") for number in range(12)]
        here.venue.spot.book("BTCUSDT", bids=[("49999", "1")], asks=levels)
        await here.place("mine", "50020", quantity="0.12")
        told = await heard(reports, lambda told: sum(len(each.fills) for each in told) == 12)
        fills = [fill.fill_id for each in told for fill in each.fills]
        assert fills == [str(each["trade_id"]) for each in here.venue.journal.executions("mine")]
        assert await rest(reports) == []


async def test_a_lost_connection_ends_the_reports_and_the_next_stream_is_new(tmp_path):
    """A fill goes with it: nothing is replayed, an answer has it."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        here.venue.script.plan("STREAM user spot", "lose", match=FILLS)
        here.venue.move("BTCUSDT", "48000")
        told, _ = await _ends(reports)
        assert not [fill for each in told for fill in each.fills]
        await here.broker.connect()
        assert (await here.broker.find_order("mine")).state is State.FILLED
        again = here.broker.reports()
        await here.place("next", "47000")
        here.venue.move("BTCUSDT", "46000")
        assert {each.client_order_id for each in await heard(again, _is_filled)} == {"next"}
        assert here.broker.health.streams["reports"].restarts == 1


@pytest.mark.parametrize("fault", ["terminate", "shutdown"])
async def test_a_stream_that_the_venue_ends_is_lost_at_once(tmp_path, fault):
    """ccxt would wait for ever: the socket is open, or closes a while later."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30, grace=30)) as here:
        reports = here.broker.reports()
        here.venue.script.plan("STREAM user spot", fault)
        await here.place("mine", "49000")
        _, reason = await _ends(reports)
        assert {"terminate": "eventStreamTerminated", "shutdown": "serverShutdown"}[fault] in reason
        await here.broker.connect()
        assert here.streams() == ["ws-api"]


async def test_a_server_that_closes_after_a_day_is_lost_at_once(tmp_path):
    """A connection lives 24 hours; the next one is opened by the next connect."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        reports = here.broker.reports()
        here.venue.sockets.of("ws-api")[0].close()
        await _ends(reports)
        assert not here.feeds.is_open
        await here.broker.connect()
        assert here.feeds.is_open


async def test_a_stream_that_goes_deaf_is_found_out_by_the_first_order(tmp_path):
    """It is open, it answers pings, and tells nothing: the venue's answer says what it should have told."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        reports = here.broker.reports()
        here.venue.script.plan("STREAM user spot", "silent")
        await here.place("mine", "49000")
        told, reason = await _ends(reports)
        assert "does not tell" in reason
        assert not told


async def test_a_stream_that_goes_deaf_is_found_out_by_a_question(tmp_path):
    """A resting order fills and nobody says so: after the silence the venue is asked, and what it knows is told."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        await asyncio.sleep(0.7)  # one question has been asked, and all was well
        assert here.feeds.is_open
        here.venue.script.plan("STREAM user spot", "silent")
        here.venue.move("BTCUSDT", "48000")
        told, reason = await _ends(reports)
        assert "does not tell" in reason
        assert [(each.state, len(each.fills)) for each in told] == [(State.FILLED, 1)]


async def test_a_missed_event_is_found_out_by_a_question(tmp_path):
    """One event is gone, the stream goes on: it cannot be trusted any more."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        here.venue.script.plan("STREAM user spot", "miss", match=FILLS)
        here.venue.move("BTCUSDT", "48000")
        told, _ = await _ends(reports)
        assert [fill.client_order_id for each in told for fill in each.fills] == ["mine"]


async def test_a_missed_event_is_found_out_on_a_busy_stream(tmp_path):
    """It tells other things all the time, so it is never silent: it is questioned all the same."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()

        async def chatter():
            while True:
                here.say({"e": "balanceUpdate", "a": "BTC", "d": "1"})
                await asyncio.sleep(0.05)

        await here.place("mine", "49000")
        here.venue.script.plan("STREAM user spot", "miss", match=FILLS)
        here.venue.move("BTCUSDT", "48000")
        chatting = asyncio.create_task(chatter())
        told, reason = await _ends(reports, 10)
        chatting.cancel()
        assert "does not tell" in reason
        assert [fill.client_order_id for each in told for fill in each.fills] == ["mine"]


async def test_silence_without_anything_to_tell_is_normal(tmp_path):
    """Nothing happens for several times the silence: the stream stays, and is not even opened anew."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        await here.place("mine", "40000")
        assert await rest(reports, 2) == []
        assert here.feeds.is_open
        assert here.broker.health.streams["reports"].restarts == 0


async def test_duplicates_and_a_wrong_order_of_events_do_no_harm(tmp_path):
    """Every event twice, and the last fill before the first: each fill once, and the state never goes back."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        here.venue.spot.book("BTCUSDT", bids=[("49999", "1")], asks=[("50000", "0.01"), ("50001", "0.01")])
        here.venue.script.plan("STREAM user spot", "duplicate", match={"e": "executionReport", "x": "NEW"})
        here.venue.script.plan("STREAM user spot", "reorder", match=FILLS)
        here.venue.script.plan("STREAM user spot", "duplicate", match=FILLS)
        await here.place("mine", "50001", quantity="0.02")
        told = await heard(reports, lambda told: sum(len(each.fills) for each in told) == 2)
        assert await rest(reports) == []
        filled = [each.filled for each in told]
        assert filled == sorted(filled)
        assert [each.state for each in told] == sorted(
            (each.state for each in told), key=lambda state: not state.is_open
        )
        assert len({fill.fill_id for each in told for fill in each.fills}) == 2


async def test_an_event_that_nobody_understands_has_the_order_asked_for(tmp_path):
    """Never a guess: the venue's answer is told."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        await rest(reports, 0.05)
        here.venue.script.plan("STREAM user spot", "miss", times=None, match={"e": "executionReport"})
        here.venue.move("BTCUSDT", "48000")
        here.say({"e": "executionReport", "s": "BTCUSDT", "c": "mine", "i": "?", "X": "EVAPORATED", "S": "?"})
        told = await heard(reports, _is_filled)
        assert [fill.client_order_id for each in told for fill in each.fills] == ["mine"]
        assert here.feeds.is_open


async def test_an_event_of_a_new_kind_that_names_our_order_has_it_asked_for(tmp_path):
    """ccxt passes over it in silence."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        reports = here.broker.reports()
        await here.place("mine", "49000")
        await rest(reports, 0.05)
        here.venue.script.plan("STREAM user spot", "miss", times=None, match={"e": "executionReport"})
        here.venue.move("BTCUSDT", "48000")
        here.say({"e": "somethingNew", "order": {"id": "mine", "what": [1, 2]}})
        assert (await heard(reports, _is_filled))[-1].client_order_id == "mine"


async def test_an_error_of_ccxt_does_not_stop_the_reading_of_the_socket(tmp_path):
    """It would end in silence; here what comes after is told, and the order that the message named is asked for."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:

        def fail(*_):
            raise KeyError("BNB")

        reports = here.broker.reports()
        await here.place("mine", "49000")
        await rest(reports, 0.05)
        here.broker._client.exchange.handle_balance = fail
        here.venue.script.plan("STREAM user spot", "miss", match=FILLS)
        here.venue.move("BTCUSDT", "48000")
        here.say({"e": "balanceUpdate", "for": "mine"})
        assert (await heard(reports, _is_filled))[-1].client_order_id == "mine"
        await here.place("next", "47000")
        here.venue.move("BTCUSDT", "46000")
        assert (await heard(reports, _is_filled))[-1].client_order_id == "next"
        assert here.feeds.is_open


async def test_a_slow_reader_of_reports_gets_all_of_them(tmp_path):
    """However long it takes over the first."""
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        for number in range(30):
            await here.place(f"o{number}")
        told = await heard(reports, lambda told: sum(len(each.fills) for each in told) >= 30)
        assert {fill.client_order_id for each in told for fill in each.fills} == {f"o{number}" for number in range(30)}


async def test_without_keys_there_are_no_reports_and_no_socket_for_them(tmp_path):
    """It serves market data only."""
    async with rig(tmp_path, keys=False) as here:
        assert here.feeds.is_open
        assert here.streams() == []


async def test_a_stream_that_cannot_be_opened_is_unavailable_and_then_polled(tmp_path):
    """Three times refused, then orders are asked for instead; what happens is told all the same, and once."""
    async with rig(tmp_path, connect=False, pace=replace(QUICK, opening=0.3)) as here:
        here.venue.script.plan("WS userDataStream.subscribe.signature", "hang_before", times=None)
        for _ in range(3):
            with pytest.raises(Unavailable, match="reports"):
                await here.broker.connect()
        await here.broker.connect()
        reports = here.broker.reports()
        await here.place("mine", "49000")
        here.venue.move("BTCUSDT", "48000")
        told = await heard(reports, _is_filled)
        assert [fill.client_order_id for each in told for fill in each.fills] == ["mine"]
        assert await rest(reports, 0.2) == []
        here.venue.script.clear()
        await until(lambda: here.streams() == ["ws-api"])
        await here.place("next", "47000")
        here.venue.move("BTCUSDT", "46000")
        told = await heard(reports, _is_filled)
        assert [fill.client_order_id for each in told for fill in each.fills] == ["next"]


async def test_a_stream_that_is_lost_while_it_is_opened_is_not_open(tmp_path):
    """The timer of the venue ran out meanwhile: whoever connects hears of it, and the next attempt opens one."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        feed = here.feeds._reports
        await feed.close("for the test")
        listed = feed._account.open_orders

        async def lose_and_list():
            here.feeds.lose("orders may be gone")
            return await listed()

        feed._account = replace(feed._account, open_orders=lose_and_list)
        with pytest.raises(Unavailable, match="orders may be gone"):
            await here.broker.connect()
        assert not here.feeds.is_open
        assert feed._channel is None
        feed._account = replace(feed._account, open_orders=listed)
        await here.broker.connect()
        assert here.feeds.is_open
        reports = here.broker.reports()
        await here.place("mine", "49000")
        here.venue.move("BTCUSDT", "48000")
        assert (await heard(reports, _is_filled))[-1].client_order_id == "mine"


async def test_an_opening_that_is_given_up_leaves_nothing(tmp_path):
    """Whoever connects has gone before the venue answered the subscription."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        feed, sockets = here.feeds._reports, here.feeds._sockets
        await feed.close("for the test")
        here.venue.script.plan("WS userDataStream.subscribe.signature", "hang_before", times=None)
        task = asyncio.create_task(here.broker.connect())
        await until(lambda: sockets._lines)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not sockets._lines
        here.venue.script.clear()
        await here.broker.connect()
        assert here.feeds.is_open


async def test_going_over_to_a_stream_that_fails_half_way_leaves_nothing(tmp_path):
    """The stream was opened, and then the orders could not be asked for: it is asked on, without that stream."""
    async with rig(tmp_path, pace=replace(QUICK, silence=30)) as here:
        feed, sockets = here.feeds._reports, here.feeds._sockets
        channel = feed._channel

        async def opened():
            return channel

        async def refuse():
            raise Unavailable("not now")

        feed._account = replace(feed._account, open_orders=refuse)
        assert not await feed._has_gone_over(opened)
        assert feed._channel is None
        assert not channel.is_open
        assert not sockets._lines


async def test_disconnecting_ends_the_reports_and_leaves_nothing(tmp_path):
    """No socket at the venue, no task here."""
    before = asyncio.all_tasks()
    async with rig(tmp_path) as here:
        reports = here.broker.reports()
        quotes = here.broker.quotes(["BTC/USDT"])
        await heard(quotes, bool)
        await here.broker.disconnect()
        await _ends(reports)
        with pytest.raises(Unavailable):
            await rest(quotes)
        await until(lambda: here.streams() == [])
    ours = [task for task in asyncio.all_tasks() - before if "/brokers/" in str(task.get_coro())]
    assert not ours
