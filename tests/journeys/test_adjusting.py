"""A difference that nothing explains, booked on a phone: a transfer at Binance; a paper venue that has lost its memory."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import PATIENT
from tests.journeys.outside import House
from tests.journeys.sandbox import ADMIN, Sandbox, quarterdeck
from tests.journeys.test_binance import SETTINGS, order, quote, seen


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path / "house", {**SETTINGS, "strategies": []}) as made:
        made.start()
        made.time.pass_to(10, made.venue)
        quote(made, "50000")
        yield made
        made.stop()
        assert "Traceback" not in made.log()
        verified = quarterdeck("verify", "--config", str(made.folder))
        assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.timeout(120)
def test_what_was_moved_at_binance_is_booked_from_chat(house: House) -> None:
    """A transfer that no list has: after a minute only exits may trade; it is shown, booked, resumed, and it trades."""
    ada = house.person(ADMIN)
    ada.wait_for_push("The books are open")
    after = ada.seq()
    house.venue.tell("deposit", asset="USDT", amount="-1234.5")
    assert "It differs for less than a minute" in seen(ada.say("/adjust"))
    house.time.pass_to(50, house.venue)
    house.time.pass_to(15, house.venue)
    ada.say("/job reconcile run")
    alert = seen(ada.wait_for_push("Books and venue disagree: USDT", after))
    assert "(1,234.5 less there)" in alert
    assert "If nothing explains it, an admin books it: /adjust main" in alert
    assert "/adjust if nothing explains it" in seen(ada.press(ada.say("/resume"), "Yes"))
    shown = ada.say("/adjust")
    assert seen(shown).startswith(
        "🏠 ▸ Adjust ▸ main · TESTNET\n\n⚖️ The venue has 1,234.50 USDT less\n-1,234.5 USDT\n"
        "ours 100,000 · venue 98,765.5\n"
    )
    question = ada.press(shown, "Moved in or out")
    assert "As capital: nobody's profit and nobody's loss.\nReason: moved in or out" in seen(question)
    booked = ada.press(question, "Yes, book it")
    assert seen(booked) == (
        "✅ Booked: the books of main are the venue's.\n• Still REDUCING: main, until somebody resumes."
    )
    alert = seen(ada.wait_for_push("Adjustment booked", after))
    assert alert.startswith("🟡 Adjustment booked: -1,234.5 USDT\nUSDT: 100,000 → 98,765.5\nAs capital: ")
    assert "\nBy Ada Admin: moved in or out" in alert
    assert "has resumed" in seen(ada.press(ada.press(booked, "Resume…"), "Yes, resume"))
    quote(house, "50000")
    assert "working" in seen(order(ada, "/buy BTC/USDT 0.01 limit 49600 gtc"))
    assert "agrees with its venue to the last digit" in seen(ada.say("/adjust main"))
    assert "adjust: main, as capital (moved in or out" in seen(ada.say("/audit"))


def test_a_paper_venue_that_has_lost_its_memory(lived: Path, tmp_path: Path) -> None:
    """Cash and positions are what they were at first: booked as a reset, no strategy's result has changed."""
    folder = tmp_path / "data"
    shutil.copytree(lived, folder)
    (folder / "paper-paper.sqlite3").unlink()
    with Sandbox(folder, relaxed=True, over=PATIENT) as sandbox:
        sandbox.start(speed=0.001)
        ada = sandbox.person(ADMIN)
        before = seen(ada.say("/pnl"))
        shown = ada.say("/adjust")
        assert "\nours 0 · venue" not in seen(shown)
        assert re.search(r"\n→ (trend|reversion|breakout)-\w+: [-+][\d,.]+ [A-Z]+ at ", seen(shown)), seen(shown)
        booked = ada.press(ada.press(shown, "A reset by the venue"), "Yes, book it")
        assert "Booked: the books of paper are the venue's." in seen(booked)
        assert "has resumed" in seen(ada.press(ada.press(booked, "Resume…"), "Yes, resume"))
        assert "No open positions" in seen(ada.say("/positions"))
        assert _results(seen(ada.say("/pnl"))) == _results(before)
        sandbox.stop()
    verified = quarterdeck("verify", "--sandbox", str(folder))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _results(pnl: str) -> list[str]:
    """The net results of all and of each strategy."""
    return re.findall(r"^(?:Net|\w+-\w+) +.+$", pnl, re.MULTILINE)
