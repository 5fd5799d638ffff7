"""Rate limits: what is counted, what is obeyed, and who shares it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.ccxt.kept_ban import KeptBan
from brokers.ccxt.limits import BINANCE_FUTURES, BINANCE_SPOT, Limits, Rates, Window
from brokers.ccxt.loading import load_exchange_class
from brokers.errors import Unavailable
from brokers.urgency import is_urgent, urgently
from tests.brokers.resilience.by_hand import HandClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Rig:
    """Limits under a clock that is moved by hand."""

    def __init__(
        self, rates: Rates = BINANCE_SPOT, clock: HandClock | None = None, share: Hashable | None = None
    ) -> None:
        self.clock = clock or HandClock()
        self.limits = Limits(rates, now=self.now, ticks=self.clock, share=share)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.clock.seconds - 1000)

    async def send(self, kind: str, cost: float) -> bool:
        try:
            async with self.limits.turn(kind):
                await self.limits.throttle(cost)
        except Unavailable:
            return False
        return True


async def test_cancels_have_the_last_fifth_for_themselves() -> None:
    """Everybody else is told when there is room again."""
    rig = Rig()
    assert await rig.send("query", 960)
    with pytest.raises(Unavailable, match=r"room again in 60 s"):
        await rig.limits.throttle(1)
    assert not await rig.send("place", 0.2)
    assert await rig.send("cancel", 0.2)
    assert rig.limits.used == pytest.approx(0.8, abs=0.01)
    rig.clock.pass_(61)
    assert await rig.send("place", 0.2)


async def test_what_is_urgent_may_use_it_too() -> None:
    """A kill asks the venue for its list, a way out is an order: in tasks that they begin as well, and only there."""
    rig = Rig()
    assert await rig.send("query", 960)
    with urgently():
        assert await rig.send("query", 80)
        assert await asyncio.create_task(rig.send("place", 0.2))
        assert is_urgent()
    assert not is_urgent()
    assert not await rig.send("query", 1)


async def test_orders_are_counted_on_their_own() -> None:
    """A hundred in ten seconds on Binance spot; cancels and queries are none."""
    rig = Rig()
    assert all([await rig.send("place", 0.2) for _ in range(100)])
    assert await rig.send("cancel", 0.2)
    assert await rig.send("query", 0.8)
    rig.clock.pass_(1)
    assert not await rig.send("modify", 0.2)
    rig.clock.pass_(9.1)
    assert await rig.send("place", 0.2)


async def test_a_short_wait_is_waited() -> None:
    """And does not fail."""
    limits = Limits(Rates((Window(1, 0.05),)), now=lambda: NOON, reserve=0)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        await limits.throttle(1)
    assert asyncio.get_running_loop().time() - began >= 0.09


@pytest.mark.parametrize(
    ("rates", "header", "used"),
    [
        (BINANCE_SPOT, {"X-MBX-USED-WEIGHT-1M": "5700"}, 0.95),
        (BINANCE_SPOT, {"X-SAPI-USED-IP-WEIGHT-1M": "6000"}, 0.5),
        (BINANCE_SPOT, {"x-mbx-order-count-10s": "99"}, 0.99),
        (BINANCE_FUTURES, {"x-mbx-used-weight-1m": "1200"}, 0.5),
        (BINANCE_FUTURES, {"X-MBX-ORDER-COUNT-1M": "600"}, 0.5),
        (BINANCE_SPOT, {"x-mbx-used-weight-1m": "nonsense"}, 0),
        (BINANCE_SPOT, {"x-mbx-used-weight-1m": "-5"}, 0),
        (BINANCE_SPOT, None, 0),
    ],
)
async def test_what_the_venue_counts_is_believed(rates: Rates, header: dict[str, str] | None, used: float) -> None:
    """Its headers tell what others at the same address use."""
    rig = Rig(rates)
    rig.limits.heard(200, header)
    assert rig.limits.used == pytest.approx(used, abs=0.001)


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (429, {"Retry-After": "17"}, "", 17),
        (418, {"retry-after": "600"}, "", 600),
        (418, {}, "", 120),
        (429, {}, "", 1),
        (429, {"Retry-After": "soon"}, "", 1),
        (429, {"Retry-After": "-3"}, "", 1),
        (418, {"Retry-After": "999999999"}, "", 3 * 86_400),
        (418, {"Retry-After": "nan"}, "", 120),
        (429, {"Retry-After": "0"}, "", 1),
        (429, {"Retry-After": "Sat, 21 Nov 2026 12:01:30 GMT"}, "", 90),
        (503, {"Retry-After": "Sat, 21 Nov 2026 12:00:20 GMT"}, "", 20),
        (503, {"Retry-After": "86400"}, "", 30),
        (403, {"Retry-After": "259200"}, "", 30),
        (418, {}, '{"code":-1003,"msg":"Way too many requests; IP banned until 1795262460000."}', 60),
        (418, {"Retry-After": "0"}, "", 120),
        (418, {}, "IP banned until 1795262280000.", 120),
        (418, {"Date": "Sat, 21 Nov 2026 11:50:00 GMT"}, "IP banned until 1795262280000.", 480),
        (418, {"Date": "Sat, 21 Nov 2026 12:10:00 GMT", "Retry-After": "Sat, 21 Nov 2026 12:15:00 GMT"}, "", 300),
        (418, {"Date": "yesterday"}, "IP banned until 1795262460000.", 60),
        (503, {}, "", 0),
        (200, {"Retry-After": "60"}, "", 0),
        (400, {}, "", 0),
    ],
)
async def test_silence_that_is_demanded_is_kept(status: int, headers: dict[str, str], body: str, seconds: int) -> None:
    """By every kind of request, cancels too, and to the second."""
    rig = Rig()
    rig.limits.heard(status, headers, body)
    assert rig.limits.banned_until == (rig.now() + timedelta(seconds=seconds) if seconds else None)
    if not seconds:
        assert await rig.send("cancel", 1)
        return
    assert not await rig.send("cancel", 1)
    end = rig.now() + timedelta(seconds=seconds)
    shown = f"{end:%Y-%m-%d %H:%M:%S}" if end.date() > rig.now().date() else f"{end:%H:%M:%S}"
    with pytest.raises(Unavailable, match=f"wants no requests until {shown} UTC"):
        await rig.limits.throttle(1)
    rig.clock.pass_(seconds - 0.5)
    assert not await rig.send("query", 1)
    rig.clock.pass_(0.5)
    assert await rig.send("query", 1)


@pytest.mark.parametrize("rates", [BINANCE_SPOT, BINANCE_FUTURES])
@pytest.mark.parametrize(("status", "headers", "seconds"), [(429, {"Retry-After": "4000"}, 4000), (400, {}, 10)])
async def test_too_many_orders_are_no_ban(rates: Rates, status: int, headers: dict[str, str], seconds: int) -> None:
    """Of this account's new orders alone: it cancels and asks, and the other accounts there place theirs."""
    clock, said = HandClock(), '{"code":-1015,"msg":"Too many new orders; current limit is 100 orders per 10 SECOND."}'
    ours, another = (Rig(rates, clock, share="one venue of this test") for _ in range(2))
    for _ in range(5):
        ours.limits.heard(status, headers, said)
        ours.limits.refused(status, said)
    assert ours.limits.banned_until is None
    for kind in ("cancel", "timer", "query"):
        assert await ours.send(kind, 1)
    for kind in ("place", "modify"):
        assert not await ours.send(kind, 1)
        assert await another.send(kind, 1)
    assert ours.limits.used >= 1
    clock.pass_(seconds + 0.1)
    assert await ours.send("place", 1)


