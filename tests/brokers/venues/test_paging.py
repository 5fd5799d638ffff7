"""Long lists of orders and executions: each venue cuts them in its own way, and none may be lost between the pages.

Each venue here keeps to its documented way of giving a list: from which time to which, the newest first, so many at
once, and how to get the next page. Several items share a moment wherever pages meet.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.errors import Unavailable
from tests.brokers.venues.rig import NOW, Account
from tests.brokers.venues.test_requests import QUESTIONS, at

COUNT = 150
SINCE = NOW - timedelta(days=20)
BEGIN = int(SINCE.timestamp() * 1000)
STEP = 21_000_000  # ms between two moments: 150 items, three at each, reach over twelve days
Said = Mapping[str, Any]
Make = Callable[[int, int], dict[str, Any]]


def moment(number: int) -> int:
    """When item `number` happened; three share each moment."""
    return BEGIN + number // 3 * STEP


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def of_iso(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


class Listing:
    """All items of a list, as `make(number, ms)` writes one; `between` gives those of a time, the newest first."""

    def __init__(self, make: Make, count: int = COUNT) -> None:
        self.items = [(moment(number), make(number, moment(number))) for number in reversed(range(count))]
        self.pages = 0

    def between(self, first: float, last: float) -> list[dict[str, Any]]:
        self.pages += 1
        return [item for at, item in self.items if first <= at <= last]


# --- how each venue gives a list -------------------------------------------------------------------

DAYS_7 = 7 * 86_400_000


def bybit(listing: Listing) -> Callable[[Said], Any]:
    """`startTime` alone goes seven days on; `cursor` is the place of the next item."""

    def answer(said: Said) -> Any:
        first = int(said["startTime"])
        last = int(said.get("endTime", first + DAYS_7))
        assert last - first <= DAYS_7
        found = listing.between(first, last)
        if said.get("execType", "Trade") != "Trade":
            found = []
        return bybit_page(found, said)

    return answer


def bybit_page(found: list[dict[str, Any]], said: Said) -> Any:
    """`cursor` is the place of the next item; executions come by a hundred, orders by fifty, at most."""
    place, size = int(said.get("cursor", 0)), int(said["limit"])
    assert size <= (100 if "execType" in said else 50)
    further = str(place + size) if place + size < len(found) else ""
    page = {"category": said["category"], "list": found[place : place + size], "nextPageCursor": further}
    return {"retCode": 0, "retMsg": "OK", "result": page, "retExtInfo": {}, "time": 1}


def kraken(listing: Listing, name: str) -> Callable[[Said], Any]:
    """`start` in seconds, exclusive; `ofs` passes over as many of the newest; fifty at once."""

    def answer(said: Said) -> Any:
        found = listing.between(float(said["start"]) * 1000 + 1, float(said.get("end", 1e12)) * 1000)
        page = found[int(said.get("ofs", 0)) :][:50]
        return {"error": [], "result": {name: {each["key"]: each for each in page}, "count": len(found)}}

    return answer


def kucoin(listing: Listing) -> Callable[[Said], Any]:
    """`startAt` alone goes seven days on."""

    def answer(said: Said) -> Any:
        first = int(said["startAt"])
        found = listing.between(first, min(int(said.get("endAt", first + DAYS_7)), first + DAYS_7))
        return {"code": "200000", "data": {"lastId": 0, "items": found[: int(said.get("limit", 20))]}}

    return answer


def okx(listing: Listing, state: str = "") -> Callable[[Said], Any]:
    """`begin` and `end`; a hundred at once."""

    def answer(said: Said) -> Any:
        found = listing.between(float(said.get("begin", 0)), float(said.get("end", 1e15)))
        page = found[: int(said.get("limit", 100))] if said.get("state", state) == state else []
        return {"code": "0", "msg": "", "data": page}

    return answer


def coinbase(listing: Listing, name: str, first: str, last: str) -> Callable[[Said], Any]:
    """From a date to a date, a hundred at once."""

    def answer(said: Said) -> Any:
        ends = of_iso(said[last]) if last in said else 1e15
        found = listing.between(of_iso(said[first]), ends)
        page = found[: int(said["limit"])]
        return {name: page, "cursor": "", "has_next": len(found) > len(page)}

    return answer


def cases_of(here: Account, key: str) -> dict[str, Any]:
    """The venue's examples, of the market that is traded."""
    swap = {"instId": "BTC-USDT-SWAP", "instType": "SWAP"} if key == "okx swap" else {}
    return {name: {**case, **swap} for name, case in here.cases.items()}


