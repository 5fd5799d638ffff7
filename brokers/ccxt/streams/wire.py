"""What is special about a venue's streams: declared by its dialect, as `Dialect.wire`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Raw = Mapping[str, Any]


def _nothing(_exchange: Any) -> None:
    """There is no login to forget."""


def _no(_info: Raw) -> bool:
    """Nothing needs a look."""
    return False


def _none(_info: Raw) -> str:
    """No order becomes another."""
    return ""


@dataclass(frozen=True, slots=True)
class Wire:
    """How a venue's streams are opened, and what must be known to believe them.

    `report_calls`, `quote_calls`: the methods of ccxt that open them; `report_params` go with the former. Without
    `quote_calls` quotes are asked for. `ask_calls`: the methods that give the prices of several symbols at once;
    without them each is asked for on its own (`Dialect.quote`). `books`: a stream of order books may be opened; else
    books are asked for.
    `endings`: names of events after which a stream is dead though its socket is open.
    `whole_orders`: every event tells the whole order, so nothing needs to be remembered between them.
    `final_bars`: the last word on a bar always comes before the first on the next one; else it is asked for.
    `forget_login(exchange)`: what a login has left behind must not be used for the next one.
    `needs_look(info)`: the event (as the venue sent it) does not say what became of the order: ask.
    `becomes(info)`: the venue's id of the order that this one has turned into (a triggered one), or "".
    """

    report_calls: tuple[str, ...] = ("watch_orders", "watch_my_trades")
    report_params: Mapping[str, Any] = field(default_factory=dict)
    quote_calls: tuple[str, ...] = ("watch_tickers",)
    ask_calls: tuple[str, ...] = ("fetch_tickers",)
    books: bool = True
    endings: frozenset[str] = frozenset()
    whole_orders: bool = False
    final_bars: bool = False
    forget_login: Callable[[Any], None] = _nothing
    needs_look: Callable[[Raw], bool] = _no
    becomes: Callable[[Raw], str] = _none


def event_name(message: object) -> str:
    """What a message calls itself (`e`, `event`, `type`), in an envelope (`event`, `data`) or without; else ""."""
    for _ in range(3):
        if not isinstance(message, Mapping):
            return ""
        name = message.get("e") or message.get("event") or message.get("type")
        if isinstance(name, str):
            return name
        message = name if name is not None else message.get("data")
    return ""
