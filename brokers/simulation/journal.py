"""The memory of a simulated account on disk: one SQLite file, one transaction for each call and each tick.

Whatever a report says was committed before the report left; a process killed at any moment leaves the state
between two transactions. The file is held exclusively: a second broker on it is `Unavailable`. A file of an earlier
version is brought up to date when it is opened (`brokers.simulation.schema`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from brokers.account import CashFlow, FlowKind
from brokers.errors import ConfigurationError, Unavailable, Uncertain
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, Liquidity, Side
from brokers.simulation import schema
from brokers.simulation.source import Tick
from brokers.simulation.state import (
    VENUES_OWN,
    Activity,
    BookOrder,
    Draft,
    Holding,
    Notice,
    NoticeKind,
    State,
    recent,
)

_ORDER = TypeAdapter(BookOrder)
_HOLDING = TypeAdapter(Holding)
_TICK = TypeAdapter(Tick)
_ACTIVITY = TypeAdapter(Activity)

_INSERT_FILL = "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_FLOW = "INSERT INTO flows VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_NOTICE = "INSERT INTO notices (kind, at, text) VALUES (?, ?, ?)"
_UPSERT_ORDER = """INSERT INTO orders (id, sequence, open, body, closed_at) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET open = excluded.open, body = excluded.body,
                                                  closed_at = excluded.closed_at"""
_EXECUTIONS = """SELECT f.*, o.body FROM fills f JOIN orders o ON o.id = f.order_id
                 WHERE f.at >= ? AND (? IS NULL OR f.symbol = ?) ORDER BY f.at, f.rowid"""
_FILLS = """SELECT f.*, o.sequence FROM fills f JOIN orders o ON o.id = f.order_id
            WHERE f.at >= ? ORDER BY f.at, f.rowid"""
_CLOSED = "SELECT body FROM orders WHERE open = 0 AND closed_at >= ? ORDER BY closed_at, sequence"


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill beside the order it belongs to, for the analysis of execution quality."""

    fill: Fill
    order: BookOrder

    @property
    def slippage(self) -> Decimal | None:
        """Price units lost per unit against the mid when the order was placed; negative is a gain.

        None when there was no market yet.
        """
        arrival = self.order.arrival_price
        return None if arrival is None else (self.fill.price - arrival) * self.fill.side.sign


