"""The story of the sandbox: the crash, the breach, kill -9 in the middle, flatten, resume, and the books at the end."""

import re
from itertools import pairwise

import pytest

from tests.journeys.person import Message, Person, find, labels, said
from tests.journeys.sandbox import Sandbox, all_people


def facts(text: str) -> str:
    """A screen without the times that go on by themselves."""
    return re.sub(
        r"since .*? by|as of [\d:]+|replaying [\d-]+ at .*|today .*|Below peak.*|Invested.*|→ [\d.]+|[+-](?=\$)|\$[\d,.]+",
        "",
        text,
    )


def asked(person: Person, text: str) -> Message:
    answer = person.say(text)
    assert any("Yes" in label for label in labels(answer)), said(answer)
    return answer


def wait_for(person: Person, text: str, words: str) -> str:
    """Ask until the answer contains `words`; at most a few times."""
    for _ in range(100):
        shown = said(person.say(text))
        if words in shown:
            return shown
    raise AssertionError(f"{text} never says {words!r}: {shown}")


@pytest.mark.timeout(280)
def test_the_story(tmp_path):
    """From the breach of 2000-09-29 to trading again, with a kill in between; nothing is lost or doubled."""
    with Sandbox(tmp_path / "data", first_start=True, relaxed=True) as sandbox:
        sandbox.start(speed=80)

        # The crash: everyone is told at once.
        for person in all_people(sandbox):
            push = person.wait_for_push("RISK BREACH", patience=80)
            assert "HALTED" in said(push)
            assert "2000-09-29" in said(push)
            assert [label for label in labels(push) if "Flatten" in label] == (
                [] if person.id == 1002 else labels(push)[-1:]
            )
        admin = sandbox.admin
        assert "Halted" in said(admin.say("/status"))
        assert "DAILY" in said(admin.say("/risk")).upper()

        # Nothing trades, a halt by hand on top is idempotent, and no one is told twice.
        assert "HALTED" in said(admin.say("/halt by hand"))
        admin.wait_for_push("By Ada Admin: by hand")
        after = admin.seq()
        assert "already" in said(sandbox.trader.say("/halt once more"))
        assert not [one for one in admin.pushes(after) if "HALTED" in said(one)]
        sandbox.run_until("2001-01-01")

        before = {text: facts(said(admin.say(text))) for text in ("/positions", "/orders", "/strategies", "/balance")}
        history = [(one["message_id"], said(one)) for one in admin.chat()]
        sandbox.wait_until_noted()  # an answer that is sent but not yet ticked off would come once more
        sandbox.kill()
        books = sandbox.books()
        held, orders, statuses = books.positions(), books.orders(), books.strategies()
        assert held, "the story needs positions that are stuck"
        assert not [order for order in orders if order[0] > "2000-09-30"], "an order after the halt"

        # The same after kill -9: still halted, the same books, the same chat.
        sandbox.start(speed=80)
        admin = sandbox.admin
        assert "Halted" in said(admin.say("/status"))
        assert {text: facts(said(admin.say(text))) for text in before} == before
        now = {one["message_id"]: said(one) for one in admin.chat()}
        assert [(number, now.get(number)) for number, _ in history] == history
        assert "Halted" in said(sandbox.viewer.say("/status"))

        # Flatten: a preview, a confirmation, flat.
        question = asked(sandbox.trader, "/flatten")
        for symbol in held:
            assert symbol in said(question)
        flattened = said(sandbox.trader.press(question, "Yes, flatten"))
        assert "Flattening everything" in flattened
        for symbol in held:
            assert re.search(rf"Sell [\d,]+ {symbol}: (sent|closed|working)", flattened), flattened
        wait_for(sandbox.trader, "/positions", "No open positions")
        assert "Halted" in said(admin.say("/status"))

        # Resume: an admin, and a confirmation.
        assert "needs the role risk or admin" in said(sandbox.trader.say("/resume"))
        assert "Halted" in said(admin.say("/status"))
        question = asked(admin, "/resume")
        assert "everything" in said(question)
        assert "account:paper" in said(question)
        after = sandbox.viewer.seq()
        assert "resumed" in said(admin.press(question, "Yes, resume"))
        sandbox.viewer.wait_for_push("Trading has resumed", after)
        assert "Halted" not in said(admin.say("/status"))
        for name in statuses:
            card = admin.say(f"/strategy {name}")
            if any("Start" in label for label in labels(card)):
                assert "running" in said(admin.press(card, "Start"))
        resumed = sandbox.replayed()
        push = admin.wait_for_push("Bought", admin.seq(), patience=80)
        assert find(push, "Fills")

        sandbox.stop()
        books = sandbox.settle()
        books.check()
        assert [order for order in books.orders() if order[0] > resumed], "nothing traded after the resume"
        days = [at for at in books.equity() if at.endswith("21:00:00+00:00")]
        assert all(one < other for one, other in pairwise(days))
        assert books.orders()[: len(orders)] == orders
