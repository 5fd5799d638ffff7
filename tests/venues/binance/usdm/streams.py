"""fstream: listen keys and the user's stream (/private), market streams (/market and /public), subscriptions."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.venues.binance.clock import world_ms
from tests.venues.binance.errors import Refusal
from tests.venues.binance.frame import Frame
from tests.venues.binance.market import INTERVALS, Market, Moved, Symbol
from tests.venues.binance.sockets import Socket
from tests.venues.binance.usdm import events, refusals
from tests.venues.binance.usdm.account import Account
from tests.venues.binance.usdm.answers import Writer
from tests.venues.binance.usdm.contracts import Contract
from tests.venues.binance.usdm.refusals import refused
from tests.venues.binance.usdm.rows import ZERO, Algo, Order, Trade

LIFE_MS = 60 * 60_000
USER, MARKET = "user usdm", "market usdm"
_PATH = re.compile(r"/(private|market|public)/(ws|stream)(/[A-Za-z0-9]*)?\Z")
_STREAM = re.compile(r"([a-z0-9]+)@([A-Za-z]+)(?:_([0-9a-zA-Z]+))?([0-9]+)?(?:@([0-9]+ms|1s))?\Z")
PUBLIC = frozenset({"depth", "rpiDepth", "bookTicker", "trade"})
REPEATED = frozenset({"kline", "miniTicker", "ticker", "markPrice"})
MOST_STREAMS = 1024
MESSAGES_A_SECOND = 10


@dataclass(slots=True)
class ListenKey:
    """A key to one mode's user stream. `until` in the venue's milliseconds."""

    key: str
    mode: str
    until: int


class ListenKeys:
    """At most one key for each mode; asking again makes it live longer."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._keys: dict[str, ListenKey] = {}
        self._made = 0

    def create(self, mode: str) -> str:
        """A new key, or the old one for another hour."""
        found = self._keys.get(mode)
        if found is None:
            self._made += 1
            key = hashlib.sha256(f"listen {mode} {self._made}".encode()).hexdigest()
            found = self._keys[mode] = ListenKey(key, mode, 0)
        found.until = self._frame.clock.now_ms() + LIFE_MS
        return found.key

    def extend(self, mode: str) -> str:
        """Another hour. Raises -1125 when there is none."""
        if mode not in self._keys:
            raise refused(refusals.NO_LISTEN_KEY)
        return self.create(mode)

    def delete(self, mode: str) -> None:
        """The key counts no more."""
        self._keys.pop(mode, None)

    def mode_of(self, key: str) -> str | None:
        """Whose stream a key opens; None for one that does not count."""
        return next((each.mode for each in self._keys.values() if each.key == key), None)

    def expired(self) -> list[ListenKey]:
        """Keys whose time is over; they are forgotten."""
        over = [each for each in self._keys.values() if each.until <= self._frame.clock.now_ms()]
        for each in over:
            del self._keys[each.mode]
        return over


class Teller:
    """Tells what happens to the account of one mode."""

    def __init__(self, frame: Frame, mode: str) -> None:
        self._frame, self._mode = frame, mode
        self.account: Account | None = None

    def order(self, order: Order, execution: str, trade: Trade | None = None) -> None:
        """ORDER_TRADE_UPDATE, with TRADE_LITE before it for an execution."""
        now = self._frame.clock.now_ms()
        if trade is not None and execution == "TRADE":
            self.say(events.trade_lite(order, trade, now))
        self.say(events.order_update(order, execution, trade, now, self._resting(order.symbol)))

    def money(self, reason: str, change: Decimal, symbol: str = "") -> None:
        """ACCOUNT_UPDATE."""
        self.say(events.account_update(self._owner, reason, change, symbol, self._frame.clock.now_ms()))

    def algo(self, algo: Algo) -> None:
        """ALGO_UPDATE."""
        self.say(events.algo_update(algo, self._frame.clock.now_ms()))

    def say(self, event: dict[str, Any]) -> None:
        """To every connection of this mode's user stream."""
        for socket in self._frame.sockets.of("fstream"):
            if socket.marks.get("user") == self._mode:
                socket.tell(USER, event, socket.marks["wrap"])

    @property
    def _owner(self) -> Account:
        assert self.account is not None
        return self.account

    def _resting(self, symbol: str) -> tuple[Decimal, Decimal]:
        """The worth of open bids and asks."""
        orders = self._owner.open_orders(symbol)
        worth = [((each.quantity - each.executed) * each.price, each.side) for each in orders]
        bids = sum((amount for amount, side in worth if side == "BUY"), ZERO)
        return bids, sum((amount for amount, side in worth if side == "SELL"), ZERO)


