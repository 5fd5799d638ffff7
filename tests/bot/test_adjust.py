"""Booking an adjustment from chat: shown first, a reason by button or in words, bound to the figures, by admins only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.answer import Answer, Outcome
from core.access.roles import Role
from core.store.database import Database
from core.views import AdjustView, DifferenceRow, UnitsMoved
from tests.bot.fakes import FakeService
from tests.bot.guarded import ADA, BO, TOM, Guarded, text
from tests.bot.stage import Stage, labels
from tests.databases import database_url

DIFFERS = AdjustView(
    "paper",
    "USDT",
    "testnet",
    (DifferenceRow("BTC/USDT", False, Decimal(2), Decimal("1.5"), Decimal(-25_000)),),
    (UnitsMoved("BTC/USDT", "trend-aapl", Decimal("-0.5"), Decimal(50_000)),),
    ("trend-aapl", "breakout-ibm"),
    Decimal(-25_000),
    token="t0k3n",
)


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.service.world.differs = DIFFERS
    return made


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    database = Database(database_url(tmp_path / "q.sqlite3"), require_durable=False)
    await database.open()
    made = await Guarded(tmp_path, two_person=["adjust"], commands_per_minute=600).open()
    await made.enrol(ADA, BO)
    made.service.world.differs = DIFFERS
    yield made
    await database.close()


def words(answer: Answer) -> str:
    assert answer.screen is not None
    return answer.screen.text.plain


async def test_by_buttons(stage: Stage) -> None:
    """The sum first; what it is; a question with all of it; then resume is a press away."""
    said = await stage.say("/adjust")
    assert "The venue has 25,000.00 USDT less\n-0.5 BTC/USDT (-25,000.00 USDT)\nours 2 · venue 1.5" in words(said)
    assert "→ trend-aapl: -0.5 BTC/USDT at 50,000.00" in words(said)
    asked = await stage.tap(said, "Moved in or out")
    assert "Book this in paper?" in words(asked)
    assert "As capital: nobody's profit and nobody's loss." in words(asked)
    assert "Reason: moved in or out, and the venue does not tell it" in words(asked)
    assert stage.service.calls == []
    done = await stage.tap(asked, "Yes, book it")
    assert stage.service.calls == [
        ("adjust", "paper", "capital", "", "moved in or out, and the venue does not tell it", "Ada")
    ]
    assert "Booked: the books of paper are the venue's." in words(done)


async def test_in_words_and_from_whom(stage: Stage) -> None:
    """One line says all of it, but the yes."""
    asked = await stage.say("/adjust paper from breakout-ibm result Lost in a bust of March")
    assert "As a result of external: -25,000.00 USDT, in reports and in limits of loss." in words(asked)
    await stage.tap(asked, "Yes, book it")
    assert stage.service.calls == [("adjust", "paper", "result", "breakout-ibm", "Lost in a bust of March", "Ada")]


async def test_somebody_else_gives(stage: Stage) -> None:
    """Chosen before the reason, and kept through the question."""
    chosen = await stage.tap(await stage.say("/adjust paper"), "Take from breakout-ibm first")
    assert chosen.screen is not None
    assert "Take from breakout-ibm first" not in labels(chosen.screen)
    await stage.tap(await stage.tap(chosen, "Nobody knows"), "Yes, book it")
    assert stage.service.calls == [("adjust", "paper", "result", "breakout-ibm", "nobody knows why", "Ada")]


async def test_what_has_changed_is_shown_anew(stage: Stage) -> None:
    """Nothing is booked, and the new figures have buttons of their own."""
    asked = await stage.say("/adjust paper capital moved")
    row = replace(DIFFERS.rows[0], theirs=Decimal("1.25"), value=Decimal(-37_500))
    stage.service.world.differs = replace(DIFFERS, rows=(row,), worth=Decimal(-37_500), token="other")
    answer = await stage.tap(asked, "Yes, book it")
    assert stage.service.calls == []
    assert "The venue has 37,500.00 USDT less" in words(answer)
    assert (answer.alert, "Nothing was booked" in answer.toast) == (True, True)
    await stage.tap(await stage.tap(answer, "Fee, funding, gift"), "Yes, book it")
    assert len(stage.service.calls) == 1


async def test_a_token_that_is_typed_only_asks(stage: Stage) -> None:
    """The yes is a button."""
    answer = await stage.say("/adjust paper capital =t0k3n moved")
    assert "Book this in paper?" in words(answer)
    assert stage.service.calls == []


async def test_resume_is_offered_where_something_is_held_back(stage: Stage) -> None:
    """After the booking, and where nothing differs any more; it asks its own question."""
    stage.service.world.restricted = ("IBM",)
    done = await stage.tap(await stage.say("/adjust paper capital moved"), "Yes, book it")
    question = await stage.tap(done, "Resume…")
    assert "Resume account paper?" in words(question)
    said = await stage.say("/adjust paper")
    assert "agrees with its venue to the last digit: there is nothing to book" in words(said)
    assert said.screen is not None
    assert "▶️ Resume…" in labels(said.screen)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/adjust nosuch", "There is no account called"),
        ("/adjust paper maybe", "neither capital nor result"),
        ("/adjust paper from", "From whom?"),
    ],
)
async def test_words_that_make_no_sense(stage: Stage, line: str, said: str) -> None:
    assert said in words(await stage.say(line))


async def test_which_account(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several differ: each is a press away, with the words that were typed."""
    monkeypatch.setattr(
        FakeService,
        "accounts_to_adjust",
        lambda _self, _actor, account="": (account,) if account else ("fund", "paper"),
    )
    answer = await stage.say("/adjust capital moved")
    assert "Which account?" in words(answer)
    assert "Book this in paper?" in words(await stage.tap(answer, "paper"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TRADER, Role.RISK])
async def test_only_an_admin_may(stage: Stage, role: Role) -> None:
    """It says what the books are."""
    assert (await stage.say("/adjust paper capital moved", role=role)).outcome is Outcome.REFUSED
    assert stage.service.calls == []


async def test_a_code_and_a_second_person(guarded: Guarded) -> None:
    """Looking needs neither; the yes needs both, and the second one sees all of it."""
    said = await guarded.say("/adjust paper", ADA)
    assert "The venue has" in text(said)
    await guarded.tap(await guarded.say("/adjust paper capital moved to earn", ADA), "Yes", ADA)
    await guarded.say(guarded.code(ADA), ADA)
    assert guarded.service.calls == []
    asked = await guarded.say("/approve 1", BO)
    assert "Reason: moved to earn" in text(asked)
    assert "-0.5 BTC/USDT" in text(asked)
    await guarded.tap(asked, "Yes", BO)
    await guarded.say(guarded.code(BO), BO)
    assert guarded.service.calls == [("adjust", "paper", "capital", "", "moved to earn", "Ada")]
    assert (await guarded.say("/adjust paper", TOM)).outcome is Outcome.REFUSED


async def test_what_was_approved_too_late_is_void(guarded: Guarded) -> None:
    """The venue has moved between the request and the approval."""
    await guarded.tap(await guarded.say("/adjust paper capital moved", ADA), "Yes", ADA)
    await guarded.say(guarded.code(ADA), ADA)
    guarded.service.world.differs = replace(DIFFERS, token="other")
    answer = await guarded.tap(await guarded.say("/approve 1", BO), "Yes", BO)
    answer = await guarded.say(guarded.code(BO), BO)
    assert "what it would do has changed" in text(answer)
    assert guarded.service.calls == []
