"""kill -9 at any moment: nothing is doubled, and the replay goes on as if nothing had happened."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.journeys.books import Books
from tests.journeys.person import find, said
from tests.journeys.sandbox import Sandbox

SOAK = os.environ.get("QUARTERDECK_SOAK") == "1"
KILLS = 60 if SOAK else 6
DEATHS = range(1, 400, 7) if SOAK else (61, 140, 222, 305)
UNTIL = "2002-06-01" if SOAK else "2000-10-15"

# Limits so wide that the crash does not end the trading: more orders, more moments to die in.
WIDE = {"accounts": {"paper": {"limits": {
    "daily_loss_alert_percent": 80, "daily_loss_reduce_percent": 85, "daily_loss_halt_percent": 90,
    "drawdown_reduce_percent": 85, "drawdown_halt_percent": 90,
}}}}  # fmt: skip


def until(rows: list, day: str) -> list:
    return [row for row in rows if row[0] < day]


def placed(books: Books, day: str) -> list:
    """Orders that traded or might have: one that died before the venue had it is written off and made anew.

    A stop or target that rested and was cancelled is looked after by the wall's clock, too: a run that was killed may
    have placed it once more. What it would have done is in the fills.
    """
    gone = ("not_placed", "not_sent", "cancelled")
    return [order for order in until(books.orders(), day) if order[4] not in gone]


def bars(books: Books, day: str) -> dict:
    """Equity and profit of every strategy at every bar up to a day."""
    names = ["account", *books.strategies()]
    return {name: {at: value for at, value in books.equity(name).items() if at < day and " 21:00:00" in at}
            for name in names}  # fmt: skip


def same(killed: Books, whole: Books, day: str) -> None:
    """Both runs did exactly the same up to a day."""
    assert until(killed.fills(), day) == until(whole.fills(), day)
    assert placed(killed, day) == placed(whole, day)
    theirs, ours = bars(whole, day), bars(killed, day)
    for name, series in theirs.items():
        wrong = [(at, value, ours[name].get(at)) for at, value in series.items() if ours[name].get(at) != value]
        assert not wrong, f"{name}: {len(wrong)} bars differ, the first (at, whole, killed): {wrong[0]}"
        assert len(ours[name]) == len(series), f"{name}: bars that the whole run has not"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Books:
    """An uninterrupted run with the same data and settings."""
    with Sandbox(tmp_path_factory.mktemp("whole") / "data", relaxed=True, over=WIDE) as sandbox:
        sandbox.start(speed=0)
        sandbox.run_until(UNTIL, 120)
        sandbox.stop()
        books = sandbox.books()
        books.check(settled=False)
        assert len(until(books.fills(), UNTIL)) > 20
        return books


@pytest.mark.timeout(900 if SOAK else 280)
def test_kills_at_random_moments(tmp_path: Path, whole: Books):
    """Killed again and again under full load, it ends exactly where the uninterrupted run ended."""
    seed = int(os.environ.get("QUARTERDECK_SEED", time.time_ns() % 100_000))
    dice = random.Random(seed)
    print(f"QUARTERDECK_SEED={seed}")
    with Sandbox(tmp_path / "data", relaxed=True, over=WIDE) as sandbox:
        for _ in range(KILLS):
            sandbox.start(speed=dice.choice([0, 100]))
            time.sleep(dice.uniform(0.0, 0.6))
            sandbox.kill()
            sandbox.books().check(settled=False)
        sandbox.start(speed=0)
        sandbox.run_until(UNTIL, 120)
        sandbox.stop()
        books = sandbox.settle()
        books.check()
        same(books, whole, UNTIL)


@pytest.mark.timeout(1800 if SOAK else 280)
def test_deaths_at_chosen_commits(tmp_path: Path, whole: Books):
    """Dies just before or after a durable commit, ours or the venue's, wherever that is in the life of an order."""
    with Sandbox(tmp_path / "data", relaxed=True, over=WIDE) as sandbox:
        for number in DEATHS:
            sandbox.extra["die_at"] = number
            sandbox.launch(speed=0)
            assert sandbox.died(60), f"it lives on after commit {number}"
            sandbox.books().check(settled=False)
        del sandbox.extra["die_at"]
        sandbox.start(speed=0)
        day = sandbox.replayed()
        sandbox.run_until(UNTIL, 120)
        sandbox.stop()
        books = sandbox.settle()
        books.check()
        assert day > "2000-04"
        same(books, whole, UNTIL)


def test_a_question_sent_in_the_moment_of_death_can_be_answered(own_calm):
    """Killed between sending a question and remembering the number of its message: yes still means yes."""
    own_calm.admin.say("/halt")
    question = own_calm.admin.say("/resume")
    own_calm.wait_until_noted()
    own_calm.kill()
    own_calm.books().change("UPDATE tickets SET message_id = NULL WHERE confirms")
    own_calm.start()
    assert "resumed" in said(own_calm.admin.press(question, "Yes, resume"))
    assert find(own_calm.admin.say("/menu"), "Halt everything")


def test_only_one_may_run(own_calm):
    """A second program on the same data directory refuses, and the first does not notice."""
    with Sandbox(own_calm.data_dir) as second:
        second._out = lambda: own_calm.data_dir.with_suffix(".out2")
        second._err = lambda: own_calm.data_dir.with_suffix(".err2")
        second.launch()
        process = second.process
        assert second.died(60)
        assert process.poll() == 2
        assert "another instance" in second.stderr()
        assert "Traceback" not in second.stderr()
    assert "Cash" in said(own_calm.admin.say("/status"))