class Fstream:
    """The door of fstream."""

    def __init__(self, frame: Frame, market: Market, contracts: dict[str, Contract], keys: ListenKeys) -> None:
        self._frame, self._market, self._keys = frame, market, keys
        self._writers = {symbol: Writer(contract) for symbol, contract in contracts.items()}
        market.listeners.append(self._moved)
        frame.beaters.append(self._beat)

    # --- connections ---------------------------------------------------------------------------------

    def opened(self, socket: Socket) -> None:
        """A client has come to one of the three paths; any other is not served."""
        found = _PATH.match(socket.path)
        if found is None:
            raise Refusal(-1000, "Invalid path.", status=404)
        part, kind, rest = found.group(1), found.group(2), (found.group(3) or "").removeprefix("/")
        socket.marks["part"] = part
        socket.marks["wraps"] = kind == "stream"
        if part == "private":
            self._open_user(socket, socket.query.get("listenKey") or rest)
        else:
            named = socket.query.get("streams", "")
            self._add(socket, [each for each in named.split("/") if each])

    def _open_user(self, socket: Socket, key: str) -> None:
        """A key that does not count opens a stream on which nothing is ever said, as at the real venue."""
        socket.marks["user"] = self._keys.mode_of(key)
        socket.marks["key"] = key
        wraps = socket.marks["wraps"]
        socket.marks["wrap"] = (lambda event: {"stream": key, "data": event}) if wraps else (lambda event: event)

    def heard(self, socket: Socket, message: dict[str, Any]) -> None:
        """SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS."""
        if self._is_too_much(socket):
            return socket.close()
        number, method = message.get("id"), message.get("method")
        names = [str(each) for each in message.get("params") or []]
        if method == "SUBSCRIBE" and socket.marks["part"] == "private":
            for key in names:
                self._open_user(socket, key)
            return socket.answer({"result": None, "id": number})
        if method == "LIST_SUBSCRIPTIONS":
            return socket.answer({"result": sorted(socket.streams), "id": number})
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return socket.answer(
                {"error": {"code": 2, "msg": f"Invalid request: unknown variant {method}"}, "id": number}
            )
        if any(_STREAM.match(each) is None for each in names) or len(socket.streams) + len(names) > MOST_STREAMS:
            return socket.answer({"error": {"code": 2, "msg": "Invalid request"}, "id": number})
        socket.answer({"result": None, "id": number})
        if method == "SUBSCRIBE":
            self._add(socket, names)
        else:
            socket.streams.difference_update(names)
        return None

    def _is_too_much(self, socket: Socket) -> bool:
        """Whether a client says more than ten things a second."""
        now, said = world_ms(), socket.marks.setdefault("said", deque(maxlen=MESSAGES_A_SECOND + 1))
        said.append(now)
        return len(said) > MESSAGES_A_SECOND and now - said[0] < 1000

    def closed(self, socket: Socket) -> None:
        """A client has left."""
        socket.streams.clear()

    def expire(self) -> None:
        """Listen keys whose hour is over: the event, and then silence."""
        for key in self._keys.expired():
            for socket in self._frame.sockets.of("fstream"):
                if socket.marks.get("key") == key.key and socket.marks.get("user"):
                    socket.tell(USER, events.key_expired(key.key, self._frame.clock.now_ms()), socket.marks["wrap"])
                    socket.marks["user"] = None

    # --- market streams ------------------------------------------------------------------------------

    def _add(self, socket: Socket, names: list[str]) -> None:
        """Listen to more. The first event comes at once: at the real venue it takes milliseconds."""
        socket.streams.update(names)
        for name in names:
            symbol = self._market.symbols.get(name.split("@")[0].upper())
            if symbol is None:
                continue
            if "@depth" in name:
                self._touch(symbol)
            else:
                self._tell(socket, name, Moved(symbol, symbol.update, symbol.update - 1, [], []))

    def _touch(self, symbol: Symbol) -> None:
        """The best levels are told once more, to all who follow the book."""
        bid, ask = symbol.levels(bids=True)[0], symbol.levels(bids=False)[0]
        symbol.update += 1
        moved = Moved(
            symbol, symbol.update, symbol.update - 1, [(bid.price, bid.quantity)], [(ask.price, ask.quantity)]
        )
        for socket in self._frame.sockets.of("fstream"):
            for name in [each for each in socket.streams if "@depth" in each]:
                self._tell(socket, name, moved)

    def _moved(self, moved: Moved) -> None:
        for socket in self._frame.sockets.of("fstream"):
            for name in sorted(socket.streams):
                self._tell(socket, name, moved)

    def _beat(self) -> None:
        """Tickers, bars and marks again, as the venue does every second or so."""
        for socket in self._frame.sockets.of("fstream"):
            for name in sorted(each for each in socket.streams if _kind(each) in REPEATED):
                symbol = self._market.symbols.get(name.split("@")[0].upper())
                if symbol is not None:
                    self._tell(socket, name, Moved(symbol, symbol.update, symbol.update - 1, [], []))

    def _tell(self, socket: Socket, name: str, moved: Moved) -> None:
        """One stream's event on one connection; nothing for a stream that belongs to another path."""
        found = _STREAM.match(name)
        assert found is not None
        if found.group(1).upper() != moved.symbol.name:
            return
        if (found.group(2) in PUBLIC) is not (socket.marks.get("part") == "public"):
            return
        event = self._event(found.group(2), found.group(3) or "", moved)
        if event is not None:
            wraps = socket.marks["wraps"]
            wrap: Callable[[Any], Any] = (lambda told: {"stream": name, "data": told}) if wraps else (lambda told: told)
            socket.tell(MARKET, event, wrap)

    def _event(self, kind: str, detail: str, moved: Moved) -> dict[str, Any] | None:
        symbol, now = moved.symbol.name, self._frame.clock.now_ms()
        w = self._writers[symbol]
        match kind:
            case "kline" if detail in INTERVALS:
                return events.kline(self._market.candle(symbol, detail), symbol, detail, w, now)
            case "miniTicker":
                return events.mini_ticker(self._market, symbol, w, now)
            case "ticker":
                return events.ticker(self._market, symbol, w, now)
            case "bookTicker":
                return events.book_ticker(moved, w, now)
            case "depth":
                return events.depth_update(moved, w, now)
            case "markPrice":
                return events.mark_price(moved, now)
            case "trade" if moved.symbol.prints:
                return events.public_trade(moved, w, now)
            case "aggTrade" if moved.symbol.prints:
                return events.aggregate_trade(moved, w, now)
        return None


def _kind(stream: str) -> str:
    found = _STREAM.match(stream)
    return "" if found is None else found.group(2)
