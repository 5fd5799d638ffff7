"""One venue's own truth, declared: everything that is not the same at all venues of the ccxt family.

An adapter is a `Dialect` with its settings, and a broker class that names it::

    class BinanceDialect(Dialect[BinanceSettings]):
        ...

    @adapter("binance", settings=BinanceSettings)
    class BinanceBroker(CcxtBroker):
        dialect = BinanceDialect

A dialect is made once for an account, from its settings. What it declares is pure: calls are data (`Call`), answers
are ccxt's unified structures (`Raw`) with strings for numbers. Only the methods that look something up are
coroutines; they ask through an `Inquiry`, and get what the port promises: `OrderNotFound`, or `Unavailable`. The
defaults are ccxt's unified ways; a venue overrides what it does otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

from brokers.account import AccountInfo, CashFlow
from brokers.ccxt.calls import Call, Inquiry, Known, Raw, Sighting
from brokers.ccxt.settings import CcxtSettings, Mode
from brokers.ccxt.streams.wire import Wire
from brokers.errors import NotSupported, OrderNotFound, Unavailable
from brokers.instrument import Instrument, Settlement
from brokers.order import ClientOrderId, OrderReport, OrderRequest, OrderType, TimeInForce, VenueOrderState
from brokers.port import Capabilities

S_co = TypeVar("S_co", bound=CcxtSettings, covariant=True)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may do, None where the venue does not tell. `ip_limited`: it works from listed addresses only."""

    trading: bool | None = None
    withdrawals: bool | None = None
    ip_limited: bool | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the wire to the last request of a call; `status` is 0 if nothing did.

    `connecting`: it never left, for the connection that it was to go over was still being made.
    """

    sent: bool = False
    status: int = 0
    headers: Mapping[str, str] | None = None
    body: str = ""
    garbled: bool = False
    connecting: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of an order: its new total quantity and prices, whole, and which of them differ."""

    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    differs: frozenset[str]


