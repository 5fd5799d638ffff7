"""The tables of a paper journal, and how files of earlier versions come up to date."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from brokers.errors import ConfigurationError

VERSION = 2

_FIRST = """
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

_SECOND = """
ALTER TABLE account ADD COLUMN told TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN closed_at TEXT NOT NULL DEFAULT '';
CREATE INDEX closed_orders ON orders (closed_at, sequence) WHERE open = 0;
ALTER TABLE ticks ADD COLUMN activity TEXT NOT NULL DEFAULT '';
CREATE TABLE balances (currency TEXT PRIMARY KEY, amount TEXT NOT NULL);
CREATE TABLE flows (flow_id TEXT PRIMARY KEY, kind TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL,
                    at TEXT NOT NULL, symbol TEXT NOT NULL);
CREATE INDEX flows_by_time ON flows (at);
CREATE TABLE notices (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE turnover (day TEXT PRIMARY KEY, amount TEXT NOT NULL);
"""


def create(db: sqlite3.Connection, currency: str, cash: Decimal, other_cash: Mapping[str, Decimal]) -> None:
    """All tables, and the opening balances."""
    _run(db, _FIRST)
    db.execute("INSERT INTO account VALUES (?, ?, ?)", (currency, str(cash), str(cash)))
    upgrade(db, 1)
    rows = [(other, str(amount)) for other, amount in sorted(other_cash.items())]
    db.executemany("INSERT INTO balances VALUES (?, ?)", rows)


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Bring a file of `version` up to date. Raises `ConfigurationError` for one of a later program."""
    if version > VERSION:
        raise ConfigurationError(f"the paper journal has version {version}, this program writes {VERSION}")
    if version == VERSION:
        return
    _run(db, _SECOND)
    _date_the_ends(db)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _date_the_ends(db: sqlite3.Connection) -> None:
    """The first version told the end of an order only within its body."""
    rows = db.execute("SELECT id, body FROM orders WHERE open = 0").fetchall()
    ends = ((datetime.fromisoformat(json.loads(body)["updated_at"]), order) for order, body in rows)
    texts = [(at.astimezone(UTC).isoformat(timespec="microseconds"), order) for at, order in ends]
    db.executemany("UPDATE orders SET closed_at = ? WHERE id = ?", texts)


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";\n")[:-1]:
        db.execute(statement)