class Journal:
    """The open file. `path` None keeps all in memory. `durable` survives a power cut, at ~4 ms a commit.

    `other_cash` is credited once, like `initial_cash`, when the file is created.
    Raises `Unavailable` when the file cannot be used and `ConfigurationError` when it is another account's.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        currency: str,
        initial_cash: Decimal,
        other_cash: Mapping[str, Decimal] | None = None,
        durable: bool = False,
    ) -> None:
        self._currency = currency
        with _failing(f"cannot open {path}"):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None)
            try:
                self._open(initial_cash, other_cash or {}, durable=durable)
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file; the journal is of no use afterwards."""
        self._db.close()

    def load(self) -> State:
        """The state as of the last commit."""
        with _failing("cannot read the journal"):
            rows = self._rows("SELECT body FROM orders WHERE open = 1 ORDER BY sequence")
            orders = [_ORDER.validate_json(body) for (body,) in rows]
            rows = self._rows("SELECT symbol, body FROM holdings")
            holdings = {symbol: _HOLDING.validate_json(body) for symbol, body in rows}
            rows = self._rows("SELECT symbol, body, activity FROM ticks")
            ticks = {symbol: _TICK.validate_json(body) for symbol, body, _ in rows}
            activity = {symbol: _ACTIVITY.validate_json(body) for symbol, _, body in rows if body}
            rows = self._rows("SELECT day, amount FROM turnover")
            turnover = recent({date.fromisoformat(day): Decimal(amount) for day, amount in rows})
            ((cash, told, sequence, flows),) = self._rows(
                "SELECT cash, told, (SELECT max(sequence) FROM orders), (SELECT count(*) FROM flows) FROM account"
            )
            rows = self._rows("SELECT currency, amount FROM balances ORDER BY currency")
        balances = {self._currency: Decimal(cash)} | {other: Decimal(amount) for other, amount in rows}
        return State(
            cash=balances,
            holdings=holdings,
            orders={order.id: order for order in orders},
            ticks=ticks,
            activity=activity,
            turnover=turnover,
            sequence=sequence or 0,
            flows=flows,
            told=NoticeKind(told) if told else None,
        )

    def commit(self, draft: Draft) -> None:
        """Write all that `draft` changes, or nothing.

        Raises `Unavailable` when it was not written, `Uncertain` when the last step, the commit, failed.
        """
        with self._transaction():
            self._write(draft)

    def find(self, order: ClientOrderId) -> BookOrder | None:
        """The order, open or closed; None if it was never accepted."""
        with _failing("cannot read the journal"):
            rows = self._rows("SELECT body FROM orders WHERE id = ?", order)
        return _ORDER.validate_json(rows[0][0]) if rows else None

    def closed(self, since: datetime) -> list[BookOrder]:
        """Every order that ended at or after `since`, oldest end first."""
        with _failing("cannot read the journal"):
            rows = self._rows(_CLOSED, _moment(since))
        return [_ORDER.validate_json(body) for (body,) in rows]

    def fills_of(self, order: BookOrder) -> tuple[Fill, ...]:
        """All fills of an order, oldest first."""
        if order.fill_count == 0:
            return ()
        with _failing("cannot read the journal"):
            rows = self._rows("SELECT * FROM fills WHERE order_id = ? ORDER BY rowid", order.id)
        return tuple(_fill(row, order.sequence) for row in rows)

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill at or after `since`, oldest first."""
        with _failing("cannot read the journal"):
            rows = self._rows(_FILLS, _moment(since))
        return tuple(_fill(row[:-1], row[-1]) for row in rows)

    def executions(self, since: datetime | None = None, symbol: str | None = None) -> list[Execution]:
        """Every fill at or after `since`, of `symbol` or of all, with its order, oldest first."""
        start = "" if since is None else _moment(since)
        with _failing("cannot read the journal"):
            rows = self._rows(_EXECUTIONS, start, symbol, symbol)
        found = ((row[:-1], _ORDER.validate_json(row[-1])) for row in rows)
        return [Execution(_fill(row, order.sequence), order) for row, order in found]

    def flows(self, since: datetime) -> tuple[CashFlow, ...]:
        """Money that came or went without a trade at or after `since`, oldest first; not the opening balances."""
        with _failing("cannot read the journal"):
            rows = self._rows("SELECT * FROM flows WHERE at >= ? ORDER BY at, rowid", _moment(since))
        return tuple(
            CashFlow(flow_id, FlowKind(kind), currency, Decimal(amount), datetime.fromisoformat(at), symbol)
            for flow_id, kind, currency, amount, at, symbol in rows
        )

    def notices(self, since: datetime) -> tuple[Notice, ...]:
        """What the venue told the account at or after `since`, oldest first."""
        with _failing("cannot read the journal"):
            rows = self._rows("SELECT kind, at, text FROM notices WHERE at >= ? ORDER BY id", _moment(since))
        return tuple(Notice(NoticeKind(kind), datetime.fromisoformat(at), text) for kind, at, text in rows)

    def _open(self, initial_cash: Decimal, other_cash: Mapping[str, Decimal], *, durable: bool) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._transaction():
            ((version,),) = self._rows("PRAGMA user_version")
            if version == 0:
                schema.create(self._db, self._currency, initial_cash, other_cash)
            else:
                schema.upgrade(self._db, version)
        ((held,),) = self._rows("SELECT currency FROM account")
        if held != self._currency:
            raise ConfigurationError(
                f"currency: the paper account was opened in {held}, not {self._currency};"
                " put it back or give the broker a new name"
            )

    def _write(self, draft: Draft) -> None:
        execute, many = self._db.execute, self._db.executemany
        self._write_cash(draft)
        if draft.told != draft.state.told:
            execute("UPDATE account SET told = ?", (draft.told or "",))
        many(_UPSERT_ORDER, [_order_row(order) for order in draft.orders.values()])
        many(_INSERT_FILL, [_fill_row(fill, order) for fill, order in _with_orders(draft)])
        many(_INSERT_FLOW, [_flow_row(flow) for flow in draft.flows])
        many(_INSERT_NOTICE, [(notice.kind, _moment(notice.at), notice.text) for notice in draft.notices])
        for symbol, holding in draft.holdings.items():
            self._write_holding(symbol, holding)
        for day in sorted(draft.days):
            execute("INSERT OR REPLACE INTO turnover VALUES (?, ?)", (day.isoformat(), str(draft.turnover[day])))
        if draft.tick is not None:
            body = _TICK.dump_json(draft.tick, exclude_defaults=True).decode()
            activity = "" if draft.activity is None else _ACTIVITY.dump_json(draft.activity).decode()
            execute("INSERT OR REPLACE INTO ticks VALUES (?, ?, ?)", (draft.tick.symbol, body, activity))

    def _write_cash(self, draft: Draft) -> None:
        for currency, amount in draft.cash.items():
            if str(amount) == str(draft.state.cash.get(currency)):  # equal digit for digit, not only in value
                continue
            if currency == self._currency:
                self._db.execute("UPDATE account SET cash = ?", (str(amount),))
            else:
                self._db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?)", (currency, str(amount)))

    def _write_holding(self, symbol: str, holding: Holding) -> None:
        if holding.quantity == ZERO:
            self._db.execute("DELETE FROM holdings WHERE symbol = ?", (symbol,))
        else:
            body = _HOLDING.dump_json(holding).decode()
            self._db.execute("INSERT OR REPLACE INTO holdings VALUES (?, ?)", (symbol, body))

    def _rows(self, query: str, *values: str | None) -> list[Any]:
        return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _failing("cannot write the journal; nothing was changed"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise Uncertain(f"the journal's commit failed: {error}") from error


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into `Unavailable`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"{what}: {error}") from error


def _moment(at: datetime) -> str:
    """UTC with microseconds always, so that text sorts as time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _order_row(order: BookOrder) -> tuple[str, int, bool, str, str]:
    is_open = order.state.is_open
    ended = "" if is_open else _moment(order.updated_at)
    return order.id, order.sequence, is_open, _ORDER.dump_json(order).decode(), ended


def _with_orders(draft: Draft) -> list[tuple[Fill, BookOrder]]:
    by_venue_id = {order.venue_id: order for order in draft.orders.values()}
    return [(fill, by_venue_id[fill.venue_order_id]) for fill in draft.fills]


def _fill_row(fill: Fill, order: BookOrder) -> tuple[str, ...]:
    numbers = (str(value) for value in (fill.quantity, fill.price, fill.fee))
    last = (fill.fee_currency, fill.liquidity, _moment(fill.at))
    return (fill.fill_id, order.id, fill.symbol, fill.side, *numbers, *last)


def _flow_row(flow: CashFlow) -> tuple[str, ...]:
    return flow.flow_id, flow.kind, flow.currency, str(flow.amount), _moment(flow.at), flow.symbol


def _fill(row: tuple[str, ...], sequence: int) -> Fill:
    fill_id, order_id, symbol, side, quantity, price, fee, fee_currency, liquidity, at = row
    return Fill(
        fill_id=fill_id,
        client_order_id=ClientOrderId("" if order_id.startswith(VENUES_OWN) else order_id),
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency=fee_currency,
        liquidity=Liquidity(liquidity),
        at=datetime.fromisoformat(at),
        venue_order_id=f"paper-{sequence}",
    )
