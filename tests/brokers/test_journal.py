"""The journal: what is said was written, and a kill at any moment leaves it whole."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.errors import ConfigurationError, Unavailable, Uncertain
from brokers.registry import BrokerContext, BrokerFactory
from brokers.simulation.journal import Journal
from brokers.simulation.source import Tick, TickSource
from tests.brokers.rig import START, STOCK, Rig, request

CASH = Decimal(100_000)


def open_journal(path: Path, **more: object) -> Journal:
    return Journal(path, **({"currency": "USD", "initial_cash": CASH} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("acknowledged", [1, 25, 160, 700])
def test_a_venue_killed_in_mid_stream_has_lost_nothing_it_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "paper.sqlite3"
    told = _trade_until_killed(path, acknowledged)
    journal = open_journal(path)
    fills = [execution.fill for execution in journal.executions()]
    known = {fill.fill_id for fill in fills}
    assert {name for kind, name in told if kind == "fill"} <= known
    assert all(journal.find(name) for kind, name in told if kind == "order")
    state = journal.load()
    assert state.cash["USD"] == CASH - sum(fill.signed_quantity * fill.price + fill.fee for fill in fills)
    held = state.holdings.get("ACME")
    assert (held.quantity if held else 0) == sum(fill.signed_quantity for fill in fills)
    for order in (journal.find(name) for kind, name in told if kind == "order"):
        assert order.filled == sum(fill.quantity for fill in journal.fills_of(order))
        assert order.state.is_open == (order.id in state.orders)
    journal.close()


def _trade_until_killed(path: Path, acknowledged: int) -> list[tuple[str, str]]:
    program = [sys.executable, "-m", "tests.brokers.killed_venue", str(path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        lines += process.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith("\n")]
    assert len(whole) >= acknowledged
    return [(kind, name) for kind, name in whole]


def test_the_cash_is_credited_once(tmp_path: Path) -> None:
    open_journal(tmp_path / "a" / "b.sqlite3").close()
    journal = open_journal(tmp_path / "a" / "b.sqlite3", initial_cash=Decimal(7))
    assert journal.load().cash == {"USD": CASH}
    journal.close()


def test_the_currency_of_an_account_stays(tmp_path: Path) -> None:
    open_journal(tmp_path / "j").close()
    with pytest.raises(ConfigurationError, match="opened in USD, not EUR"):
        open_journal(tmp_path / "j", currency="EUR")


def test_a_second_broker_cannot_use_the_same_journal(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    with pytest.raises(Unavailable, match="locked"):
        open_journal(tmp_path / "j")
    journal.close()
    open_journal(tmp_path / "j").close()


def test_a_file_that_is_no_journal_or_from_the_future_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, and long enough to be told apart" * 50)
    with pytest.raises(Unavailable, match="not a database"):
        open_journal(tmp_path / "text")
    with sqlite3.connect(tmp_path / "new") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigurationError, match="version 99"):
        open_journal(tmp_path / "new")


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot open"):
        open_journal(tmp_path / "file" / "j")


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_durability_is_really_in_force(tmp_path: Path, durable: bool, level: int) -> None:
    journal = open_journal(tmp_path / "j", durable=durable)
    assert journal._rows("PRAGMA synchronous") == [(level,)]
    assert journal._rows("PRAGMA journal_mode") == [("wal",)]
    journal.close()


def test_numbers_come_back_digit_for_digit(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j", initial_cash=Decimal("0.10000000000000000000000000000000000001"))
    assert str(journal.load().cash["USD"]) == "0.10000000000000000000000000000000000001"
    journal.close()


def test_executions_can_be_narrowed_and_tell_their_slippage() -> None:
    rig = Rig()
    rig.tick("99.99", "100.01")
    rig.tick("50.00", "50.02", symbol="OTHR")
    rig.place(10)
    rig.tick("100.49", "100.51")
    late = rig.now + timedelta(microseconds=1)
    rig.place(-10)
    rig.tick("100.00", "100.02")
    both = rig.journal.executions()
    assert [execution.slippage for execution in both] == [Decimal("0.51"), Decimal("0.50")]
    assert rig.journal.executions(late) == both[1:]
    assert rig.journal.executions(late.astimezone(UTC).replace(year=2030)) == []
    assert rig.journal.executions(symbol="OTHR") == []
    assert both[0].order.request.client_order_id == "o1"


class Failing:
    """A connection that fails at statements that start with a word."""

    def __init__(self, db: sqlite3.Connection, word: str) -> None:
        self._db = db
        self.word = word

    def execute(self, statement: str, values: tuple = ()) -> object:
        if statement.startswith(self.word):
            raise sqlite3.OperationalError("disk I/O error")
        return self._db.execute(statement, values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)


@pytest.mark.parametrize("word", ["INSERT OR REPLACE INTO ticks", "BEGIN"])
def test_a_failed_write_changes_nothing_on_disk_or_in_memory(word: str) -> None:
    rig = Rig()
    rig.tick("99.99", "100.01")
    rig.place(10)
    rig.journal._db = Failing(rig.journal._db, word)
    with pytest.raises(Unavailable, match="nothing was changed"):
        rig.tick("99.99", "100.01")
    rig.journal._db.word = "nothing"
    assert rig.cash == CASH
    assert rig.journal.load() == rig.venue.state
    assert rig.tick("99.99", "100.01")[0].filled == 10


def broker_on(path: Path) -> tuple:
    source = TickSource([STOCK])
    clock = [START]
    context = BrokerContext(path, lambda: clock[0], source)
    return BrokerFactory(context).build("demo", {"adapter": "paper"}), source, clock


async def test_a_broker_whose_disk_fails_disconnects_and_recovers_by_connecting(tmp_path: Path) -> None:
    broker, source, _ = broker_on(tmp_path)
    await broker.connect()
    tick = _quote(START)
    source.push([tick])
    journal = broker._connection._journal
    journal._db = Failing(journal._db, "COMMIT")
    with pytest.raises(Uncertain, match="disk I/O error"):
        await broker.place_order(request(1))
    assert not broker.is_connected
    await broker.connect()
    assert await broker.find_order(request(1).client_order_id) is None
    await broker.place_order(request(1))
    await broker.disconnect()


async def test_a_failing_tick_reaches_whoever_pushed_it(tmp_path: Path) -> None:
    broker, source, _ = broker_on(tmp_path)
    await broker.connect()
    journal = broker._connection._journal
    journal._db = Failing(journal._db, "INSERT OR REPLACE INTO ticks")
    with pytest.raises(Unavailable):
        source.push([_quote(START)])
    assert not broker.is_connected
    source.push([_quote(START)])


def _quote(at: datetime) -> Tick:
    return Tick("ACME", Decimal("99.99"), Decimal("100.01"), Decimal(100), at)
