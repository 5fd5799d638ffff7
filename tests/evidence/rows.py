"""The rows of docs/brokers.md: each a thing that a trader knows by name, and how the code says whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.ccxt.dialect import Dialect, Permissions
from brokers.ccxt.settings import Mode
from brokers.order import OrderType, TimeInForce
from brokers.port import AbstractBroker, ModifyBy
from tests.evidence.accounts import OURS, Account

YES, NO = "yes", ""
Answer = Callable[[Account], str]


@dataclass(frozen=True)
class Row:
    """One capability; `answer` is `NO` where it is not there, `YES`, or what is to be said of it."""

    key: str
    title: str
    answer: Answer


@dataclass(frozen=True)
class Group:
    """A table of the page with what must be known to read it."""

    title: str
    before: str
    rows: Sequence[Row]
    after: str = ""


def _flag(is_there: object) -> str:
    return YES if is_there else NO


def _real(answer: Callable[[Dialect[object]], str]) -> Answer:
    """Only of venues that are not in this program."""
    return lambda account: NO if account.dialect is None else answer(account.dialect)


def _mode(mode: Mode) -> Answer:
    return lambda account: _flag(mode in account.modes)


def _order(kind: OrderType, **terms: object) -> Answer:
    return lambda account: _flag(account.takes(kind, **terms))


def _lives(how_long: TimeInForce) -> Answer:
    return _order(OrderType.LIMIT, time_in_force=how_long)


def _right(is_told: Callable[[Permissions], bool]) -> Answer:
    """Whether a venue tells something of a key: in every mode, or in which not."""

    def answer(account: Account) -> str:
        told = [mode for mode in account.modes if (rights := account.rights(mode)) is not None and is_told(rights)]
        missing = [mode for mode in account.modes if mode not in told]
        return NO if not told else f"not in {', '.join(missing)}" if missing else YES

    return answer


def _changed(account: Account) -> str:
    words = {ModifyBy.AMEND: "in place", ModifyBy.REPLACE: "by another"}
    return words.get(account.can.modify_by, NO) if account.changes(OrderType.LIMIT) else NO


def _named(account: Account) -> str:
    return "as it is" if account.dialect is None or account.dialect.wire_id(OURS) == OURS else "derived"


def _pushed(is_pushed: Callable[[Account], object]) -> Answer:
    return lambda account: "pushed" if is_pushed(account) else "asked for"


def _quotes(account: Account) -> bool:
    return account.dialect is None or bool(account.can.quotes and account.dialect.wire.quote_calls)


def _streams(method: str, ccxt: str) -> Answer:
    """A stream of bars or books; a broker that has none at all says so."""

    def answer(account: Account) -> str:
        if getattr(type(account.broker), method) is getattr(AbstractBroker, method):
            return NO
        return "pushed" if _is_pushed(account, ccxt) else "asked for"

    return answer


def _is_pushed(account: Account, ccxt: str) -> bool:
    assert account.dialect is not None
    return bool(account.has.get(ccxt)) and (account.dialect.wire.books or ccxt != "watchOrderBook")


def _bars(account: Account) -> str:
    """As `_streams`; where the last word on a bar may be missing, it is asked for besides."""
    answer = _streams("bars", "watchOHLCV")(account)
    is_final = account.dialect is None or account.dialect.wire.final_bars
    return answer if is_final or answer != "pushed" else "both"


def _headers(dialect: Dialect[object]) -> str:
    rates = dialect.rates()
    return _flag(rates is not None and any(window.headers for window in rates.requests))


GROUPS = (
    Group(
        "Modes and keys",
        "`mode` is in the settings of every real account and has no default. A key that may withdraw is refused when"
        " the account connects, before it is used for anything but listing markets.",
        (
            Row("live", "Real money (`live`)", _mode(Mode.LIVE)),
            Row("testnet", "The venue's `testnet`", _mode(Mode.TESTNET)),
            Row("demo", "The venue's `demo`", _mode(Mode.DEMO)),
            Row("no keys", "Prices without any key", _real(lambda _: YES)),
            Row("withdrawals", "Key that may withdraw: refused", _right(lambda told: told.withdrawals is not None)),
            Row("trading", "Key that may not trade: refused", _right(lambda told: told.trading is not None)),
            Row("addresses", "Key for every IP address: warned", _right(lambda told: told.ip_limited is not None)),
            Row("refused key", "Key not taken, or of another mode: told", _real(lambda _: YES)),
            Row(
                "kind of account",
                "Account of a kind that does not fit: refused",
                lambda account: _flag(account.is_looked_at),
            ),
        ),
        "*Not in* a mode: the venue answers no question about a key's rights there. The account is used, with a warning.",
    ),
    Group(
        "Orders",
        "What is not offered is refused before anything is sent, never imitated.",
        (
            Row("market", "Market", _order(OrderType.MARKET)),
            Row("limit", "Limit", _order(OrderType.LIMIT)),
            Row("post-only", "Post-only", _order(OrderType.LIMIT, post_only=True)),
            Row("stop", "Stop", _order(OrderType.STOP)),
            Row("stop-limit", "Stop-limit", _order(OrderType.STOP_LIMIT)),
            Row("take-profit", "Take-profit", _order(OrderType.TAKE_PROFIT)),
            Row("take-profit-limit", "Take-profit-limit", _order(OrderType.TAKE_PROFIT_LIMIT)),
            Row("trailing percent", "Trailing stop, in percent", _order(OrderType.TRAILING_STOP)),
            Row("trailing price", "Trailing stop, in price", _order(OrderType.TRAILING_STOP, trail=Decimal(100))),
            Row("reduce-only", "Reduce-only", _order(OrderType.LIMIT, reduce_only=True)),
            Row("oco", "One cancels the other", lambda account: _flag(account.can.oco)),
        ),
    ),
    Group(
        "How long a limit order lives",
        "Other types take less; what a venue does not take is refused before it is sent.",
        (
            Row("gtc", "Until cancelled (GTC)", _lives(TimeInForce.GTC)),
            Row("ioc", "At once or not, in parts (IOC)", _lives(TimeInForce.IOC)),
            Row("fok", "At once and whole or not (FOK)", _lives(TimeInForce.FOK)),
            Row("gtd", "Until a time (GTD)", _lives(TimeInForce.GTD)),
            Row("day", "For the day (DAY)", _lives(TimeInForce.DAY)),
        ),
    ),
    Group(
        "Working orders",
        "Our id is on every order. *As it is*: the venue keeps it. *Derived*: the venue takes less than our 32"
        " characters, so it gets one that is computed from ours. *In lists*: it cannot be asked for by our id, so an"
        " order in doubt is looked for, and only a person can give it up.",
        (
            Row("our id", "Our id at the venue", _named),
            Row("find", "Found by our id", lambda account: YES if account.can.find_by_client_id else "in lists"),
            Row("open", "Open orders, conditional ones too", lambda _: YES),
            Row("closed", "Orders that have ended", lambda _: YES),
            Row("fills", "Executions, page after page", lambda _: YES),
            Row("cancel", "Cancel", lambda _: YES),
            Row("modify", "Change a limit order", _changed),
            Row("move trigger", "Move the trigger of a stop", lambda account: _flag(account.changes(OrderType.STOP))),
            Row("dead man", "The venue's dead-man timer", lambda account: _flag(account.can.dead_man)),
        ),
        "The timer is off unless `dead_man_seconds` is set: then the venue cancels our orders when it has not heard from"
        " us for so long. Kraken cancels conditional orders, too; Binance, KuCoin and OKX leave those. The kill switch"
        " cancels orders one by one, and looks at the venue's own list afterwards.",
    ),
    Group(
        "Money",
        "",
        (
            Row("account", "Balances and holdings", lambda _: YES),
            Row("fees", "Fees in the currency they were paid in", lambda _: YES),
            Row("shorting", "Short sales", lambda account: _flag(account.can.shorting)),
            Row("cash flows", "Funding, interest, deposits", lambda account: _flag(account.can.cash_flows)),
        ),
    ),
    Group(
        "Streams",
        "*Pushed*: over the venue's WebSocket, and asked for while that cannot be opened. *Asked for*: the venue is asked"
        " every few seconds (`poll_seconds`); `/brokers` says so. *Both*: the stream tells that a bar has ended, and what it"
        " was is confirmed by asking. Whatever a stream tells of orders, the open ones are asked for every"
        " `silence_seconds` as well.",
        (
            Row("reports", "Orders and fills", _pushed(lambda account: account.can.report_stream)),
            Row("quotes", "Quotes", _pushed(_quotes)),
            Row("bars", "Bars", _bars),
            Row("books", "Order books", _streams("books", "watchOrderBook")),
        ),
    ),
    Group(
        "Prices that are asked for",
        "",
        (
            Row("quote", "Quote", lambda _: YES),
            Row("bar history", "History of bars", lambda account: _flag(account.can.bars)),
            Row("book", "Order book", lambda account: _flag(account.can.order_book)),
        ),
    ),
    Group(
        "Limits and errors",
        "An order whose fate an error leaves open is looked up, never sent again. A part of the rate limit"
        " (`reserve_percent`) is kept for cancels and exits.",
        (
            Row("outcomes", "Refused, not sent and unknown kept apart", _real(lambda _: YES)),
            Row("headers", "Believes what the venue says is used up", _real(_headers)),
            Row("bans", "Obeys 429, 418 and Retry-After", _real(lambda _: YES)),
            Row("clock", "Dates requests by the venue's clock", _real(lambda _: YES)),
        ),
    ),
)


def rows() -> list[Row]:
    """All rows of all tables."""
    return [row for group in GROUPS for row in group.rows]
