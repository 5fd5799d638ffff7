"""What we count of a venue's request weight is never less than the venue counts, for everything that we ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest

from brokers.ccxt import limits, markets
from brokers.ccxt.kept_ban import KeptBan
from brokers.ccxt.limits import Limits
from brokers.errors import Unavailable
from brokers.order import OrderType
from tests.brokers.ccxt.rig import LONG_AGO, Rig, account

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SITE = {"spot": "api", "usdm": "fapi"}
WHOLE = {"spot": 6000, "usdm": 2400}


def counted(rig: Rig) -> tuple[float, float]:
    """Ours in the venue's unit, and the venue's."""
    its = rig.broker._client.limits
    assert its is not None
    ((_, ours),) = its._common.budgets
    theirs = rig.venue.limits.of(SITE[rig.market]).weight
    return ours.used * WHOLE[rig.market], theirs.count


# ccxt counts a little less than Binance for these two; what the venue tells with its next answer makes up for it.
SLACK = {"spot": 1.0, "usdm": 10.0}


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_we_count_at_least_what_the_venue_counts(tmp_path: Path, market: str) -> None:
    """For all that we ask, with the venue's own word on it unheard; cancels and orders included."""
    markets.forget()
    with patch.object(Limits, "heard", lambda *_: None):
        async with account(tmp_path, market) as rig:
            since, hour = datetime.now(UTC) - LONG_AGO, timedelta(hours=1)
            order = await rig.place()
            stop = await rig.place(type=OrderType.STOP, stop_price=rig.instrument.tick * 6_000_000)
            await rig.broker.modify_order(order.client_order_id, limit_price=Decimal(48_000))
            await rig.find(stop.client_order_id)
            await rig.find("never-placed")
            await rig.broker.get_open_orders()
            await rig.broker.get_closed_orders(since)
            await rig.broker.get_fills(since)
            await rig.broker.get_account_info()
            await rig.broker.get_quote(rig.symbol)
            for depth in (10, 1000):
                await rig.broker.get_orderbook(rig.symbol, depth)
            await rig.broker.get_bars(rig.symbol, until=datetime.now(UTC), count=3, period=hour)
            await rig.broker.inspect()
            await rig.broker.cancel_order(order.client_order_id)
            await rig.broker.disconnect()
            ours, theirs = counted(rig)
            assert theirs > 100
            assert theirs - SLACK[market] <= ours


async def test_when_all_but_the_reserve_is_used_only_cancels_go_out(tmp_path: Path) -> None:
    """Over the wire: a query is refused by ourselves, a cancel gets through."""
    markets.forget()
    async with account(tmp_path, "spot") as rig:
        order = await rig.place()
        its = rig.broker._client.limits
        assert its is not None
        ((window, budget),) = its._common.budgets
        budget.spend(window.count * 0.8 - budget.used * window.count)
        sent = len(rig.venue.journal.requests("*"))
        with pytest.raises(Unavailable, match="rate limit"):
            await rig.broker.get_open_orders()
        with pytest.raises(Unavailable, match="rate limit"):
            await rig.place()
        assert len(rig.venue.journal.requests("*")) == sent
        assert not (await rig.broker.cancel_order(order.client_order_id)).state.is_open


async def test_a_ban_outlives_a_restart(tmp_path: Path) -> None:
    """A new process knows of it: it asks for nothing, not even the time, until it is over."""
    markets.forget()
    async with account(tmp_path, "spot") as rig:
        rig.venue.script.plan("GET /api/v3/openOrders", "ban_418", retry_after=600)
        with pytest.raises(Unavailable):
            await rig.broker.get_open_orders()
        await rig.broker.disconnect()
        limits._shared.clear()  # what a new process knows
        sent = len(rig.venue.journal.requests("*"))
        with pytest.raises(Unavailable, match="wants no requests"):
            await rig.connect()
        assert len(rig.venue.journal.requests("*")) == sent
        until = rig.broker.health.banned_until
        assert until is not None
        assert timedelta(seconds=540) < until - datetime.now(UTC) <= timedelta(seconds=600)
        limits._shared.clear()


@pytest.mark.parametrize("text", ["", "soon", "2026-06-01T12:00:00", "9999-01-01T00:00:00+00:00", "\ufffd"])
def test_a_file_that_makes_no_sense_is_no_ban(tmp_path: Path, text: str) -> None:
    """Nor is one that is over, nor one that cannot be read."""
    path = tmp_path / "banned.txt"
    kept = KeptBan(path)
    assert kept.seconds_left(NOW) == 0
    path.write_text(text, encoding="utf-8")
    assert kept.seconds_left(NOW) == 0
    kept.keep(NOW + timedelta(seconds=40), NOW)
    assert kept.seconds_left(NOW) == 40
    assert kept.seconds_left(NOW + timedelta(seconds=40)) == 0
    kept.keep(NOW + timedelta(seconds=29), NOW)
    assert kept.seconds_left(NOW) == 40, "a short one is not worth a file"
    KeptBan(tmp_path / "missing" / "banned.txt").keep(NOW + timedelta(hours=1), NOW)
