"""The way of a request through the house: limits, key, signature, time, handler. Synchronous: one at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.venues.binance import errors
from tests.venues.binance.clock import USUAL_RECV_WINDOW
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.hosts import LIVE
from tests.venues.binance.keys import Key
from tests.venues.binance.router import KEY_ONLY, NONE, Call, Route

KEY_HEADER = "X-MBX-APIKEY"
USUAL_RETRY_SECONDS, USUAL_BAN_SECONDS = 1.0, 120.0
_SIGNATURE = "signature="


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Hall:
    """Lets requests in."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def answer(self, call: Call, headers: Mapping[str, str], raw: str) -> Answer:
        """What the venue says to a request whose query string and body are `raw`."""
        route = self._frame.router.find(call.method, call.path)
        if route is None or not _is_here(call):
            return Answer(404, "<html><body><h1>404 Not Found</h1></body></html>")
        try:
            call.headers.update(self._frame.limits.charge(call.place.site, route.weighs(call)))
            self._play(call)
            call.key = self.admit(route, call, headers.get(KEY_HEADER), raw)
            if route.orders:
                call.headers.update(self._frame.limits.charge_order(call.place.site))
            return Answer(200, json.dumps(route.handler(call)), call.headers)
        except Refusal as refusal:
            return Answer(refusal.status, json.dumps(refusal.body), {**call.headers, **refusal.headers})

    def admit(self, route: Route, call: Call, api_key: str | None, raw: str) -> Key | None:
        """The key of a request, whose signature and time are right."""
        if route.security == NONE:
            return None
        permission = "" if route.security == KEY_ONLY else route.security
        key = self._frame.keys.find(api_key or "", call.place.mode, permission)
        if route.security != KEY_ONLY:
            payload, signature = _parted(raw)
            key.check(payload.encode(), signature)
            self._frame.clock.check(call.params.get("timestamp"), call.params.get("recvWindow"))
        return key

    def _play(self, call: Call) -> None:
        """The faults that refuse before anything is looked at."""
        limits, site = self._frame.limits, call.place.site
        if plan := call.plays("limit_429"):
            raise limits.stop(site, float(plan.options.get("retry_after", USUAL_RETRY_SECONDS)), 429)
        if plan := call.plays("ban_418"):
            raise limits.stop(site, float(plan.options.get("retry_after", USUAL_BAN_SECONDS)), 418)
        if plan := call.plays("error"):
            options = plan.options
            raise Refusal(int(options["code"]), str(options["msg"]), status=int(options.get("status", 400)))


def _is_here(call: Call) -> bool:
    """Whether the path belongs to the host; the wallet and margin (sapi) are only live."""
    site = call.path.split("/")[1]
    if site == "sapi":
        return call.place.site == "api" and call.place.mode == LIVE
    return site == call.place.site


def _parted(raw: str) -> tuple[str, str]:
    """What was signed, and the signature, which comes last."""
    head, found, tail = raw.rpartition(_SIGNATURE)
    if not found:
        raise errors.missing("signature")
    signature, _, rest = tail.partition("&")
    if rest:
        raise errors.bad_signature()
    return head.removesuffix("&"), signature


def admit_message(frame: Frame, mode: str, params: Mapping[str, Any], permission: str) -> Key:
    """The key of a signed WebSocket request: its parameters in alphabetical order are what is signed."""
    key = frame.keys.find(str(params.get("apiKey", "")), mode, permission)
    signed = sorted((name, value) for name, value in params.items() if name != "signature")
    payload = "&".join(f"{name}={_written(value)}" for name, value in signed)
    key.check(payload.encode(), str(params.get("signature", "")))
    frame.clock.check(str(params.get("timestamp", "")), str(params.get("recvWindow", USUAL_RECV_WINDOW)))
    return key


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
