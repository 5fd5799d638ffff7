"""Orders that are asked for, since no stream opens: what happens is told nevertheless, and the health says how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brokers.ccxt.streams.pace import Pace
from brokers.order import VenueOrderState
from tests.brokers.venues import test_bybit, test_coinbase, test_kraken, test_kucoin, test_okx
from tests.brokers.venues.rig import OURS, Account
from tests.brokers.venues.test_public_streams import until
from tests.brokers.venues.test_requests import at

QUICK = Pace(silence=60, poll=0.02, tries=0)
"""Not one attempt: as after too many that have failed."""


def bybit(here: Account) -> None:
    test_bybit.lists(here, "order/realtime", "filled")
    test_bybit.lists(here, "execution/list", "trade")


def coinbase(here: Account) -> None:
    here.answer(test_coinbase.ONE, {"order": here.cases["filled"]})
    here.answer(test_coinbase.FILLS, {"fills": [here.cases["fill"]], "cursor": ""})


def kraken(here: Account) -> None:
    test_kraken.listed(here, "filled")


def kucoin(here: Account) -> None:
    here.answer(test_kucoin.FIND, test_kucoin.ok(here.cases["filled"]))
    here.answer("GET /api/v1/hf/fills", test_kucoin.ok({"lastId": 1, "items": [here.cases["fill"]]}))


def okx(here: Account) -> None:
    swap = {"instId": "BTC-USDT-SWAP", "instType": "SWAP"} if here.instrument.symbol.endswith(":USDT") else {}
    here.answer("GET /api/v5/trade/order", test_okx.ok({**here.cases["filled"], **swap}))
    here.answer("GET /api/v5/trade/fills-history", test_okx.ok({**here.cases["fill"], **swap}))


FILLS: dict[str, Callable[[Account], None]] = {
    "bybit spot": bybit,
    "bybit linear": bybit,
    "coinbase": coinbase,
    "kraken": kraken,
    "kucoin": kucoin,
    "okx spot": okx,
    "okx swap": okx,
}
"""How the venue has filled the order that was placed."""


@pytest.mark.parametrize("key", FILLS)
async def test_a_fill_is_told_though_nothing_is_pushed(key: str, tmp_path: Path) -> None:
    """Under our id, with its executions, once."""
    async with at(key, tmp_path, pace=QUICK) as here:
        assert here.broker.health.streams["reports"].polled
        reports = here.broker.reports()
        await here.broker.place_order(here.order())
        FILLS[key](here)
        report: Any = await until(reports, lambda each: each.state is VenueOrderState.FILLED)
        assert report.client_order_id == OURS
        assert sum(fill.quantity for fill in report.fills) == report.filled
        stream = here.broker.health.streams["reports"]
        assert (stream.is_open, stream.polled) == (True, True)
        assert here.venue.told == []  # no socket was opened for it