def lists(here: Account, key: str) -> tuple[Listing, Listing]:
    """A venue with as many executions, and as many orders that were cancelled."""
    case, venue = cases_of(here, key), key.partition(" ")[0]
    if venue == "bybit":
        trades = Listing(lambda n, ms: {**case["trade"], "execId": f"e{n}", "execTime": str(ms)})
        times = ("createdTime", "updatedTime")
        orders = Listing(
            lambda n, ms: {
                **case["cancelled"],
                "orderId": f"{n}",
                "orderLinkId": f"o{n}",
                **dict.fromkeys(times, str(ms)),
            }
        )
        here.answer("GET /v5/execution/list", bybit(trades))
        here.answer("GET /v5/order/history", bybit(orders))
    elif venue == "kraken":
        trades = Listing(lambda n, ms: {**case["trade"], "key": f"T{n:05}", "time": ms / 1000})
        orders = Listing(
            lambda n, ms: {
                **case["cancelled"],
                "key": f"O{n:05}",
                "cl_ord_id": f"o{n}",
                "opentm": ms / 1000,
                "closetm": ms / 1000,
            }
        )
        here.answer("POST /0/private/TradesHistory", kraken(trades, "trades"))
        here.answer("POST /0/private/ClosedOrders", kraken(orders, "closed"))
    elif venue == "kucoin":
        trades = Listing(lambda n, ms: {**case["fill"], "tradeId": n + 1, "createdAt": ms})
        orders = Listing(
            lambda n, ms: {
                **case["cancelled"],
                "id": f"{n}",
                "clientOid": f"o{n}",
                "createdAt": ms,
                "lastUpdatedAt": ms,
            }
        )
        here.answer("GET /api/v1/hf/fills", kucoin(trades))
        here.answer("GET /api/v1/hf/orders/done", kucoin(orders))
    elif venue == "okx":
        trades = Listing(lambda n, ms: {**case["fill"], "tradeId": f"{n}", "ts": str(ms), "fillTime": str(ms)})
        orders = Listing(
            lambda n, ms: {**case["cancelled"], "ordId": f"{n}", "clOrdId": f"o{n}", "cTime": str(ms), "uTime": str(ms)}
        )
        here.answer("GET /api/v5/trade/fills-history", okx(trades))
        here.answer("GET /api/v5/trade/orders-history", okx(orders, "canceled"))
    else:
        trades = Listing(
            lambda n, ms: {**case["fill"], "entry_id": f"e{n}", "trade_id": f"t{n}", "trade_time": iso(ms)}
        )
        orders = Listing(
            lambda n, ms: {**case["cancelled"], "order_id": f"{n}", "client_order_id": f"o{n}", "created_time": iso(ms)}
        )
        api = "GET /api/v3/brokerage/orders/historical"
        here.answer(f"{api}/fills", coinbase(trades, "fills", "start_sequence_timestamp", "end_sequence_timestamp"))
        here.answer(f"{api}/batch", coinbase(orders, "orders", "start_date", "end_date"))
    return trades, orders


every_account = pytest.mark.parametrize("key", QUESTIONS)


@every_account
async def test_no_execution_is_lost_between_two_pages(key: str, tmp_path: Path) -> None:
    """Each of them once, oldest first."""
    async with at(key, tmp_path) as here:
        trades, _ = lists(here, key)
        fills = await here.broker.get_fills(SINCE)
        assert len(fills) == len({fill.fill_id for fill in fills}) == COUNT
        assert [fill.at for fill in fills] == sorted(fill.at for fill in fills)
        assert (fills[0].at, int(fills[-1].at.timestamp() * 1000)) == (SINCE, moment(COUNT - 1))
        assert trades.pages > 1


@every_account
async def test_no_order_is_lost_between_two_pages(key: str, tmp_path: Path) -> None:
    """Those that ended since a time, each once."""
    async with at(key, tmp_path) as here:
        _, orders = lists(here, key)
        reports = await here.broker.get_closed_orders(SINCE)
        assert len(reports) == len({report.venue_order_id for report in reports}) == COUNT
        assert {report.client_order_id for report in reports} == {f"o{number}" for number in range(COUNT)}
        assert orders.pages > 1


