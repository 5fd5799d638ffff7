"""A journal of the first version opens, and goes on where it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.errors import ConfigurationError
from brokers.order import VenueOrderState
from brokers.simulation.journal import Journal
from tests.brokers.rig import START, Rig

D = Decimal
FIRST = Path(__file__).parent / "data" / "journal_v1.sql"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file as the program of the first version left it."""
    path = tmp_path / "paper.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST.read_text(encoding="utf-8"))
    return path


def reopened(path: Path) -> Rig:
    rig = Rig(Journal(path, currency="USD", initial_cash=D(1)), shorting=True)
    clock = rig.venue.state.clock
    assert clock is not None
    rig.now = clock
    return rig


def test_an_old_journal_keeps_its_money_orders_and_fills(old: Path) -> None:
    rig = reopened(old)
    assert rig.cash == 100_000 - 30 * D("100.01") - D("3.0003") + 10 * D("101.99") - D("1.0199")
    assert rig.position() == 20
    assert [fill.fill_id for fill in rig.venue.fills(START)] == ["buy-1", "sell-1"]
    assert [fill.venue_order_id for fill in rig.venue.fills(START)] == ["paper-1", "paper-3"]
    assert [order.client_order_id for order in rig.venue.closed_orders(START)] == ["buy", "gone", "sell"]
    late = rig.find("sell").at
    assert [order.client_order_id for order in rig.venue.closed_orders(late)] == ["sell"]
    assert {order.client_order_id for order in rig.venue.open_orders()} == {"waiting", "stop"}
    rig.journal.close()


def test_an_old_journal_goes_on(old: Path) -> None:
    """Its working orders fill, its holding closes, and what is new works on it."""
    rig = reopened(old)
    rig.tick("89.98", "90.00")
    assert rig.find("stop").state is VenueOrderState.FILLED
    assert rig.find("waiting").state is VenueOrderState.FILLED
    assert rig.position() == 15
    rig.venue.transfer("USD", D(5), rig.now)
    before = rig.venue.state
    rig.journal.close()
    again = reopened(old)
    assert again.venue.state == before
    assert again.venue.flows(START)[0].amount == 5
    again.journal.close()


def test_an_upgrade_that_fails_leaves_the_old_file(old: Path) -> None:
    with closing(sqlite3.connect(old)) as db, db:
        db.execute("UPDATE orders SET body = 'broken' WHERE open = 0")
    with pytest.raises(ValueError, match="Expecting value"):
        Journal(old, currency="USD", initial_cash=D(1))
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "flows" not in {name for (name,) in db.execute("SELECT name FROM sqlite_master")}


def test_a_file_of_a_later_program_is_refused(old: Path) -> None:
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(ConfigurationError, match="version 3, this program writes 2"):
        Journal(old, currency="USD", initial_cash=D(1))