@pytest.mark.parametrize(("status", "is_kept"), [(418, True), (429, True), (403, False), (503, False)])
async def test_only_a_ban_outlives_the_process(tmp_path: Path, status: int, is_kept: bool) -> None:
    """A venue that is out of order for a while, or somebody on the way to it, has not banned us."""
    path = tmp_path / "banned.txt"
    limits = Limits(BINANCE_SPOT, now=lambda: NOON, kept=KeptBan(path))
    limits.heard(status, {"Retry-After": "7200"})
    assert path.exists() is is_kept


async def test_too_fast_in_its_own_words_pauses_for_longer_each_time() -> None:
    """Until it answers as usual."""
    rig = Rig()
    for seconds in (1, 2, 4):
        rig.limits.refused()
        assert rig.limits.banned_until == rig.now() + timedelta(seconds=seconds)
        rig.clock.pass_(seconds)
    rig.limits.heard(200, {})
    rig.limits.refused()
    assert rig.limits.banned_until == rig.now() + timedelta(seconds=1)


async def test_accounts_at_one_venue_share_its_bans_and_others_do_not() -> None:
    """A venue counts by address; orders are counted by account."""
    clock = HandClock()
    made = [Limits(BINANCE_SPOT, now=lambda: NOON, share=key, ticks=clock) for key in ("a", "a", "b")]
    made[0].heard(418, {"Retry-After": "60"})
    assert [each.banned_until is not None for each in made] == [True, True, False]
    made[0].heard(200, {"x-mbx-order-count-10s": "50", "x-mbx-used-weight-1m": "600"})
    assert [each.used for each in made] == pytest.approx([0.5, 0.1, 0], abs=0.001)


async def test_every_request_of_ccxt_passes_with_its_own_cost() -> None:
    """The real library asks before each, and shows what came."""
    exchange = load_exchange_class("binance")({})
    limits = Limits(BINANCE_SPOT, now=lambda: NOON)
    limits.attach(exchange)
    sent: list[str] = []

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        sent.append(url)
        exchange.on_rest_response(200, "OK", url, method, {"X-MBX-USED-WEIGHT-1M": "3000"}, "{}", headers, body)
        return {"serverTime": 1}

    exchange.fetch = fetch
    await exchange.publicGetExchangeInfo()
    assert len(sent) == 1
    assert limits.used == pytest.approx(0.5)
    limits.heard(418, {"Retry-After": "60"})
    with pytest.raises(Unavailable):
        await exchange.publicGetTime()
    assert len(sent) == 1
    await exchange.close()


def test_what_ccxt_says_of_a_venue() -> None:
    """Milliseconds for a request of cost one: a second's worth, and at least one."""
    assert Rates.of(SimpleNamespace(rateLimit=20)).requests == (Window(50, 1),)
    assert Rates.of(SimpleNamespace(rateLimit=2000)).requests == (Window(1, 2),)
