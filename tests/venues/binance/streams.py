"""Spot market streams: SUBSCRIBE and UNSUBSCRIBE, single and combined, and what is pushed when the market moves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import eight
from tests.venues.binance.market import INTERVALS, Market, Moved, Symbol
from tests.venues.binance.quotes import ticker_of, touch_of
from tests.venues.binance.sockets import Socket

CHANNEL = "market spot"
MESSAGES_A_SECOND = 5
MOST_STREAMS = 1024
_KINDS = frozenset({"bookTicker", "miniTicker", "ticker", "trade", "aggTrade", "depth", "depth@100ms"})
_REPEATED = frozenset({"miniTicker", "ticker", "kline"})


class MarketStreams:
    """The door of stream.binance.com."""

    def __init__(self, frame: Frame, market: Market) -> None:
        self._frame = frame
        self._market = market
        frame.doors["stream"] = self
        frame.beaters.append(self.beat)
        market.listeners.append(self._moved)

    # --- the door ------------------------------------------------------------------------------------

    def opened(self, socket: Socket) -> None:
        """Streams may stand in the address."""
        socket.marks["combined"] = socket.path == "/stream"
        names = (
            socket.query.get("streams", "").split("/") if socket.marks["combined"] else [socket.path.rsplit("/", 1)[-1]]
        )
        self._listen(socket, [name for name in names if "@" in name])

    def heard(self, socket: Socket, message: dict[str, Any]) -> None:
        """SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS; more than five messages a second end the connection."""
        if _is_too_much(socket):
            socket.close()
            return
        number, names = message.get("id"), message.get("params", [])
        match message.get("method"):
            case "SUBSCRIBE" if wrong := self._wrong(socket, names):
                socket.answer({"error": {"code": 2, "msg": f"Invalid request: {wrong}"}, "id": number})
            case "SUBSCRIBE":
                socket.answer({"result": None, "id": number})
                self._listen(socket, names)
            case "UNSUBSCRIBE":
                socket.streams.difference_update(names)
                socket.answer({"result": None, "id": number})
            case "LIST_SUBSCRIPTIONS":
                socket.answer({"result": sorted(socket.streams), "id": number})
            case _:
                socket.answer({"error": {"code": 2, "msg": "Invalid request: unknown variant"}, "id": number})

    def closed(self, socket: Socket) -> None:
        """Nothing is kept."""

    def _wrong(self, socket: Socket, names: Any) -> str:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return "params must be an array of strings"
        if len(socket.streams | set(names)) > MOST_STREAMS:
            return "too many streams"
        return next(("invalid stream" for name in names if not self._is_stream(name)), "")

    def _is_stream(self, name: str) -> bool:
        symbol, _, kind = name.partition("@")
        known = kind in _KINDS or (kind.startswith("kline_") and kind[6:] in INTERVALS)
        return known and symbol.upper() in self._market.symbols

    def _listen(self, socket: Socket, names: Iterable[str]) -> None:
        """Begin, with what the venue would push within a second."""
        for name in names:
            socket.streams.add(name)
            symbol, _, kind = name.partition("@")
            if not kind.startswith(("depth", "trade", "aggTrade")):
                self._push(socket, name, self._state(self._market.symbols[symbol.upper()], kind))

    # --- pushing -------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Push tickers and bars again, as the venue does every second or two."""
        for socket in self._frame.sockets.of("stream"):
            for name in sorted(socket.streams):
                symbol, _, kind = name.partition("@")
                if kind.split("_")[0] in _REPEATED:
                    self._push(socket, name, self._state(self._market.symbols[symbol.upper()], kind))

    def _moved(self, moved: Moved) -> None:
        symbol = moved.symbol
        for socket in self._frame.sockets.of("stream"):
            for name in sorted(socket.streams):
                wanted, _, kind = name.partition("@")
                if wanted.upper() == symbol.name:
                    event = self._depth(moved) if kind.startswith("depth") else self._state(symbol, kind)
                    self._push(socket, name, event)

    def _push(self, socket: Socket, name: str, event: dict[str, Any]) -> None:
        combined = socket.marks.get("combined", False)
        socket.tell(CHANNEL, event, (lambda data: {"stream": name, "data": data}) if combined else (lambda data: data))

    def _state(self, symbol: Symbol, kind: str) -> dict[str, Any]:
        """What a stream says of a symbol as it stands now."""
        now = self._frame.clock.now_ms()
        match kind.split("_", maxsplit=1)[0]:
            case "bookTicker":
                known = touch_of(symbol)
                names = (("s", "symbol"), ("b", "bidPrice"), ("B", "bidQty"), ("a", "askPrice"), ("A", "askQty"))
                return {"u": symbol.update, **{short: known[name] for short, name in names}}
            case "miniTicker":
                return self._mini(symbol, now)
            case "ticker":
                return self._ticker(symbol, now)
            case "kline":
                return self._kline(symbol, kind.removeprefix("kline_"), now)
            case _:
                return _trade(symbol, now, aggregate=kind == "aggTrade")

    def _mini(self, symbol: Symbol, now: int) -> dict[str, Any]:
        day = self._market.day(symbol.name)
        return {
            "e": "24hrMiniTicker",
            "E": now,
            "s": symbol.name,
            "c": eight(day.close),
            "o": eight(day.open),
            "h": eight(day.high),
            "l": eight(day.low),
            "v": eight(day.volume),
            "q": eight(day.quote_volume),
        }

    def _ticker(self, symbol: Symbol, now: int) -> dict[str, Any]:
        known = ticker_of(symbol, self._market.day(symbol.name))
        names = {
            "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice",
            "c": "lastPrice", "Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty",
            "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume",
            "O": "openTime", "C": "closeTime", "F": "firstId", "L": "lastId", "n": "count",
        }  # fmt: skip
        return {"e": "24hrTicker", "E": now, "s": symbol.name, **{short: known[name] for short, name in names.items()}}

    def _kline(self, symbol: Symbol, interval: str, now: int) -> dict[str, Any]:
        candle = self._market.candle(symbol.name, interval)
        return {
            "e": "kline",
            "E": now,
            "s": symbol.name,
            "k": {
                "t": candle.began,
                "T": candle.ended,
                "s": symbol.name,
                "i": interval,
                "f": candle.first,
                "L": candle.first + candle.count - 1 if candle.count else -1,
                "o": eight(candle.open),
                "c": eight(candle.close),
                "h": eight(candle.high),
                "l": eight(candle.low),
                "v": eight(candle.volume),
                "n": candle.count,
                "x": now > candle.ended,
                "q": eight(candle.quote_volume),
                "V": eight(candle.volume / 2),
                "Q": eight(candle.quote_volume / 2),
                "B": "0",
            },
        }

    def _depth(self, moved: Moved) -> dict[str, Any]:
        return {
            "e": "depthUpdate",
            "E": self._frame.clock.now_ms(),
            "s": moved.symbol.name,
            "U": moved.first,
            "u": moved.symbol.update,
            "b": [[eight(price), eight(quantity)] for price, quantity in moved.bids],
            "a": [[eight(price), eight(quantity)] for price, quantity in moved.asks],
        }


def _trade(symbol: Symbol, now: int, *, aggregate: bool) -> dict[str, Any]:
    last = symbol.prints[-1]
    ids = {"a": last.id, "f": last.id, "l": last.id} if aggregate else {"t": last.id}
    return {
        "e": "aggTrade" if aggregate else "trade",
        "E": now,
        "s": symbol.name,
        **ids,
        "p": eight(last.price),
        "q": eight(last.quantity),
        "T": last.at,
        "m": last.buyer_is_maker,
        "M": True,
    }


def _is_too_much(socket: Socket) -> bool:
    times: deque[float] = socket.marks.setdefault("times", deque(maxlen=MESSAGES_A_SECOND + 1))
    times.append(asyncio.get_running_loop().time())
    return len(times) > MESSAGES_A_SECOND and times[-1] - times[0] < 1
