"""ws-api.binance.com: the user data stream by signature or listen token, and calls that are also REST calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.venues.binance import keys
from tests.venues.binance.clock import VenueClock
from tests.venues.binance.door import admit_message
from tests.venues.binance.errors import Refusal
from tests.venues.binance.faults import Manner, Plan
from tests.venues.binance.frame import Frame
from tests.venues.binance.router import KEY_ONLY, NONE, Call
from tests.venues.binance.sockets import Socket

TOKEN_MS = 86_400_000
SPOT, MARGIN = "user spot", "user margin"

METHODS: Mapping[str, tuple[str, str]] = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "klines": ("GET", "/api/v3/klines"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
}


class Tokens:
    """Listen tokens of margin accounts: when each expires."""

    def __init__(self, clock: VenueClock) -> None:
        self._clock = clock
        self._tokens: dict[str, int] = {}

    def make(self, validity: int | None) -> dict[str, Any]:
        """A new one."""
        token = f"listen-token-{len(self._tokens) + 1}"
        self._tokens[token] = self._clock.now_ms() + (validity or TOKEN_MS)
        return {"token": token, "expirationTime": self._tokens[token]}

    def expires(self, token: str) -> int:
        """When a token does. Raises -1125."""
        at = self._tokens.get(token, 0)
        if at <= self._clock.now_ms():
            raise Refusal(-1125, "This listenToken does not exist.")
        return at


class WsApi:
    """The door of ws-api.binance.com."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.tokens = Tokens(frame.clock)
        frame.doors["ws-api"] = self

    def teller(self, channel: str) -> Any:
        """Says events of one account to those who have subscribed to them."""

        def tell(event: dict[str, Any]) -> None:
            for socket in self._frame.sockets.of("ws-api"):
                number = socket.marks.get(channel)
                if number is not None:
                    socket.tell(channel, event, lambda each, number=number: {"subscriptionId": number, "event": each})

        return tell

    def opened(self, socket: Socket) -> None:
        """Somebody is there; nothing is said yet."""

    def closed(self, socket: Socket) -> None:
        """Their subscriptions are gone with them."""

    def heard(self, socket: Socket, message: dict[str, Any]) -> None:
        """One request."""
        method, params = str(message.get("method", "")), message.get("params") or {}
        told = {name: value for name, value in params.items() if name != "signature"}
        plan = self._frame.script.take(f"WS {method}", params)
        self._frame.journal.write(
            "request", route=f"WS {method}", params=told, fault="" if plan is None else plan.fault
        )
        if plan is not None and plan.mischief.manner is not Manner.HANDLER:
            self._mischief(socket, message, plan)
        else:
            socket.answer(self._answer(socket, message, plan))

    def _mischief(self, socket: Socket, message: dict[str, Any], plan: Plan) -> None:
        mischief = plan.mischief
        answer = self._answer(socket, message, None) if mischief.executes else {}
        if mischief.manner is Manner.DROP:
            socket.drop()
        elif mischief.manner is Manner.DELAY:
            asyncio.get_running_loop().call_later(plan.seconds(0.2), socket.answer, answer)
        elif mischief.manner is Manner.ANSWER and isinstance(mischief.says, Refusal):
            socket.answer(_refused(message, mischief.says))
        # anything else: silence, the request hangs

    def _answer(self, socket: Socket, message: dict[str, Any], plan: Plan | None) -> dict[str, Any]:
        try:
            result = self._result(socket, str(message.get("method")), message.get("params") or {}, plan)
        except Refusal as refusal:
            return _refused(message, refusal)
        return {"id": message.get("id"), "status": 200, "result": result, "rateLimits": []}

    def _result(self, socket: Socket, method: str, params: dict[str, Any], plan: Plan | None) -> Any:
        mode = socket.place.mode
        match method:
            case "userDataStream.subscribe.signature":
                admit_message(self._frame, mode, params, keys.READ)
                return {"subscriptionId": self._subscribe(socket, SPOT)}
            case "userDataStream.subscribe.listenToken":
                expires = self.tokens.expires(str(params.get("listenToken")))
                return {"subscriptionId": self._subscribe(socket, MARGIN), "expirationTime": expires}
            case "userDataStream.unsubscribe":
                for channel in (SPOT, MARGIN):
                    socket.marks.pop(channel, None)
                return {}
            case _ if method in METHODS:
                return self._as_rest(socket, method, params, plan)
            case _:
                raise Refusal(-1000, f"Unknown method {method!r}.")

    def _subscribe(self, socket: Socket, channel: str) -> int:
        if channel in socket.marks:
            raise Refusal(-1, "Already subscribed to this user data stream.")
        number = int(socket.marks.get("subscriptions", 0))
        socket.marks["subscriptions"] = number + 1
        socket.marks[channel] = number
        return number

    def _as_rest(self, socket: Socket, method: str, params: dict[str, Any], plan: Plan | None) -> Any:
        verb, path = METHODS[method]
        route = self._frame.router.find(verb, path)
        assert route is not None
        written = {name: str(value) for name, value in params.items() if value is not None}
        call = Call(verb, path, socket.place, written, plan=plan)
        if route.security not in {NONE, KEY_ONLY}:
            call.key = admit_message(self._frame, socket.place.mode, params, route.security)
        self._frame.limits.charge("api", route.weighs(call))
        if route.orders:
            self._frame.limits.charge_order("api")
        return route.handler(call)


def _refused(message: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    return {"id": message.get("id"), "status": refusal.status, "error": refusal.body, "rateLimits": []}
