"""Judges a run: the venue's journal of truth against our database, read with nothing but sqlite3.

`Oracle.safe()` is what must hold at any moment, in the middle of a crash too. `Oracle.settled()` is what must hold
when everything works again and a minute has passed. Both return sentences on what is wrong; nothing means well.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from tests.faults.exchange import Execution, Order
from tests.faults.file_channel import delivered

Rows = list[tuple[Any, ...]]
ZERO = Decimal(0)
HALTED = 2

# Written down here once more, by hand, so that a slip in the program's own table shows.
OPEN = {"intended", "submitting", "uncertain", "working", "partially_filled", "cancelling"}
# Nothing has reached the venue, as far as we believe.
UNPLACED = {"rejected", "not_sent", "not_placed"}


class Journal(Protocol):
    """What a venue has received, in order."""

    def of(self, *what: str) -> Sequence[Mapping[str, Any]]:
        """The lines of a kind; "received" have `method`, our `id`, and `at` in the program's wall time."""
        ...


class Truth(Protocol):
    """What really happened at a venue. `excesses` are sentences on more than was ever wanted."""

    @property
    def journal(self) -> Journal: ...

    @property
    def orders(self) -> Mapping[str, Order]: ...

    @property
    def executions(self) -> Sequence[Execution]: ...

    @property
    def excesses(self) -> Sequence[str]: ...

    def money(self) -> dict[str, Decimal]:
        """Cash by currency."""
        ...

    def positions(self) -> dict[str, Decimal]:
        """Units by symbol, without those that are flat."""
        ...


