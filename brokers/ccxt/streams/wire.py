"""What is special about a venue's streams: declared by its dialect, as `Dialect.wire`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.ccxt.calls import Call, Raw
from brokers.order import VenueOrderState


def watch(method: str, **params: Any) -> Call:
    """One of ccxt's `watch` methods, for everything that the account does."""
    return Call(method, (None, None, None, params))


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with an order, by an event that may tell nothing else of it. `filled` is all of it, ever; None:
    as much as before.
    """

    state: VenueOrderState
    filled: Decimal | None
    at: datetime | None


def _nothing(_exchange: Any) -> None:
    """There is no login to forget."""


def _no(_info: Raw) -> bool:
    """Nothing needs a look."""
    return False


def _none(_info: Raw) -> str:
    """No order becomes another."""
    return ""


def _as_it_is(raw: Raw) -> Raw | None:
    """What ccxt makes of it is right."""
    return raw


def _no_executions(_raw: Raw) -> Sequence[Raw]:
    """Executions are told apart from orders."""
    return ()


def _no_standing(_info: Raw) -> Standing | None:
    """Every event tells the whole order."""
    return None


def _whole(message: Any) -> Sequence[Any]:
    """Every message is one for ccxt."""
    return (message,)


def _taken(_message: Any) -> str:
    """Nothing is refused in a way that ccxt does not see."""
    return ""


@dataclass(frozen=True, slots=True)
class Wire:
    """How a venue's streams are opened, and what must be known to believe them.

    `report_calls`: the calls of ccxt that open the stream of reports. `quote_calls`: the methods that open quotes;
    without any quotes are asked for. `ask_calls`: the methods that give the prices of several symbols at once;
    without them each is asked for on its own (`Dialect.quote`). `books`: a stream of order books may be opened; else
    books are asked for.
    `endings`: names of events after which a stream is dead though its socket is open.
    `whole_orders`: every event tells the whole order, so nothing needs to be remembered between them.
    `final_bars`: the last word on a bar always comes before the first on the next one; else it is asked for.
    `renewal`: what must be asked every `renewal_seconds` for a login to last; ccxt must not do it then. `gone`: how an
    answer to that says that there is no such login any more.
    `forget_login(exchange)`: what a login has left behind must not be used for the next one.
    `needs_look(info)`: the event (as the venue sent it) does not say what became of the order: ask.
    `becomes(info)`: the venue's id of the order that this one has turned into (a triggered one), or "".
    `order(raw)`, `execution(raw)`: what ccxt has made of an event, as an answer would have it; None: it is of another
    market, or nothing to believe. `executions_in(raw)`: the executions that an event about an order tells.
    `standing(info)`: what an event about an order says where it may not tell the whole order: that counts for an
    order that we know; the event is read as an order of its own for one that we do not.
    `parts(message)`: what of a message ccxt is given, one by one, where it would make the wrong thing of the whole;
    nothing: it tells nothing that counts.
    `refusal(message)`: why a stream has come to nothing, where a message says so and ccxt does not mind; else "".
    """

    report_calls: tuple[Call, ...] = (watch("watch_orders"), watch("watch_my_trades"))
    quote_calls: tuple[str, ...] = ("watch_tickers",)
    ask_calls: tuple[str, ...] = ("fetch_tickers",)
    books: bool = True
    endings: frozenset[str] = frozenset()
    whole_orders: bool = False
    final_bars: bool = False
    renewal: Call | None = None
    renewal_seconds: float = 1200.0
    gone: str = ""
    forget_login: Callable[[Any], None] = _nothing
    needs_look: Callable[[Raw], bool] = _no
    becomes: Callable[[Raw], str] = _none
    order: Callable[[Raw], Raw | None] = _as_it_is
    execution: Callable[[Raw], Raw | None] = _as_it_is
    executions_in: Callable[[Raw], Sequence[Raw]] = _no_executions
    standing: Callable[[Raw], Standing | None] = _no_standing
    parts: Callable[[Any], Sequence[Any]] = _whole
    refusal: Callable[[Any], str] = _taken


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