class Dialect(ABC, Generic[S_co]):
    """One venue's own truth. See the module."""

    venue: ClassVar[str]
    """The venue's name for people: Binance."""

    page: ClassVar[int] = 500
    """How many items of a list the venue gives at once; a full page is followed by the next."""

    window: ClassVar[timedelta | None] = None
    """The longest stretch of time that one question for a list may cover; None: any."""

    order_page: ClassVar[int | None] = None
    """The `limit` to ask lists of orders and trades with; None: the venue's own."""

    needs_venue_id: ClassVar[bool] = False
    """Whether orders are cancelled by the venue's own id only, so one that is not known must be found first."""

    side_params: ClassVar[Mapping[str, Any]] = {}
    """What every call about orders carries, where it must say which account it means."""

    needs_currencies: ClassVar[bool] = False
    """Whether ccxt must ask for the list of currencies to read balances and fees right."""

    shared_options: ClassVar[tuple[str, ...]] = ()
    """Names in `exchange.options` that ccxt fills with the markets, and needs with them."""

    dated: ClassVar[bool] = True
    """Whether a request's nonce is its date: one that is refused says something about the clock."""

    market_words: ClassVar[frozenset[str] | None] = None
    """What ccxt reads again of a venue's own description of a market; the rest is let go. None: nobody has looked."""

    def __init__(self, settings: S_co) -> None:
        self.settings = settings

    # --- who we are --------------------------------------------------------------------------------

    @property
    @abstractmethod
    def ccxt_id(self) -> str:
        """The class of ccxt: `binance`, `binanceusdm`."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the venue does natively, for these settings."""

    @property
    def scope(self) -> str:
        """What market metadata is shared by: venue, mode and market."""
        return f"{self.ccxt_id}:{self.settings.mode}"

    @property
    def place(self) -> str:
        """What is traded, and with what money: a yes to real money is a yes to this."""
        return self.scope

    @property
    def wallet(self) -> str:
        """Where the money lies: two accounts of ours with one key there have the same money."""
        return self.place

    @property
    def options(self) -> dict[str, Any]:
        """Ccxt's `options` for this account: the leanest set of requests that works."""
        return {}

    @property
    def credentials(self) -> dict[str, str]:
        """The keys by ccxt's names; nothing else ever reads them."""
        settings = self.settings
        named = {"apiKey": settings.api_key, "secret": settings.secret, "password": settings.password}
        return {name: key.get_secret_value() for name, key in named.items() if key.get_secret_value()}

    def enter_mode(self, exchange: Any) -> None:
        """Point ccxt at the venue's place without real money; called before anything is asked, except in LIVE."""
        if self.settings.mode is Mode.TESTNET:
            exchange.set_sandbox_mode(True)
        else:
            exchange.enable_demo_trading(True)

    def rates(self) -> Any:
        """The venue's rate limits (`brokers.ccxt.limits.Rates`); None: what ccxt says."""
        return None

    @property
    def wire(self) -> Wire:
        """What is special about the venue's streams."""
        return Wire()

    async def permissions(self, exchange: Any) -> Permissions | None:
        """What the key may do; None where the venue has no such question. Only called with keys."""
        del exchange
        return None

    async def check_account(self, inquiry: Inquiry, place: str) -> None:
        """Raise `ConfigurationError` for an account whose own settings we cannot work with. Only called with keys."""

    # --- instruments -------------------------------------------------------------------------------

    @abstractmethod
    def lists(self, market: Raw) -> bool:
        """Whether a market of ccxt belongs to this account: spot ones, or linear swaps, open for trade now or not."""

    def instrument(self, market: Raw) -> Instrument:
        """The rules of a market of ccxt, exact. See `brokers.ccxt.markets.instrument_of`."""
        from brokers.ccxt.markets import instrument_of

        settled = Settlement.MARGINED if market.get("contract") else Settlement.FULL
        return instrument_of(market, settled)

    # --- our ids at the venue ----------------------------------------------------------------------

    def wire_id(self, order: ClientOrderId, revision: int = 0) -> str:
        """Our id as the venue gets it. `Rejected` in `refuse` for one that it cannot take."""
        del revision
        return str(order)

    def our_id(self, wire: str) -> ClientOrderId:
        """Our id of an order that the venue names `wire`; empty if it cannot be one of ours."""
        return ClientOrderId(wire)

    def revision(self, wire: str) -> int:
        """Which of the orders that replaced one another this is; 0 is the first."""
        del wire
        return 0

    # --- placing -----------------------------------------------------------------------------------

    def refuse(self, order: OrderRequest) -> None:
        """Raise `Rejected` or `NotSupported` for what this venue cannot take in spite of its capabilities."""

    @abstractmethod
    def place_call(self, order: OrderRequest) -> Call:
        """The call that places `order`: `create_order(symbol, type, side, amount, price, params)`, strings for numbers.

        The params must carry `wire_id(order.client_order_id)` in the venue's own way.
        """

    # --- finding -----------------------------------------------------------------------------------

    def find_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """The calls that may find one order by our id, likeliest first; each gives an order of ccxt or is not found."""
        del known
        return (Call("fetch_order", ("", symbol, {"clientOrderId": self.wire_id(order)})),)

    async def find(self, inquiry: Inquiry, order: ClientOrderId, symbol: str) -> Sighting | None:
        """The order by our id, open or closed, conditional ones included; None only if there is definitely none."""
        for call in self.find_calls(order, symbol, inquiry.known.get(order)):
            try:
                return Sighting.of(await inquiry.ask(call))
            except OrderNotFound:
                continue
        return None

    def open_calls(self) -> Sequence[Call]:
        """The calls that list every open order of the account, conditional ones included."""
        return (Call("fetch_open_orders", (None, None, self.order_page, {})),)

    def open_calls_for(self, symbols: Sequence[str]) -> Sequence[Call]:
        """As `open_calls`, for a venue that lists the open orders of one symbol at a time."""
        del symbols
        return self.open_calls()

    open_page: ClassVar[int | None] = None
    """How many open orders the venue lists at once; None: all of them."""

    def is_last(self, page: Sequence[Raw]) -> bool | None:
        """Whether a list ends with this page, where the venue says so; None: one that is not full is the last."""
        del page
        return None

    def more_open(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """What comes after a full page of open orders; None: there is no way to ask for it."""
        del call, page
        return None

    def next_page(self, call: Call, page: Sequence[Raw]) -> Call | None:
        """What comes after a full page of a list that begins with the newest; None: upwards from the page's newest."""
        del call, page
        return None

    def closed_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """The calls that list orders of `symbol` that ended since then (ms); open ones among them do no harm."""
        return (Call("fetch_closed_orders", (symbol, since, self.order_page, {})),)

    async def join(self, inquiry: Inquiry, raws: Sequence[Raw]) -> Sequence[Sighting]:
        """The orders of a list, those that are one order of ours put together."""
        del inquiry
        return [Sighting.of(raw) for raw in raws]

    def fill_calls(self, symbol: str, since: int) -> Sequence[Call]:
        """The calls that list our executions in `symbol` since then (ms)."""
        return (Call("fetch_my_trades", (symbol, since, self.order_page, {})),)

    def fills_of_order_call(self, raw: Raw) -> Call:
        """The call that lists the executions of one order."""
        return Call("fetch_order_trades", (raw["id"], raw["symbol"], None, self.order_page, {}))

    async def name_fill(self, inquiry: Inquiry, symbol: str, venue_order_id: str) -> ClientOrderId | None:
        """Our id of the order that an execution belongs to, asked for where the list of executions lacks it.

        Empty: definitely not ours. None: it cannot be known.
        """
        return self.our_id(self.wire_of(await self.executed(inquiry, symbol, venue_order_id)))

    async def executed(self, inquiry: Inquiry, symbol: str, venue_order_id: str) -> Raw:
        """The order that an execution belongs to, by the venue's id.

        One that has been executed and that the venue does not find is one that it will find: until then the question
        has failed, or it would be taken for somebody else's.
        """
        try:
            call = Call("fetch_order", (venue_order_id, symbol, dict(self.side_params)))
            return await inquiry.ask(call)  # type: ignore[no-any-return]
        except OrderNotFound:
            unseen = f"whose order {venue_order_id} is that has been executed is not to be seen yet"
            raise Unavailable(unseen) from None

    # --- cancelling and changing -------------------------------------------------------------------

    def cancel_calls(self, order: ClientOrderId, symbol: str, known: Known | None) -> Sequence[Call]:
        """The calls that may cancel one order by our id, likeliest first; the next is tried if it is not found."""
        del known
        return (Call("cancel_order", ("", symbol, {"clientOrderId": self.wire_id(order)})),)

    def modify_call(self, known: Known, report: OrderReport, change: Change) -> Call:
        """The call that changes a working order, of which `report` is the venue's newest word."""
        del known, report, change
        raise NotSupported("changing an order")

    def modified(self, answer: Any) -> Raw:
        """The changed order in the answer to `modify_call`."""
        return answer  # type: ignore[no-any-return]

    def half_done(self, answer: Answer) -> bool:
        """Whether a change that failed has ended the old order nevertheless (a cancel-replace that got half-way)."""
        del answer
        return False

    def dead_man_calls(self, seconds: float, symbols: Sequence[str]) -> Sequence[Call]:
        """The calls that set the timer after which the venue cancels our orders; 0 seconds ends it.

        Only where `Capabilities.dead_man` says that there is one.
        """
        del seconds, symbols
        return ()

    # --- reading answers ---------------------------------------------------------------------------

    def wire_of(self, raw: Raw) -> str:
        """The client id in an order of ccxt, or in an execution where the venue tells it there; before `our_id`."""
        return str(raw.get("clientOrderId") or "")

    def fee(self, raw: Raw) -> Raw:
        """`cost` and `currency` of what an execution cost; empty where they are not told."""
        return raw.get("fee") or next(iter(raw.get("fees") or ()), {})

    def state(self, raw: Raw) -> VenueOrderState | None:
        """The state of an order of ccxt where its `status` is not enough; None: as its status says."""
        del raw
        return None

    def never_fills(self, raw: Raw) -> bool:
        """Whether an order of ccxt is one that only waits: what is filled is another that it turns into."""
        del raw
        return False

    def kind(self, raw: Raw) -> OrderType | None:
        """The type of an order of ccxt in our words; None: by its prices (see `brokers.ccxt.parsing`)."""
        del raw
        return None

    def trail(self, raw: Raw) -> tuple[Decimal | None, Decimal | None]:
        """The trailing distance of an order of ccxt: in price, in percent."""
        del raw
        return None, None

    def time_in_force(self, raw: Raw) -> tuple[TimeInForce, datetime | None] | None:
        """How long an order of ccxt lives, and until when; None: as ccxt's `timeInForce` says."""
        del raw
        return None

    # --- market data -------------------------------------------------------------------------------

    async def quote(self, inquiry: Inquiry, symbol: str) -> Raw:
        """A ticker of ccxt with bid, ask and last."""
        return await inquiry.ask(Call("fetch_ticker", (symbol,)))  # type: ignore[no-any-return]

    def book_limit(self, depth: int) -> int | None:
        """The `limit` of `fetch_order_book` that gives at least `depth` levels; None: the venue's own."""
        return depth

    bar_page: ClassVar[int] = 500
    """How many candles the venue gives at once."""

    # --- account -----------------------------------------------------------------------------------

    @abstractmethod
    async def account(self, inquiry: Inquiry, name: str, instruments: Mapping[str, Instrument]) -> AccountInfo:
        """Balances and positions at one moment, without the open orders. See `brokers.ccxt.accounts` for the two
        kinds.
        """

    async def cash_flows(self, inquiry: Inquiry, since: int) -> Sequence[CashFlow]:
        """What came and went without a trade since then (ms), in any order."""
        del inquiry, since
        raise NotSupported("cash flows")

    # --- outcomes ----------------------------------------------------------------------------------

    def refusal(self, code: str, message: str) -> str | None:
        """Our stable word for a definite refusal, by the venue's code and message; None: as ccxt's class says.

        Ours: LOT_SIZE, PRICE_FILTER, MIN_NOTIONAL, INSUFFICIENT_FUNDS, POST_ONLY_WOULD_TAKE, REDUCE_ONLY,
        WOULD_TRIGGER, DUPLICATE_ORDER, ORDER_NOT_FOUND, UNKNOWN_SYMBOL, TOO_MANY_ORDERS, KEY_REFUSED, NO_PERMISSION,
        MARKET_CLOSED, INVALID_ORDER. Any of them says that nothing happened.
        """
        del code, message
        return None

    def is_unknown(self, answer: Answer, code: str, message: str) -> bool | None:
        """Whether an error leaves the fate of a request open (True), or says that nothing happened (False).

        None: by the general rule: 5xx and what nobody has named leave it open.
        """
        del answer, code, message
        return None

    def tells_a_list(self, answer: Answer) -> bool:
        """Whether an answer of which ccxt has made a list holds one: of any object it makes an empty one."""
        del answer
        return True

    def code_of(self, answer: Answer) -> tuple[str, str]:
        """The venue's own code and message in an answer, empty where there are none."""
        from brokers.ccxt.outcomes import code_in_json

        return code_in_json(answer.body)
