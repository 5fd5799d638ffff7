"""The books of a data directory, read with nothing but sqlite3: an auditor who trusts none of our code."""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

Rows = list[tuple[Any, ...]]
Key = tuple[str, str]

# Written down here once more, by hand, so that a slip in the program's own table shows.
_OPEN = {"intended", "submitting", "uncertain", "working", "partially_filled", "cancelling"}
_LEGAL = {
    "intended": {"submitting"},
    "submitting": {"working", "partially_filled", "filled", "cancelled", "expired", "rejected", "uncertain",
                   "not_sent", "not_placed"},
    "uncertain": {"working", "partially_filled", "filled", "cancelled", "expired", "rejected", "not_placed",
                  "cancelling"},
    "working": {"working", "partially_filled", "filled", "cancelling", "cancelled", "expired", "rejected"},
    "partially_filled": {"partially_filled", "filled", "cancelling", "cancelled", "expired"},
    "cancelling": {"cancelling", "working", "partially_filled", "filled", "cancelled", "expired", "not_placed"},
    "cancelled": {"cancelled", "filled"},
    "expired": {"expired", "filled"},
    "rejected": {"rejected", "filled"},
}  # fmt: skip


class Books:
    """Reads `quarterdeck.sqlite3` and the paper venue's journal."""

    def __init__(self, data_dir: Path, account: str = "paper") -> None:
        self.account = account
        self._ours = data_dir / "quarterdeck.sqlite3"
        self._venue = data_dir / f"paper-{account}.sqlite3"

    def ask(self, query: str, *values: Any) -> Rows:
        """Rows of our database."""
        return _ask(self._ours, query, values)

    def ask_venue(self, query: str, *values: Any) -> Rows:
        """Rows of the venue's journal."""
        return _ask(self._venue, query, values)

    def change(self, statement: str, *values: Any) -> None:
        """Put the clock or the world forward in a stopped database: never the books."""
        with closing(sqlite3.connect(self._ours)) as db, db:
            db.execute(statement, values)
        # Closing has worked the write-ahead log into the file and taken it away: the next start need not look for it.
        self._ours.with_name(f"{self._ours.name}-open").unlink(missing_ok=True)

    # --- figures -----------------------------------------------------------------------------------

    def cursor(self) -> str:
        """How far the replay has got."""
        try:
            rows = self.ask("SELECT at FROM cursors WHERE name = 'replay'")
        except sqlite3.OperationalError:  # not created yet
            return ""
        return str(rows[0][0]) if rows else ""

    def balances(self) -> dict[Key, Decimal]:
        """The stored sums."""
        rows = self.ask("SELECT account, unit, amount FROM ledger_balances")
        return {(account, unit): Decimal(str(amount)) for account, unit, amount in rows if Decimal(str(amount))}

    def cash(self) -> Decimal:
        """Money by our ledger."""
        return self.balances().get((f"cash/{self.account}", "USD"), Decimal(0))

    def positions(self) -> dict[str, Decimal]:
        """Net units by symbol, by our ledger."""
        net: dict[str, Decimal] = defaultdict(Decimal)
        for (account, unit), amount in self.balances().items():
            if account.startswith(f"position/{self.account}/"):
                net[unit] += amount
        return {symbol: amount for symbol, amount in net.items() if amount}

    def venue_cash(self) -> Decimal:
        """Money by the venue's journal."""
        return Decimal(self.ask_venue("SELECT cash FROM account")[0][0])

    def venue_positions(self) -> dict[str, Decimal]:
        """Units by symbol, by the venue's journal."""
        rows = self.ask_venue("SELECT symbol, body FROM holdings")
        held = {symbol: Decimal(str(json.loads(body)["quantity"])) for symbol, body in rows}
        return {symbol: quantity for symbol, quantity in held.items() if quantity}

    def fills(self) -> Rows:
        """Every fill by what it was, without the ids that differ from run to run."""
        rows = self.ask("SELECT at, symbol, side, quantity, price, fee, strategies FROM fills ORDER BY at, symbol, id")
        return [(at, symbol, side, *map(_number, numbers), who) for at, symbol, side, *numbers, who in rows]

    def orders(self) -> Rows:
        """Every order by what it was and became."""
        rows = self.ask(
            "SELECT at, symbol, side, quantity, state, strategies FROM orders ORDER BY at, symbol, quantity"
        )
        return [(at, symbol, side, _number(quantity), state, who) for at, symbol, side, quantity, state, who in rows]

    def equity(self, subject: str = "account") -> dict[str, Decimal]:
        """Equity by market time."""
        rows = self.ask("SELECT at, value FROM equity WHERE subject = ? ORDER BY at", subject)
        return {at: _number(value) for at, value in rows}

    def audit(self) -> Rows:
        """(actor, action, detail, outcome), oldest first."""
        return self.ask("SELECT actor, action, detail, outcome FROM audit ORDER BY seq")

    def strategies(self) -> dict[str, str]:
        """Statuses by name."""
        return dict(self.ask("SELECT name, status FROM strategies"))

    # --- the audit ---------------------------------------------------------------------------------

    def check(self, *, settled: bool = True) -> None:
        """Everything that must hold at any time; `settled`: also that the venue says the same."""
        self.check_ledger()
        self.check_fills()
        self.check_orders()
        if settled:
            self.check_against_the_venue()

    def check_ledger(self) -> None:
        """Each posting sums to zero in each unit, and a balance is the sum of its entries."""
        postings: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        sums: dict[Key, Decimal] = defaultdict(Decimal)
        for transaction, account, unit, amount in self.ask(
            "SELECT transaction_id, account, unit, amount FROM ledger_entries"
        ):
            postings[transaction, unit] += Decimal(str(amount))
            sums[account, unit] += Decimal(str(amount))
        assert not {key: total for key, total in postings.items() if total}, "a posting does not balance"
        assert {key: total for key, total in sums.items() if total} == self.balances()
        refs = [ref for (ref,) in self.ask("SELECT ref FROM ledger_transactions")]
        assert len(refs) == len(set(refs))
        orphans = self.ask(
            "SELECT * FROM ledger_entries WHERE transaction_id NOT IN (SELECT id FROM ledger_transactions)"
        )
        assert not orphans

    def check_fills(self) -> None:
        """No fill twice, each posted once, and the ledger's fills are the table's."""
        fills = self.ask("SELECT account, fill_id, client_order_id, quantity FROM fills")
        twice = [key for key, count in Counter((account, fill) for account, fill, *_ in fills).items() if count > 1]
        assert not twice, f"recorded twice: {twice}"
        posted = self.ask("SELECT ref FROM ledger_transactions WHERE kind = 'fill' AND ref NOT LIKE 'cross:%'")
        assert len(posted) == len(fills)
        filled: dict[str, Decimal] = defaultdict(Decimal)
        for _, _, order, quantity in fills:
            filled[order] += Decimal(str(quantity))
        for order, quantity, done, state in self.ask("SELECT client_order_id, quantity, filled, state FROM orders"):
            assert filled.pop(order, Decimal(0)) == Decimal(str(done)), f"{order}: filled differs from its fills"
            assert Decimal(str(done)) <= Decimal(str(quantity)), f"{order} is overfilled"
            assert (state == "filled") == (Decimal(str(done)) == Decimal(str(quantity))), f"{order} is {state}"
        assert not filled, "fills of unknown orders"

    def check_orders(self) -> None:
        """Each order's history is a legal walk that ends where the order stands."""
        walks: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for order, before, after in self.ask("SELECT client_order_id, before, after FROM order_events ORDER BY id"):
            walks[order].append((before, after))
        for order, state, is_open in self.ask("SELECT client_order_id, state, is_open FROM orders"):
            assert bool(is_open) == (state in _OPEN), f"{order}: is_open is wrong for {state}"
            here = "intended"
            for before, after in walks.pop(order, []):
                assert before == here, f"{order}: was {here}, then its history goes on from {before}"
                assert after in _LEGAL.get(before, set()), f"{order}: {before} to {after}"
                here = after
            assert here == state, f"{order} is {state} but its history ends with {here}"
        assert not walks, "histories of unknown orders"

    def check_against_the_venue(self) -> None:
        """Cash, positions, orders and fills are the venue's, to the last digit."""
        assert self.cash() == self.venue_cash()
        assert self.positions() == self.venue_positions()
        ours = Counter(self.ask("SELECT fill_id, client_order_id, symbol, side FROM fills"))
        theirs = Counter(self.ask_venue("SELECT fill_id, order_id, symbol, side FROM fills"))
        assert ours == theirs
        asked = Counter(order for (order,) in self.ask("SELECT client_order_id FROM orders WHERE state NOT IN "
                                                       "('not_sent', 'not_placed', 'rejected')"))  # fmt: skip
        known = Counter(order for (order,) in self.ask_venue("SELECT id FROM orders"))
        assert asked == known


def _ask(path: Path, query: str, values: tuple[Any, ...]) -> Rows:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
        return db.execute(query, values).fetchall()


def _number(value: object) -> Decimal:
    return Decimal(str(value)).normalize() if value is not None else Decimal("NaN")