class Oracle:
    """The books and the truth, side by side."""

    def __init__(self, database: Path, exchange: Truth, alerts: Path | None = None, account: str = "main") -> None:
        self._exchange = exchange
        self._alerts = alerts
        self._account = account
        self._db = _Rows(database)

    # --- at any moment -----------------------------------------------------------------------------

    def safe(self) -> list[str]:
        """Wrong at whatever moment."""
        if not self._db.has("orders"):
            return []  # it died before the first table
        return [
            *self._integrity(),
            *self._every_order_was_written_first(),
            *self._no_effect_twice(),
            *self._exchange.excesses,
            *self._ledger_balances(),
            *self._audit_holds(),
            *self._nothing_sent_while_halted(),
        ]

    def stands(self) -> list[str]:
        """Wrong in the books by themselves, and in what they owe the world: for a disk that lost power."""
        if not self._db.has("audit"):
            return []
        return [
            *self._integrity(),
            *self._every_order_was_written_first(),
            *self._ledger_balances(),
            *self._audit_holds(),
        ]

    def has(self, table: str) -> bool:
        return self._db.has(table)

    def is_halted(self) -> bool:
        if not self._db.has("trading_states"):
            return False
        return bool(self._db.ask("SELECT 1 FROM trading_states WHERE state = ? AND scope = 'global'", HALTED))

    def _integrity(self) -> list[str]:
        said = self._db.ask("PRAGMA integrity_check")
        return [] if said == [("ok",)] else [f"the database is damaged: {said[:3]}"]

    def _every_order_was_written_first(self) -> list[str]:
        """What the venue received was in our books before: it is there after any crash."""
        ours = {order for (order,) in self._db.ask("SELECT client_order_id FROM orders")}
        received = [line["id"] for line in self._exchange.journal.of("received") if line["method"] == "place"]
        twice = [order for order, count in Counter(received).items() if count > 1]
        return [
            *(f"{order} reached the venue and is not in our books" for order in received if order not in ours),
            *(f"{order} was sent {received.count(order)} times" for order in twice),
        ]

    def _no_effect_twice(self) -> list[str]:
        """No execution is recorded twice, none is invented, and each has the venue's figures."""
        truth = {each.id: each for each in self._exchange.executions}
        wrong = []
        rows = self._db.ask(
            "SELECT fill_id, symbol, side, quantity, price, fee FROM fills WHERE account = ?", self._account
        )
        for fill, count in Counter(row[0] for row in rows).items():
            if count > 1:
                wrong.append(f"fill {fill} is recorded {count} times")
        for fill, symbol, side, quantity, price, fee in rows:
            wrong += _differs(truth.get(fill), fill, symbol, side, quantity, price, fee)
        posted = Counter(ref for (ref,) in self._db.ask("SELECT ref FROM ledger_transactions"))
        return wrong + [f"posted {count} times: {ref}" for ref, count in posted.items() if count > 1]

    def _ledger_balances(self) -> list[str]:
        """Each posting sums to zero in each unit, the stored balances are the sums of the entries, and so zero."""
        postings: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for number, account, unit, amount in self._db.ask(
            "SELECT transaction_id, account, unit, amount FROM ledger_entries"
        ):
            postings[number, unit] += Decimal(str(amount))
            sums[account, unit] += Decimal(str(amount))
        wrong = [
            f"posting {number} does not balance in {unit}: {left}" for (number, unit), left in postings.items() if left
        ]
        stored = {key: amount for key, amount in self._balances().items() if amount}
        if stored != {key: amount for key, amount in sums.items() if amount}:
            wrong.append("stored balances are not the sums of the entries")
        return wrong

    def _audit_holds(self) -> list[str]:
        before, wrong = "", []
        rows = self._db.ask("SELECT seq, at, actor, action, detail, outcome, hash FROM audit ORDER BY seq")
        for number, (seq, at, actor, action, detail, outcome, stamp) in enumerate(rows, start=1):
            when = _moment(at).isoformat(timespec="microseconds")
            text = json.dumps(
                [before, seq, when, actor, action, detail, outcome], ensure_ascii=True, separators=(",", ":")
            )
            if seq != number or stamp != hashlib.sha256(text.encode()).hexdigest():
                wrong.append(f"audit line {seq} is not as it was written")
            before = stamp
        return wrong

    def _nothing_sent_while_halted(self) -> list[str]:
        """After a halt is stored the venue receives no order until somebody resumes. A halt that stands now is what
        can be judged from the books: they keep one row a scope.
        """
        halts = self._db.ask("SELECT at FROM trading_states WHERE state = ? AND scope IN (?, ?)",
                             HALTED, "global", f"account:{self._account}")  # fmt: skip
        if not halts:
            return []
        since = min(_moment(at) for (at,) in halts)
        exits = {row[0] for row in self._db.ask("SELECT client_order_id FROM orders WHERE origin = 'flatten'")}
        late = [
            line["id"]
            for line in self._exchange.journal.of("received")
            if line["method"] == "place" and line["id"] not in exits and _moment(str(line["at"])) > since
            and self._stored_after(str(line["id"]), since)
        ]  # fmt: skip
        return [f"{order} was sent after the halt" for order in late]

    def _stored_after(self, order: str, since: datetime) -> bool:
        """An order on its way when the halt came is not one that was sent after it."""
        rows = self._db.ask("SELECT recorded_at FROM orders WHERE client_order_id = ?", order)
        return bool(rows) and _moment(rows[0][0]) > since

    # --- when all is well again --------------------------------------------------------------------

    def settled(self, *, delivered_too: bool = True) -> list[str]:
        """Wrong, a minute after everything works again."""
        return [
            *self.safe(),
            *self._orders_agree(),
            *self._nothing_in_doubt_untold(),
            *self._money_agrees(),
            *self._fills_agree(),
            *self._alerts_are_there(),
            *(self._alerts_arrived() if delivered_too else ()),
        ]

    def _orders_agree(self) -> list[str]:
        """Every order of the venue is ours, and stands as the venue has it."""
        ours = {row[0]: row[1:] for row in self._db.ask("SELECT client_order_id, state, filled FROM orders")}
        wrong = []
        for order in self._exchange.orders.values():
            name = order.request.client_order_id
            if name not in ours:
                wrong.append(f"{name} is at the venue and unknown to us")
                continue
            state, filled = ours[name]
            if Decimal(str(filled)) != order.filled:
                wrong.append(f"{name}: we have {filled} filled, the venue {order.filled}")
            if (state in OPEN) != order.is_open:
                wrong.append(f"{name} is {state}, at the venue it is {order.closed_as or 'open'}")
        return wrong

    def _nothing_in_doubt_untold(self) -> list[str]:
        """Every intent is over, or works at the venue, or is in doubt and somebody was told."""
        wrong = []
        told = " ".join(
            f"{title} {body}"
            for title, body in self._db.ask("SELECT title, body FROM alerts WHERE severity = 'CRITICAL'")
        )
        for name, symbol, state in self._db.ask("SELECT client_order_id, symbol, state FROM orders WHERE is_open"):
            if name in self._exchange.orders and self._exchange.orders[name].is_open:
                continue
            if state != "uncertain" or (name not in told and symbol not in told):
                wrong.append(f"{name} is {state} and the venue does not have it open; nobody was told")
        return wrong

    def _money_agrees(self) -> list[str]:
        ours, held = self._cash(), self._held()
        theirs, units = self._exchange.money(), self._exchange.positions()
        wrong = [
            f"cash: we have {ours.get(unit, ZERO)} {unit}, the venue {theirs.get(unit, ZERO)}"
            for unit in {*ours, *theirs}
            if ours.get(unit, ZERO) != theirs.get(unit, ZERO)
        ]
        return wrong + [
            f"{symbol}: we have {held.get(symbol, ZERO)}, the venue {units.get(symbol, ZERO)}"
            for symbol in {*held, *units}
            if held.get(symbol, ZERO) != units.get(symbol, ZERO)
        ]

    def _fills_agree(self) -> list[str]:
        """Every execution that counts at the venue is recorded."""
        ours = {fill for (fill,) in self._db.ask("SELECT fill_id FROM fills")}
        missing = [each.id for each in self._exchange.executions if each.void_at is None and each.id not in ours]
        return [f"execution {each} is not recorded" for each in missing]

    def _alerts_are_there(self) -> list[str]:
        """Whoever is halted was told so; every doubt was told."""
        kinds = Counter(kind for (kind,) in self._db.ask("SELECT kind FROM alerts WHERE severity = 'CRITICAL'"))
        wrong = []
        halted = self._db.ask("SELECT scope FROM trading_states WHERE state = ?", HALTED)
        if halted and not kinds["halt"]:
            wrong.append(f"{halted[0][0]} is halted and no critical alert says so")
        return wrong

    def _alerts_arrived(self) -> list[str]:
        """Every critical alert once or more, or a newer one of the same cause that stands for it."""
        if self._alerts is None:
            return []
        came = {number for line in delivered(self._alerts) for number in line["ids"]}  # type: ignore[attr-defined]
        rows = self._db.ask("SELECT id, key, title FROM alerts WHERE severity = 'CRITICAL' ORDER BY id")
        newest = {key: number for number, key, _ in rows if key and number in came}
        lost = [(number, title) for number, key, title in rows if number not in came and newest.get(key, 0) < number]
        return [f"critical alert {number} never arrived: {title}" for number, title in lost]

    # --- figures -----------------------------------------------------------------------------------

    def _balances(self) -> dict[tuple[str, str], Decimal]:
        rows = self._db.ask("SELECT account, unit, amount FROM ledger_balances")
        return {(account, unit): Decimal(str(amount)) for account, unit, amount in rows}

    def _cash(self) -> dict[str, Decimal]:
        path = f"cash/{self._account}"
        return {unit: amount for (account, unit), amount in self._balances().items() if account == path and amount}

    def _held(self) -> dict[str, Decimal]:
        net: dict[str, Decimal] = defaultdict(Decimal)
        for (account, unit), amount in self._balances().items():
            if account.startswith(f"position/{self._account}/"):
                net[unit] += amount
        return {symbol: amount for symbol, amount in net.items() if amount}

    def on_their_way(self) -> int:
        """How many orders are being sent, or were when the program ended."""
        return int(self._db.ask("SELECT count(*) FROM orders WHERE state IN ('intended', 'submitting')")[0][0])

    def held_by(self, strategy: str, symbol: str) -> Decimal:
        """What a strategy has by our books."""
        return self._balances().get((f"position/{self._account}/{strategy}/{symbol}", symbol), ZERO)

    def unmet(self, lot: Decimal = ZERO) -> list[str]:
        """What strategies want and do not have, but for less than a `lot`, which cannot be traded."""
        held = self._balances()
        rows = self._db.ask("SELECT strategy, symbol, quantity FROM goals WHERE account = ?", self._account)
        has = {
            (name, symbol): held.get((f"position/{self._account}/{name}/{symbol}", symbol), ZERO)
            for name, symbol, _ in rows
        }
        return [
            f"{name} wants {wanted} {symbol} and has {has[name, symbol]}"
            for name, symbol, wanted in rows
            if (off := abs(Decimal(str(wanted)) - has[name, symbol])) and off >= lot
        ]

    def money_tables(self) -> str:
        """A hash of everything that is money: two restarts in a row must leave it alone."""
        tables = {
            "orders": "SELECT client_order_id, state, filled FROM orders ORDER BY 1",
            "fills": "SELECT fill_id, quantity, price, fee FROM fills ORDER BY 1",
            "postings": "SELECT ref FROM ledger_transactions ORDER BY 1",
            "balances": "SELECT account, unit, amount FROM ledger_balances ORDER BY 1, 2",
        }
        text = json.dumps({name: self._db.ask(query) for name, query in tables.items()}, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def count(self, table: str) -> int:
        return int(self._db.ask(f"SELECT count(*) FROM {table}")[0][0])


class _Rows:
    """A database, read only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, query: str, *values: Any) -> Rows:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(query, values).fetchall()

    def has(self, table: str) -> bool:
        if not self._path.exists():
            return False
        return bool(self.ask("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table))


def _differs(
    truth: Execution | None, fill: str, symbol: str, side: str, quantity: Any, price: Any, fee: Any
) -> list[str]:
    if truth is None:
        return [f"fill {fill} is in our books and the venue never executed it"]
    wrong = []
    if (symbol, side) != (truth.order.symbol, truth.order.request.side.value):
        wrong.append(f"fill {fill} is {side} {symbol}, at the venue {truth.order.request.side} {truth.order.symbol}")
    if Decimal(str(quantity)) != truth.quantity or Decimal(str(price)) != truth.price:
        wrong.append(f"fill {fill} is {quantity} at {price}, at the venue {truth.quantity} at {truth.price}")
    if fee is not None and Decimal(str(fee)) != truth.fee:
        wrong.append(f"fill {fill} cost {fee}, at the venue {truth.fee}")
    return wrong


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