def open_orders(here: Account, key: str, count: int) -> None:
    """So many orders rest there, or sleep where that is another list."""
    case, venue = cases_of(here, key), key.partition(" ")[0]
    if venue == "bybit":
        rows = [{**case["working"], "orderId": f"{n}", "orderLinkId": f"o{n}"} for n in range(count)]
        here.answer("GET /v5/order/realtime", lambda said: bybit_page(rows, said))
    elif venue == "okx":
        rows = [
            {**case["stop"], "algoId": str(number), "algoClOrdId": f"o{number}"} for number in reversed(range(count))
        ]

        def answer(said: Said) -> Any:
            mine = [each for each in rows if int(each["algoId"]) < int(said.get("after", count))]
            return {"code": "0", "msg": "", "data": mine[:100] if said["ordType"] == "conditional" else []}

        here.answer("GET /api/v5/trade/orders-algo-pending", answer)
    elif venue == "coinbase":
        rows = [
            {**case["working"], "order_id": f"{n}", "client_order_id": f"o{n}", "created_time": iso(moment(n))}
            for n in reversed(range(count))
        ]

        def answer(said: Said) -> Any:
            ends = of_iso(said["end_date"]) if "end_date" in said else 1e15
            mine = [each for each in rows if of_iso(each["created_time"]) <= ends and said["order_status"] == "OPEN"]
            return {"orders": mine[: int(said["limit"])], "cursor": "", "has_next": False}

        here.answer("GET /api/v3/brokerage/orders/historical/batch", answer)
    else:
        rows = [{**case["stop"], "id": f"{number}", "clientOid": f"o{number}"} for number in range(count)]
        here.answer(
            "GET /api/v1/stop-order",
            lambda said: {"code": "200000", "data": {"items": rows[: int(said.get("pageSize", 50))]}},
        )


@every_account
async def test_a_list_of_any_length_is_told_whole(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a busy day, however many pages it takes: the newest are not told as if they were all."""
    monkeypatch.setattr(sys.modules[__name__], "STEP", 60_000)
    monkeypatch.setattr(Listing.__init__, "__defaults__", (1100,))
    async with at(key, tmp_path) as here:
        lists(here, key)
        assert len({fill.fill_id for fill in await here.broker.get_fills(SINCE)}) == 1100
        assert len({report.venue_order_id for report in await here.broker.get_closed_orders(SINCE)}) == 1100


@pytest.mark.parametrize("key", ["bybit spot", "bybit linear"])
async def test_an_order_with_many_executions_has_them_all(key: str, tmp_path: Path) -> None:
    """More of them than come at once."""
    async with at(key, tmp_path) as here:
        case = cases_of(here, key)
        order = {**case["filled"], "qty": "0.25", "cumExecQty": "0.25", "leavesQty": "0"}
        parts = {**case["trade"], "orderId": order["orderId"], "execQty": "0.001"}
        rows = [{**parts, "execId": f"e{n}", "execTime": str(BEGIN + n)} for n in reversed(range(250))]
        here.answer("GET /v5/order/realtime", lambda said: bybit_page([order], {"limit": 50, **said}))
        here.answer("GET /v5/execution/list", lambda said: bybit_page(rows, {"execType": "", **said}))
        found = await here.broker.find_order(order["orderLinkId"])
        assert found is not None
        assert (len(found.fills), sum(fill.quantity for fill in found.fills)) == (250, found.filled)


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("bybit spot", 600),
        ("bybit linear", 600),
        ("okx spot", 250),
        ("okx swap", 150),
        ("coinbase", 300),
        ("kucoin", 120),
    ],
)
async def test_no_open_order_is_left_out(key: str, count: int, tmp_path: Path) -> None:
    """More than the venue lists at once, or by itself."""
    async with at(key, tmp_path) as here:
        open_orders(here, key, count)
        before = len(here.venue.asked)
        reports = await here.broker.get_open_orders()
        assert {report.client_order_id for report in reports} == {f"o{number}" for number in range(count)}
        asked = [each.said for each in here.venue.asked[before:]]
        assert len(asked) <= max(8, count // 50)  # each page begins where the one before has ended


async def test_what_cannot_be_listed_is_no_answer(tmp_path: Path) -> None:
    """Of more than 500 sleeping stops KuCoin's first page is not the whole."""
    async with at("kucoin", tmp_path) as here:
        open_orders(here, "kucoin", 501)
        with pytest.raises(Unavailable, match="more open orders than it lists"):
            await here.broker.get_open_orders()
