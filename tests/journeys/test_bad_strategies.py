"""A strategy that raises, one that loops for ever and one that sleeps: nobody else notices."""

import statistics
import time

import pytest

from tests.journeys.person import Person, said
from tests.journeys.sandbox import Sandbox

BUDGET = 0.7
BAD = ("raises", "loops", "sleeps")


def settings() -> dict:
    from bot.sandbox.choosing import _CONFIG
    from core.settings import read_yaml

    good = read_yaml(_CONFIG)["strategies"]
    bad = [{"name": kind, "kind": kind, "symbols": ["AAPL"], "max_restarts": 2} for kind in BAD]
    plain = [{**one, "sizing": {name: str(value) for name, value in one["sizing"].items()},
              "parameters": {name: float(value) if not isinstance(value, bool | int) else value
                             for name, value in one["parameters"].items()}} for one in good]  # fmt: skip
    return {"strategies": [*bad, *plain], "strategy_seconds": BUDGET}


def seconds(person: Person, text: str) -> float:
    begun = time.monotonic()
    person.say(text)
    return time.monotonic() - begun


def halt_and_resume(person: Person) -> float:
    took = seconds(person, "/halt quick")
    assert "resumed" in said(person.press(person.say("/resume"), "Yes, resume"))
    return took


@pytest.mark.timeout(280)
def test_bad_strategies_delay_nobody(tmp_path):
    """A halt is as quick as in a calm run, the others go on, and three failures end in FAILED, told to everyone."""
    with Sandbox(tmp_path / "calm", relaxed=True) as calm:
        calm.start(speed=5)
        quick = statistics.median(halt_and_resume(calm.admin) for _ in range(5))
        calm.stop()
    with Sandbox(tmp_path / "bad", relaxed=True, kinds=True, over=settings()) as bad:
        bad.start(speed=5)
        admin = bad.admin
        admin.wait_for_push("Strategy loops raised an error")
        slow = [halt_and_resume(admin) for _ in range(5)]
        slow += [seconds(admin, "/status") for _ in range(5)]
        usual, longest = statistics.median(slow), max(slow)  # one may meet another program's work
        assert usual < 10 * quick + 0.5, f"{usual:.3f} s beside {quick:.3f} s"
        assert longest < 30 * quick + 5, f"{longest:.3f} s beside {quick:.3f} s"
        for kind in BAD:
            for person in (admin, bad.viewer):
                push = said(person.wait_for_push(f"Strategy {kind} has FAILED", patience=80))
                assert ("RuntimeError: <b>boom</b> & more" if kind == "raises" else "") in push
                assert kind == "raises" or "took longer than" in push or "still runs" in push
        seen = dict(bad.books_now().ask("SELECT name, bars_seen FROM strategies"))
        ask = "SELECT name, bars_seen FROM strategies"
        deadline = time.monotonic() + 60
        while any(many <= seen[name] for name, many in bad.books_now().ask(ask) if name not in BAD):
            assert time.monotonic() < deadline, "the others do not go on"
            time.sleep(0.1)
        card = said(admin.say("/strategy loops"))
        assert "Failed" in card
        assert "took longer than" in card or "still runs" in card
        now = dict(bad.books_now().ask("SELECT name, bars_seen FROM strategies"))
        assert all(now[name] == seen[name] for name in BAD)
        assert all(now[name] > seen[name] for name in now if name not in BAD)
        bad.stop()
        books = bad.books()
        books.check(settled=False)
        assert {name for name, status in books.strategies().items() if status == "failed"} == set(BAD)
