"""The memory of a simulated account on disk: one SQLite file, one transaction for each call and each tick.

Whatever a report says was committed before the report left; a process killed at any moment leaves the state
between two transactions. The file is held exclusively: a second broker on it is `Unavailable`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from brokers.errors import ConfigurationError, Unavailable, Uncertain
from brokers.money import ZERO
from brokers.order import ClientOrderId, Fill, Liquidity, Side
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder, Draft, Holding, State

VERSION = 1

_SCHEMA = """
CREATE TABLE account (currency TEXT NOT NULL, initial_cash TEXT NOT NULL, cash TEXT NOT NULL);
CREATE TABLE orders (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL UNIQUE, open INTEGER NOT NULL,
                     body TEXT NOT NULL);
CREATE INDEX open_orders ON orders (sequence) WHERE open = 1;
CREATE TABLE fills (fill_id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders (id),
                    symbol TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL,
                    price TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL,
                    liquidity TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX fills_of_order ON fills (order_id);
CREATE INDEX fills_by_time ON fills (at);
CREATE TABLE holdings (symbol TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE ticks (symbol TEXT PRIMARY KEY, body TEXT NOT NULL);
"""

_ORDER = TypeAdapter(BookOrder)
_HOLDING = TypeAdapter(Holding)
_TICK = TypeAdapter(Tick)

_INSERT_FILL = "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPSERT_ORDER = """INSERT INTO orders VALUES (?, ?, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET open = excluded.open, body = excluded.body"""
_EXECUTIONS = """SELECT f.*, o.body FROM fills f JOIN orders o ON o.id = f.order_id
                 WHERE f.at >= ? AND (? IS NULL OR f.symbol = ?) ORDER BY f.at, f.rowid"""


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

    Raises `Unavailable` when the file cannot be used and `ConfigurationError` when it is another account's.
    """

    def __init__(self, path: Path | None, *, currency: str, initial_cash: Decimal, durable: bool = False) -> None:
        with _failing(f"cannot open {path}"):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None)
            try:
                self._open(currency, initial_cash, durable=durable)
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
            rows = self._rows("SELECT symbol, body FROM ticks")
            ticks = {symbol: _TICK.validate_json(body) for symbol, body in rows}
            ((cash, sequence),) = self._rows("SELECT cash, (SELECT max(sequence) FROM orders) FROM account")
        return State(Decimal(cash), holdings, {order.id: order for order in orders}, ticks, sequence or 0)

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

    def fills_of(self, order: BookOrder) -> tuple[Fill, ...]:
        """All fills of an order, oldest first."""
        if order.fill_count == 0:
            return ()
        with _failing("cannot read the journal"):
            rows = self._rows("SELECT * FROM fills WHERE order_id = ? ORDER BY rowid", order.id)
        return tuple(_fill(row) for row in rows)

    def executions(self, since: datetime | None = None, symbol: str | None = None) -> list[Execution]:
        """Every fill at or after `since`, of `symbol` or of all, oldest first."""
        start = "" if since is None else _moment(since)
        with _failing("cannot read the journal"):
            rows = self._rows(_EXECUTIONS, start, symbol, symbol)
        return [Execution(_fill(row[:-1]), _ORDER.validate_json(row[-1])) for row in rows]

    def _open(self, currency: str, initial_cash: Decimal, *, durable: bool) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._transaction():
            ((version,),) = self._rows("PRAGMA user_version")
            if version == 0:
                self._create(currency, initial_cash)
            elif version != VERSION:
                raise ConfigurationError(f"the paper journal has version {version}, this program writes {VERSION}")
        ((held,),) = self._rows("SELECT currency FROM account")
        if held != currency:
            raise ConfigurationError(
                f"currency: the paper account was opened in {held}, not {currency};"
                " put it back or give the broker a new name"
            )

    def _create(self, currency: str, initial_cash: Decimal) -> None:
        for statement in _SCHEMA.split(";\n")[:-1]:
            self._db.execute(statement)
        self._db.execute("INSERT INTO account VALUES (?, ?, ?)", (currency, str(initial_cash), str(initial_cash)))
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _write(self, draft: Draft) -> None:
        execute, many = self._db.execute, self._db.executemany
        if draft.cash != draft.state.cash:
            execute("UPDATE account SET cash = ?", (str(draft.cash),))
        many(_UPSERT_ORDER, [_order_row(order) for order in draft.orders.values()])
        many(_INSERT_FILL, [_fill_row(fill) for fill in draft.fills])
        for symbol, holding in draft.holdings.items():
            self._write_holding(symbol, holding)
        if draft.tick is not None:
            body = _TICK.dump_json(draft.tick).decode()
            execute("INSERT OR REPLACE INTO ticks VALUES (?, ?)", (draft.tick.symbol, body))

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


def _order_row(order: BookOrder) -> tuple[str, int, bool, str]:
    return order.id, order.sequence, order.state.is_open, _ORDER.dump_json(order).decode()


def _fill_row(fill: Fill) -> tuple[str, ...]:
    *front, at = astuple(fill)
    return (*(str(value) for value in front), _moment(at))


def _fill(row: tuple[str, ...]) -> Fill:
    fill_id, order_id, symbol, side, quantity, price, fee, fee_currency, liquidity, at = row
    return Fill(
        fill_id=fill_id,
        client_order_id=ClientOrderId(order_id),
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency=fee_currency,
        liquidity=Liquidity(liquidity),
        at=datetime.fromisoformat(at),
    )
