"""The venue as a process of its own: commands of a test come over a second port of this machine, as JSON over HTTP.

POST / {"do": "move", "symbol": "BTCUSDT", "price": "50100", "volume": null}
       {"do": "plan", "route": "POST /api/v3/order", "fault": "drop_after", "times": 1, …options}
       {"do": "clear", "route": "*"}   {"do": "drop", "site": "ws-api"}   {"do": "clock", "offset_ms": 0}
       {"do": "stop", "site": "api", "seconds": 5, "status": 418}   {"do": "deposit", "asset": "USDT", "amount": "1"}
       {"do": "journal", "kind": "", "since": 0}   {"do": "keys"}   {"do": "balances"}   {"do": "open"}
       {"do": "weigh", "site": "api", "weight": 5000}: somebody else at this address has used so much of the limit
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

from aiohttp import web

from tests.venues import loopback
from tests.venues.binance.app import BinanceServer
from tests.venues.binance.hosts import MODES

Command = Callable[[dict[str, Any]], Any]


class Control:
    """Serves the commands."""

    def __init__(self, venue: BinanceServer) -> None:
        self._venue = venue
        self._runner: web.ServerRunner | None = None
        self._commands: dict[str, Command] = {
            "move": lambda told: venue.move(told["symbol"], told["price"], volume=told.get("volume")),
            "plan": self._plan,
            "clear": lambda told: venue.script.clear(told.get("route", "*")),
            "drop": lambda told: venue.sockets.drop(told.get("site", "")),
            "clock": self._clock,
            "stop": self._stop,
            "deposit": lambda told: venue.spot.desk.deposit(told["asset"], Decimal(told["amount"])),
            "journal": self._journal,
            "keys": lambda _: {mode: asdict(venue.keys.of(mode)) | {"permissions": None} for mode in MODES},
            "balances": self._balances,
            "weigh": lambda told: venue.limits.charge(told.get("site", "api"), int(told["weight"])),
            "open": lambda _: [order.client_id for order in venue.spot.desk.open()],
        }

    async def start(self) -> int:
        """Listen; the port."""
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, loopback.HOST, 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        told = json.loads(await request.text())
        command = self._commands.get(told.pop("do", ""))
        if command is None:
            return web.json_response({"error": f"there are {', '.join(self._commands)}"}, status=400)
        try:
            return web.json_response({"result": command(told)})
        except (KeyError, ValueError, ArithmeticError) as error:
            return web.json_response({"error": repr(error)}, status=400)

    def _plan(self, told: dict[str, Any]) -> None:
        self._venue.script.plan(told.pop("route"), told.pop("fault"), **told)

    def _clock(self, told: dict[str, Any]) -> None:
        self._venue.clock.offset_ms = int(told["offset_ms"])

    def _stop(self, told: dict[str, Any]) -> None:
        self._venue.limits.stop(told.get("site", "api"), float(told["seconds"]), int(told["status"]))

    def _journal(self, told: dict[str, Any]) -> list[Any]:
        entries = self._venue.journal.all(told.get("kind", ""))
        return [json.loads(entry.line()) for entry in entries if entry.number > int(told.get("since", 0))]

    def _balances(self, told: dict[str, Any]) -> dict[str, Any]:
        del told
        wallet = self._venue.spot.desk.wallet
        return {asset: [str(each.free), str(each.locked)] for asset, each in wallet.balances.items()}


def tell(port: int, do: str, **told: Any) -> Any:
    """Give a venue in another process a command; what it answers. Raises `HTTPError` when it refuses."""
    request = Request(f"http://{loopback.HOST}:{port}/", json.dumps({"do": do, **told}).encode())
    request.add_header("Content-Type", "application/json")
    with urlopen(request, timeout=10) as response:
        return json.loads(response.read())["result"]
